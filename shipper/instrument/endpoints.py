"""
Answers `/health`, `/health/live`, `/health/ready`, `/api/metrics`, `/metrics`, `/api/debug/memory`.

It is pure ASGI. What reads the files of all workers does so in a thread, and its result is kept for
a second, so that many who ask are no load.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from shipper.instrument.allocations import Allocations
from shipper.instrument.health import HealthReport, total_of
from shipper.instrument.judge import ORDER, State
from shipper.instrument.readers import Readers
from shipper.instrument.reading import SharedMetrics, traffic_json, waits_json, workflows_json
from shipper.instrument.recording import REQUESTS
from shipper.instrument.resources import read_disk
from shipper.instrument.sampling import (
    CPU,
    CPU_SHARE,
    GROWING,
    GROWTH,
    GROWTH_HIGH,
    GROWTH_LOW,
    MEMORY,
    OPEN_FILES,
    STARTED,
    THREADS,
    Sampler,
)
from shipper.instrument.shared import read_all, workers_of
from shipper.instrument.started import seconds_since_start
from shipper.instrument.window import WindowSums, read_window

log = logging.getLogger("shipper.instrument")

KEEP_SECONDS: Final = 1.0
_JSON: Final = "application/json"
_NOT_ALLOWED: Final = {"detail": "send the token, or ask from this machine"}

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class EndpointAnswer:
    """A status and a body."""

    status: int
    body: bytes
    content_type: str = _JSON

    @classmethod
    def of(cls, status: int, found: Any) -> EndpointAnswer:
        """Return an answer in JSON."""
        return cls(status, json.dumps(found).encode())


@dataclass(frozen=True, slots=True)
class KnownRoute:
    """What answered, as Starlette says it."""

    path: str
    endpoint: Any


@dataclass(frozen=True, slots=True)
class WorkersRead:
    """What the files of all workers hold at a time (monotonic)."""

    at: float
    metrics: SharedMetrics
    window: WindowSums
    workers: int
    uptime_seconds: int


class Endpoints:
    """An ASGI application, which `Instrument` puts in front of another."""

    def __init__(  # noqa: PLR0913 -- the parts that it answers for
        self,
        folder: Callable[[], Path],
        health: HealthReport,
        sampler: Sampler,
        readers: Readers,
        *,
        disk_of: Path | None,
        unhealthy_status: int,
        debug_memory: bool,
        collectors: tuple[Any, ...],
    ) -> None:
        self._folder = folder
        self._health = health
        self._sampler = sampler
        self._readers = readers
        self._disk_of = disk_of
        self._unhealthy_status = unhealthy_status
        self._collectors = collectors
        self._allocations = Allocations()
        self._read: WorkersRead | None = None
        self._reading: asyncio.Task[WorkersRead] | None = None
        self._has_failed = False
        self._paths: dict[tuple[str, str], Callable[[Scope], Awaitable[EndpointAnswer]]] = {
            ("GET", "/health"): self._get_health,
            ("GET", "/health/live"): self._get_live,
            ("GET", "/health/ready"): self._get_ready,
            ("GET", "/api/metrics"): self._get_metrics,
            ("GET", "/metrics"): self._get_prometheus,
        }
        if debug_memory:
            self._paths["POST", "/api/debug/memory"] = self._post_memory

    def answers(self, scope: Scope) -> bool:
        """Return whether a request is for one of these."""
        return self._place(scope) in self._paths

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Answer a request; 404 if it is for none of these."""
        if scope["type"] != "http":
            return
        place = self._place(scope)
        scope.setdefault("route", KnownRoute(place[1], self))  # for the access log
        respond = self._paths.get(place)
        if respond is None:
            answer = EndpointAnswer.of(404, {"detail": "not found"})
        else:
            answer = await respond(scope)
        headers = [
            (b"content-type", answer.content_type.encode()),
            (b"content-length", str(len(answer.body)).encode()),
            (b"cache-control", b"no-store"),
        ]
        if answer.status == 401:
            headers.append((b"www-authenticate", b"Bearer"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        body = b"" if scope["method"] == "HEAD" else answer.body
        await send({"type": "http.response.body", "body": body})

    @staticmethod
    def _place(scope: Scope) -> tuple[str, str]:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        path: str = scope["path"]
        return method, path.removeprefix(scope.get("root_path", "")) or path

    async def _get_health(self, _scope: Scope) -> EndpointAnswer:
        state, found = await self._ask_health()
        return EndpointAnswer.of(self._status_of(state), found)

    async def _get_live(self, _scope: Scope) -> EndpointAnswer:
        return EndpointAnswer.of(200, {"status": "alive"})

    async def _get_ready(self, _scope: Scope) -> EndpointAnswer:
        """Answer 503 while a critical part is not there; load does not make it unready."""
        parts = await self._health.parts()
        missing = sorted(name for name, result in parts.items() if result.state == ORDER[-1])
        if missing:
            return EndpointAnswer.of(503, {"status": "not ready", "missing": missing})
        return EndpointAnswer.of(200, {"status": "ready"})

    async def _get_metrics(self, scope: Scope) -> EndpointAnswer:
        if not self._readers.may_read(scope):
            return EndpointAnswer.of(401, _NOT_ALLOWED)
        read = await self._workers()
        depths = await self._health.depths()
        waits = waits_json(read.metrics)
        found = {
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "uptime_seconds": read.uptime_seconds,
            "workers": read.workers,
            "success_rate": round(read.window.success_rate, 4),
            **traffic_json(read.metrics),
            "workflows": workflows_json(read.metrics),
            "queue_depth": total_of(depths),
            "queues": {
                name: {"depth": depths.get(name), **waits.get(name, {})}
                for name in sorted({*depths, *waits})
            },
            **self._resources(read.metrics),
            **await self._pools(),
        }
        return EndpointAnswer.of(200, found)

    async def _get_prometheus(self, scope: Scope) -> EndpointAnswer:
        if not self._readers.may_read(scope):
            return EndpointAnswer.of(401, _NOT_ALLOWED)
        state, health = await self._ask_health()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collected([*(await self._workers()).metrics.families.values()]))
        registry.register(_Collected([*_health_families(state, health)]))
        for collector in self._collectors:
            registry.register(collector)
        accept = b",".join(value for name, value in scope["headers"] if name == b"accept")
        try:
            encode, content_type = choose_encoder(accept.decode("latin-1"))
        except (TypeError, ValueError):  # a version that is none
            encode, content_type = choose_encoder("")
        return EndpointAnswer(200, await asyncio.to_thread(encode, registry), content_type)

    async def _post_memory(self, scope: Scope) -> EndpointAnswer:
        if not self._readers.has_token(scope):
            return EndpointAnswer.of(401, {"detail": "send the token"})
        found = await asyncio.to_thread(self._allocations.compare)
        return EndpointAnswer.of(200, {"pid": os.getpid(), **found})

    async def _ask_health(self) -> tuple[State, dict[str, Any]]:
        read = await self._workers()
        total = int(read.metrics.total(REQUESTS.name))
        return await self._health.answer(read.window, total, read.uptime_seconds)

    def _status_of(self, state: State) -> int:
        return self._unhealthy_status if state == ORDER[-1] else 200

    async def _workers(self) -> WorkersRead:
        """Return what is known of all workers; many who ask at once are one reading."""
        read = self._read
        if read is not None and time.monotonic() - read.at < KEEP_SECONDS:
            return read
        loop, task = asyncio.get_running_loop(), self._reading
        if task is None or task.done() or task.get_loop() is not loop:
            task = self._reading = loop.create_task(self._read_again())
        return await asyncio.shield(task)

    async def _read_again(self) -> WorkersRead:
        try:
            read = await asyncio.to_thread(self._read_workers)
            self._has_failed = False
        except Exception as error:  # noqa: BLE001 -- files that others may delete or damage
            if not self._has_failed:
                log.error("the numbers of the workers cannot be read: %r", error)  # noqa: TRY400
            self._has_failed = True
            read = self._read or WorkersRead(0.0, SharedMetrics({}), WindowSums(), 1, 0)
            read = replace(read, at=time.monotonic())
        self._read = read
        return read

    def _read_workers(self) -> WorkersRead:
        folder = self._folder()
        window = read_window(folder)
        metrics = SharedMetrics.of(read_all(folder))
        alive = sum(workers_of(folder).values())
        return WorkersRead(time.monotonic(), metrics, window, alive, seconds_since_start(folder))

    async def _pools(self) -> dict[str, Any]:
        """Return the numbers of connection pools that probes have found."""
        parts = await self._health.parts()
        found = [result.part["pool"] for result in parts.values() if "pool" in result.part]
        return {"pool": found[0]} if found else {}

    def _resources(self, metrics: SharedMetrics) -> dict[str, Any]:
        """Return what the living workers use, in all and each."""
        processes: dict[str, dict[str, Any]] = {}
        for name, family, factor, digits in _OF_A_PROCESS:
            for (pid,), value in metrics.by(family.name, "pid").items():
                process = processes.setdefault(pid, {"pid": int(pid)})
                process[name] = round(value * factor, digits) if digits else int(value)
        each = [processes[pid] for pid in sorted(processes, key=int)]
        sums: dict[str, Any] = {
            name: round(sum(process.get(name, 0) for process in each), 1)
            for name in ("cpu_percent", "memory_rss_bytes", "open_files", "threads")
        }
        if self._disk_of is not None:
            with suppress(OSError):  # the place is gone; the probe of it says so
                free, size = read_disk(self._disk_of)
                sums["disk_free_bytes"] = free
                sums["disk_used_percent"] = round(100 * (1 - free / size), 1) if size else None
        return {"resources": sums, "processes": each}


_OF_A_PROCESS: Final = (
    ("memory_rss_bytes", MEMORY, 1, 0),
    ("cpu_percent", CPU_SHARE, 100, 1),
    ("cpu_seconds", CPU, 1, 2),
    ("open_files", OPEN_FILES, 1, 0),
    ("threads", THREADS, 1, 0),
    ("start_time_seconds", STARTED, 1, 0),
    ("memory_growth_bytes_per_hour", GROWTH, 1, 0),
    ("memory_growth_low_bytes_per_hour", GROWTH_LOW, 1, 0),
    ("memory_growth_high_bytes_per_hour", GROWTH_HIGH, 1, 0),
    ("memory_growing", GROWING, 1, 0),
)


class _Collected:
    """Metrics that were collected, for a registry."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Return them."""
        return self._families


def _health_families(state: State, health: dict[str, Any]) -> Iterable[Metric]:
    """Yield the answer of `/health` as gauges."""
    yield GaugeMetricFamily(
        "application_health",
        "2 healthy, 1 degraded, 0 unhealthy.",
        value=2 - ORDER.index(state),
    )
    yield GaugeMetricFamily(
        "application_uptime_seconds", "Time since the start.", value=health["uptime_seconds"]
    )
    rate = GaugeMetricFamily(
        "application_success_ratio", "Share of requests that succeeded in five minutes."
    )
    rate.add_metric([], health["metrics"]["success_rate"])
    yield rate
