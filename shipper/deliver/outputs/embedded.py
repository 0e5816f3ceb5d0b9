"""
Output `embedded`: the index in a folder of this machine.

One batch is one commit of the index, and durable when `publish` returns. The registry follows
later, at most once a second. What was committed in between is asked for at the next start
(`stored_after`) and counted as taken, so a crash between commit and registry doubles nothing and
costs nothing while all is well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.config.outputs import EmbeddedOutput
from shipper.errors import OutputUnavailable, StoreUnavailable
from shipper.events import ABSENT, NO_NUMBER, Delivery, Rejection, Spliced
from shipper.store.embedded.incoming import Documents, Incoming, Pieces, numbers_of
from shipper.store.embedded.writer import EmbeddedWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.config.main import Config
    from shipper.deliver.batch import Batch
    from shipper.events import AnyEvents, Written


class EmbeddedIndex:
    """Writes to the embedded index."""

    def __init__(self, config: Config) -> None:
        output = config.output
        assert isinstance(output, EmbeddedOutput)
        self._writer = EmbeddedWriter(
            output.path, keep_seconds=output.keep_seconds, max_bytes=output.max_bytes
        )

    def prepare(self, events: AnyEvents) -> AnyEvents:
        """Note of spliced events what only their records tell; see `Output`."""
        return Indexable(events) if isinstance(events, Spliced) else events

    def publish(self, batch: Batch) -> Delivery:
        """Store and commit a batch; see `Output`."""
        try:
            refused = self._writer.store([*map(_incoming, batch.events)])
        except StoreUnavailable as error:
            raise OutputUnavailable(str(error)) from error
        rejected = tuple(Rejection(index, reason) for index, reason in refused)
        return Delivery(rejected=rejected, commit=self._writer.commit)

    def stored_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:
        """Return the origins stored after that commit; see `Output`."""
        return self._writer.origins_after(commit)

    def stored_positions(self, stream: str, first: int, last: int) -> Sequence[int]:
        """Look into the index; see `Output`."""
        try:
            return self._writer.positions_of(stream, first, last)
        except StoreUnavailable as error:
            raise OutputUnavailable(str(error)) from error

    def commit(self) -> int:
        """Return the number of the last commit of the index."""
        return self._writer.commit

    def maintain(self, now_ms: int) -> None:
        """Drop what is too old or too much."""
        try:
            self._writer.retain(now_ms)
        except StoreUnavailable as error:
            raise OutputUnavailable(str(error)) from error

    def close(self) -> None:
        """Close the index."""
        self._writer.close()


class Indexable:
    """Spliced events, and beside them the pieces that the index takes."""

    tagged = 0

    def __init__(self, events: Spliced) -> None:
        self._events = events
        self.pieces = Pieces(
            events.bodies,
            [tail[1] for tail in events.tails],
            events.offsets,
            events.times,
            events.runs,
            events.seqs,
            [
                (
                    each.message is not ABSENT,
                    each.exc_info is not ABSENT,
                    each.request_id is not ABSENT,
                )
                for each in events.records
            ],
            [*map(_numbers, events.times, events.offsets, events.records)],
        )
        events.records = ()

    def __len__(self) -> int:
        return len(self._events)

    @property
    def ids(self) -> list[str]:
        """The `_id` of each event."""
        return self._events.ids

    @property
    def docs(self) -> list[bytes]:
        """The documents."""
        return self._events.docs

    @property
    def times(self) -> list[int]:
        """The time of each event in epoch milliseconds."""
        return self._events.times

    @property
    def datasets(self) -> list[str]:
        """The dataset of each event."""
        return self._events.datasets

    @property
    def origins(self) -> dict[str, list[int]]:
        """The numbers of the records per run."""
        return self._events.origins

    def part(self, chosen: Sequence[int]) -> AnyEvents:
        """Return the events at these indexes; the origins stay."""
        return self._events.part(chosen)


def _numbers(ms: int, offset: int, record: Written) -> str:
    floats = {}
    if record.duration_ms is not NO_NUMBER:
        floats["duration_ms"] = record.duration_ms
    if record.execution_time_ms is not NO_NUMBER:
        floats["execution_time_ms"] = record.execution_time_ms
    return numbers_of(ms, offset, **floats)


def _incoming(events: AnyEvents) -> Incoming:
    """Return the events of a block in the form that costs the index least."""
    if isinstance(events, Indexable):
        return events.pieces
    return Documents(events.ids, events.docs, events.times)
