"""
`shipper run`: runs the pipeline; the only module that starts its threads and reads clocks.

    main thread        the reading side of the pipeline; signals
    publishing thread  the publisher
    a thread per application of `health`, which polls it
    a thread per input that is no file, which writes its spool

A stop: reading ends, what was read is published, positions are saved, within
`delivery.stop_seconds`. After that, or at a second signal, the current batch is abandoned: it is
sent again at the next start. Should the main thread hang meanwhile, as in a read from a disk or a
server that does not answer, the process is ended from beside it: that is no worse than a crash.

A reload, in this order: the new config is read and checked → if the output changes, what was read
is published, for as long as a stop may take → what is left counts as unread → the new output is
opened, or the old one again.
"""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import logging
import os
import resource
import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from shipper.agent import requests
from shipper.agent.endpoint import Endpoint
from shipper.agent.health import HealthInputs
from shipper.agent.pipeline import Pipeline
from shipper.agent.scan_schedule import POLL_SECONDS
from shipper.agent.treatment import Treatment
from shipper.config.changes import differences
from shipper.emit.ulid import ulid
from shipper.errors import ConfigError, DataFolderError, ShipperError
from shipper.intake.intakes import Intakes
from shipper.own_log import OwnLog
from shipper.poll.poller import Poller
from shipper.process import data_folder
from shipper.process.signals import Signals
from shipper.tail.report import acked_by_path
from shipper.times import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.agent.metrics import MetricsSnapshot
    from shipper.agent.requests import RequestOutcome
    from shipper.config.main import Config
    from shipper.intake.intakes import StdinReading

log = logging.getLogger("shipper")

STOP_AT_ONCE = 2  # signals to stop, after which nothing is waited for
GRACE_SECONDS = (5.0, 2.0)  # after stop_seconds, and after the second signal, until it is ended
HUNG = 3  # exit code of a process that is ended because it hangs


def wall() -> int:
    """Return the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def run(
    config: Config,
    *,
    once: bool = False,
    stdin: bool = False,
    timeout_seconds: float | None = None,
    read_config: Callable[[], Config] | None = None,
) -> int:
    """
    Ship until a signal asks to stop.

    With `once`, until all that is there now is acked; with `stdin`, until standard input has ended
    and all of it is acked.
    Signals: see shipper/process/signals.py; `read_config` returns the config at a reload. Return
    the exit code: 0, or with `once` 3 if a file could not be read or not everything was acked
    within `timeout_seconds`; with `stdin` 3 if it was stopped before its end, or before the ack.

    Raises:
        ShipperError: the data folder or the output cannot be used.

    """
    with data_folder.hold(config.data_dir):
        shipper = Shipper(config, read_config)
        try:
            return shipper.once(timeout_seconds) if once else shipper.forever(stdin=stdin)
        finally:
            shipper.close()


def replay_at_once(config: Config, request: requests.ReplayRequest) -> tuple[RequestOutcome, ...]:
    """
    Send dead letters again where no shipper runs.

    Raises:
        ShipperError: the data folder or the output cannot be used; or a signal came before the
            end: the rest is sent by the next replay, or by the next start.

    """
    with data_folder.hold(config.data_dir):
        place = requests.ask(
            config.data_dir / data_folder.REQUESTS, f"{wall()}-{os.getpid()}", request
        )
        shipper = Shipper(config)
        try:
            shipper.replay()
        finally:
            shipper.close()
        answer = requests.take_answer(place)
    if answer is None:
        raise DataFolderError(
            "stopped before all dead letters were sent", "the shipper continues at its next start"
        )
    return answer.outcomes


class Shipper:
    """One running shipper: its pipeline, its threads, its signals."""

    def __init__(self, config: Config, read_config: Callable[[], Config] | None = None) -> None:
        self._config = config
        self._read_config = read_config
        self._pipeline = Pipeline(config, Clock(wall))
        self._closed = threading.Event()
        self._signals = Signals(self._on_signal)
        self._thread = self._make_thread()
        path, run = config.data_dir / data_folder.POLLS_LOG, ulid(wall(), os.urandom(10))
        polls = OwnLog(path, run, "polls")
        self._poller = Poller(polls, Clock(wall), _start_thread)
        wake = self._pipeline.wake.set
        self._intakes = Intakes(self._pipeline.spools, _start_thread, wake, wall)
        self._endpoint = Endpoint(
            config.metrics, self._read_metrics, self._read_health, _start_thread
        )

    def _make_thread(self) -> threading.Thread:
        body = self._pipeline.publisher.run
        return threading.Thread(target=body, name="publisher", daemon=True)

    def forever(self, *, stdin: bool = False) -> int:
        """Ship until a signal, or the end of `stdin`; then stop reading, publish, save."""
        pipeline = self._pipeline
        self._endpoint.listen()  # a port in use is an error before anything is read
        self._intakes.receive(self._config.inputs)
        self._start()
        self._endpoint.answer()  # not before all threads are alive
        self._poller.poll(self._config.health)
        reading = self._intakes.read_stdin(self._config.inputs) if stdin else None
        log.info("shipping as %s; stop with SIGTERM or Ctrl-C", self._config.host.name)
        while not pipeline.stopping:
            pipeline.raise_failure()
            self._act_on_signals()
            busy = pipeline.turn()
            pipeline.settle()
            pipeline.beat()
            if not busy:
                if reading is not None and self._is_delivered(reading):
                    break
                pipeline.rest()
        self._poller.close()
        self._intakes.close()
        self._finish(time.monotonic() + self._config.delivery.stop_seconds)
        if reading is None or (
            reading.is_complete and reading.is_delivered(acked_by_path(pipeline.tailer))
        ):
            return 0
        log.warning("standard input is not delivered completely")
        return 3

    def _is_delivered(self, reading: StdinReading) -> bool:
        """Return whether standard input has ended and all of it is acked."""
        if not reading.has_ended or self._pipeline.end_events():
            return False
        return reading.is_delivered(acked_by_path(self._pipeline.tailer))

    def once(self, timeout_seconds: float | None) -> int:
        """Ship what is in the files now."""
        pipeline = self._pipeline
        deadline = time.monotonic() + (1e9 if timeout_seconds is None else timeout_seconds)
        self._start()
        scanner = pipeline.tailer.scanner
        while (
            pipeline.turn() or pipeline.end_events() or scanner.waiting() or scanner.is_measuring()
        ):
            if time.monotonic() >= deadline or pipeline.stopping:
                break
            pipeline.raise_failure()
            self._act_on_signals()
            pipeline.settle()
        if pipeline.stopping:
            deadline = time.monotonic() + self._config.delivery.stop_seconds
        done = self._finish(deadline)
        return 0 if done and not pipeline.tailer.unreadable() and not scanner.waiting() else 3

    def replay(self) -> None:
        """Send the dead letters that are requested, and nothing else."""
        pipeline = self._pipeline
        self._start()
        pipeline.desk.look()
        while pipeline.desk.is_replaying and not pipeline.stopping:
            pipeline.raise_failure()
            pipeline.replay()
            pipeline.wait(POLL_SECONDS)
            pipeline.settle()
            if not pipeline.desk.is_replaying:
                pipeline.desk.look()  # an earlier replay that was killed may have been carried out
        self._finish(time.monotonic() + self._config.delivery.stop_seconds)

    def _start(self) -> None:
        _allow_many_files()
        _keep_freed_memory(2 * self._config.delivery.batch_bytes)
        gc.collect()
        gc.freeze()
        self._thread.start()

    def _on_signal(self) -> None:
        """Wake the main thread; called by the thread that handles signals."""
        stops = self._signals.stops
        self._pipeline.stopping = stops > 0
        self._pipeline.called = True
        self._pipeline.wake.set()
        first, second = GRACE_SECONDS
        if stops:
            left = second if stops > 1 else self._config.delivery.stop_seconds + first
            _start_thread(lambda: self._end_if_hung(left), "stop")

    def _end_if_hung(self, seconds: float) -> None:
        """End the process unless it has ended what it does within so many seconds."""
        if self._closed.wait(seconds):
            return
        log.error("the shipper hangs and is ended; what is not acked is sent at the next start")
        with contextlib.suppress(OSError, ValueError):  # stderr is no file
            faulthandler.dump_traceback(all_threads=True)
        os._exit(HUNG)

    def _act_on_signals(self) -> None:
        """Do what signals asked for, except to stop."""
        self._pipeline.called = False
        if self._signals.take_dump():
            for line in self._pipeline.state():
                log.info("state: %s", line)
        if self._signals.take_reload():
            self._reload()

    def _reload(self) -> None:
        """Continue with the new config, or with the old one if the new one has an error."""
        if self._read_config is None:
            return
        try:
            new = self._read_config()
            found = differences(self._config, new)
            Treatment(new)  # raises for a query, a file or a key that cannot be used
            error = None
        except ConfigError as failure:
            error = str(failure)
        if error is None and found.has_output:
            error = self._swap_output(new)
        if error is not None:
            for line in error.splitlines():
                log.error("%s", line)
            log.error("the new config is not used; the old one stays in force")
        elif not self._pipeline.stopping:
            self._endpoint.reconfigure(new.metrics)
            self._poller.poll(new.health)
            self._config = new
            self._pipeline.reconfigure(new)
            self._receive()
            changed = ", ".join(found.sections) or "nothing"
            log.info("the config was reloaded; changed: %s", changed)

    def _read_metrics(self) -> MetricsSnapshot:
        """Return all metrics; called by the thread that answers."""
        return replace(self._pipeline.read_metrics(), polls=self._poller.counts())

    def _receive(self) -> None:
        try:
            self._intakes.receive(self._config.inputs)
        except ShipperError as error:
            log.error("%s; the other inputs are received", error)  # noqa: TRY400 -- no bug

    def _read_health(self) -> HealthInputs:
        """Return what health is judged by; called by the thread that answers."""
        pipeline = self._pipeline
        return HealthInputs(
            turned_seconds=time.monotonic() - pipeline.turned,
            publishing=self._thread.is_alive() and pipeline.publisher.failure is None,
            error=pipeline.error,
            unacked_seconds=pipeline.unacked_seconds(),
        )

    def _swap_output(self, new: Config) -> str | None:
        """End the publisher, and start one with another output; see `Pipeline.swap_output`."""
        pipeline, deadline = self._pipeline, time.monotonic() + self._config.delivery.stop_seconds
        pipeline.publisher.drain()
        while self._thread.is_alive() and not pipeline.stopping:
            if time.monotonic() >= deadline:
                pipeline.publisher.abandon()
            self._thread.join(POLL_SECONDS)
            pipeline.settle()
        if pipeline.stopping:
            return None
        pipeline.raise_failure()
        error = pipeline.swap_output(new)
        self._thread = self._make_thread()
        self._thread.start()
        return error

    def _finish(self, deadline: float) -> bool:
        """Publish what was read, save; return whether everything was acked before the deadline."""
        pipeline = self._pipeline
        publisher = pipeline.publisher
        if pipeline.stopping:
            log.info("stopping: publishing what was read; a second signal stops at once")
        publisher.hurry()
        while not pipeline.is_acked() and self._is_worth_waiting(deadline):
            pipeline.wait(POLL_SECONDS)
            pipeline.settle()
        pipeline.last_beat()
        publisher.drain()
        while self._is_worth_waiting(deadline):
            self._thread.join(POLL_SECONDS)
            pipeline.settle()
        done = not self._thread.is_alive() and publisher.failure is None
        if not done:
            publisher.abandon()
            self._thread.join(POLL_SECONDS)
            log.warning("stopped before everything was acked; the rest is sent at the next start")
        pipeline.settle(at_once=True)
        pipeline.raise_failure()
        return done

    def _is_worth_waiting(self, deadline: float) -> bool:
        if self._signals.stops >= STOP_AT_ONCE:
            return False
        return self._thread.is_alive() and time.monotonic() < deadline

    def close(self) -> None:
        """Close the pipeline and the port."""
        self._pipeline.close()
        self._endpoint.close()
        self._poller.close()
        self._intakes.close()
        self._closed.set()


def _start_thread(body: Callable[[], None], name: str) -> None:
    threading.Thread(target=body, name=name, daemon=True).start()


def _keep_freed_memory(size: int) -> None:
    """
    Let the C library keep up to about twice `size` bytes of freed memory for the next batch.

    It returns to the kernel what exceeds twice the largest block it ever returned, and a
    millisecond later it needs that again: 150,000 page faults per million lines. This block is
    never touched, so it takes no memory itself.
    https://man7.org/linux/man-pages/man3/mallopt.3.html (M_MMAP_THRESHOLD)
    """
    bytes(size)


def _allow_many_files() -> None:
    """Raise the limit of open files to the maximum: every live file is kept open."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
