"""
Puts together what the audit goes by: the registry, the dead letters, and what is still unread.

In this order, so that nothing is missed while the shipper works: the dead letters (one that is
replayed meanwhile is stored, and found there), the registry (of one moment), the files (which only
grow). The store is asked after that.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

import msgspec

from shipper.audit.account import WINDOW, Account, Covered, DroppedBytes, UnreadLines
from shipper.deliver.deadletters import DeadLetters
from shipper.enrich.origin import is_run, is_seq
from shipper.process import data_folder
from shipper.registry.identity import FileIdentity, identity
from shipper.registry.seen import SIZE, unpacked
from shipper.registry.snapshot import RegistrySnapshot, read_snapshot
from shipper.tail.content import GZIP
from shipper.tail.discovery import Patterns
from shipper.tail.holds import held_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shipper.config.main import Config
    from shipper.registry.records import Receipt, SeenRow
    from shipper.tail.holds import Held

NONE = bytes(SIZE)
ALL = b"\1" * SIZE


class Taken:
    """The numbers of a run that were answered for, as the registry has them."""

    def __init__(self) -> None:
        self._low = 0
        self._chunks: dict[int, bytes] = {}

    def add(self, row: SeenRow) -> None:
        """Take in a row of the registry."""
        self._low = max(self._low, row.low)
        if row.chunk >= 0:
            self._chunks[row.chunk] = row.data

    def window(self, base: int) -> bytes:
        """Return one byte per number from `base`, 1 for those taken; see `Numbers`."""
        first = base // SIZE
        return b"".join(self._chunk(first + index) for index in range(WINDOW // SIZE))

    def bases(self) -> list[int]:
        """Return the bases of all windows that hold any number, in order; see `Numbers`."""
        wide = WINDOW // SIZE
        full = -(-self._low // wide)
        others = {chunk // wide for chunk in self._chunks}
        return [window * WINDOW for window in sorted({*range(full), *others})]

    def _chunk(self, index: int) -> bytes:
        if index < self._low:
            return ALL
        data = self._chunks.get(index)
        return NONE if data is None else bytes(unpacked(data))


def take_account(config: Config, since: int) -> Account:
    """
    Say what a shipper answered for since a time (epoch ms), and what it has before it.

    Raises:
        DataFolderError: the data folder cannot be read.

    """
    letters = DeadLetters(config.data_dir / data_folder.DEAD_LETTERS).read()
    ids = frozenset(line.letter.id for line in letters)
    evidence = read_snapshot(config.data_dir / data_folder.REGISTRY, since)
    numbers: dict[str, Taken] = defaultdict(Taken)
    for row in evidence.seen:
        numbers[row.run].add(row)
    unread = _Unread()
    waiting = [unread.look(*each) for each in _unread_files(config, evidence)]
    return Account(
        covered=tuple(map(_covered, evidence.receipts)),
        numbers=dict(numbers),
        letters=ids,
        waiting=tuple(each for each in waiting if each.size),
        given_up=tuple(
            DroppedBytes(each.path, each.end - each.start, each.lines, each.reason, each.at)
            for each in evidence.tombstones
        ),
        unread={run: frozenset(seqs) for run, seqs in unread.numbers.items()},
    )


def _covered(receipt: Receipt) -> Covered:
    return Covered(
        receipt.stream,
        is_run(receipt.stream),
        receipt.first,
        receipt.last,
        receipt.count,
        receipt.file,
        receipt.path,
        receipt.start,
        receipt.end,
        receipt.until,
        receipt.done,
    )


def _unread_files(config: Config, evidence: RegistrySnapshot) -> Iterator[tuple[str, str, int]]:
    """Yield (name, path to open, offset) of every file that may have lines that wait."""
    known = {record.file: record for record in evidence.files}
    met: set[FileIdentity] = set()
    for source in config.inputs:
        for found in Patterns(source.paths, source.exclude, compressed=False).find():
            key = identity(found.stat)
            record = known.get(key)
            if key not in met:
                met.add(key)
                yield found.shown, found.path, max(record.offset, record.again) if record else 0
    for held in _holds(config):
        record = known.get(identity(held.stat))
        if record is not None and record.file not in met and not record.path.endswith(GZIP):
            yield record.path, held.link, max(record.offset, record.again)


def _holds(config: Config) -> list[Held]:
    try:
        return held_in(str(config.data_dir / data_folder.HOLDS))
    except OSError:
        return []  # they are off


class _Origin(msgspec.Struct):
    run: str = ""
    seq: int = -1


class _Unread:
    """Counts lines that wait, and takes down the numbers in them."""

    def __init__(self) -> None:
        self.numbers: dict[str, set[int]] = defaultdict(set)
        self._decode = msgspec.json.Decoder(_Origin).decode

    def look(self, name: str, path: str, offset: int) -> UnreadLines:
        """Look at a file from an offset; one that is gone by now, or locked, tells nothing."""
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size <= offset:
                    return UnreadLines(name, 0, 0)
                file.seek(offset)
                lines = self._count(file)
                return UnreadLines(name, size - offset, lines)
        except OSError:
            return UnreadLines(name, 0, 0)

    def _count(self, lines: Iterable[bytes]) -> int:
        count = 0
        for line in lines:
            count += line.endswith(b"\n") and not line.isspace()
            if b'"run":' in line:
                try:
                    origin = self._decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                    continue
                if is_run(origin.run) and is_seq(origin.seq):
                    self.numbers[origin.run].add(origin.seq)
        return count
