"""Samples, every few seconds, what has to be asked for: queues, memory, files, disk, processor."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from shipper.instrument.health import HealthReport
from shipper.instrument.recording import GaugeFamily, Recorder
from shipper.instrument.resources import MemorySeries, read_disk, read_process
from shipper.instrument.statsd import StatsdPush

log = logging.getLogger("shipper.instrument")

SAMPLE_SECONDS: Final = 5.0

_PER_PROCESS: Final = "liveall"  # prometheus-client adds the label pid
MEMORY = GaugeFamily("process_resident_memory_bytes", (), "Resident memory.", _PER_PROCESS)
CPU = GaugeFamily("process_cpu_seconds", (), "Processor time so far.", _PER_PROCESS)
CPU_SHARE = GaugeFamily("process_cpu_ratio", (), "Processors in use, lately.", _PER_PROCESS)
OPEN_FILES = GaugeFamily("process_open_fds", (), "Open files.", _PER_PROCESS)
THREADS = GaugeFamily("process_threads", (), "Threads.", _PER_PROCESS)
STARTED = GaugeFamily(
    "process_start_time_seconds", (), "When it started, seconds since 1970.", _PER_PROCESS
)
GROWTH = GaugeFamily(
    "process_memory_growth_bytes_per_hour", (), "Trend of the floor of the memory.", _PER_PROCESS
)
GROWTH_LOW = GaugeFamily(
    "process_memory_growth_low_bytes_per_hour", (), "Its lower bound (95 %).", _PER_PROCESS
)
GROWTH_HIGH = GaugeFamily(
    "process_memory_growth_high_bytes_per_hour", (), "Its upper bound (95 %).", _PER_PROCESS
)
GROWING = GaugeFamily(
    "process_memory_growing", (), "1 if the memory grows for hours.", _PER_PROCESS
)
DISK_FREE = GaugeFamily("disk_free_bytes", (), "Free space of the disk.", "livemin")
DISK_SIZE = GaugeFamily("disk_size_bytes", (), "Size of the disk.", "livemax")
QUEUE_DEPTH = GaugeFamily("queue_depth", ("queue",), "Tasks that wait.", "livemostrecent")


class Sampler:
    """Samples one worker, as a task of its event loop."""

    def __init__(
        self,
        recorder: Recorder,
        health: HealthReport,
        statsd: StatsdPush | None,
        place: Path | None,
    ) -> None:
        self._recorder = recorder
        self._health = health
        self._statsd = statsd
        self._place = place
        self._task: asyncio.Task[None] | None = None
        self._begin(os.getpid())

    def _begin(self, pid: int) -> None:
        self._pid = pid
        self.memory = MemorySeries(time.monotonic)
        self._cpu: tuple[float, float] | None = None

    def start(self) -> None:
        """Start the task in the running loop, if it does not run there yet."""
        task = self._task
        if task is not None and not task.done() and self._pid == os.getpid():
            return
        if self._pid != os.getpid():
            self._begin(os.getpid())
        self._task = asyncio.get_running_loop().create_task(self._forever())

    def sample(self) -> None:
        """Measure this process and its disk."""
        self._recorder.touch()
        use, now = read_process(), time.monotonic()
        self.memory.add(use.memory_rss_bytes)
        trend = self.memory.trend()
        gauges: list[tuple[GaugeFamily, float]] = [
            (MEMORY, use.memory_rss_bytes),
            (CPU, use.cpu_seconds),
            (OPEN_FILES, use.open_files),
            (THREADS, use.threads),
            (STARTED, use.started),
            (GROWTH, trend.slope * 3600 if trend else 0.0),
            (GROWTH_LOW, trend.low * 3600 if trend else 0.0),
            (GROWTH_HIGH, trend.high * 3600 if trend else 0.0),
            (GROWING, float(self.memory.grows())),
        ]
        if self._cpu is not None and now > self._cpu[0]:
            gauges.append((CPU_SHARE, (use.cpu_seconds - self._cpu[1]) / (now - self._cpu[0])))
        self._cpu = now, use.cpu_seconds
        if self._place is not None:
            free, size = read_disk(self._place)
            gauges += [(DISK_FREE, free), (DISK_SIZE, size)]
        for family, value in gauges:
            self._recorder.gauge(family, value)

    async def sample_queues(self) -> None:
        """Ask how deep the queues are."""
        for name, depth in (await self._health.depths()).items():
            if depth is not None:
                # The latest of several workers counts, by the clock that nobody sets.
                self._recorder.gauge(QUEUE_DEPTH, depth, (name,), time.monotonic())

    async def _forever(self) -> None:
        while True:
            for step in (self.sample, self.sample_queues, self._flush):
                await self._guarded(step)
            await asyncio.sleep(SAMPLE_SECONDS)

    async def _flush(self) -> None:
        if self._statsd is not None:
            await asyncio.to_thread(self._statsd.flush)

    @staticmethod
    async def _guarded(step: Callable[[], Any]) -> None:
        """Carry out a step; one that fails is tried again the next time."""
        try:
            found = step()
            if found is not None:
                await found
        except Exception:
            log.debug("not sampled", exc_info=True)
