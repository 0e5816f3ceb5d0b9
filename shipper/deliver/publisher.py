"""
The publisher: takes what was read, and holds it until every event is answered for.

In order, for each batch: publish → what the output wants again is sent again, with growing
pauses, for ever → what it refused is sent once more, wrapped → what it refuses then is buried,
fsynced → ack. An ack says that all events of the batch are stored or buried. Wrong credentials, a
full disk and an output that is down are reasons to wait, never to drop.

The queue is bounded in bytes. When it is full, `put` waits, and so does reading.
"""

from __future__ import annotations

import gc
import logging
import random
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.deliver.batch import OWN, AckTracker, Batch, QueuedBlock, batch_of
from shipper.deliver.histogram import EVENTS, SECONDS, Histogram
from shipper.deliver.wrap import wrap
from shipper.errors import OutputUnavailable, ShipperError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.config.main import DeliveryOptions
    from shipper.deliver.deadletters import DeadLetters
    from shipper.deliver.output import Output
    from shipper.events import Delivery, Rejection

log = logging.getLogger(__name__)

MAINTENANCE_SECONDS = 60.0  # between two house-keepings of the output

# A batch is gathered for so many times what the last try took: an output that answers at once gets
# each line at once, and whatever it costs, it has that to do for a fifth of the time at most.
GATHER = 4


@dataclass(slots=True)
class PublisherCounters:
    """What became of the events; written by the publisher's thread alone."""

    acked: int = 0  # but for heartbeats
    wrapped: int = 0
    dead_letters: int = 0
    retries: int = 0
    last_error: str | None = None
    published: int = 0  # events, each as often as it was tried
    errors: int = 0
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    batch_events: Histogram = field(default_factory=lambda: Histogram(EVENTS))


class Stopped(Exception):  # noqa: N818 -- a signal, not an error
    """The publisher was told to give up; what is under way stays unacked."""


class Publisher:
    """
    Publishes parcels in the order in which they were put.

    `put`, `take_acked` and `is_idle` are for the reading thread, `run` is the body of the
    publishing thread. `clock` is the wall clock in epoch milliseconds. `failure` is what ended
    `run` early. `settings` may be replaced at any time.
    """

    def __init__(
        self,
        output: Output,
        dead_letters: DeadLetters,
        settings: DeliveryOptions,
        *,
        clock: Callable[[], int],
        acked: Callable[[], None],
    ) -> None:
        self._output = output
        self._dead_letters = dead_letters
        self.settings = settings
        self._clock = clock
        self._notify_acked = acked
        self._condition = threading.Condition()
        self._queue: deque[tuple[float, QueuedBlock]] = deque()  # guarded by _condition
        self._queued_bytes = 0  # guarded by _condition
        self._busy = False  # guarded by _condition
        self._full = False  # guarded by _condition
        self._under_way_since: float | None = None  # guarded by _condition
        self._hurrying = False  # guarded by _condition
        self._draining = False  # guarded by _condition
        self._ledger = AckTracker()  # guarded by _condition
        self._abandon = threading.Event()
        self._number = 0
        self._commit = 0
        self._took = 0.0  # seconds of the last try
        self._next_maintenance = 0.0
        self.tally = PublisherCounters()
        self.failure: BaseException | None = None

    def put(self, parcel: QueuedBlock, timeout: float) -> bool:
        """Hand over a parcel; False if the queue had no room within `timeout` seconds."""
        with self._condition:
            if not self._has_room(parcel):
                self._full = True  # more cannot come: a batch must not wait for it
                self._condition.notify_all()
                if not self._condition.wait_for(lambda: self._has_room(parcel), timeout):
                    return False
            before = self._queued_bytes if self._queue else -1
            self._queue.append((time.monotonic(), parcel))
            self._queued_bytes += parcel.size
            # Only the first parcel, and the one that fills a batch, are worth waking for.
            if before < 0 or before < self.settings.batch_bytes <= self._queued_bytes:
                self._condition.notify_all()
            return True

    def _has_room(self, parcel: QueuedBlock) -> bool:
        total = self._queued_bytes + parcel.size
        return not self._queue or total <= self.settings.queue_bytes

    def take_acked(self) -> list[tuple[Batch, int]]:
        """Return the acked batches (with their commits) by which positions may move now."""
        with self._condition:
            return self._ledger.take()

    def is_idle(self) -> bool:
        """Return whether nothing is queued or under way."""
        with self._condition:
            return not self._queue and not self._busy

    def unacked_since(self) -> float | None:
        """Return the monotonic time at which the oldest lines that are not acked were put."""
        with self._condition:
            if self._under_way_since is not None:
                return self._under_way_since
            return self._queue[0][0] if self._queue else None

    def hurry(self) -> None:
        """Publish what is queued from now on without waiting for more."""
        with self._condition:
            self._hurrying = True
            self._condition.notify_all()

    @property
    def queued_bytes(self) -> int:
        """Return how many bytes of lines wait in the queue."""
        with self._condition:
            return self._queued_bytes

    def drain(self) -> None:
        """Publish what is queued without waiting for more, then end."""
        with self._condition:
            self._hurrying = self._draining = True
            self._condition.notify_all()

    def abandon(self) -> None:
        """End now, at the next pause; what is under way stays unacked."""
        self._abandon.set()
        self.drain()

    def run(self) -> None:
        """Publish until drained or abandoned."""
        try:
            while self._has_work():
                self._maintain_output()
                batch = self._next_batch()
                if batch is not None:
                    if len(batch):
                        self.tally.batch_events.observe(len(batch))
                        self._deliver(batch)
                    self._ack(batch)
        except Stopped:
            log.debug("given up with a batch under way")
        except ShipperError as error:
            self.failure = error
        except BaseException as error:  # a fault of ours: the main thread must not wait for ever
            self.failure = error
            raise
        finally:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
            self._notify_acked()

    def _has_work(self) -> bool:
        """Wait for a parcel, or for the time to tend the output; False at the end."""
        with self._condition:
            self._busy, self._under_way_since = False, None
            self._condition.wait_for(lambda: self._queue or self._draining, MAINTENANCE_SECONDS)
            self._busy = bool(self._queue)
            return not self._abandon.is_set() and not (self._draining and not self._queue)

    def _next_batch(self) -> Batch | None:
        """Gather parcels until a batch is full or its oldest has waited long enough; or None."""
        with self._condition:
            if not self._queue:
                return None
            settings = self.settings
            deadline = self._queue[0][0] + min(settings.linger_seconds, GATHER * self._took)
            self._condition.wait_for(
                lambda: self._hurrying or self._full or self._queued_bytes >= settings.batch_bytes,
                max(deadline - time.monotonic(), 0),
            )
            self._under_way_since = self._queue[0][0]
            parcels = [self._pop()]
            size = parcels[0].size
            while self._queue and size + self._queue[0][1].size <= settings.batch_bytes:
                parcels.append(self._pop())
                size += parcels[-1].size
            self._full = False
            self._condition.notify_all()
        batch = batch_of(self._number, parcels)
        self._number += 1
        return batch

    def _maintain_output(self) -> None:
        """Let the output do its house-keeping, about once a minute."""
        if time.monotonic() < self._next_maintenance:
            return
        self._next_maintenance = time.monotonic() + MAINTENANCE_SECONDS
        try:
            self._output.maintain(self._clock())
        except OutputUnavailable as error:
            self._complain(error)

    def _pop(self) -> QueuedBlock:
        parcel = self._queue.popleft()[1]
        self._queued_bytes -= parcel.size
        return parcel

    def _deliver(self, batch: Batch) -> None:
        """Get every event of the batch stored or buried."""
        for part, rejections in self._insist(batch):
            log.warning(
                "%d events were refused and are sent once more as text; the first: %s",
                len(rejections),
                rejections[0].reason,
            )
            self.tally.wrapped += len(rejections)
            crashpoints.reached(CrashPoint.WRAPPED)
            for again, refused in self._insist(wrap(part, rejections)):
                ids = {again.ids[rejection.index] for rejection in refused}
                self._bury(part, [r for r in rejections if part.ids[r.index] in ids])

    def _insist(self, batch: Batch) -> list[tuple[Batch, tuple[Rejection, ...]]]:
        """Publish until nothing is owed; return what was refused for good, by try."""
        refused = []
        failures = 0
        while True:
            delivery = self._try(batch)
            if delivery is not None:
                self._commit = delivery.commit
                if delivery.rejected:
                    refused.append((batch, delivery.rejected))
                if not delivery.again:
                    return refused
                batch = batch.part(delivery.again)
            failures += 1
            self._pause(failures)

    def _try(self, batch: Batch) -> Delivery | None:
        """Publish once; None if nothing is known of any event."""
        crashpoints.reached(CrashPoint.PUBLISHING)
        tally, begun = self.tally, time.monotonic()
        tally.published += len(batch)
        try:
            delivery = self._output.publish(batch)
        except OutputUnavailable as error:
            tally.errors += 1
            self._complain(error)
            return None
        finally:
            self._took = time.monotonic() - begun
            tally.seconds.observe(self._took)
        crashpoints.reached(CrashPoint.PUBLISHED)
        if self.tally.last_error is not None:
            log.info("the output works again")
            self.tally.last_error = None
        return delivery

    def _bury(self, batch: Batch, rejections: list[Rejection]) -> None:
        """Write dead letters; a disk that is full is waited for."""
        failures = 0
        while True:
            try:
                self._dead_letters.bury(batch, rejections, self._clock())
            except OutputUnavailable as error:
                self._complain(error)
                failures += 1
                self._pause(failures)
            else:
                self.tally.dead_letters += len(rejections)
                log.error(
                    "%d events were refused for good and are dead letters now", len(rejections)
                )
                return

    def _complain(self, error: OutputUnavailable) -> None:
        """Log a failure when it is a new one."""
        if self.tally.last_error != str(error):
            log.warning("%s; nothing is lost, it is tried again", error)
        self.tally.last_error = str(error)

    def _pause(self, failures: int) -> None:
        """Wait before the next try; raises Stopped if there shall be none."""
        gc.collect()  # a failure hangs together in circles with the batch that it was about
        self.tally.retries += 1
        settings = self.settings
        longest = min(
            settings.backoff_seconds * 2 ** min(failures - 1, 30), settings.backoff_max_seconds
        )
        if self._abandon.wait(longest * random.uniform(0.5, 1.0)):  # noqa: S311 -- jitter
            raise Stopped

    def _ack(self, batch: Batch) -> None:
        with self._condition:
            self._ledger.ack(batch, self._commit)
        self.tally.acked += sum(
            len(parcel.events) for parcel in batch.parcels if parcel.file != OWN
        )
        crashpoints.reached(CrashPoint.ACKED)
        self._notify_acked()
