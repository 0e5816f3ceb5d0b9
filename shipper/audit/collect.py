"""
Collects what an audit goes by: the registry, the dead letters, and what is still unread.

In this order, so that nothing is missed while the shipper works: dead letters (one that is sent
again meanwhile is found in the store), the registry as of one moment, the files, which only grow.
The store is searched after that. A file that is renamed between its listing and its opening is
listed again: the one that has its name by now is another.
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import IO, TYPE_CHECKING, NamedTuple

import msgspec

from shipper.audit.account import WINDOW, Account, DroppedBytes, UnreadLines
from shipper.decoding import UNDECODABLE
from shipper.deliver.deadletters import DeadLetters
from shipper.enrich.origin import is_run, is_seq
from shipper.files import open_regular
from shipper.process import data_folder
from shipper.registry.identity import FileIdentity, identity
from shipper.registry.seen import SIZE, RunNumbers
from shipper.registry.snapshot import read_snapshot
from shipper.tail.content import GZIP, data_from
from shipper.tail.discovery import Patterns
from shipper.tail.holds import read_holds
from shipper.tail.inventory import list_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from shipper.config.main import Config
    from shipper.registry.records import FileRecord, Receipt

LINE_BYTES = 1 << 20  # of a line, where a record is looked for
LISTINGS = 5  # of files that are renamed meanwhile
MOST_CHUNKS = 200_000  # of numbers that wait in files: some 100 MB at worst
CHUNKS = WINDOW // SIZE  # of the registry, in a window of the audit


class SavedNumbers(RunNumbers):
    """The numbers of a run in the registry, as `AcceptedNumbers`."""

    def window(self, base: int) -> bytes:
        """Return one byte per number from `base`, 1 for accepted ones."""
        return b"".join(self.chunk(base // SIZE + index) for index in range(CHUNKS))

    def bases(self) -> list[int]:
        """Return the bases of all windows that have an accepted number, in order."""
        return sorted({index // CHUNKS * WINDOW for index in self.indexes()})


def take_account(config: Config, since: int) -> Account:
    """
    Return what a shipper answered for since a time (epoch ms), and what it has yet to read.

    Raises:
        DataFolderError: the data folder cannot be read.

    """
    letters = DeadLetters(config.data_dir / data_folder.DEAD_LETTERS).read()
    ids = frozenset(line.letter.id for line in letters)
    registry = read_snapshot(config.data_dir / data_folder.REGISTRY, since)
    numbers: dict[str, SavedNumbers] = defaultdict(SavedNumbers)
    for row in registry.seen:
        numbers[row.run].restore(row.low, row.chunk, row.data)
    unread = _Unread(numbers, registry.receipts)
    waiting = _waiting(config, registry.files, unread)
    return Account(
        receipts=registry.receipts,
        numbers=dict(numbers),
        letters=ids,
        waiting=tuple(each for each in waiting if each.size),
        given_up=tuple(
            DroppedBytes(each.path, each.end - each.start, each.lines, each.reason, each.at)
            for each in registry.tombstones
        ),
        unread=dict(unread.numbers),
    )


class _UnreadFile(NamedTuple):
    """A file that may have lines that wait: its name, the paths to open it by, where they begin."""

    shown: str
    paths: list[str]
    file: FileIdentity
    offset: int


def _waiting(config: Config, records: list[FileRecord], unread: _Unread) -> list[UnreadLines]:
    """Return what waits in each file; those that are renamed meanwhile are looked for again."""
    found: dict[FileIdentity, UnreadLines] = {}
    for _ in range(LISTINGS):
        were_renamed = False
        for each in _unread_files(config, records):
            if each.file not in found:
                lines = unread.read(each)
                if lines is not None:
                    found[each.file] = lines
                were_renamed = were_renamed or lines is None
        if not were_renamed:
            break
    return [*found.values()]


def _unread_files(config: Config, records: list[FileRecord]) -> Iterator[_UnreadFile]:
    """Yield every file that may have lines that wait."""
    inputs = [Patterns(each.paths, each.exclude, compressed=False) for each in config.inputs]
    holds = read_holds(config.data_dir / data_folder.HOLDS)
    for found, held, record in list_files(inputs, holds, records):
        offset = max(record.offset, record.again) if record else 0
        link = [held.link] if held is not None else []  # a name that stays
        if found is not None:
            yield _UnreadFile(found.shown, [*link, found.path], identity(found.stat), offset)
        elif link and record is not None and not record.path.endswith(GZIP):
            yield _UnreadFile(record.path, link, record.file, offset)


class _Origin(msgspec.Struct):
    run: str = ""
    seq: int = -1


class _Unread:
    """
    Counts the lines that wait in files, and collects the numbers in them that matter.

    Those are the numbers between the first and the last that were read of a run: without them, a
    line that waits is a gap. A backlog of any size has few of them, as a rule; memory is bounded
    by `MOST_CHUNKS` where it is not.
    """

    def __init__(self, accepted: Mapping[str, SavedNumbers], receipts: Iterable[Receipt]) -> None:
        self.numbers: dict[str, SavedNumbers] = defaultdict(SavedNumbers)
        self._accepted = accepted
        self._spans: dict[str, tuple[int, int]] = {}
        for each in receipts:
            first, last = self._spans.get(each.stream, (each.first, each.last))
            self._spans[each.stream] = min(first, each.first), max(last, each.last)
        self._chunks: set[tuple[str, int]] = set()
        self._chunk: tuple[str, int] = ("", -1)  # the last that was looked at
        self._known = b""  # what of it was accepted
        self._decode = msgspec.json.Decoder(_Origin).decode

    def read(self, unread: _UnreadFile) -> UnreadLines | None:
        """Count what waits in a file; None if another has its name, or none (any more)."""
        for path in unread.paths:
            try:
                with open(open_regular(path, follow=True), "rb") as file:
                    stat = os.fstat(file.fileno())
                    if identity(stat) != unread.file:
                        continue
                    if stat.st_size <= unread.offset:
                        return UnreadLines(unread.shown, 0, 0)
                    file.seek(unread.offset)
                    lines = self._count(_lines(file))
                    return UnreadLines(unread.shown, stat.st_size - unread.offset, lines)
            except FileNotFoundError:
                continue
            except OSError:
                return UnreadLines(unread.shown, 0, 0)
        return None

    def _count(self, lines: Iterable[bytes]) -> int:
        count = 0
        for line in lines:
            count += line.endswith(b"\n") and not line.isspace()
            if b'"run":' in line:
                try:
                    origin = self._decode(line)
                except UNDECODABLE:
                    continue
                if is_run(origin.run) and is_seq(origin.seq):
                    self._note(origin.run, origin.seq)
        return count

    def _note(self, run: str, number: int) -> None:
        """Keep a number, if it is within what was read of its run and was not read itself."""
        first, last = self._spans.get(run, (0, -1))
        if not first <= number <= last:
            return
        chunk = run, number // SIZE
        if chunk != self._chunk:
            accepted = self._accepted.get(run)
            self._known = accepted.chunk(chunk[1]) if accepted else bytes(SIZE)
            self._chunk = chunk
        if self._known[number % SIZE]:
            return
        if chunk not in self._chunks:
            if len(self._chunks) == MOST_CHUNKS:
                return
            self._chunks.add(chunk)
        self.numbers[run].accept([number])


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines, of a long one its beginning as a line; holes in the file cost nothing."""
    is_inside = False  # of a line whose beginning was yielded
    while line := file.readline(LINE_BYTES):
        is_whole, is_cut = line.endswith(b"\n"), len(line) == LINE_BYTES
        text = line.lstrip(b"\0")
        if text and not is_inside:
            yield text if is_whole or not is_cut else text + b"\n"
        is_inside = not is_whole and bool(text or is_inside)
        if is_cut and not text:
            place = os.lseek(file.fileno(), 0, os.SEEK_CUR)  # of the buffer, which relies on it
            behind = data_from(file.fileno(), file.tell())
            os.lseek(file.fileno(), place, os.SEEK_SET)
            file.seek(behind)
