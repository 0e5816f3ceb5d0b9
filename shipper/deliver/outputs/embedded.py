"""
Output `embedded`: the index in a folder of this machine.

One batch is one commit of the index, and durable when `publish` returns. The registry follows
later, at most once a second. What was committed in between is asked for at the next start
(`held_after`) and counted as taken, so a crash between commit and registry doubles nothing and
costs nothing while all is well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.config import EmbeddedOutput
from shipper.errors import OutputUnavailable, StoreUnavailable
from shipper.events import Delivery, Rejection
from shipper.store.embedded.writer import EmbeddedWriter

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.config import Config
    from shipper.deliver.batch import Batch
    from shipper.events import AnyEvents


class EmbeddedIndex:
    """Writes to the embedded index."""

    def __init__(self, config: Config) -> None:
        output = config.output
        assert isinstance(output, EmbeddedOutput)
        self._writer = EmbeddedWriter(
            output.path, keep_seconds=output.keep_seconds, max_bytes=output.max_bytes
        )

    def prepare(self, events: AnyEvents) -> AnyEvents:
        """Leave them as they are; see `Output`."""
        return events

    def publish(self, batch: Batch) -> Delivery:
        """Store and commit a batch; see `Output`."""
        try:
            refused = self._writer.write(batch.ids, batch.docs, batch.times)
        except StoreUnavailable as error:
            raise OutputUnavailable(str(error)) from error
        rejected = tuple(Rejection(index, reason) for index, reason in refused)
        return Delivery(rejected=rejected, commit=self._writer.commit)

    def held_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:
        """Give the origins stored after that commit; see `Output`."""
        return self._writer.origins_after(commit)

    def holds(self, stream: str, first: int, last: int) -> Sequence[int]:
        """Look into the index; see `Output`."""
        try:
            return self._writer.positions_of(stream, first, last)
        except StoreUnavailable as error:
            raise OutputUnavailable(str(error)) from error

    def commit(self) -> int:
        """Give the number of the last commit of the index."""
        return self._writer.commit

    def tend(self, now_ms: int) -> None:
        """Drop what is too old or too much."""
        try:
            self._writer.retain(now_ms)
        except StoreUnavailable as error:
            raise OutputUnavailable(str(error)) from error

    def close(self) -> None:
        """Close the index."""
        self._writer.close()
