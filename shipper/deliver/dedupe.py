"""
Drops duplicates on the way from enrichment to the queue, so that each record is stored once.

There are two ways to a second copy. The application wrote a record to two files: its (run, seq) was
accepted before. Or a crash came between the commit of the index and the save of the registry: the
lines are read again, but the index has them; `recover` adds what it has at the start.

Lines that are read again on request (`Block.again`) were acked, so their numbers are known, but the
output may have lost them: that is why they are read again. So for these the output is asked, block
by block: what it has stored is dropped, the rest is sent. Two copies of a record within what is
read again are recognised by the numbers that this process has sent again; once the first copy is
stored, the output reports it.

A number that another record has is no duplicate (shipper/deliver/same_origin.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.deliver.same_origin import OriginSeparator
from shipper.enrich.origin import is_run
from shipper.registry.receipts import is_dropped
from shipper.registry.seen import SavedNumbers, Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipper.deliver.output import StoredPositions
    from shipper.deliver.same_origin import StoredContents
    from shipper.events import Block
    from shipper.registry.records import SeenRow
    from shipper.splice import AnyEvents


class Dedupe:
    """
    Which records were read, and which of them are acked; used by one thread.

    `saved` are numbers that were acked before, `saved_numbers` returns those of a run. `streams`
    says per foreign stream up to which byte the index has its lines. `stored_positions` is that of
    an output or a store.
    """

    def __init__(
        self,
        saved: Iterable[SeenRow],
        streams: dict[str, int],
        stored_positions: StoredPositions = lambda _stream, _first, _last: (),
        stored_contents: StoredContents = lambda _run, _numbers: {},
        saved_numbers: SavedNumbers = lambda _run: (),
    ) -> None:
        rows = list(saved)
        self._stored_positions = stored_positions
        self._separator = OriginSeparator(stored_contents)
        self._read, self._acked = Seen(saved_numbers), Seen(saved_numbers)
        self._again = Seen()
        self._read.restore(rows)
        self._acked.restore(rows)
        self.streams = streams

    def recover(self, held: Iterable[tuple[str, Sequence[int]]]) -> int:
        """Add origins (stream, positions) that the output has stored; return how many."""
        count = 0
        for stream, positions in held:
            count += len(positions)
            if is_run(stream):
                self._read.accept(stream, list(positions))
                self._acked.accept(stream, list(positions))
            elif positions:
                self.streams[stream] = max(self.streams.get(stream, 0), max(positions) + 1)
        return count

    def separate(self, block: Block, events: AnyEvents) -> AnyEvents:
        """Return the events, none with the origin of another record; call it before `filter`."""
        return self._separator.separate(block, events, self._read.known)

    def take_separated(self) -> int:
        """Return how many events had the origin of another record, since the last call."""
        return self._separator.take_count()

    def filter(self, block: Block, events: AnyEvents) -> AnyEvents:
        """
        Return the events that were not accepted before.

        Raises:
            OutputUnavailable: the output cannot say now what it stored of a block that is read
                again; call again later.

        """
        if block.again:
            return self._filter_again(block, events)
        duplicates: dict[str, int] = {}
        for run, numbers in events.origins.items():
            for number in self._read.accept(run, numbers):
                _count(duplicates, f"{run}-{number}")
        held = self.streams.get(block.stream, 0)
        if held > block.start:
            positions = _positions(block.stream, events, held)
            duplicates |= {f"{block.stream}-{position}": 1 for position in positions}
        return _without(events, duplicates) if duplicates else events

    def _filter_again(self, block: Block, events: AnyEvents) -> AnyEvents:
        """Return the events that are not stored and that this process has not sent again."""
        duplicates: dict[str, int] = {}
        streams = {run: each for run, each in events.origins.items() if not is_dropped(run)}
        streams[block.stream] = _positions(block.stream, events, block.end)
        for stream, positions in streams.items():
            if positions:
                stored = {*self._stored_positions(stream, min(positions), max(positions))}
                for position in positions:
                    if position in stored:
                        _count(duplicates, f"{stream}-{position}")
        for run, numbers in events.origins.items():
            self._read.accept(run, numbers)
            for number in self._again.accept(run, numbers):
                _count(duplicates, f"{run}-{number}")
        return _without(events, duplicates) if duplicates else events

    def rewind(self, stored_positions: StoredPositions, stored_contents: StoredContents) -> None:
        """Continue at what is acked, with another output; nothing may be queued."""
        self._stored_positions = stored_positions
        self._separator = OriginSeparator(stored_contents)
        self._read, self._again = self._acked.copy(), Seen()

    def forget_sent_again(self) -> None:
        """Forget what this process has sent again; nothing may be queued."""
        self._again = Seen()

    def ack(self, origins: dict[str, list[int]]) -> None:
        """Record the numbers per run of an acked block."""
        for run, numbers in origins.items():
            self._acked.accept(run, numbers)

    def saved(self) -> None:
        """Leave runs that have ended to the registry, which has all that is acked."""
        if self._acked.is_full() or self._read.is_full():
            for run in {*self._acked.idle_runs(), *self._read.idle_runs()}:
                if self._read.has_same(run, self._acked):  # nothing of it is on its way
                    self._read.drop(run)
                    self._acked.drop(run)

    def changes(self) -> list[SeenRow]:
        """Return the rows to save since the last call."""
        return list(self._acked.changes())


def _count(counts: dict[str, int], origin: str) -> None:
    counts[origin] = counts.get(origin, 0) + 1


def _positions(stream: str, events: AnyEvents, below: int) -> list[int]:
    """Return the positions of foreign lines that lie below an offset."""
    prefix = stream + "-"
    found = [int(id[len(prefix) :]) for id in events.ids if id.startswith(prefix)]  # noqa: A001
    return [position for position in found if position < below]


def _without(events: AnyEvents, duplicates: dict[str, int]) -> AnyEvents:
    """Return the events without duplicates, each left out so many times, the last copies first."""
    left = dict(duplicates)
    keep = []
    for index, origin in reversed([*enumerate(events.ids)]):
        if left.get(origin, 0):
            left[origin] -= 1
        else:
            keep.append(index)
    keep.reverse()
    return events.part(keep)
