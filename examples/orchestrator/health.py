"""How well the application is, by the limits that its operators agreed on."""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

State = Literal["healthy", "degraded", "unhealthy"]

WINDOW_SECONDS = 60.0  # a bad hour must not colour the answer for the rest of the day
WINDOW_REQUESTS = 10_000  # bounds the memory


class Metrics(BaseModel):
    """Numbers of this process; rate and time are those of the last minute."""

    requests_total: int
    success_rate: float
    queue_depth: int
    avg_response_time_ms: float


class DatabaseHealth(BaseModel):
    """Whether the database answers, and how fast."""

    status: Literal["connected", "disconnected"]
    response_time_ms: float | None


class StorageHealth(BaseModel):
    """What is left of the disk that holds the logs."""

    status: State
    available_gb: float


class Health(BaseModel):
    """The answer of `/health`."""

    status: State
    timestamp: str
    uptime_seconds: int
    metrics: Metrics
    database: DatabaseHealth
    storage: StorageHealth


@dataclass(frozen=True, slots=True)
class Answered:
    """One request that was answered."""

    at: float
    is_success: bool
    duration_ms: float


class Traffic:
    """Counts what this process answered."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._total = 0
        self._recent: deque[Answered] = deque(maxlen=WINDOW_REQUESTS)
        self._lock = threading.Lock()

    def note(self, status_code: int, duration_ms: float) -> None:
        """Count an answer. A client's own errors (4xx) are no failures of ours."""
        answered = Answered(time.monotonic(), status_code < 500, duration_ms)
        with self._lock:
            self._total += 1
            self._recent.append(answered)

    @property
    def uptime_seconds(self) -> int:
        """Seconds since this process started."""
        return int(time.monotonic() - self._started)

    def metrics(self, queue_depth: int) -> Metrics:
        """Sum up the last minute."""
        since = time.monotonic() - WINDOW_SECONDS
        with self._lock:
            recent = [answered for answered in self._recent if answered.at >= since]
        count = len(recent)
        return Metrics(
            requests_total=self._total,
            success_rate=round(sum(r.is_success for r in recent) / count, 4) if count else 1.0,
            queue_depth=queue_depth,
            avg_response_time_ms=round(sum(r.duration_ms for r in recent) / count, 1)
            if count
            else 0,
        )


def judge(metrics: Metrics, *, is_connected: bool) -> State:
    """Apply the limits: the worst number decides, and nothing is well without a database."""
    if (
        not is_connected
        or metrics.success_rate < 0.80
        or metrics.avg_response_time_ms > 500
        or metrics.queue_depth > 500
    ):
        return "unhealthy"
    if (
        metrics.success_rate <= 0.95
        or metrics.avg_response_time_ms >= 200
        or metrics.queue_depth >= 100
    ):
        return "degraded"
    return "healthy"


def report(traffic: Traffic, database_ms: float | None, queue_depth: int, logs: Path) -> Health:
    """Put the answer of `/health` together; `database_ms` is None if the database is lost."""
    metrics = traffic.metrics(queue_depth)
    is_connected = database_ms is not None
    return Health(
        status=judge(metrics, is_connected=is_connected),
        timestamp=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        uptime_seconds=traffic.uptime_seconds,
        metrics=metrics,
        database=DatabaseHealth(
            status="connected" if is_connected else "disconnected",
            response_time_ms=None if database_ms is None else round(database_ms, 1),
        ),
        storage=_storage(shutil.disk_usage(logs).free / 1e9),
    )


def _storage(available_gb: float) -> StorageHealth:
    status: State = "healthy"
    if available_gb < 5:
        status = "degraded"
    if available_gb < 1:
        status = "unhealthy"
    return StorageHealth(status=status, available_gb=round(available_gb, 1))
