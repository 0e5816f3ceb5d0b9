"""
Output `embedded`: the store in a folder of this machine.

One batch is one commit of the store, and durable when `publish` returns. The registry is saved
later, at most once a second. After a crash in between, the next start asks the store for what it
stored since (`stored_after`) and drops those lines as duplicates. This costs nothing in normal
operation.

A thread makes pieces of the commits, merges them, and drops old ones; no batch waits for it.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from threading import get_native_id
from typing import TYPE_CHECKING, Final

from shipper.config.outputs import EmbeddedOutput
from shipper.errors import OutputUnavailable, StoreUnavailable
from shipper.events import Delivery, Events, Rejection
from shipper.store.embedded.incoming import Documents, Incoming, Pieces
from shipper.store.embedded.writer import EmbeddedWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from shipper.config.main import Config
    from shipper.deliver.batch import Batch
    from shipper.splice import Spliced

log = logging.getLogger(__name__)

NICE: Final = 10


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
            output.path,
            keep_seconds=output.keep_seconds,
            max_bytes=output.max_bytes,
            name=output.writer,
        )
        self._side_work = SideWork(self._writer.stop)

    def publish(self, batch: Batch[IndexBlock]) -> Delivery:
        """Store and commit a batch; see `Output`."""
        try:
            refused = self._writer.store([content.incoming for content in batch.contents])
        except StoreUnavailable as error:
            raise OutputUnavailable(error.fault, error.remedy) from error
        if self._writer.is_due:
            self._side_work.begin(self._writer.make_pieces)
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
        """Let the thread drop what is too old or too much; raise what it failed with."""
        self._side_work.begin(partial(self._writer.retain, now_ms))
        failed = self._side_work.failure()
        if failed is not None:
            raise OutputUnavailable(failed.fault, failed.remedy) from failed

    def close(self) -> None:
        """Make the last pieces, which takes a second at most, and close the store."""
        self._side_work.close()
        try:
            self._writer.make_pieces()
        except StoreUnavailable as error:
            log.warning("commits are left for the next start: %s", error)
        self._writer.close()


class SideWork:
    """
    A thread that does the side work of the writer, a call at a time, when there is time.

    `stop` makes a call end soon.
    """

    def __init__(self, stop: Callable[[], None]) -> None:
        self._stop = stop
        self._executor = ThreadPoolExecutor(1, "store", initializer=_be_nice)
        self._call: Future[None] | None = None
        self._failure: BaseException | None = None

    def begin(self, call: Callable[[], None]) -> None:
        """Begin a call, unless one is running."""
        if self._call is None or self._call.done():
            self._failure = None if self._call is None else self._call.exception()
            self._call = self._executor.submit(call)

    def failure(self) -> StoreUnavailable | None:
        """Return what the last finished call failed with; raise any other exception."""
        failure, self._failure = self._failure, None
        if failure is not None and not isinstance(failure, StoreUnavailable):
            raise failure
        return failure

    def close(self) -> None:
        """End a running call, and the thread."""
        self._stop()
        self._executor.shutdown()


def _be_nice() -> None:
    """Let the threads that read and publish go first; Linux has a priority for each thread."""
    os.setpriority(os.PRIO_PROCESS, get_native_id(), NICE)
