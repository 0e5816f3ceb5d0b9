"""
The parts of one running shipper, and the order in which they work.

    reading thread     scan → read → enrich → drop what was taken → put … settle → save
    publishing thread  queue → batch → publish → ack

The order that carries the promise: a position is saved after the ack of everything before it, in
one transaction with the numbers of the records it stands for. While the queue is full, reading
waits but the scan goes on: files that are rotated and deleted in the meantime are already open.

`run.py` turns it: it has the threads, the signals and the clock.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from glob import escape
from importlib.metadata import version
from typing import TYPE_CHECKING

from shipper import crashpoints
from shipper.agent.already_stored import stored_positions_of
from shipper.agent.desk import Desk
from shipper.agent.metrics import MetricsSnapshot, consumption
from shipper.agent.status import Counters, Rates, write_snapshot
from shipper.audit.result import read_open_count
from shipper.crashpoints import CrashPoint
from shipper.deliver.batch import NO_FILE, QueuedBlock
from shipper.deliver.deadletters import DeadLetters, LineCount
from shipper.deliver.dedupe import Dedupe
from shipper.deliver.heartbeat import HeartbeatSchedule, PipelineSnapshot, ShipperIdentity, furthest
from shipper.deliver.output import open_output
from shipper.deliver.publisher import Publisher
from shipper.deliver.watermark import LATE_MS, watermark
from shipper.emit.ulid import ulid
from shipper.enrich.enricher import Enricher, RecordContext
from shipper.errors import DataFolderError, OutputUnavailable, ShipperError
from shipper.events import Spliced
from shipper.process import data_folder
from shipper.registry.receipts import Receipts, receipt_of
from shipper.registry.records import Changes
from shipper.registry.registry import Registry
from shipper.tail.discovery import Patterns
from shipper.tail.harvester import Cutting
from shipper.tail.holds import Holds
from shipper.tail.inputs import ALL_COMPRESSED, InputFiles
from shipper.tail.multiline import Multiline
from shipper.tail.report import state, totals
from shipper.tail.tailer import Tailer
from shipper.tail.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from shipper.config.inputs import InputOptions
    from shipper.config.main import Config
    from shipper.deliver.output import Output
    from shipper.events import AnyEvents, Block

log = logging.getLogger("shipper")

SAVE_SECONDS = 1.0  # at most one commit of the registry in this time
POLL_SECONDS = 0.05  # between two looks at files that grew lately
SCAN_SHARE = 20  # scans that a hint or a rotation asks for take at most a 20th of the time
ALERT_LINE_BYTES = 2**20
FORGET_RUNS_MS = 90 * 24 * 3600 * 1000  # numbers of a run that ended this long ago


class Pipeline:
    """
    The parts of one running shipper; the data folder has to be held.

    Everything here is for the reading thread; `publisher.run` is the body of the other one.
    `clock` gives epoch milliseconds. Setting `stopping` or `called` ends what waits, `wake` what
    rests. `turned` is the monotonic time at which the reading thread was last seen at work.
    """

    def __init__(self, config: Config, clock: Callable[[], int]) -> None:
        self._config = config
        self._clock = clock
        self.wake = threading.Event()
        self.stopping = False
        self.called = False
        self.turned = time.monotonic()
        self._pending: QueuedBlock | None = None  # read, but not handed over yet
        self._registry = Registry(config.data_dir / data_folder.REGISTRY)
        if self._registry.is_copy:
            log.warning(
                "the registry is a copy or an old backup; lines delivered since will be read again"
                " and deduplicated"
            )
        self._output: Output = open_output(config)
        self._unsaved = Changes()
        self._fault: str | None = None  # why the registry could not be saved last
        self._dedupe = self._recover()
        self._registry.begin(clock())
        self.tailer = tailer_of(config, self._registry)
        self._watch = Watch(self.wake)
        self._enricher = Enricher(_context(config))
        self._dead_letters = DeadLetters(config.data_dir / data_folder.DEAD_LETTERS)
        requests = config.data_dir / data_folder.REQUESTS
        self.desk = Desk(requests, self.tailer, self._dedupe, self._dead_letters)
        self.publisher = self._make_publisher()
        self._counters = Counters()
        self._receipts = Receipts(self._registry.next_receipt())
        self._put = self._acked = 0  # parcels
        self._given_up = False  # a block was read, but not put
        self._started = clock()
        self._heart = self._make_heart(self._registry.watermark())
        self._letters = LineCount(config.data_dir / data_folder.DEAD_LETTERS)
        self._rates = Rates()
        self._lying = 0  # dead letters, at the last look
        self._saves = self._save_errors = 0
        self._totals = 0, 0, 0  # of the files, at the last look
        now = time.monotonic()
        self._next_scan = self._next_save = self._hinted_scan = self._next_peek = now

    def _make_publisher(self) -> Publisher:
        return Publisher(
            self._output,
            self._dead_letters,
            self._config.delivery,
            clock=self._clock,
            acked=self.wake.set,
        )

    def _make_heart(self, watermark: int) -> HeartbeatSchedule:
        run = ulid(self._clock(), os.urandom(10))
        identity = ShipperIdentity(run, version("orchestrator-shipper"), self._started)
        return HeartbeatSchedule(self._config, identity, watermark)

    def _recover(self) -> Dedupe:
        """Begin with the numbers that the registry knows, and what the output holds beyond."""
        registry = self._registry
        registry.forget(before=self._clock() - FORGET_RUNS_MS)
        dedupe = Dedupe(
            registry.seen(), registry.streams(), stored_positions_of(self._config, self._output)
        )
        self._learn(dedupe)
        return dedupe

    def _learn(self, dedupe: Dedupe) -> None:
        """Learn what the output holds beyond what the registry accounts for."""
        output, unsaved = self._output, self._unsaved
        accounted = unsaved.accounted
        if accounted is None:
            accounted = self._registry.accounted()
        if output.commit() < accounted:
            log.warning(
                "the index holds less than the registry accounts for: it was replaced or restored;"
                " what it lost goes out again with shipper registry reset"
            )
            accounted = output.commit()
        count = dedupe.recover(output.stored_after(accounted))
        if count:
            log.info("%d records were stored before the last stop; they are not sent again", count)
        unsaved.accounted = output.commit()
        unsaved.streams = dict(dedupe.streams)
        unsaved.add_seen(dedupe.changes())

    def raise_failure(self) -> None:
        """Raise what ended the publishing thread early."""
        if self.publisher.failure is not None:
            raise self.publisher.failure

    def turn(self) -> bool:
        """Scan if it is time, read a block of every file that has one; tell if there was any."""
        self._scan_if_due()
        if self._pending is not None and not self._hand_over(self._pending):
            return True
        if self.desk.wants_quiet:
            if not self._is_quiet():
                return False  # nothing is read until all that was read is acked
            self.desk.change_positions(self._save)
        self.replay()
        busy = False
        for block in self.tailer.read(now=time.monotonic(), wall=self._clock()):
            busy = True
            if not self._take(block) or self.called:
                break
        return busy

    def replay(self) -> None:
        """Get on with sending dead letters again."""
        self.desk.replay(self._output, self.publisher)

    def _is_quiet(self) -> bool:
        """Return whether all that was read is acked, after the positions have moved."""
        idle = self.publisher.is_idle()
        self.settle()
        return idle

    def end_events(self) -> bool:
        """Let events end that might have gone on; return whether there are any to read now."""
        if not self.tailer.end_events() and not self.tailer.is_splitting():
            return False
        self.settle(at_once=True)
        return not self.tailer.is_splitting()

    def _take(self, block: Block) -> bool:
        """Enrich a block and hand it over; False if it is not handed over yet."""
        crashpoints.reached(CrashPoint.READ)
        events = self._enricher.enrich(block)
        counters = self._counters
        counters.read_bytes += block.end - block.start
        counters.events += len(events)
        counters.tagged += events.tagged
        read = receipt_of(block, events)
        left = self._leave_out(block, events)
        if left is None:
            self._given_up = True
            return False  # told to stop: it is read again
        events, duplicates = left
        counters.duplicates += duplicates
        crashpoints.reached(CrashPoint.ENRICHED)
        events = self._output.prepare(events)
        if isinstance(events, Spliced):
            events.records = ()  # in the queue they would take more room than all the rest
        size = len(block.data)
        return self._hand_over(QueuedBlock(events, block.file, block.end, size, read, block.last))

    def _hand_over(self, parcel: QueuedBlock) -> bool:
        """Wait while the queue is full, unless something else is to be done first: False."""
        self._pending = parcel  # at a stop it is never acked, and so read again
        while not self.publisher.put(parcel, POLL_SECONDS):
            self.settle()
            if self.stopping or self.called or self.publisher.failure is not None:
                return False
            self._scan_if_due()
        self._pending = None
        self._put += 1
        crashpoints.reached(CrashPoint.QUEUED)
        return True

    def _leave_out(self, block: Block, events: AnyEvents) -> tuple[AnyEvents, int] | None:
        """Leave out what was taken before; None if a stop came before that could be told."""
        while not self.stopping:
            try:
                return self._dedupe.filter(block, events)
            except OutputUnavailable as error:
                log.warning("%s; nothing is lost, it is tried again", error)
                self.settle()
                self.wake.wait(SAVE_SECONDS)
                self.wake.clear()
        return None

    def _scan_if_due(self) -> None:
        now = time.monotonic()
        hints = self._watch.take()
        unknown = bool(hints) and self.tailer.hint(hints)
        if now >= self._next_peek:
            # Busy files rotate fast, and what is deleted before a scan has opened it is lost.
            unknown = self.tailer.has_rotation() or unknown
            self._next_peek = now + max(POLL_SECONDS, SCAN_SHARE * (time.monotonic() - now))
        if unknown:
            self._next_scan = min(self._next_scan, self._hinted_scan)
        if now >= self._next_scan:
            self._scan(now)

    def _scan(self, now: float) -> None:
        self.tailer.scan(now=now, wall=self._clock())
        self._next_scan = now + self._config.tail.scan_seconds
        self._hinted_scan = now + SCAN_SHARE * (time.monotonic() - now)
        if self._config.tail.watch:
            folders = {
                place
                for source in self._config.inputs
                for place in Patterns(source.paths).folders()
            }
            self._watch.listen(folders, now)

    def rest(self) -> None:
        """Wait for a hint, an ack, a signal, or the time of the next look."""
        now = time.monotonic()
        if self.desk.wants_quiet or self.desk.is_replaying:
            self.wake.wait(POLL_SECONDS)
            self.wake.clear()
            return
        warm = self.tailer.poll(now)
        if not self.tailer.is_caught_up():
            return
        until = min(self._next_scan, self._heart.next_step(self._put))
        if warm:
            until = min(until, now + POLL_SECONDS)
        until = min(until, self._next_save)  # the time of the next look at the desk
        self.wake.wait(max(until - now, 0.001))
        self.wake.clear()

    def beat(self) -> None:
        """
        PipelineSnapshot how far everything is, or tell it, when it is time.

        Only between two turns: what was read is put then.
        """
        if self._pending is not None:
            return
        heart, now = self._heart, time.monotonic()
        if heart.is_to_look(self._acked, self._put, now):
            heart.take(self._look(), self._put, now)
        if heart.is_to_send(self._acked, now):
            self._unsaved.watermark = heart.watermark
            if self.publisher.put(heart.make(self._clock()), 0):
                self._put += 1
                heart.sent(self._put)

    def last_beat(self) -> None:
        """Send the last heartbeat, if all that was read is acked."""
        if self._heart.enabled and self.is_acked() and not self._given_up and self._pending is None:
            parcel = self._heart.last(self._look(), self._clock())
            self._unsaved.watermark = self._heart.watermark
            self._put += self.publisher.put(parcel, 0)

    def is_acked(self) -> bool:
        """Return whether all that was handed over is acked."""
        return self._acked == self._put

    def _look(self) -> PipelineSnapshot:
        now, at = time.monotonic(), self._clock()
        self._scan(now)
        lags = self.tailer.lags(now)
        held = self.tailer.held()
        return PipelineSnapshot(
            watermark=watermark(lags, self.tailer.unreadable_since(), at),
            files=len(lags),
            behind_bytes=sum(max(lag.size - lag.acked, 0) for lag in lags),
            held_bytes=sum(held.values()),
            dead_letters=self._letters.lines(),
            tombstones=len(self._registry.tombstones()),
            audit_open=read_open_count(self._config.data_dir / data_folder.AUDIT),
            furthest=furthest(lags),
        )

    def settle(self, *, at_once: bool = False) -> None:
        """Move positions over what was acked; save and tell the status when it is time."""
        now_ms = self._clock()
        for batch, commit in self.publisher.take_acked():
            self._dedupe.ack(batch)
            for parcel in batch.parcels:
                if parcel.file == NO_FILE:
                    self.desk.ack(parcel)
                else:
                    self._acked += 1
                    if parcel.read is not None:
                        self._receipts.ack(parcel.read, now_ms, commit)
                    self.tailer.ack(parcel.file, parcel.end, parcel.last)
            if commit:
                self._unsaved.accounted = commit
        now = self.turned = time.monotonic()
        if at_once or now >= self._next_save:
            self._next_save = now + SAVE_SECONDS
            self._save()
            self._tell()
            self.desk.look()

    def _save(self) -> bool:
        """Save what has moved; what cannot be saved now is kept for the next time: False."""
        unsaved = self._unsaved
        unsaved.add_files(*self.tailer.take_changes())
        unsaved.add_tombstones(self.tailer.take_tombstones())
        unsaved.add_seen(self._dedupe.changes())
        unsaved.add_receipts(self._receipts.changes())
        try:
            if not unsaved.is_empty():
                self._registry.save(unsaved, self._clock())
                self._saves += 1
                self._unsaved = Changes()
                self._fault = None
            self.tailer.saved()
        except DataFolderError as error:
            if self._fault is None:
                log.warning("%s; nothing is lost, it is tried again", error)
            self._fault = str(error)
            self._save_errors += 1
            return False
        return True

    def _tell(self) -> None:
        self._totals = totals(self.tailer)
        self._lying = self._letters.lines()
        tally, counters = self.publisher.tally, self._counters
        counters.acked = tally.acked
        counters.wrapped = tally.wrapped
        counters.dead_letters = tally.dead_letters
        counters.retries = tally.retries
        snapshot = self._rates.snapshot(self._clock(), self._started, counters, self.fault)
        snapshot.held = self.tailer.held()
        try:
            write_snapshot(self._config.data_dir / data_folder.STATUS, snapshot)
        except OSError as error:
            log.debug("cannot write the status: %s", error)

    def reconfigure(self, config: Config) -> None:
        """Go on with another config, but for its output."""
        self._config = config
        self._enricher = Enricher(_context(config))
        self.tailer.set_inputs(
            inputs_of(config, self._registry.begun()),
            host=config.host.name,
            block_bytes=config.tail.block_bytes,
        )
        self.publisher.settings = config.delivery
        self._heart = self._make_heart(self._heart.watermark)
        self._next_scan = time.monotonic()

    def swap_output(self, config: Config) -> str | None:
        """
        Publish to another output from here on; the publishing thread has ended.

        What was under way and not acked is read again, and goes to the other one. Returns why that
        cannot be opened; then all is as it was.

        Raises:
            ShipperError: the output from before cannot be opened again either.

        """
        self.settle(at_once=True)
        self._output.close()
        fault = None
        try:
            self._output = open_output(config)
        except ShipperError as error:
            fault = str(error)
            self._output = open_output(self._config)
        self._begin_again()
        return fault

    def _begin_again(self) -> None:
        """Go on from what is acked, with a publisher of the output that is open now."""
        self._pending = None
        self._put = self._acked = 0
        self._heart = self._make_heart(self._heart.watermark)
        self._dedupe.rewind(stored_positions_of(self._config, self._output))
        self._learn(self._dedupe)
        self.desk.begin_again()
        self.tailer.rewind()
        tally, self.publisher = self.publisher.tally, self._make_publisher()
        self.publisher.tally = tally  # counters never go back

    @property
    def fault(self) -> str | None:
        """Return what keeps it from its work now."""
        return self.publisher.tally.last_error or self._fault

    def unacked_seconds(self) -> float:
        """Return for how long the oldest lines that were read are not acked; of any thread."""
        since = self.publisher.unacked_since()
        return 0.0 if since is None else time.monotonic() - since

    def reading(self) -> MetricsSnapshot:
        """Take all metrics; of any thread, so of what does not change under its hands."""
        counters, publisher = self._counters, self.publisher
        tally, (open_files, behind, held) = publisher.tally, self._totals
        cpu_seconds, resident_bytes = consumption()
        return MetricsSnapshot(
            read_bytes=counters.read_bytes,
            read=counters.events,
            duplicates=counters.duplicates,
            tagged=counters.tagged,
            published=tally.published,
            acked=tally.acked,
            wrapped=tally.wrapped,
            dead_letters=tally.dead_letters,
            retries=tally.retries,
            errors=tally.errors,
            saves=self._saves,
            save_errors=self._save_errors,
            publish_seconds=tally.seconds.copy(),
            batch_events=tally.batch_events.copy(),
            queue_bytes=publisher.queued_bytes,
            queue_limit_bytes=publisher.settings.queue_bytes,
            unacked_seconds=self.unacked_seconds(),
            open_files=open_files,
            behind_bytes=behind,
            held_bytes=held,
            letters=self._lying,
            watermark=self._heart.watermark / 1000,
            output_up=int(tally.last_error is None),
            cpu_seconds=cpu_seconds,
            resident_bytes=resident_bytes,
            start_seconds=self._started / 1000,
        )

    def state(self) -> Iterator[str]:
        """Tell everything that is needed to see why something does not go on."""
        publisher = self.publisher
        yield f"fault: {self.fault or 'none'}"
        yield (
            f"queue: {publisher.queued_bytes} of {publisher.settings.queue_bytes} bytes,"
            f" idle: {publisher.is_idle()}, a block waits for room: {self._pending is not None}"
        )
        yield f"acked: {publisher.tally.acked}, retries: {publisher.tally.retries}"
        yield from state(self.tailer)

    def close(self) -> None:
        """Let go of everything."""
        self._watch.close()
        self.tailer.close()
        self._registry.close()
        self._output.close()


def inputs_of(config: Config, since: int) -> list[InputFiles]:
    """Return the files of all inputs; `since` is the first use of the data folder, in epoch ms."""
    inputs = [_files_of(source, since * 1_000_000) for source in config.inputs]
    alerts = escape(str(config.data_dir / data_folder.ALERTS_LOG))
    inputs.append(InputFiles(Patterns((alerts,)), Cutting(ALERT_LINE_BYTES)))
    return inputs


def tailer_of(config: Config, registry: Registry) -> Tailer:
    """Make the tailer of a config, that goes on where the registry says."""
    memory, saved = registry.saved_files(), registry.watermark()
    for record in memory.files:
        record.current_at = saved and saved + LATE_MS
    return Tailer(
        inputs_of(config, registry.begun()),
        memory,
        host=config.host.name,
        block_bytes=config.tail.block_bytes,
        holds=Holds(
            config.data_dir / data_folder.HOLDS if config.holds.enabled else None,
            config.holds.max_bytes,
        ),
    )


def _files_of(source: InputOptions, since: int) -> InputFiles:
    """Say what an input reads; `since` is when this folder was used first (ns)."""
    joined, multiline = source.multiline, None
    if joined is not None:
        multiline = Multiline(
            joined.first_line, joined.max_lines, joined.max_bytes, joined.quiet_seconds
        )
    return InputFiles(
        Patterns(source.paths, source.exclude, compressed=source.compressed != "none"),
        Cutting(source.max_line_bytes, multiline),
        ALL_COMPRESSED if source.compressed == "all" else since,
    )


def _context(config: Config) -> RecordContext:
    return RecordContext(
        config.host.name,
        config.service.name,
        config.service.environment,
        config.service.version,
        config.namespace,
    )
