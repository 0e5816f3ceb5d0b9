"""
Receipts: ranges of origins that were read, and are stored or dead letters.

A receipt says: bytes `start` to `end` of this file held so many records of this stream, between
these two positions, and all of them were answered for by then. For records with a (run, seq) the
stream is the run, and shipper/registry/seen.py has which numbers of the range were read. For
foreign lines it is the stream of the file, and positions are the bytes at which lines begin.
What processors dropped has receipts and numbers of its own, under the name of the run or stream
with `DROPPED`: nothing of it is looked for in the store.

The order: read → publish → ack → positions, numbers and receipts in one transaction of the
registry. So a receipt may lag as positions do, and never leads. What follows the last receipt
begins where reading begins after a crash, so two receipts of a foreign stream never overlap.

A receipt grows with each save until it covers `MAX_BYTES` or `MAX_AGE_MS`, or `MOST_OPEN` others
have grown since; then another one begins. That makes about ten rows per million records.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from shipper.events import DROPPED
from shipper.registry.records import Receipt
from shipper.splice import Spliced

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipper.events import Block
    from shipper.splice import AnyEvents

MAX_BYTES = 64 << 20  # of a file: the most that has to be read again for one lost record
MAX_AGE_MS = 3600 * 1000  # the precision of `shipper audit --since`
MOST_OPEN = 4096  # in memory, about 0.6 KB each: a backlog may hold the ends of a million runs
SWEEP_MS = 60 * 1000  # between two looks for receipts that are old and no longer grow


class StreamRange(NamedTuple):
    """The records of one stream in a block: first and last position, number of lines."""

    stream: str
    first: int
    last: int
    lines: int


@dataclass(frozen=True, slots=True)
class BlockReceipt:
    """What receipts gain by the ack of one block."""

    file: int
    path: str
    start: int
    end: int
    ranges: tuple[StreamRange, ...]


def is_dropped(stream: str) -> bool:
    """Return whether this is the name of what processors dropped of a run or stream."""
    return stream.endswith(DROPPED)


def receipt_of(block: Block, events: AnyEvents, dropped: Sequence[str] = ()) -> BlockReceipt | None:
    """
    Return what a block holds; call it before duplicates are removed from the events.

    `dropped` are the ids of the events that processors dropped; the foreign lines among them are
    counted in a receipt of their own, which claims nothing of the store.

    None for a block without events, and for one that is read again: its receipts exist.
    """
    if block.again:
        return None
    ranges = [
        StreamRange(run, min(numbers), max(numbers), len(numbers))
        for run, numbers in events.origins.items()
    ]
    if not isinstance(events, Spliced):  # those are as `emit` writes them: no foreign line
        ranges += _foreign(block.stream, events.ids)
    ranges += [
        each._replace(stream=f"{each.stream}{DROPPED}") for each in _foreign(block.stream, dropped)
    ]
    return (
        BlockReceipt(block.file, block.path, block.start, block.end, tuple(ranges))
        if ranges
        else None
    )


def _foreign(stream: str, ids: Iterable[str]) -> list[StreamRange]:
    prefix = f"{stream}-"
    positions = [int(each[len(prefix) :]) for each in ids if each.startswith(prefix)]
    return [StreamRange(stream, positions[0], positions[-1], len(positions))] if positions else []


class Receipts:
    """The receipts of one shipper; used by one thread."""

    def __init__(self, next_id: int) -> None:
        self._next_id = next_id
        self._open: dict[tuple[int, str], Receipt] = {}
        self._changed: set[tuple[int, str]] = set()
        self._swept_at = 0

    def ack(self, block: BlockReceipt, now: int, commit: int) -> None:
        """Extend the receipts by a block that was acked at `now` (epoch ms) in that commit."""
        for each in block.ranges:
            key = block.file, each.stream
            receipt = self._open.pop(key, None) or self._begin(block, each, now, commit)
            self._open[key] = replace(
                receipt,
                path=block.path,
                first=min(receipt.first, each.first),
                last=max(receipt.last, each.last),
                count=receipt.count + each.lines,
                end=block.end,
                until=now,
            )
            self._changed.add(key)

    def _begin(self, block: BlockReceipt, each: StreamRange, now: int, commit: int) -> Receipt:
        """Return a receipt that covers nothing yet."""
        number, self._next_id = self._next_id, self._next_id + 1
        return Receipt(
            id=number,
            file=block.file,
            path=block.path,
            stream=each.stream,
            first=each.first,
            last=each.first,
            count=0,
            start=block.start,
            end=block.start,
            since=now,
            until=now,
            done=commit,
        )

    def changes(self) -> list[Receipt]:
        """Return the receipts that are new or have grown since the last call; end full ones."""
        changed = [self._open[key] for key in self._changed]
        self._changed.clear()
        if changed:
            self._end_old(max(each.until for each in changed))
        for receipt in changed:
            if (
                receipt.end - receipt.start >= MAX_BYTES
                or receipt.until - receipt.since >= MAX_AGE_MS
            ):
                self._open.pop((receipt.file, receipt.stream), None)
        for key in [*self._open][:-MOST_OPEN]:  # those that have not grown for the longest time
            del self._open[key]
        return changed

    def _end_old(self, now: int) -> None:
        """End those of runs that write no more: nothing else would, and there is one per run."""
        if abs(now - self._swept_at) >= SWEEP_MS:
            self._swept_at = now
            open_now = self._open.items()
            self._open = {key: each for key, each in open_now if now - each.since < MAX_AGE_MS}
