"""
The queue: executions that were asked for, and what became of them.

    submit ──► queued ──take──► running ──finish──► success | failed
                 ▲                 │
                 └─── put_back ────┘   whoever ran it could not say how it ended
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import time
from dataclasses import asdict, dataclass
from typing import Literal

from examples.orchestrator.database import Database
from examples.orchestrator.definitions import Data

LOST_AFTER_SECONDS = 60.0  # longer than any execution may take (engine.LIMIT_SECONDS)

Started = Literal["manual", "webhook", "schedule"]
Status = Literal["queued", "running", "success", "failed"]


class QueueFullError(Exception):
    """Too many executions wait already."""


@dataclass(frozen=True, slots=True)
class Execution:
    """One run of a workflow."""

    execution_id: str
    workflow_id: str
    trigger: Started
    data: Data
    request_id: str | None
    status: Status
    execution_time_ms: float | None = None
    error_type: str | None = None


@dataclass(frozen=True, slots=True)
class TakenExecution(Execution):
    """One that was just taken out of the queue, and how long it was in there, if that is known."""

    waited_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended."""

    status: Literal["success", "failed"]
    execution_time_ms: float
    error_type: str | None = None


class Executions:
    """The table of executions, used as a queue by all the processes."""

    def __init__(self, database: Database, *, max_depth: int) -> None:
        self._database = database
        self._max_depth = max_depth

    def submit(
        self, workflow_id: str, trigger: Started, data: Data, request_id: str | None = None
    ) -> Execution:
        """
        Queue a run of a workflow.

        Raises:
            QueueFullError: `max_depth` executions wait already.

        """
        if self.depth() >= self._max_depth:
            raise QueueFullError(f"{self._max_depth} executions are waiting already")
        now = time.time()
        rows = self._database.run(
            """
            INSERT INTO executions
                (execution_id, workflow_id, trigger, data, request_id, status, changed_at,
                 queued_at)
            VALUES (?, ?, ?, ?, ?, 'queued', ?, ?) RETURNING *
            """,
            f"exec_{secrets.token_hex(8)}",
            workflow_id,
            trigger,
            json.dumps(data),
            request_id,
            now,
            now,
        )
        return _execution(rows[0])

    def take(self) -> TakenExecution | None:
        """Hand out the execution that has waited longest; no other process gets it."""
        now = time.time()
        rows = self._database.run(
            """
            UPDATE executions SET status = 'running', changed_at = ?
            WHERE execution_id = (
                SELECT execution_id FROM executions WHERE status = 'queued'
                ORDER BY changed_at LIMIT 1
            )
            RETURNING *
            """,
            now,
        )
        if not rows:
            return None
        # A clock that was set back makes no negative time; an older process wrote none.
        queued_at = rows[0]["queued_at"]
        waited = None if queued_at is None else max(0.0, now - queued_at)
        return TakenExecution(**asdict(_execution(rows[0])), waited_seconds=waited)

    def finish(self, execution_id: str, outcome: Outcome) -> None:
        """Note how an execution ended."""
        self._database.run(
            """
            UPDATE executions SET status = ?, execution_time_ms = ?, error_type = ?, changed_at = ?
            WHERE execution_id = ?
            """,
            outcome.status,
            outcome.execution_time_ms,
            outcome.error_type,
            time.time(),
            execution_id,
        )

    def find(self, execution_id: str) -> Execution | None:
        """Look an execution up."""
        rows = self._database.run("SELECT * FROM executions WHERE execution_id = ?", execution_id)
        return _execution(rows[0]) if rows else None

    def depth(self) -> int:
        """Count the executions that wait."""
        rows = self._database.run("SELECT count(*) AS n FROM executions WHERE status = 'queued'")
        return int(rows[0]["n"])

    def put_back(self) -> list[str]:
        """Queue again what was taken and never finished, and list the ids."""
        now = time.time()
        rows = self._database.run(
            """
            UPDATE executions SET status = 'queued', queued_at = ?
            WHERE status = 'running' AND changed_at < ? RETURNING execution_id
            """,
            now,
            now - LOST_AFTER_SECONDS,
        )
        return [row["execution_id"] for row in rows]


def _execution(row: sqlite3.Row) -> Execution:
    return Execution(
        execution_id=row["execution_id"],
        workflow_id=row["workflow_id"],
        trigger=row["trigger"],
        data=json.loads(row["data"]),
        request_id=row["request_id"],
        status=row["status"],
        execution_time_ms=row["execution_time_ms"],
        error_type=row["error_type"],
    )
