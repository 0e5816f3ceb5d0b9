"""The tasks of a process: those that take executions from the queue, and the scheduler."""

from __future__ import annotations

import asyncio
import logging

from examples.orchestrator.database import Database, DatabaseUnavailableError
from examples.orchestrator.engine import Engine
from examples.orchestrator.executions import Executions, QueueFullError
from examples.orchestrator.faults import Faults
from examples.orchestrator.settings import Settings
from examples.orchestrator.workflows import Workflows

TICKS_BETWEEN_CLEANUPS = 60
GROWING_ABOVE = 20  # executions that wait: fewer may wait for a moment without being worth a word

log = logging.getLogger("automation_orchestrator.worker")


class Worker:
    """Takes executions from the queue and has them executed, one at a time."""

    def __init__(
        self, executions: Executions, engine: Engine, faults: Faults, settings: Settings
    ) -> None:
        self._executions = executions
        self._engine = engine
        self._faults = faults
        self._settings = settings

    async def run(self, number: int, stop: asyncio.Event) -> None:
        """Work until `stop` is set; the execution in hand is finished first."""
        log.info("Worker started", extra={"worker": number})
        while not stop.is_set():
            try:
                pause = 0.0 if await self._work_once() else self._settings.poll_seconds
            except DatabaseUnavailableError:
                pause = self._settings.tick_seconds
            await wait(stop, pause)
        log.info("Worker stopped", extra={"worker": number})

    async def _work_once(self) -> bool:
        if self._faults.strikes("queue_stuck"):
            return False
        execution = await asyncio.to_thread(self._executions.take)
        if execution is None:
            return False
        outcome = await self._engine.execute(execution)
        await asyncio.to_thread(self._executions.finish, execution.execution_id, outcome)
        return True


class Scheduler:
    """Queues what a schedule starts, and keeps the queue in order."""

    def __init__(
        self,
        workflows: Workflows,
        executions: Executions,
        database: Database,
        settings: Settings,
    ) -> None:
        self._workflows = workflows
        self._executions = executions
        self._database = database
        self._tick_seconds = settings.tick_seconds
        self._depth = 0
        self._ticks = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Look at the schedules and the queue every so often until `stop` is set."""
        while not stop.is_set():
            try:
                await asyncio.to_thread(self._tick)
            except DatabaseUnavailableError:
                log.warning("Schedules wait for the database")
            except QueueFullError:
                log.warning("Queue is full, a scheduled run was left out")
            await wait(stop, self._tick_seconds)

    def _tick(self) -> None:
        for workflow_id in self._workflows.take_due():
            self._executions.submit(workflow_id, "schedule", {})
        for execution_id in self._executions.put_back():
            log.warning("Execution was lost, queued again", extra={"execution_id": execution_id})
        if self._ticks % TICKS_BETWEEN_CLEANUPS == 0:
            self._database.forget()
        self._ticks += 1
        self._watch_depth(self._executions.depth())

    def _watch_depth(self, depth: int) -> None:
        if depth > max(self._depth, GROWING_ABOVE):
            log.warning("Queue is growing", extra={"queue_depth": depth})
        self._depth = depth


async def wait(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stop` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
