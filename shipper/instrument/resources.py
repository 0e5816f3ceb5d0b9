"""What this process and its disk use, by psutil."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from shipper.instrument.trend import SeriesTrend, trend_of

MEMORY_SECONDS: Final = 60.0  # between two points of the memory's series
MEMORY_POINTS: Final = 360  # six hours
WARM_UP_SECONDS: Final = 1800.0  # whose growth is no leak
FEWEST_POINTS: Final = 60  # an hour, before anything is said
LEAST_GROWTH: Final = 0.02  # of the memory in an hour


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """What one process uses now."""

    memory_rss_bytes: int
    cpu_seconds: float
    open_files: int
    threads: int
    started: float  # epoch seconds


def read_process() -> ProcessUse:
    """Measure this process."""
    process = psutil.Process(os.getpid())
    with process.oneshot():
        times = process.cpu_times()
        return ProcessUse(
            process.memory_info().rss,
            times.user + times.system,
            process.num_fds(),
            process.num_threads(),
            process.create_time(),
        )


def read_disk(place: Path) -> tuple[int, int]:
    """Return the free and all bytes of the disk that holds a place."""
    usage = shutil.disk_usage(place)
    return usage.free, usage.total


@dataclass(slots=True)
class MemorySeries:
    """
    Resident memory of this process over hours, and whether it leaks.

    It leaks if it grows for sure, by a fiftieth an hour at least, and its lowest points grow, too:
    what falls back (a saw-tooth) does not leak. The first half hour (warm-up) does not count.
    """

    ticks: Callable[[], float]
    started: float = field(init=False)
    _points: deque[tuple[float, float]] = field(
        default_factory=lambda: deque(maxlen=MEMORY_POINTS), init=False
    )

    def __post_init__(self) -> None:
        """Begin."""
        self.started = self.ticks()

    def add(self, rss: int) -> None:
        """Note the memory, once a minute at most."""
        now = self.ticks()
        if now - self.started < WARM_UP_SECONDS:
            return
        if not self._points or now - self._points[-1][0] >= MEMORY_SECONDS:
            self._points.append((now, float(rss)))

    def trend(self) -> SeriesTrend | None:
        """Return the trend of the memory's floor in bytes per second; None if it is too early."""
        if len(self._points) < FEWEST_POINTS:
            return None
        points = [*self._points]
        size = len(points) // 12
        floors = [
            min(points[begin : begin + size], key=lambda point: point[1])
            for begin in range(0, size * 12, size)
        ]
        return trend_of(floors)

    def grows(self) -> bool:
        """Return whether the memory leaks."""
        trend = self.trend()
        return (
            trend is not None
            and trend.grows
            and trend.slope * 3600 >= LEAST_GROWTH * self._points[0][1]
        )
