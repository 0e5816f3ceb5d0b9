"""Looks at the application's health, for who asks and every so often for the log."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from examples.orchestrator.database import Database, DatabaseUnavailableError
from examples.orchestrator.executions import Executions
from examples.orchestrator.health import Health, Traffic, report
from examples.orchestrator.settings import Settings
from examples.orchestrator.workers import wait

log = logging.getLogger("automation_orchestrator.health")


def look(database: Database, executions: Executions, traffic: Traffic, logs: Path) -> Health:
    """Ask the database and the queue, and judge."""
    response_ms = database.ping_ms()
    try:
        depth = executions.depth()
    except DatabaseUnavailableError:
        response_ms, depth = None, 0
    return report(traffic, response_ms, depth, logs)


class Watch:
    """
    Writes the answer of `/health` to the log, so that it can be searched and alerted on.

    It is an observation, not a failed operation: bad health is a WARNING, and no error is counted.
    """

    def __init__(
        self, database: Database, executions: Executions, traffic: Traffic, settings: Settings
    ) -> None:
        self._database = database
        self._executions = executions
        self._traffic = traffic
        self._settings = settings

    async def run(self, stop: asyncio.Event) -> None:
        """Look every so often until `stop` is set."""
        await wait(stop, self._settings.health_seconds)
        while not stop.is_set():
            self._note(await asyncio.to_thread(self._look))
            await wait(stop, self._settings.health_seconds)

    def _look(self) -> Health:
        return look(self._database, self._executions, self._traffic, self._settings.logs)

    def _note(self, health: Health) -> None:
        level = logging.INFO if health.status == "healthy" else logging.WARNING
        metrics = health.metrics.model_dump()
        if health.database.status == "disconnected":
            del metrics["queue_depth"]  # nobody knows it
        log.log(
            level,
            "Application is %s",
            health.status,
            extra={
                "status": health.status,
                "uptime_seconds": health.uptime_seconds,
                **metrics,
                "database": health.database.model_dump(),
                "storage": health.storage.model_dump(),
            },
        )
