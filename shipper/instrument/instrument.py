"""
What an application mounts: counts its requests and answers for its health.

    instrument = Instrument()
    instrument.install(app)                          # FastAPI or Starlette
    app = instrument.wrap(app)                       # any other ASGI application

    GET /health  /health/live  /health/ready         JSON
    GET /api/metrics                                 JSON
    GET /metrics                                     Prometheus or OpenMetrics

Nothing of it can fail a request of the application: what raises here is logged once, and not
counted.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from shipper.instrument.endpoints import Endpoints
from shipper.instrument.folder import SharedFolder
from shipper.instrument.guard import Guard
from shipper.instrument.health import HealthReport
from shipper.instrument.judge import HealthLimits
from shipper.instrument.middleware import InstrumentMiddleware
from shipper.instrument.probes import Probe, ProbeRunner
from shipper.instrument.readers import Readers
from shipper.instrument.ready_made import disk
from shipper.instrument.recording import Recorder
from shipper.instrument.sampling import Sampler
from shipper.instrument.shared import SharedNumbers
from shipper.instrument.started import note_start
from shipper.instrument.statsd import StatsdPush
from shipper.instrument.window import RequestWindow
from shipper.instrument.work import WorkflowTimer

log = logging.getLogger("shipper.instrument")

DEFAULT_LIMITS: Final = HealthLimits()


class Instrument:
    """
    Health and metrics of one application; make it once, before its server forks.

    `folder` is where its workers share their numbers (usual: below the folder for temporary files);
    `disk_of` is a place on the disk whose space counts; `token` and `networks` say who may read the
    metrics besides this machine; `unhealthy_status` is the HTTP status of `/health` when it is
    unhealthy (200: always); `statsd` is `host:port`; `debug_memory` allows `POST
    /api/debug/memory`, with the token.

    Raises:
        ValueError: a network, the token or the address is not valid.
        OSError: the folder cannot be used (a process of root logs that later).
    """

    def __init__(  # noqa: PLR0913 -- the options of an application
        self,
        *,
        folder: Path | str | None = None,
        limits: HealthLimits = DEFAULT_LIMITS,
        disk_of: Path | str | None = ".",
        token: str | None = None,
        networks: Iterable[str] = (),
        unhealthy_status: int = 503,
        statsd: str | None = None,
        statsd_prefix: str = "",
        statsd_tags: bool = False,
        debug_memory: bool = False,
        collectors: Iterable[Any] = (),
    ) -> None:
        if debug_memory and token is None:
            raise ValueError("debug_memory needs a token")
        place = SharedFolder(None if folder is None else Path(folder))
        push = StatsdPush(statsd, prefix=statsd_prefix, tags=statsd_tags) if statsd else None
        numbers = SharedNumbers(place.path)
        window = RequestWindow(place.path)
        self._recorder = Recorder(numbers, window, push)
        self._health = HealthReport(limits)
        self._sampler = Sampler(
            self._recorder, self._health, push, Path(disk_of) if disk_of is not None else None
        )
        self._endpoints = Endpoints(
            place.path,
            self._health,
            self._sampler,
            Readers.of(networks, token),
            disk_of=Path(disk_of) if disk_of is not None else None,
            unhealthy_status=unhealthy_status,
            debug_memory=debug_memory,
            collectors=tuple(collectors),
        )
        self._window, self._folder = window, place
        self._guard = Guard("workflows, queues and errors are not counted")
        if disk_of is not None:
            self.probe("storage", disk(Path(disk_of), limits.available_gb))

    def install(self, app: Any) -> None:
        """Add it to a FastAPI or Starlette application, as the outermost middleware so far."""
        app.add_middleware(InstrumentMiddleware, instrument=self)

    def wrap(self, app: Any) -> InstrumentMiddleware:
        """Return an ASGI application that counts what `app` answers."""
        return InstrumentMiddleware(app, instrument=self)

    def probe(
        self,
        name: str,
        probe: Probe,
        *,
        timeout: float = 2.0,
        keep: float = 5.0,
        critical: bool = True,
    ) -> None:
        """
        Add a part to `/health`, by a callable that returns what is known of it, or raises.

        It may take `timeout` seconds; its answer is kept for `keep` seconds. A part that is not
        `critical` makes the application degraded at most.

        Raises:
            ValueError: the name is taken.
        """
        words = ("connected", "disconnected") if name == "database" else ("ok", "error")
        self._health.add_probe(
            ProbeRunner(
                name,
                timed(probe) if name == "database" else probe,
                timeout,
                keep,
                critical,
                *words,
            )
        )

    def queue(self, name: str, depth: Probe) -> None:
        """Add a queue by a callable that returns how many tasks wait in it, for all workers."""
        self._health.add_queue(name, depth)

    def workflow(self, workflow_id: str, **fields: Any) -> WorkflowTimer:
        """
        Count and log an execution of a workflow: as `with`, `async with`, or a decorator.

        `fields` are those of the record besides.
        """
        return WorkflowTimer(self._recorder, self._guard, workflow_id, fields)

    def waited(self, queue: str, seconds: float) -> None:
        """Count a task that left a queue after so many seconds."""
        self._guard.run(lambda: self._recorder.waited(queue, seconds))

    def error(self, error: BaseException) -> None:
        """Count an exception that the application handles itself, by its class."""
        self._guard.run(lambda: self._recorder.exception(type(error).__name__))

    def begin(self) -> None:
        """Start sampling in this worker's event loop, if that is not done yet."""
        if not self._window.is_open:
            self._window.open()
            note_start(self._folder.path())
        self._sampler.start()

    @property
    def recorder(self) -> Recorder:
        """What counts."""
        return self._recorder

    @property
    def endpoints(self) -> Endpoints:
        """What answers: an ASGI application that can be mounted on its own."""
        return self._endpoints


def timed(probe: Probe, ticks: Callable[[], float] = time.perf_counter) -> Probe:
    """Return a probe that adds `response_time_ms` to what another finds."""

    def finish(found: Any, started: float) -> dict[str, Any]:
        if found is False:
            raise ConnectionError
        part = dict(found) if isinstance(found, dict) else {}
        return {"response_time_ms": round((ticks() - started) * 1000, 1), **part}

    if asyncio.iscoroutinefunction(probe):

        async def ask_later() -> dict[str, Any]:
            started = ticks()
            return finish(await probe(), started)

        return ask_later

    def ask() -> dict[str, Any]:
        started = ticks()
        return finish(probe(), started)

    return ask
