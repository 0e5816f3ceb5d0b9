"""
What waits in the queue, and the batches made of it.

An output keeps the events of a block in a form of its own (`Prepared`), made by the thread that
read them: a `_bulk` body, the frames of a window, what the index takes. They are taken apart into
documents again only after a failure.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, chain, groupby
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.enrich import clock
from shipper.events import Events, PreparesEvents
from shipper.fingerprint import EMPTY, Fingerprint

if TYPE_CHECKING:
    from shipper.registry.receipts import BlockReceipt

NO_FILE = 0  # the file of events that do not come from a file: replayed dead letters
OWN = -1  # the file of events that are no records of the application: heartbeats


class Prepared(Protocol):
    """The events of a block in the form in which one output sends them."""

    @property
    def ids(self) -> list[str]:
        """The `_id` of each event."""

    def __len__(self) -> int: ...

    def events(self) -> Events:
        """Take the documents out again, which is slow; `origins` and `tagged` are left out."""


P = TypeVar("P", bound=Prepared)


@dataclass(frozen=True, slots=True)
class QueuedBlock(Generic[P]):
    """
    The events of one block in the queue. Once they are acked, `file` is acked up to byte `end`.

    `file` may be `NO_FILE` or `OWN`. `size` is what the block takes of the queue, in bytes;
    `origins` are the numbers of its records per run; `read` is for the receipts, `last` is the
    fingerprint of the bytes before `end`.
    """

    content: P
    file: int
    end: int
    size: int
    origins: dict[str, list[int]] = field(default_factory=dict)
    read: BlockReceipt | None = None
    last: Fingerprint = EMPTY


@dataclass(frozen=True, eq=False)
class Batch(Generic[P]):
    """Events that are published together: the contents of blocks, in the order of reading."""

    contents: tuple[P, ...]

    def __len__(self) -> int:
        return sum(map(len, self.contents))

    @cached_property
    def ids(self) -> Sequence[str]:
        """The `_id` of each event."""
        return [*chain.from_iterable(content.ids for content in self.contents)]

    def ranges(self, start: int, end: int) -> Iterator[tuple[P, int, int]]:
        """Yield the events from `start` up to `end` as (content of one block, first, last)."""
        before = 0
        for content in self.contents:
            first, last = max(start - before, 0), min(end - before, len(content))
            if first < last:
                yield content, first, last
            before += len(content)

    def parts(self, indexes: Iterable[int]) -> Iterator[Events]:
        """Take the events at these indexes out, in this order, one block at a time."""
        starts = [0, *accumulate(map(len, self.contents))]
        for block, chosen in groupby(indexes, lambda index: bisect_right(starts, index) - 1):
            events = self.contents[block].events()
            yield events.part([index - starts[block] for index in chosen])

    def part(self, indexes: Iterable[int], preparer: PreparesEvents[P]) -> Batch[P]:
        """Return a batch of the events at these indexes, in this order."""
        return Batch(tuple(preparer.prepare(events) for events in self.parts(indexes)))


class _Timestamp(msgspec.Struct):
    timestamp: str = msgspec.field(name="@timestamp", default="")


def time_in(document: bytes | msgspec.Raw) -> int | None:
    """Return the `@timestamp` of a document in epoch milliseconds; None if it has none."""
    try:
        return clock.parse(msgspec.json.decode(document, type=_Timestamp).timestamp)
    except UNDECODABLE:
        return None
