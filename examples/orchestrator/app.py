"""The FastAPI application: its parts put together, its life, and its answer to errors."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from examples.orchestrator.actions import Tools
from examples.orchestrator.api import Orchestrator, api, router
from examples.orchestrator.auth import Auth
from examples.orchestrator.database import Database, DatabaseUnavailableError
from examples.orchestrator.engine import QUEUE, Engine
from examples.orchestrator.executions import Executions, QueueFullError
from examples.orchestrator.faults import Faults, parse
from examples.orchestrator.services import Services
from examples.orchestrator.settings import Settings
from examples.orchestrator.workers import Scheduler, Worker
from examples.orchestrator.workflows import Workflows
from shipper import emit
from shipper.instrument import Instrument

log = logging.getLogger("automation_orchestrator.api")


def create_app_from_environment() -> FastAPI:
    """Make the application of a server process, with its log files open."""
    settings = Settings.from_environment(os.environ)
    emit.configure(mode=settings.mode, directory=settings.logs)
    return create_app(settings)


def create_app(settings: Settings) -> FastAPI:
    """Make the application; it starts to work when its lifespan begins."""
    parts = assemble(settings)
    app = FastAPI(title="Automation Orchestrator", lifespan=_live)
    app.state.orchestrator = parts
    app.include_router(router)
    app.include_router(api)
    app.add_exception_handler(DatabaseUnavailableError, _answer_503)
    app.add_exception_handler(QueueFullError, _answer_429)
    app.middleware("http")(_catch)
    parts.instrument.install(app)
    app.add_middleware(emit.AccessLogMiddleware)  # last, so that it sees every answer
    return app


def assemble(settings: Settings) -> Orchestrator:
    """Put the parts together."""
    faults = Faults(settings.fault_rates, parse(settings.faults))
    database = Database(settings.database, faults, slow_ms=settings.slow_query_ms)
    executions = Executions(database, max_depth=settings.max_queue_depth)
    instrument = Instrument(folder=settings.data / "numbers", disk_of=settings.logs)
    instrument.probe("database", database.ping, keep=1.0)
    instrument.queue(QUEUE, executions.depth)
    return Orchestrator(
        settings=settings,
        faults=faults,
        database=database,
        workflows=Workflows(database),
        executions=executions,
        auth=Auth(database, faults),
        instrument=instrument,
    )


def install(settings: Settings) -> None:
    """
    Make the database with the sample workflows and users, and forget the last run's switches.

    Once, before the first server process starts, and with no part broken.
    """
    settings.logs.mkdir(parents=True, exist_ok=True)
    settings.data.mkdir(parents=True, exist_ok=True)
    settings.fault_rates.unlink(missing_ok=True)
    parts = assemble(replace(settings, faults="none"))
    parts.database.open()
    parts.workflows.add_samples()
    parts.auth.add_users()
    parts.database.close()


@asynccontextmanager
async def _live(app: FastAPI) -> AsyncIterator[None]:
    parts: Orchestrator = app.state.orchestrator
    settings = parts.settings
    parts.database.open()
    tools = Tools(parts.database, Services(parts.faults))
    engine = Engine(parts.workflows, tools, parts.faults, parts.instrument)
    worker = Worker(parts.executions, engine, parts.faults, settings)
    scheduler = Scheduler(parts.workflows, parts.executions, parts.database, settings)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        for number in range(settings.queue_workers):
            tasks.create_task(worker.run(number, stop))
        tasks.create_task(scheduler.run(stop))
        log.info("Application started", extra={"faults": settings.faults})
        yield
        stop.set()
    log.info("Application stopped")
    parts.database.close()


async def _catch(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """
    Turn a bug into a logged 500.

    Left to the server, a bug would be logged under the server's name and answered without JSON;
    caught here it is logged once, as ours.
    """
    try:
        return await call_next(request)
    except Exception as error:
        log.exception("Request failed")
        parts: Orchestrator = request.app.state.orchestrator
        parts.instrument.error(error)
        return JSONResponse({"detail": "internal server error"}, 500)


async def _answer_503(_request: Request, error: Exception) -> Response:
    return JSONResponse({"detail": f"the database is unavailable: {error}"}, 503)


async def _answer_429(_request: Request, error: Exception) -> Response:
    log.warning("Queue is full, request refused")
    return JSONResponse({"detail": str(error)}, 429)
