"""
Output `embedded`: the store in a folder of this machine.

One batch is one commit of the store, and durable when `publish` returns. The registry is saved
later, at most once a second. After a crash in between, the next start asks the store for what it
stored since (`stored_after`) and drops those lines as duplicates. This costs nothing in normal
operation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.config.outputs import EmbeddedOutput
from shipper.errors import OutputUnavailable, StoreUnavailable
from shipper.events import Delivery, Events, Rejection
from shipper.store.embedded.incoming import Documents, Incoming, Pieces
from shipper.store.embedded.writer import EmbeddedWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.config.main import Config
    from shipper.deliver.batch import Batch
    from shipper.splice import Spliced


@dataclass(eq=False)
class IndexBlock:
    """The events of a block as the store takes them."""

    incoming: Incoming
    datasets: list[str]

    def __len__(self) -> int:
        return len(self.incoming.times)

    @property
    def ids(self) -> list[str]:
        """The `_id` of each event."""
        return [*map(self.incoming.id, range(len(self)))]

    def events(self) -> Events:
        """Return the documents."""
        docs = [*map(self.incoming.document, range(len(self)))]
        return Events(self.ids, docs, [*self.incoming.times], self.datasets)


class IndexPreparer:
    """Brings blocks into the form in which the store takes them."""

    def prepare(self, events: Events) -> IndexBlock:
        """Pass documents on as they are; see `Output`."""
        return IndexBlock(Documents(events.ids, events.docs, events.times), events.datasets)

    def prepare_spliced(self, events: Spliced) -> IndexBlock:
        """Keep the parts of the documents; see `Output`."""
        pieces = Pieces(
            events.bodies,
            [tail[1] for tail in events.tails],
            events.offsets,
            events.times,
            events.runs,
            events.seqs,
        )
        return IndexBlock(pieces, events.datasets)


class EmbeddedIndex(IndexPreparer):
    """Writes to the embedded store."""

    def __init__(self, config: Config) -> None:
        output = config.output
        assert isinstance(output, EmbeddedOutput)
        self._writer = EmbeddedWriter(
            output.path, keep_seconds=output.keep_seconds, max_bytes=output.max_bytes
        )

    def publish(self, batch: Batch[IndexBlock]) -> Delivery:
        """Store and commit a batch; see `Output`."""
        try:
            refused = self._writer.store([content.incoming for content in batch.contents])
        except StoreUnavailable as error:
            raise OutputUnavailable(error.fault, error.remedy) from error
        rejected = tuple(Rejection(index, reason) for index, reason in refused)
        return Delivery(rejected=rejected, commit=self._writer.commit)

    def stored_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:
        """Return the origins stored after that commit; see `Output`."""
        return self._writer.origins_after(commit)

    def stored_positions(self, stream: str, first: int, last: int) -> Sequence[int]:
        """Look into the store; see `Output`."""
        try:
            return self._writer.positions_of(stream, first, last)
        except StoreUnavailable as error:
            raise OutputUnavailable(error.fault, error.remedy) from error

    def commit(self) -> int:
        """Return the number of the last commit of the store."""
        return self._writer.commit

    def maintain(self, now_ms: int) -> None:
        """Drop what is too old or too much."""
        try:
            self._writer.retain(now_ms)
        except StoreUnavailable as error:
            raise OutputUnavailable(error.fault, error.remedy) from error

    def close(self) -> None:
        """Close the store."""
        self._writer.close()
