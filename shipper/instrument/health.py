"""
The answer of `/health`: probes, traffic and queues, judged.

Success rate and response time are those of the last five minutes, over all workers; the number of
requests is that since the start. A queue grows if its depth rose over the window for sure, see
trend.py.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from shipper.instrument.judge import HealthLimits, HealthNumbers, State, judge
from shipper.instrument.probes import Probe, ProbeResult, ProbeRunner
from shipper.instrument.trend import trend_of
from shipper.instrument.window import WINDOW_SECONDS, WindowSums

MOST_QUEUES: Final = 20
MOST_PROBES: Final = 20
DEPTH_SECONDS: Final = 1.0  # a depth is kept so long
RESERVED: Final = frozenset({"status", "timestamp", "uptime_seconds", "metrics"})


class HealthReport:
    """Probes and queues of an application, and the answer that is made of them."""

    def __init__(self, limits: HealthLimits, ticks: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._ticks = ticks
        self._probes: dict[str, ProbeRunner] = {}
        self._queues: dict[str, ProbeRunner] = {}
        self._depths: deque[tuple[float, float]] = deque(maxlen=600)

    def add_probe(self, runner: ProbeRunner) -> None:
        """Add a part; ValueError if its name is taken or is one of the answer's own."""
        if runner.name in RESERVED or runner.name in self._probes:
            raise ValueError(f"the name {runner.name!r} of a probe is taken")
        if len(self._probes) >= MOST_PROBES:
            raise ValueError(f"more than {MOST_PROBES} probes")
        self._probes[runner.name] = runner

    def add_queue(self, name: str, depth: Probe) -> None:
        """Add a queue, whose depth all workers see alike."""
        if name not in self._queues and len(self._queues) >= MOST_QUEUES:
            raise ValueError(f"more than {MOST_QUEUES} queues")
        self._queues[name] = ProbeRunner(name, depth, keep_seconds=DEPTH_SECONDS)

    async def depths(self) -> dict[str, int | None]:
        """Return the depth of each queue, None where it cannot be had; note their sum."""
        found = await asyncio.gather(*(runner.result() for runner in self._queues.values()))
        depths = {name: _depth_of(result) for name, result in zip(self._queues, found, strict=True)}
        known = total_of(depths)
        if known is not None and depths:
            now = self._ticks()
            if not self._depths or now - self._depths[-1][0] >= 1:
                self._depths.append((now, float(known)))
        return depths

    def grows(self) -> bool:
        """Return whether the queues grew over the window."""
        since = self._ticks() - WINDOW_SECONDS
        points = [point for point in self._depths if point[0] >= since]
        trend = trend_of(points)
        return trend is not None and trend.grows

    async def parts(self) -> dict[str, ProbeResult]:
        """Return what each probe finds."""
        results = await asyncio.gather(*(runner.result() for runner in self._probes.values()))
        return dict(zip(self._probes, results, strict=True))

    async def answer(
        self, window: WindowSums, requests_total: int, uptime_seconds: int
    ) -> tuple[State, dict[str, Any]]:
        """Return the state and the JSON of `/health`."""
        depths, parts = await asyncio.gather(self.depths(), self.parts())
        depth = total_of(depths)
        numbers = HealthNumbers(
            window.requests, window.success_rate, window.average_ms, depth, self.grows()
        )
        states = [result.state for result in parts.values()]
        if depth is None:
            states.append("degraded")
        state = judge(numbers, states, self._limits)
        return state, {
            "status": state,
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "uptime_seconds": uptime_seconds,
            "metrics": {
                "requests_total": requests_total,
                "success_rate": round(window.success_rate, 4),
                "queue_depth": depth,
                "avg_response_time_ms": round(window.average_ms, 1),
            },
            **{name: dict(parts[name].part) for name in sorted(parts, key=_place)},
        }


def total_of(depths: Mapping[str, int | None]) -> int | None:
    """Return the sum of the depths; None if one of them is not known."""
    total = 0
    for depth in depths.values():
        if depth is None:
            return None
        total += depth
    return total


def _place(name: str) -> int:
    """Return where a part stands: database and storage before others, which keep their order."""
    return ("database", "storage", name).index(name)


def _depth_of(result: ProbeResult) -> int | None:
    value = result.part.get("value", 0 if result.part.get("status") == "ok" else None)
    return int(value) if isinstance(value, int | float) and value >= 0 else None
