"""
Receipts: ranges of origins that were read, and stored or buried.

A receipt says: of this file, bytes `start` to `end`, so many records of this stream, the first and
last of these positions, were answered for by then. For records with a (run, seq) the stream is the
run, and which numbers of the range were read is in the sets of shipper/registry/seen.py; for
foreign lines it is the stream of the file, and its positions are the bytes at which lines begin.

The order: read → publish → ack → positions, numbers and receipts in one transaction of the
registry. So a receipt may lag, as the positions do, and never leads; and what comes after the last
one begins where reading begins after a crash, so no two of a foreign stream overlap.

A receipt grows with the registry's saves until it covers `MAX_BYTES` or `MAX_AGE_MS`, then it is
sealed and another one begins: about ten rows a million records.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from shipper.events import Spliced
from shipper.registry.records import Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipper.events import AnyEvents, Block

MAX_BYTES = 64 << 20  # of a file: the most that has to be read again for one lost record
MAX_AGE_MS = 3600 * 1000  # how exact `--since` of an audit is


class Mark(NamedTuple):
    """What the ack of a block says of one stream."""

    stream: str
    first: int
    last: int
    lines: int


@dataclass(frozen=True, slots=True)
class Read:
    """What the ack of a block is worth to the audit."""

    file: int
    path: str
    start: int
    end: int
    marks: tuple[Mark, ...]


def read_of(block: Block, events: AnyEvents) -> Read | None:
    """
    Take down what a block holds, before anything of it is left out.

    None for a block that is read again: its receipts are there.
    """
    if block.again:
        return None
    marks = [
        Mark(run, min(numbers), max(numbers), len(numbers))
        for run, numbers in events.origins.items()
    ]
    if not isinstance(events, Spliced):  # as `emit` writes it: no foreign line among them
        marks += _foreign(block.stream, events.ids)
    return Read(block.file, block.path, block.start, block.end, tuple(marks)) if marks else None


def _foreign(stream: str, ids: Iterable[str]) -> list[Mark]:
    prefix = f"{stream}-"
    positions = [int(each[len(prefix) :]) for each in ids if each.startswith(prefix)]
    return [Mark(stream, positions[0], positions[-1], len(positions))] if positions else []


class Receipts:
    """The receipts of one shipper; used by one thread."""

    def __init__(self, next_id: int) -> None:
        self._next_id = next_id
        self._open: dict[tuple[int, str], Receipt] = {}
        self._changed: set[tuple[int, str]] = set()

    def ack(self, read: Read, now: int, commit: int) -> None:
        """Let the receipts grow by a block whose events are all answered for, in that commit."""
        for mark in read.marks:
            key = read.file, mark.stream
            grown = self._open.get(key)
            if grown is None:
                grown = Receipt(
                    self._next_id,
                    read.file,
                    read.path,
                    mark.stream,
                    mark.first,
                    mark.last,
                    mark.lines,
                    read.start,
                    read.end,
                    now,
                    now,
                    commit,
                )
                self._next_id += 1
            else:
                grown = replace(
                    grown,
                    path=read.path,
                    first=min(grown.first, mark.first),
                    last=max(grown.last, mark.last),
                    count=grown.count + mark.lines,
                    end=read.end,
                    until=now,
                )
            self._open[key] = grown
            self._changed.add(key)

    def changes(self) -> list[Receipt]:
        """Return the receipts that are new or have grown; seal those that are full."""
        changed = [self._open[key] for key in self._changed]
        self._changed.clear()
        for receipt in changed:
            if (
                receipt.end - receipt.start >= MAX_BYTES
                or receipt.until - receipt.since >= MAX_AGE_MS
            ):
                del self._open[receipt.file, receipt.stream]
        return changed
