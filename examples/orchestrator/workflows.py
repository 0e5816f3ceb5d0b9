"""The workflows that are defined, and which of them a trigger starts."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from examples.orchestrator.database import Database
from examples.orchestrator.definitions import SAMPLES, Schedule, Webhook, Workflow


@dataclass(frozen=True, slots=True)
class StoredWorkflow:
    """A workflow and the id that it got."""

    workflow_id: str
    definition: Workflow


class Workflows:
    """The table of workflows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_samples(self) -> None:
        """Add the workflows that a new installation starts with."""
        for workflow_id, definition in SAMPLES.items():
            self._insert(workflow_id, definition)

    def add(self, definition: Workflow) -> StoredWorkflow:
        """Store a new workflow."""
        workflow_id = f"workflow_{secrets.token_hex(6)}"
        self._insert(workflow_id, definition)
        return StoredWorkflow(workflow_id, definition)

    def find(self, workflow_id: str) -> StoredWorkflow | None:
        """Look a workflow up."""
        definition = self.find_definition(workflow_id)
        if definition is None:
            return None
        return StoredWorkflow(workflow_id, Workflow.model_validate_json(definition))

    def find_definition(self, workflow_id: str) -> str | None:
        """Look the JSON of a workflow's definition up, as it is stored."""
        rows = self._database.run(
            "SELECT definition FROM workflows WHERE workflow_id = ?", workflow_id
        )
        return rows[0]["definition"] if rows else None

    def newest(self, limit: int) -> list[StoredWorkflow]:
        """List the workflows that were added last."""
        rows = self._database.run(
            "SELECT workflow_id, definition FROM workflows ORDER BY rowid DESC LIMIT ?", limit
        )
        return [
            StoredWorkflow(row["workflow_id"], Workflow.model_validate_json(row["definition"]))
            for row in rows
        ]

    def delete(self, workflow_id: str) -> bool:
        """Delete a workflow; False if there is none."""
        return bool(
            self._database.run(
                "DELETE FROM workflows WHERE workflow_id = ? RETURNING workflow_id", workflow_id
            )
        )

    def started_by_hook(self, hook: str) -> list[str]:
        """List the ids of the workflows that wait for this webhook."""
        rows = self._database.run("SELECT workflow_id FROM workflows WHERE hook = ?", hook)
        return [row["workflow_id"] for row in rows]

    def take_due(self) -> list[str]:
        """List the ids of the workflows whose time has come, each to one process only."""
        rows = self._database.run(
            """
            UPDATE workflows SET next_run_at = ?1 + every_seconds
            WHERE next_run_at <= ?1 RETURNING workflow_id
            """,
            time.time(),
        )
        return [row["workflow_id"] for row in rows]

    def _insert(self, workflow_id: str, definition: Workflow) -> None:
        trigger = definition.trigger
        hook = trigger.hook if isinstance(trigger, Webhook) else None
        every_seconds = trigger.every_seconds if isinstance(trigger, Schedule) else None
        self._database.run(
            "INSERT OR IGNORE INTO workflows VALUES (?, ?, ?, ?, ?, ?)",
            workflow_id,
            definition.name,
            definition.model_dump_json(),
            hook,
            every_seconds,
            None if every_seconds is None else time.time() + every_seconds,
        )
