"""Events that are published, retried and acknowledged together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipper.events import Events

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


NO_FILE = 0  # of a parcel whose ack moves no position
OWN = -1  # of one that is no record of the application


@dataclass(frozen=True, slots=True)
class Parcel:
    """
    The events of one block on their way, and what their ack is worth: `file` up to `end`.

    `NO_FILE` stands for events that come from elsewhere, `OWN` for what the shipper tells of
    itself.
    """

    events: Events
    file: int
    end: int
    size: int


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Parcels that share one fate; `number` counts up in the order in which they were read.

    The columns are those of `Events`. A batch never changes: where an output took only part of
    it, the next try is made with `part`.
    """

    number: int
    parcels: tuple[Parcel, ...]
    ids: Sequence[str]
    docs: Sequence[bytes]
    times: Sequence[int]
    datasets: Sequence[str]

    def __len__(self) -> int:
        return len(self.ids)

    def part(self, indexes: Iterable[int]) -> Batch:
        """Make a batch of some of the events, in that order."""
        chosen = tuple(indexes)
        return Batch(
            self.number,
            self.parcels,
            [self.ids[i] for i in chosen],
            [self.docs[i] for i in chosen],
            [self.times[i] for i in chosen],
            [self.datasets[i] for i in chosen],
        )


def batch_of(number: int, parcels: Sequence[Parcel]) -> Batch:
    """Put the events of several parcels together."""
    if len(parcels) == 1:
        events = parcels[0].events
    else:
        events = Events()
        for parcel in parcels:
            events.ids += parcel.events.ids
            events.docs += parcel.events.docs
            events.times += parcel.events.times
            events.datasets += parcel.events.datasets
    return Batch(number, tuple(parcels), events.ids, events.docs, events.times, events.datasets)


@dataclass(slots=True)
class Ledger:
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
        """Give the batches by which the acked prefix has grown since the last call."""
        prefix = []
        while self._next in self._acked:
            prefix.append(self._acked.pop(self._next))
            self._next += 1
        return prefix
