"""
`shipper run`: turns the pipeline, and is the only place that starts its threads and reads clocks.

    main thread        the reading side of the pipeline; signals
    publishing thread  the publisher

A stop: reading ends, what was read is published, positions are saved, within
`delivery.stop_seconds`; then, or at a second signal, what is under way is given up, which costs
nothing but to send it again. Another config, in this order: it is read, with all its faults → what
was read is published, if the output changes, for at most as long as a stop → what is left goes
back to being unread → the other output is opened, or the old one again.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import threading
import time
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING

from shipper.agent import requests
from shipper.agent.health import HealthInputs, ailments, hindrances
from shipper.agent.metrics import CONTENT_TYPE, exposition
from shipper.agent.pipeline import POLL_SECONDS, Pipeline
from shipper.config.changes import differences
from shipper.errors import ConfigError, DataFolderError, ShipperError
from shipper.process import data_folder
from shipper.process.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.agent.http import HttpResponse, Listener
    from shipper.agent.requests import RequestOutcome
    from shipper.config.main import Config, MetricsOptions

log = logging.getLogger("shipper")

ENOUGH = 2  # signals to stop, at which nothing is waited for any more


def wall() -> int:
    """Return the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def run(
    config: Config,
    *,
    once: bool = False,
    timeout_seconds: float | None = None,
    read_config: Callable[[], Config] | None = None,
) -> int:
    """
    Ship until told to stop; with `once`, until all that is there now is acked.

    Signals: see shipper/process/signals.py; `read_config` gives the config when it is read again.
    Return the exit code: 0, or with `once` 3 if a file could not be read or not everything was
    acked within `timeout_seconds`.

    Raises:
        ShipperError: the data folder or the output cannot be used.

    """
    with data_folder.hold(config.data_dir):
        shipper = Shipper(config, read_config)
        try:
            return shipper.once(timeout_seconds) if once else shipper.forever()
        finally:
            shipper.close()


def replay_at_once(config: Config, request: requests.ReplayRequest) -> tuple[RequestOutcome, ...]:
    """
    Send dead letters again where no shipper runs.

    Raises:
        ShipperError: the data folder or the output cannot be used; or a signal came before the
            end, and the rest goes out with the next replay, or at the next start.

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
        raise DataFolderError("stopped before all was sent; the shipper goes on at its next start")
    return answer.outcomes


class Shipper:
    """One running shipper: its pipeline, its threads, its signals."""

    def __init__(self, config: Config, read_config: Callable[[], Config] | None = None) -> None:
        self._config = config
        self._read_config = read_config
        self._pipeline = Pipeline(config, wall)
        self._signals = Signals(self._on_signal)
        self._thread = self._make_thread()
        self._listener: Listener | None = None
        self._is_answering = False

    def _make_thread(self) -> threading.Thread:
        body = self._pipeline.publisher.run
        return threading.Thread(target=body, name="publisher", daemon=True)

    def forever(self) -> int:
        """Ship until a signal; then stop reading, flush, ack, save."""
        pipeline = self._pipeline
        self._listen(self._config.metrics)  # a port that is taken is told before anything is read
        self._start()
        self._answer()  # only now can it be told that all threads are alive
        log.info("shipping as %s; stop with SIGTERM or Ctrl-C", self._config.host.name)
        while not pipeline.stopping:
            pipeline.raise_failure()
            self._attend()
            busy = pipeline.turn()
            pipeline.settle()
            pipeline.beat()
            if not busy:
                pipeline.rest()
        self._finish(time.monotonic() + self._config.delivery.stop_seconds)
        return 0

    def once(self, timeout_seconds: float | None) -> int:
        """Ship what is in the files now."""
        pipeline = self._pipeline
        deadline = time.monotonic() + (1e9 if timeout_seconds is None else timeout_seconds)
        self._start()
        while pipeline.turn() or pipeline.end_events():
            if time.monotonic() >= deadline or pipeline.stopping:
                break
            pipeline.raise_failure()
            self._attend()
            pipeline.settle()
        if pipeline.stopping:
            deadline = time.monotonic() + self._config.delivery.stop_seconds
        done = self._finish(deadline)
        return 0 if done and not pipeline.tailer.unreadable() else 3

    def replay(self) -> None:
        """Send the dead letters that were asked for, and nothing else."""
        pipeline = self._pipeline
        self._start()
        pipeline.desk.look()
        while pipeline.desk.is_replaying and not pipeline.stopping:
            pipeline.raise_failure()
            pipeline.replay()
            pipeline.wake.wait(POLL_SECONDS)
            pipeline.wake.clear()
            pipeline.settle()
            if not pipeline.desk.is_replaying:
                pipeline.desk.look()  # a replay that was killed left its request: it came first
        self._finish(time.monotonic() + self._config.delivery.stop_seconds)

    def _start(self) -> None:
        _allow_many_files()
        _let_the_allocator_keep(2 * self._config.delivery.batch_bytes)
        gc.collect()
        gc.freeze()
        self._thread.start()

    def _on_signal(self) -> None:
        self._pipeline.stopping = self._signals.stops > 0
        self._pipeline.called = True
        self._pipeline.wake.set()

    def _attend(self) -> None:
        """Do what signals asked for, but for the end."""
        self._pipeline.called = False
        if self._signals.take_dump():
            for line in self._pipeline.state():
                log.info("state: %s", line)
        if self._signals.take_reload():
            self._reload()

    def _reload(self) -> None:
        """Go on with the config as it is now; with the one before if that has a fault."""
        if self._read_config is None:
            return
        try:
            new = self._read_config()
            found = differences(self._config, new)
            fault = None
        except ConfigError as error:
            fault = str(error)
        if fault is None and found.has_output:
            fault = self._swap_output(new)
        if fault is not None:
            for line in fault.splitlines():
                log.error("%s", line)
            log.error("the config was not taken over; the one before stays in force")
        elif not self._pipeline.stopping:
            self._listen_anew(new.metrics)
            self._config = new
            self._pipeline.reconfigure(new)
            changed = ", ".join(found.sections) or "nothing"
            log.info("the config was read again; changed: %s", changed)

    def _listen(self, metrics: MetricsOptions) -> None:
        """Answer questions about how the shipper is, where the config says."""
        if metrics.listen is None:
            return
        from shipper.agent.http import Listener, read_token  # noqa: PLC0415 -- for whom it is asked

        self._listener = Listener(metrics.listen, read_token(metrics.token_file), self._page)

    def _answer(self) -> None:
        """Answer who asks for the metrics, if anybody may."""
        if self._listener is not None:
            body = self._listener.serve_forever
            threading.Thread(target=body, name="metrics", daemon=True).start()
            self._is_answering = True

    def _listen_anew(self, metrics: MetricsOptions) -> None:
        """Listen where another config says; if that cannot be, nowhere, which is logged."""
        if metrics == self._config.metrics:
            return
        self._hang_up()
        try:
            self._listen(metrics)
            self._answer()
        except ShipperError as error:
            log.error("%s; nobody can ask for the metrics now", error)  # noqa: TRY400 -- no fault of ours

    def _hang_up(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            if self._is_answering:  # else `shutdown` would wait for an end that never comes
                listener.shutdown()
            listener.server_close()
        self._is_answering = False

    def _page(self, path: str) -> HttpResponse | None:
        """Answer a question; called by the thread that listens."""
        from shipper.agent.http import HttpResponse  # noqa: PLC0415 -- loaded by whom listens

        pipeline, metrics = self._pipeline, self._config.metrics
        if path == "/metrics":
            text = exposition(pipeline.reading(), version("orchestrator-shipper"))
            return HttpResponse(HTTPStatus.OK, text, CONTENT_TYPE)
        vitals = HealthInputs(
            turned_seconds=time.monotonic() - pipeline.turned,
            publishing=self._thread.is_alive() and pipeline.publisher.failure is None,
            fault=pipeline.fault,
            unacked_seconds=pipeline.unacked_seconds(),
        )
        if path == "/-/healthy":
            found = ailments(vitals)
        elif path == "/-/ready":
            found = hindrances(vitals, metrics.ready_seconds)
        else:
            return None
        status = HTTPStatus.SERVICE_UNAVAILABLE if found else HTTPStatus.OK
        return HttpResponse(status, "".join(f"{line}\n" for line in found or ["ok"]))

    def _swap_output(self, new: Config) -> str | None:
        """Let the publisher end, and begin with another output; see `Pipeline.swap_output`."""
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
        fault = pipeline.swap_output(new)
        self._thread = self._make_thread()
        self._thread.start()
        return fault

    def _finish(self, deadline: float) -> bool:
        """Publish what was read, save; return whether everything was acked before the deadline."""
        pipeline = self._pipeline
        publisher = pipeline.publisher
        if pipeline.stopping:
            log.info("stopping: what was read is delivered; a second signal stops at once")
        publisher.hurry()
        while not pipeline.is_acked() and self._is_worth_waiting(deadline):
            pipeline.wake.wait(POLL_SECONDS)
            pipeline.wake.clear()
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
        if self._signals.stops >= ENOUGH:
            return False
        return self._thread.is_alive() and time.monotonic() < deadline

    def close(self) -> None:
        """Let go of everything."""
        self._pipeline.close()
        self._hang_up()


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
