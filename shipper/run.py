"""
`shipper run`: turns the pipeline, and is the only place that starts its threads and reads clocks.

    main thread        the reading side of the pipeline; signals
    publishing thread  the publisher

SIGTERM and SIGINT: reading stops, what was read is published, positions are saved, within
`delivery.stop_seconds`.
"""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import threading
import time
from typing import TYPE_CHECKING

from shipper import folder, requests
from shipper.errors import DataFolderError
from shipper.pipeline import POLL_SECONDS, Pipeline

if TYPE_CHECKING:
    from types import FrameType

    from shipper.config import Config
    from shipper.requests import Outcome

log = logging.getLogger("shipper")


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
        shipper = Shipper(config)
        try:
            return shipper.once(timeout_seconds) if once else shipper.forever()
        finally:
            shipper.close()


def replay_at_once(config: Config, request: requests.Replay) -> tuple[Outcome, ...]:
    """
    Send dead letters again where no shipper runs.

    Raises:
        ShipperError: the data folder or the output cannot be used; or a signal came before the
            end, and the rest goes out with the next replay, or at the next start.

    """
    with folder.hold(config.data_dir):
        place = requests.ask(config.data_dir / folder.REQUESTS, f"{wall()}-{os.getpid()}", request)
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

    def __init__(self, config: Config) -> None:
        self._config = config
        self._pipeline = Pipeline(config, wall)
        self._thread = threading.Thread(
            target=self._pipeline.publisher.run, name="publisher", daemon=True
        )

    def forever(self) -> int:
        """Ship until a signal; then stop reading, flush, ack, save."""
        pipeline = self._pipeline
        self._start()
        log.info("shipping as %s; stop with SIGTERM or Ctrl-C", self._config.host.name)
        while not pipeline.stopping:
            pipeline.raise_failure()
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
        while pipeline.turn() and time.monotonic() < deadline and not pipeline.stopping:
            pipeline.raise_failure()
            pipeline.settle()
        if pipeline.stopping:
            deadline = time.monotonic() + self._config.delivery.stop_seconds
        done = self._finish(deadline)
        return 0 if done and not pipeline.tailer.refused() else 3

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
        self._finish(time.monotonic() + self._config.delivery.stop_seconds)

    def _start(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        _allow_many_files()
        _let_the_allocator_keep(2 * self._config.delivery.batch_bytes)
        gc.collect()
        gc.freeze()
        self._thread.start()

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._pipeline.stopping = True
        self._pipeline.wake.set()

    def _finish(self, deadline: float) -> bool:
        """Publish what was read, save; tell whether everything was acked before the deadline."""
        pipeline = self._pipeline
        publisher = pipeline.publisher
        publisher.hurry()
        while not pipeline.is_acked() and self._thread.is_alive() and time.monotonic() < deadline:
            pipeline.wake.wait(POLL_SECONDS)
            pipeline.wake.clear()
            pipeline.settle()
        pipeline.last_beat()
        publisher.drain()
        while self._thread.is_alive() and time.monotonic() < deadline:
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

    def close(self) -> None:
        """Let go of everything."""
        self._pipeline.close()


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
