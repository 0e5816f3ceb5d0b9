"""
Each record once: what was taken before is dropped on its way from enrichment to the queue.

Two ways lead to a second copy. The application wrote a record to two files: its (run, seq) was
taken already. Or a crash fell between the commit of the index and the save of the registry: the
lines are read again, but the index holds them; `recover` asks it at the start.

Lines that are read again on demand (`Block.again`) were acked, so their numbers were taken, and
yet the output may not hold them any more: that is why they are read again. So of these the output
is asked, block by block: what it holds is dropped, the rest goes out. Two copies of a record
within what is read again are told apart by the numbers that this process has sent again; once
the first copy is stored, the output tells of it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from shipper.enrich.origin import is_run
from shipper.events import AnyEvents
from shipper.registry.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipper.deliver.batch import Batch
    from shipper.deliver.output import StoredPositions
    from shipper.events import Block
    from shipper.registry.records import SeenRow


class Dedupe:
    """
    What was read, and what of it was acked; used by one thread.

    `streams` says per foreign stream up to which byte the index holds its lines, `holds` what an
    output holds of a range (see `Output.stored_positions`).
    """

    def __init__(
        self,
        saved: Iterable[SeenRow],
        streams: dict[str, int],
        stored_positions: StoredPositions = lambda _stream, _first, _last: (),
    ) -> None:
        rows = list(saved)
        self._stored_positions = stored_positions
        self._read, self._acked, self._again = Seen(), Seen(), Seen()
        self._read.restore(rows)
        self._acked.restore(rows)
        self.streams = streams

    def recover(self, held: Iterable[tuple[str, Sequence[int]]]) -> int:
        """Take in origins (stream, positions) that the output holds; return how many."""
        count = 0
        for stream, positions in held:
            count += len(positions)
            if is_run(stream):
                self._read.accept(stream, list(positions))
                self._acked.accept(stream, list(positions))
            elif positions:
                self.streams[stream] = max(self.streams.get(stream, 0), max(positions) + 1)
        return count

    def filter(self, block: Block, events: AnyEvents) -> tuple[AnyEvents, int]:
        """
        Return the events that were not taken before, and how many were.

        Raises:
            OutputUnavailable: of a block that is read again it cannot be told now; ask once more.

        """
        if block.again:
            return self._filter_again(block, events)
        again: dict[str, int] = {}
        for run, numbers in events.origins.items():
            for number in self._read.accept(run, numbers):
                _count(again, f"{run}-{number}")
        held = self.streams.get(block.stream, 0)
        if held > block.start:
            again |= {f"{block.stream}-{at}": 1 for at in _positions(block.stream, events, held)}
        return (_without(events, again), sum(again.values())) if again else (events, 0)

    def _filter_again(self, block: Block, events: AnyEvents) -> tuple[AnyEvents, int]:
        """Return the events that are not stored and that this process has not sent again."""
        left_out: dict[str, int] = {}
        streams = dict(events.origins)
        streams[block.stream] = _positions(block.stream, events, block.end)
        for stream, positions in streams.items():
            if positions:
                held = {*self._stored_positions(stream, min(positions), max(positions))}
                for position in positions:
                    if position in held:
                        _count(left_out, f"{stream}-{position}")
        for run, numbers in events.origins.items():
            self._read.accept(run, numbers)
            for number in self._again.accept(run, numbers):
                _count(left_out, f"{run}-{number}")
        kept = _without(events, left_out) if left_out else events
        return kept, len(events) - len(kept)

    def rewind(self, stored_positions: StoredPositions) -> None:
        """Begin again at what is acked, with another output; nothing is under way."""
        self._stored_positions = stored_positions
        self._read, self._again = copy.deepcopy(self._acked), Seen()

    def forget_sent_again(self) -> None:
        """Begin another reading again; nothing may be under way."""
        self._again = Seen()

    def ack(self, batch: Batch) -> None:
        """Count the records of a batch as taken for good."""
        for parcel in batch.parcels:
            for run, numbers in parcel.events.origins.items():
                self._acked.accept(run, numbers)

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


def _without(events: AnyEvents, again: dict[str, int]) -> AnyEvents:
    """Leave out events, each as often as it is named, the last copies first."""
    left = dict(again)
    keep = []
    for index, origin in reversed([*enumerate(events.ids)]):
        if left.get(origin, 0):
            left[origin] -= 1
        else:
            keep.append(index)
    keep.reverse()
    return events.part(keep)
