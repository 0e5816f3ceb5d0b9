"""Events that are published, retried and acknowledged together."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain, groupby
from typing import TYPE_CHECKING

from shipper.events import AnyEvents
from shipper.fingerprint import EMPTY, Fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from shipper.registry.receipts import BlockReceipt


NO_FILE = 0  # of a parcel whose ack moves no position
OWN = -1  # of one that is no record of the application


@dataclass(frozen=True, slots=True)
class QueuedBlock:
    """
    The events of one block on their way, and what their ack is worth: `file` up to `end`.

    `NO_FILE` stands for events that come from elsewhere, `OWN` for what the shipper tells of
    itself. `read` is for the receipts, `last` the fingerprint of the bytes before `end`.
    """

    events: AnyEvents
    file: int
    end: int
    size: int
    read: BlockReceipt | None = None
    last: Fingerprint = EMPTY


@dataclass(frozen=True, eq=False)
class Batch:
    """
    Events that share one fate; `number` counts up in the order in which they were read.

    `events` are those of the blocks one after another. The columns over all of them are made when
    they are first asked for. A batch never changes: where an output took only part of it, the next
    try is made with `part`, which stands for the same `parcels`.
    """

    number: int
    parcels: tuple[QueuedBlock, ...]
    events: tuple[AnyEvents, ...]

    def __len__(self) -> int:
        return sum(map(len, self.events))

    @cached_property
    def ids(self) -> Sequence[str]:
        """The `_id` of each event."""
        return [*chain.from_iterable(events.ids for events in self.events)]

    @cached_property
    def docs(self) -> Sequence[bytes]:
        """The document of each event."""
        return [*chain.from_iterable(events.docs for events in self.events)]

    @cached_property
    def times(self) -> Sequence[int]:
        """The `@timestamp` of each event in epoch milliseconds."""
        return [*chain.from_iterable(events.times for events in self.events)]

    @cached_property
    def datasets(self) -> Sequence[str]:
        """The dataset of each event."""
        return [*chain.from_iterable(events.datasets for events in self.events)]

    def ranges(self, start: int, end: int) -> Iterator[tuple[AnyEvents, int, int]]:
        """Yield the events from `start` up to `end` as (events of one block, first, last)."""
        before = 0
        for events in self.events:
            first, last = max(start - before, 0), min(end - before, len(events))
            if first < last:
                yield events, first, last
            before += len(events)

    def part(self, indexes: Iterable[int]) -> Batch:
        """
        Make a batch of some of the events, in that order.

        Block by block: so what one is taken apart into is let go of before the next.
        """
        starts = [0, *accumulate(map(len, self.events))]
        parts = []
        for block, chosen in groupby(indexes, lambda index: bisect_right(starts, index) - 1):
            parts.append(self.events[block].part([index - starts[block] for index in chosen]))
        return Batch(self.number, self.parcels, tuple(parts))


def batch_of(number: int, parcels: Sequence[QueuedBlock]) -> Batch:
    """Put the events of several parcels together."""
    return Batch(number, tuple(parcels), tuple(parcel.events for parcel in parcels))


@dataclass(slots=True)
class AckTracker:
    """
    The batches that were read but are not acked, in the order of reading.

    Acks may come in any order; positions move only over the longest acked prefix. It is one
    prefix for all files: so where a record stands in two files and the second copy was dropped,
    the position in the second file never passes it before the first copy is acked.
    """

    _acked: dict[int, tuple[Batch, int]] = field(default_factory=dict)
    _next: int = 0

    def ack(self, batch: Batch, commit: int) -> None:
        """Note that every event of the batch was accepted or buried."""
        self._acked[batch.number] = batch, commit

    def take(self) -> list[tuple[Batch, int]]:
        """Return the batches by which the acked prefix has grown since the last call."""
        prefix = []
        while self._next in self._acked:
            prefix.append(self._acked.pop(self._next))
            self._next += 1
        return prefix
