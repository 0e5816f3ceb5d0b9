"""
The publisher: publishes what was read, and keeps it until every event is accounted for.

In this order, for each batch: publish → send again what the output asks for, with growing pauses,
without limit → send what it refused once more, wrapped as text → write what it refuses then to the
dead letters, fsynced → ack. An ack says that all events of the batch are stored or are dead
letters. Wrong credentials, a full disk and an output that is down are reasons to wait, never to
drop anything.

Batches are published and acked in the order of reading, over all files. So where a record stands
in two files and the second copy was dropped, the position in the second file never passes it before
the first copy is acked.

The queue is bounded in bytes. While it is full, `put` waits, and so does reading.
"""

from __future__ import annotations

import gc
import logging
import math
import random
import threading
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.deliver.batch import OWN, Batch, QueuedBlock
from shipper.deliver.histogram import EVENTS, SECONDS, Histogram
from shipper.deliver.wrap import RefusedEvents, wrap
from shipper.errors import OutputUnavailable, ShipperError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.config.main import DeliveryOptions
    from shipper.deliver.deadletters import DeadLetters
    from shipper.deliver.output import Output
    from shipper.events import Delivery
    from shipper.times import Clock

log = logging.getLogger(__name__)

APART_REPORT_SECONDS = 60.0
MAINTENANCE_SECONDS = 60.0  # between two maintenance calls of the output

# A batch is gathered for this many times what the last try took, so a slow output is busy for at
# most a fifth of the time. Behind another batch it is gathered for the longest time that it may be:
# each batch costs the same, however few lines it has.
GATHER = 4


@dataclass(slots=True)
class PublisherCounters:
    """What became of the events; written by the publishing thread only."""

    acked: int = 0  # without heartbeats
    wrapped: int = 0
    dead_letters: int = 0
    same_origin: int = 0  # events whose `_id` another record had at the destination
    retries: int = 0
    last_error: str | None = None
    published: int = 0  # events, counted at every try
    errors: int = 0
    seconds: Histogram = field(default_factory=lambda: Histogram(SECONDS))
    batch_events: Histogram = field(default_factory=lambda: Histogram(EVENTS))


class Abandoned(Exception):  # noqa: N818 -- a signal, not an error
    """The publisher was asked to end at once; the current batch stays unacked."""


class Publisher:
    """
    Publishes blocks in the order in which they were put.

    `put`, `take_acked` and `is_idle` are for the reading thread, `run` is the body of the
    publishing thread; `on_ack` is called after every ack. `failure` is what ended `run` early.
    `settings` may be replaced at any time.
    """

    def __init__(
        self,
        output: Output[Any],
        dead_letters: DeadLetters,
        settings: DeliveryOptions,
        *,
        clock: Clock,
        on_ack: Callable[[], None],
    ) -> None:
        self._output = output
        self._dead_letters = dead_letters
        self.settings = settings
        self._clock = clock
        self._on_ack = on_ack
        self._condition = threading.Condition()
        self._queue: deque[tuple[float, QueuedBlock[Any]]] = deque()  # guarded by _condition
        self._queued_bytes = 0  # guarded by _condition
        self._busy = False  # guarded by _condition
        self._full = False  # guarded by _condition
        self._oldest_put_at: float | None = None  # of the current batch; guarded by _condition
        self._hurrying = False  # guarded by _condition
        self._draining = False  # guarded by _condition
        self._acked: list[tuple[QueuedBlock[Any], int]] = []  # guarded by _condition
        self._abandon = threading.Event()
        self._commit = 0
        self._last_try_seconds = 0.0
        self._last_try_at = -math.inf
        self._next_maintenance = 0.0
        self._next_apart_report = -math.inf
        self.counters = PublisherCounters()
        self.failure: BaseException | None = None

    def put(self, block: QueuedBlock[Any], timeout: float) -> bool:
        """Queue a block; return False if the queue had no room within `timeout` seconds."""
        with self._condition:
            if not self._has_room(block):
                self._full = True  # nothing more can come: a batch must not wait for it
                self._condition.notify_all()
                if not self._condition.wait_for(lambda: self._has_room(block), timeout):
                    return False
            before = self._queued_bytes if self._queue else -1
            self._queue.append((self._clock.monotonic(), block))
            self._queued_bytes += block.size
            # Only the first block, and the one that fills a batch, are worth waking for.
            if before < 0 or before < self.settings.batch_bytes <= self._queued_bytes:
                self._condition.notify_all()
            return True

    def _has_room(self, block: QueuedBlock[Any]) -> bool:
        total = self._queued_bytes + block.size
        return not self._queue or total <= self.settings.queue_bytes

    def take_acked(self) -> list[tuple[QueuedBlock[Any], int]]:
        """Return the blocks acked since the last call, in the order of reading, with commits."""
        with self._condition:
            acked, self._acked = self._acked, []
            return acked

    def is_idle(self) -> bool:
        """Return whether nothing is queued or being published."""
        with self._condition:
            return not self._queue and not self._busy

    def unacked_since(self) -> float | None:
        """Return the monotonic time at which the oldest unacked block was put; None if none is."""
        with self._condition:
            if self._oldest_put_at is not None:
                return self._oldest_put_at
            return self._queue[0][0] if self._queue else None

    @property
    def queued_bytes(self) -> int:
        """How many bytes of lines are queued."""
        with self._condition:
            return self._queued_bytes

    def hurry(self) -> None:
        """Publish what is queued from now on without waiting for more."""
        with self._condition:
            self._hurrying = True
            self._condition.notify_all()

    def drain(self) -> None:
        """Publish what is queued without waiting for more, then end."""
        with self._condition:
            self._hurrying = self._draining = True
            self._condition.notify_all()

    def abandon(self) -> None:
        """End at the next pause; the current batch stays unacked."""
        self._abandon.set()
        self.drain()

    def run(self) -> None:
        """Publish until drained or abandoned."""
        try:
            while self._has_work():
                self._maintain_output()
                self.step()
        except Abandoned:
            log.debug("stopped before the current batch was acked")
        except ShipperError as error:
            self.failure = error
        except BaseException as error:  # a bug: the main thread must not wait for ever
            self.failure = error
            raise
        finally:
            with self._condition:
                self._busy = False
                self._condition.notify_all()
            self._on_ack()

    def step(self) -> bool:
        """
        Publish and ack one batch; return False if nothing is queued.

        Raises:
            ShipperError: the output can never work again.
            Abandoned: `abandon` was called; the batch stays unacked.

        """
        blocks = self._next_blocks()
        if blocks:
            batch = Batch(tuple(block.content for block in blocks))
            if len(batch):
                self.counters.batch_events.observe(len(batch))
                self._deliver(batch)
            self._ack(blocks)
        return bool(blocks)

    def _has_work(self) -> bool:
        """Wait for a block, or for the time of maintenance; return False at the end."""
        with self._condition:
            self._busy, self._oldest_put_at = False, None
            self._condition.wait_for(lambda: self._queue or self._draining, MAINTENANCE_SECONDS)
            self._busy = bool(self._queue)
            return not self._abandon.is_set() and not (self._draining and not self._queue)

    def _next_blocks(self) -> list[QueuedBlock[Any]]:
        """Gather blocks until a batch is full or its oldest block has waited long enough."""
        with self._condition:
            if not self._queue:
                return []
            settings = self.settings
            linger, put_at = settings.linger_seconds, self._queue[0][0]
            due = put_at + min(linger, GATHER * self._last_try_seconds)
            due = max(due, min(put_at, self._last_try_at) + linger)
            self._condition.wait_for(
                lambda: self._hurrying or self._full or self._queued_bytes >= settings.batch_bytes,
                max(due - self._clock.monotonic(), 0),
            )
            self._oldest_put_at = self._queue[0][0]
            blocks = [self._pop()]
            size = blocks[0].size
            while self._queue and size + self._queue[0][1].size <= settings.batch_bytes:
                blocks.append(self._pop())
                size += blocks[-1].size
            self._full = False
            self._condition.notify_all()
        return blocks

    def _pop(self) -> QueuedBlock[Any]:
        block = self._queue.popleft()[1]
        self._queued_bytes -= block.size
        return block

    def _maintain_output(self) -> None:
        """Let the output do its maintenance, about once a minute."""
        now = self._clock.monotonic()
        if now < self._next_maintenance:
            return
        self._next_maintenance = now + MAINTENANCE_SECONDS
        try:
            self._output.maintain(self._clock.wall())
        except OutputUnavailable as error:
            self._report(error)

    def _deliver(self, batch: Batch[Any]) -> None:
        """Get every event of the batch stored, or written to the dead letters."""
        for refused in self._publish_all(batch):
            count = len(refused.reasons)
            log.warning(
                "%d events were refused and are sent once more as text; the first reason: %s",
                count,
                refused.reasons[0],
            )
            self.counters.wrapped += count
            crashpoints.reached(CrashPoint.WRAPPED)
            wrapped = Batch((self._output.prepare(wrap(refused)),))
            for again in self._publish_all(wrapped):
                self._add_dead_letters(refused.only(again.events.ids))

    def _publish_all(self, batch: Batch[Any]) -> list[RefusedEvents]:
        """Publish until every event is stored or refused; return what was refused, by try."""
        refused = []
        failures = 0
        while True:
            delivery = self._try(batch)
            if delivery is not None:
                self._commit = delivery.commit
                self._count_apart(delivery.apart)
                if delivery.rejected:
                    refused.append(RefusedEvents.of(batch, delivery.rejected))
                if not delivery.again:
                    return refused
                batch = batch.part(delivery.again, self._output)
            failures += 1
            self._pause(failures)

    def _try(self, batch: Batch[Any]) -> Delivery | None:
        """Publish once; return None if nothing is known of any event."""
        crashpoints.reached(CrashPoint.PUBLISHING)
        counters, started = self.counters, self._clock.monotonic()
        counters.published += len(batch)
        try:
            delivery = self._output.publish(batch)
        except OutputUnavailable as error:
            counters.errors += 1
            self._report(error)
            return None
        finally:
            self._last_try_at = started
            self._last_try_seconds = self._clock.monotonic() - started
            counters.seconds.observe(self._last_try_seconds)
        crashpoints.reached(CrashPoint.PUBLISHED)
        if counters.last_error is not None:
            log.info("the output works again")
            counters.last_error = None
        return delivery

    def _count_apart(self, count: int) -> None:
        """Count events whose `_id` another record has; report the first, and then once a minute."""
        self.counters.same_origin += count
        now = self._clock.monotonic()
        if count and now >= self._next_apart_report:
            self._next_apart_report = now + APART_REPORT_SECONDS
            log.warning(
                "another host has written records with the run and seq of ours (%d since the"
                " start): both are stored, ours under another id, tagged same_origin; one of the"
                " machines or processes is a copy of the other",
                self.counters.same_origin,
            )

    def _add_dead_letters(self, refused: RefusedEvents) -> None:
        """Write dead letters; wait while the disk is full."""
        failures = 0
        while True:
            try:
                self._dead_letters.add(refused, self._clock.wall())
            except OutputUnavailable as error:
                self._report(error)
                failures += 1
                self._pause(failures)
            else:
                count = len(refused.reasons)
                self.counters.dead_letters += count
                log.error(
                    "%d events were refused as text too and are dead letters now;"
                    " see shipper deadletters",
                    count,
                )
                return

    def _report(self, error: OutputUnavailable) -> None:
        """Log an error unless it is the same as the last one."""
        if self.counters.last_error != str(error):
            log.warning("%s; nothing is lost, the shipper keeps trying", error)
        self.counters.last_error = str(error)

    def _pause(self, failures: int) -> None:
        """Wait before the next try; raise Abandoned if there will be none."""
        gc.collect()  # an error refers to the batch it is about, in reference cycles
        self.counters.retries += 1
        if self._abandon.wait(pause_seconds(self.settings, failures)):
            raise Abandoned

    def _ack(self, blocks: list[QueuedBlock[Any]]) -> None:
        with self._condition:
            self._acked += [(block, self._commit) for block in blocks]
        self.counters.acked += sum(len(block.content) for block in blocks if block.file != OWN)
        crashpoints.reached(CrashPoint.ACKED)
        self._on_ack()


def pause_seconds(
    settings: DeliveryOptions,
    failures: int,
    draw: Callable[[float, float], float] = random.uniform,
) -> float:
    """Return the pause after so many failures in a row: doubled each time, with jitter."""
    doubled = settings.backoff_seconds * 2 ** min(failures - 1, 30)
    longest = min(doubled, settings.backoff_max_seconds)
    return draw(longest / 2, longest)
