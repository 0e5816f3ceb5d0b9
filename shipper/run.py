"""
`shipper run`: puts the parts together, and is the only place that starts threads and reads clocks.

    main thread        scan → read → enrich → drop what was taken → put … settle → save
    publishing thread  queue → batch → publish → ack

The order that carries the promise: a position is saved after the ack of everything before it, in
one transaction with the numbers of the records it stands for. While the queue is full, reading
waits but the scan goes on: files that are rotated and deleted in the meantime are already open.
"""

from __future__ import annotations

import gc
import logging
import resource
import signal
import threading
import time
from typing import TYPE_CHECKING

from shipper import folder
from shipper.deliver.batch import Parcel
from shipper.deliver.deadletters import DeadLetters
from shipper.deliver.dedupe import Dedupe
from shipper.deliver.output import open_output
from shipper.deliver.publisher import Publisher
from shipper.enrich.enricher import Enricher, Surroundings
from shipper.errors import DataFolderError
from shipper.status import Counters, Rates, write_snapshot
from shipper.tail.discovery import Patterns
from shipper.tail.registry import Changes, Registry
from shipper.tail.tailer import InputFiles, Tailer
from shipper.tail.watch import Watch

if TYPE_CHECKING:
    from types import FrameType

    from shipper.config import Config
    from shipper.deliver.output import Output
    from shipper.events import Block

log = logging.getLogger("shipper")

SAVE_SECONDS = 1.0  # at most one commit of the registry in this time
POLL_SECONDS = 0.05  # between two looks at files that grew lately
HINTED_SCAN_SECONDS = 0.25  # at most one scan for a hint in this time
FORGET_RUNS_MS = 90 * 24 * 3600 * 1000  # numbers of a run that ended this long ago


def wall() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def run(config: Config, *, once: bool = False, timeout_seconds: float | None = None) -> int:
    """
    Ship until told to stop (SIGTERM, SIGINT); with `once`, until all that is there now is acked.

    Gives the exit code: 0, or with `once` 3 if a file could not be read or not everything was
    acked within `timeout_seconds`.

    Raises:
        ShipperError: the data folder or the output cannot be used.

    """
    with folder.hold(config.data_dir):
        pipeline = Pipeline(config)
        try:
            return pipeline.once(timeout_seconds) if once else pipeline.forever()
        finally:
            pipeline.close()


class Pipeline:
    """The parts of one running shipper; the data folder has to be held."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._wake = threading.Event()
        self._stopping = False
        self._registry = Registry(config.data_dir / folder.REGISTRY)
        self._output: Output = open_output(config)
        self._unsaved = Changes()
        self._fault: str | None = None  # why the registry could not be saved last
        self._dedupe = self._recover()
        self._tailer = self._make_tailer()
        self._watch = Watch(self._wake)
        self._enricher = Enricher(_surroundings(config))
        self._publisher = Publisher(
            self._output,
            DeadLetters(config.data_dir / folder.DEAD_LETTERS),
            config.delivery,
            clock=wall,
            acked=self._wake.set,
        )
        self._thread = threading.Thread(target=self._publisher.run, name="publisher", daemon=True)
        self._counters = Counters()
        self._started = wall()
        self._rates = Rates()
        now = time.monotonic()
        self._next_scan = self._next_save = self._hinted_scan = now

    def _recover(self) -> Dedupe:
        """Learn what the output holds beyond what the registry accounts for."""
        registry, output = self._registry, self._output
        registry.forget(before=wall() - FORGET_RUNS_MS)
        dedupe = Dedupe(registry.seen(), registry.streams())
        accounted = registry.accounted()
        if output.commit() < accounted:
            log.warning(
                "the index holds less than the registry accounts for: it was replaced or restored;"
                " what it lost is not sent again by itself"
            )
            accounted = output.commit()
        count = dedupe.recover(output.held_after(accounted))
        if count:
            log.info("%d records were stored before the last stop; they are not sent again", count)
        self._unsaved.accounted = output.commit()
        self._unsaved.streams = dict(dedupe.streams)
        self._unsaved.add_seen(dedupe.changes())
        return dedupe

    def _make_tailer(self) -> Tailer:
        config = self._config
        inputs = [
            InputFiles(Patterns(source.paths, source.exclude), source.max_line_bytes)
            for source in config.inputs
        ]
        return Tailer(
            inputs,
            self._registry.files(),
            self._registry.retired(),
            host=config.host.name,
            block_bytes=config.tail.block_bytes,
        )

    def forever(self) -> int:
        """Ship until a signal; then stop reading, flush, ack, save."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._start()
        log.info("shipping as %s; stop with SIGTERM or Ctrl-C", self._config.host.name)
        while not self._stopping:
            self._raise_failure()
            busy = self._turn()
            self._settle()
            if not busy:
                self._rest()
        self._finish(time.monotonic() + self._config.delivery.stop_seconds)
        return 0

    def once(self, timeout_seconds: float | None) -> int:
        """Ship what is in the files now."""
        deadline = time.monotonic() + (1e9 if timeout_seconds is None else timeout_seconds)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._start()
        while self._turn() and time.monotonic() < deadline and not self._stopping:
            self._raise_failure()
            self._settle()
        if self._stopping:
            deadline = time.monotonic() + self._config.delivery.stop_seconds
        done = self._finish(deadline)
        return 0 if done and not self._tailer.refused() else 3

    def _start(self) -> None:
        _allow_many_files()
        _let_the_allocator_keep(2 * self._config.delivery.batch_bytes)
        gc.collect()
        gc.freeze()
        self._thread.start()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True
        self._wake.set()

    def _raise_failure(self) -> None:
        if self._publisher.failure is not None:
            raise self._publisher.failure

    def _turn(self) -> bool:
        """Scan if it is time, read a block of every file that has one; tell if there was any."""
        self._scan_if_due()
        busy = False
        for block in self._tailer.read(now=time.monotonic(), wall=wall()):
            busy = True
            self._take(block)
            if self._stopping:
                break
        return busy

    def _take(self, block: Block) -> None:
        """Enrich a block and hand it over; wait while the queue is full."""
        events = self._enricher.enrich(block)
        counters = self._counters
        counters.read_bytes += block.end - block.start
        counters.events += len(events)
        counters.tagged += events.tagged
        events, duplicates = self._dedupe.filter(block, events)
        counters.duplicates += duplicates
        parcel = Parcel(events, block.file, block.end, len(block.data))
        while not self._publisher.put(parcel, POLL_SECONDS):
            self._settle()
            if self._stopping or self._publisher.failure is not None:
                return  # not handed over, so never acked: it is read again
            self._scan_if_due()

    def _scan_if_due(self) -> None:
        now = time.monotonic()
        hints = self._watch.take()
        unknown = bool(hints) and self._tailer.hint(hints)
        if unknown:
            self._next_scan = min(self._next_scan, self._hinted_scan)
        if now < self._next_scan:
            return
        self._tailer.scan(now=now, wall=wall())
        self._next_scan = now + self._config.tail.scan_seconds
        self._hinted_scan = now + HINTED_SCAN_SECONDS
        if self._config.tail.watch:
            folders = {
                place
                for source in self._config.inputs
                for place in Patterns(source.paths).folders()
            }
            self._watch.listen(folders, now)

    def _rest(self) -> None:
        """Wait for a hint, an ack, a signal, or the time of the next look."""
        now = time.monotonic()
        warm = self._tailer.poll(now)
        if not self._tailer.is_caught_up():
            return
        until = min(self._next_scan, now + POLL_SECONDS) if warm else self._next_scan
        self._wake.wait(max(until - now, 0.001))
        self._wake.clear()

    def _settle(self) -> None:
        """Move positions over what was acked; save, tend and tell the status when it is time."""
        for batch, commit in self._publisher.take_acked():
            self._dedupe.ack(batch)
            for parcel in batch.parcels:
                self._tailer.ack(parcel.file, parcel.end)
            if commit:
                self._unsaved.accounted = commit
        now = time.monotonic()
        if now >= self._next_save:
            self._next_save = now + SAVE_SECONDS
            self._save()
            self._tell()

    def _save(self) -> None:
        """Save what has moved; what cannot be saved now is kept for the next time."""
        unsaved = self._unsaved
        unsaved.add_files(*self._tailer.take_changes())
        unsaved.add_seen(self._dedupe.changes())
        try:
            if not unsaved.is_empty():
                self._registry.save(unsaved, wall())
                self._unsaved = Changes()
                self._fault = None
        except DataFolderError as error:
            if self._fault is None:
                log.warning("%s; nothing is lost, it is tried again", error)
            self._fault = str(error)

    def _tell(self) -> None:
        tally, counters = self._publisher.tally, self._counters
        counters.acked = tally.acked
        counters.wrapped = tally.wrapped
        counters.dead_letters = tally.dead_letters
        counters.retries = tally.retries
        fault = tally.last_error or self._fault
        snapshot = self._rates.snapshot(wall(), self._started, counters, fault)
        snapshot.held = self._tailer.held()
        try:
            write_snapshot(self._config.data_dir / folder.STATUS, snapshot)
        except OSError as error:
            log.debug("cannot write the status: %s", error)

    def _finish(self, deadline: float) -> bool:
        """Publish what was read, save; tell whether everything was acked before the deadline."""
        self._publisher.drain()
        while self._thread.is_alive() and time.monotonic() < deadline:
            self._thread.join(POLL_SECONDS)
            self._settle()
        done = not self._thread.is_alive() and self._publisher.failure is None
        if not done:
            self._publisher.abandon()
            self._thread.join(POLL_SECONDS)
            log.warning("stopped before everything was acked; the rest is sent at the next start")
        self._settle()
        self._save()
        self._tell()
        self._raise_failure()
        return done

    def close(self) -> None:
        """Let go of everything."""
        self._watch.close()
        self._tailer.close()
        self._registry.close()
        self._output.close()


def _surroundings(config: Config) -> Surroundings:
    return Surroundings(
        config.host.name,
        config.service.name,
        config.service.environment,
        config.service.version,
        config.namespace,
    )


def _let_the_allocator_keep(size: int) -> None:
    """
    Let the C library keep up to about twice `size` bytes of freed memory for the next batch.

    It gives back to the kernel what is more than twice the largest block that it ever gave back,
    and has it faulted in again a millisecond later: 150,000 page faults a million lines. This
    block is never touched, so it takes no memory itself.
    https://man7.org/linux/man-pages/man3/mallopt.3.html (M_MMAP_THRESHOLD)
    """
    bytes(size)


def _allow_many_files() -> None:
    """Use the whole allowance of open files: every live file is kept open."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
