"""
The parts of one running shipper, and the order in which they work.

    reading thread     scan → read → enrich → process → redact → drop duplicates → prepare
                       → put … settle → save
    publishing thread  queue → batch → publish → ack

The order on which the guarantee rests: a position is saved after the ack of everything before it,
in one transaction with the numbers of the records it stands for. While the queue is full, reading
waits but scans go on: files that are rotated and deleted in the meantime are already open.

`loop.py` runs it: that module has the threads, the signals and the clock.
"""

from __future__ import annotations

import logging
import threading
from functools import partial
from typing import TYPE_CHECKING, Any

from shipper import crashpoints
from shipper.agent.assembly import record_context, tailer_of
from shipper.agent.checkpointer import Checkpointer
from shipper.agent.desk import Desk
from shipper.agent.heartbeats import Heartbeats
from shipper.agent.inputs import inputs_of, own_formats
from shipper.agent.scan_schedule import (
    FAST_BYTES,
    POLL_SECONDS,
    SLOW_POLL_SECONDS,
    ScanSchedule,
)
from shipper.agent.telemetry import Telemetry
from shipper.agent.treatment import Treatment
from shipper.crashpoints import CrashPoint
from shipper.deliver.batch import NO_FILE, OWN, QueuedBlock
from shipper.deliver.deadletters import DeadLetters
from shipper.deliver.output import open_output
from shipper.deliver.prepare import prepare
from shipper.deliver.publisher import Publisher
from shipper.enrich.enricher import Enricher
from shipper.errors import OutputUnavailable, ShipperError
from shipper.intake.spools import Spools
from shipper.process import data_folder
from shipper.registry.receipts import receipt_of
from shipper.splice import Spliced
from shipper.tail.reader import WARM_SECONDS
from shipper.tail.report import acked_by_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipper.agent.metrics import MetricsSnapshot
    from shipper.config.main import Config
    from shipper.deliver.output import Output
    from shipper.events import Block, Events
    from shipper.splice import AnyEvents
    from shipper.times import Clock

log = logging.getLogger("shipper")

SAVE_SECONDS = 1.0  # between two saves of the registry


class Pipeline:
    """
    The parts of one running shipper; the data folder has to be locked.

    All methods are for the reading thread, unless they say otherwise; `publisher.run` is the body
    of the publishing thread. Set `stopping` or `called` to end a wait for room in the queue, and
    `wake` to end a rest. `turned` is the monotonic time at which the reading thread was last seen
    at work.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        open_output: Callable[[Config], Output[Any]] = open_output,
    ) -> None:
        self._config = config
        self._clock = clock
        self._open_output = open_output
        self.wake = threading.Event()
        self.stopping = False
        self.called = False
        self.turned = clock.monotonic()
        self._pending: QueuedBlock[Any] | None = None  # read, but not put yet
        self._put = self._acked = 0  # blocks
        self.is_resting = False  # nothing has to be done at an ack
        self._is_unput = False  # a block was read, but will not be put
        self._next_save = clock.monotonic()
        self._fast_until = 0.0  # files grow fast until then
        self._output = open_output(config)
        self._checkpointer = Checkpointer(config, self._output, clock)
        self._dedupe = self._checkpointer.dedupe
        registry = self._checkpointer.registry
        self.spools = Spools(config.inputs, config.data_dir)
        self.tailer = tailer_of(config, registry)
        self._scans = ScanSchedule(config, self.tailer, self.wake, clock)
        self._enricher = Enricher(record_context(config), own_formats(config))
        self._treatment = Treatment(config)
        self._dead_letters = DeadLetters(config.data_dir / data_folder.DEAD_LETTERS)
        requests = config.data_dir / data_folder.REQUESTS
        self.desk = Desk(requests, self.tailer, self._dedupe, self._dead_letters)
        self.publisher = self._make_publisher()
        self._heartbeats = Heartbeats(config, self.tailer, registry, self._scans, clock)
        self._telemetry = Telemetry(
            config.data_dir, self.tailer, self._checkpointer, self._heartbeats, self.spools
        )

    def _make_publisher(self) -> Publisher:
        return Publisher(
            self._output,
            self._dead_letters,
            self._config.delivery,
            clock=self._clock,
            on_ack=lambda: _wake_at_ack(self),
        )

    def raise_failure(self) -> None:
        """Raise what ended the publishing thread early."""
        if self.publisher.failure is not None:
            raise self.publisher.failure

    def scan(self) -> None:
        """Scan now."""
        self._scans.scan()

    def turn(self) -> bool:
        """Scan if it is time, read a block of every file; return whether there was anything."""
        self._scans.scan_if_due()
        if self._pending is not None and not self._hand_over(self._pending):
            return True
        if self.desk.wants_quiet:
            is_idle = self.publisher.is_idle()
            self.settle()
            if not is_idle:
                return False  # nothing is read until all that was read is acked
            self.desk.change_positions(partial(self._checkpointer.save, self.tailer))
        self.replay()
        busy = False
        for block in self.tailer.read(now=self._clock.monotonic(), wall=self._clock.wall()):
            busy = True
            if len(block.data) >= FAST_BYTES:
                self._fast_until = self._clock.monotonic() + WARM_SECONDS
            if not self._process(block) or self.called:
                break
        if self.tailer.reader.has_restarted():
            # Not with the next save: what a truncated file holds may be truncated again by then.
            self.settle(at_once=True)
            busy = busy or not self.tailer.is_splitting()
        return busy or self.tailer.reader.is_searching()

    def replay(self) -> None:
        """Continue to send dead letters again."""
        self.desk.replay(self._output, self.publisher, self._treatment.redact)

    def end_events(self) -> bool:
        """End events that more lines might have continued; return whether any can be read now."""
        if not self.tailer.end_events() and not self.tailer.is_splitting():
            return False
        self.settle(at_once=True)
        return not self.tailer.is_splitting()

    def _process(self, block: Block) -> bool:
        """Enrich a block and put it; return False if it is not put yet."""
        crashpoints.reached(CrashPoint.READ)
        enriched = self._enricher.enrich(block)
        events, dropped = self._treatment.apply(enriched, block.path)
        events = self._dedupe.separate(block, events)
        self._telemetry.count_separated(
            block.path, self._dedupe.take_separated(), self._clock.monotonic()
        )
        read = receipt_of(block, events, dropped)
        kept = self._drop_duplicates(block, events)
        if kept is None:
            self._is_unput = True  # stopping: it is read again at the next start
            return False
        self._telemetry.count_redacted(*self._treatment.take_counts())
        self._telemetry.count_misfits(block, enriched.misfits)
        self._telemetry.count(block, events, len(events) - len(kept), len(dropped))
        crashpoints.reached(CrashPoint.ENRICHED)
        content = prepare(kept, self._output, block.read_at)
        size = len(block.data) if isinstance(kept, Spliced) else sum(map(len, kept.docs))
        return self._hand_over(
            QueuedBlock(content, block.file, block.end, size, kept.origins, read, block.last)
        )

    def _hand_over(self, block: QueuedBlock[Any]) -> bool:
        """Put a block; while the queue is full, wait, unless something else is to be done first."""
        self._pending = block  # at a stop it is never acked, and so read again
        while not self.publisher.put(block, POLL_SECONDS):
            self.settle()
            if self.stopping or self.called or self.publisher.failure is not None:
                return False
            self._scans.scan_if_due()
        self._pending = None
        self._put += 1
        crashpoints.reached(CrashPoint.QUEUED)
        return True

    def _drop_duplicates(self, block: Block, events: AnyEvents) -> AnyEvents | None:
        """Return the events that were not accepted before; None if a stop came first."""
        while not self.stopping:
            try:
                return self._dedupe.filter(block, events)
            except OutputUnavailable as error:
                log.warning("%s; nothing is lost, the shipper keeps trying", error)
                self.settle()
                self.wake.wait(SAVE_SECONDS)
                self.wake.clear()
        return None

    def rest(self) -> None:
        """Wait for a hint, a signal, or the time of the next step."""
        now = self._clock.monotonic()
        if self.desk.wants_quiet or self.desk.is_replaying:
            self.wait(POLL_SECONDS)
            return
        is_warm = self._scans.poll()
        if not self.tailer.is_caught_up():
            return
        until = min(
            self._scans.next_scan,
            self._heartbeats.next_step(self._put),
            self._next_save,  # also the time of the next look for requests
        )
        if is_warm:
            is_fast = now < self._fast_until
            until = min(until, now + (POLL_SECONDS if is_fast else SLOW_POLL_SECONDS))
        self.is_resting = True
        self.wait(max(until - now, 0.001))
        self.is_resting = False

    def wait(self, seconds: float) -> None:
        """Wait until `wake` is set, but at most this long."""
        self.wake.wait(seconds)
        self.wake.clear()

    def beat(self) -> None:
        """Take a snapshot for a heartbeat, or send one, if it is time; between two turns only."""
        if self._pending is None:
            self._heartbeats.beat(
                self._acked, self._put, self._clock.monotonic(), self._put_heartbeat
            )

    def last_beat(self) -> None:
        """Send the last heartbeat, if all that was read is acked."""
        if self.is_acked() and not self._is_unput and self._pending is None:
            heartbeat = self._heartbeats.last(self._clock.monotonic())
            if heartbeat is not None:
                self._put_heartbeat(heartbeat)

    def _put_heartbeat(self, heartbeat: Events) -> bool:
        self._checkpointer.set_watermark(self._heartbeats.watermark)
        size = sum(map(len, heartbeat.docs))
        block = QueuedBlock(self._output.prepare(heartbeat), OWN, 0, size)
        is_put = self.publisher.put(block, 0)
        self._put += is_put
        return is_put

    def is_acked(self) -> bool:
        """Return whether all that was put is acked."""
        return self._acked == self._put

    def settle(self, *, at_once: bool = False) -> None:
        """Move positions over what was acked; save and write the status when it is time."""
        for block, commit in self.publisher.take_acked():
            self._dedupe.ack(block.origins)
            if block.file == NO_FILE:
                self.desk.ack(block)
            else:
                self._acked += 1
                self._checkpointer.ack(block, commit)
                self.tailer.ack(block.file, block.end, block.last)
            self._checkpointer.set_commit(commit)
        now = self.turned = self._clock.monotonic()
        if at_once or now >= self._next_save:
            self._next_save = now + SAVE_SECONDS
            if self._checkpointer.save(self.tailer):
                self.spools.prune(partial(acked_by_path, self.tailer))
            self._telemetry.write_status(self.publisher, self._clock.wall(), self.error)
            self.desk.look()

    def reconfigure(self, config: Config) -> None:
        """Continue with another config, except for its output."""
        self._config = config
        self.spools.set_inputs(config.inputs)
        self._treatment = Treatment(config)
        self._enricher = Enricher(record_context(config), own_formats(config))
        self.tailer.set_inputs(
            inputs_of(config, self._checkpointer.begun),
            host=config.host.name,
            block_bytes=config.tail.block_bytes,
        )
        self.publisher.settings = config.delivery
        self._heartbeats.begin(config, self._heartbeats.watermark)
        self._scans.set_config(config)

    def swap_output(self, config: Config) -> str | None:
        """
        Publish to the output of another config from now on; the publishing thread has ended.

        What was queued and not acked is read again, and goes to the new output. Return why that
        cannot be opened; then the old output is opened again.

        Raises:
            ShipperError: the old output cannot be opened again either.

        """
        self.settle(at_once=True)
        self._output.close()
        error = None
        try:
            self._output = self._open_output(config)
        except ShipperError as failure:
            error = str(failure)
            self._output = self._open_output(self._config)
        self._begin_again()
        return error

    def _begin_again(self) -> None:
        """Continue from what is acked, with a publisher of the output that is open now."""
        self._pending = None
        self._put = self._acked = 0
        self._heartbeats.begin(self._config, self._heartbeats.watermark)
        self._checkpointer.begin_again(self._config, self._output)
        self.desk.begin_again()
        self.tailer.rewind()
        counters, self.publisher = self.publisher.counters, self._make_publisher()
        self.publisher.counters = counters  # counters never decrease

    @property
    def error(self) -> str | None:
        """What keeps the shipper from its work now, if anything."""
        return self.publisher.counters.last_error or self._checkpointer.error

    def unacked_seconds(self) -> float:
        """Return for how long the oldest unacked lines have waited; called by any thread."""
        since = self.publisher.unacked_since()
        return 0.0 if since is None else self._clock.monotonic() - since

    def read_metrics(self) -> MetricsSnapshot:
        """Return all metrics; called by any thread."""
        return self._telemetry.read_metrics(self.publisher, self.unacked_seconds())

    def state(self) -> Iterator[str]:
        """Yield what is needed to see why something does not proceed, line by line."""
        waits = self._pending is not None
        return self._telemetry.state(self.publisher, self.error, waits=waits)

    def close(self) -> None:
        """Close all files and connections."""
        self._scans.close()
        self.tailer.close()
        self._checkpointer.registry.close()
        self._output.close()


def _wake_at_ack(pipeline: Pipeline) -> None:
    """Wake the reading thread, unless it rests: it looks for acks before the next save."""
    if not pipeline.is_resting or pipeline.publisher.failure is not None:
        pipeline.wake.set()
