"""
One execution, from start to outcome, with the records that tell its story.

    INFO   Workflow started
    DEBUG  Action begins                    action, keys; of each action
    INFO   Workflow executed successfully   execution_time_ms, status=success
    ERROR  Workflow execution failed        execution_time_ms, status=failed, error_type, exc_info

All of them, and whatever an action logs in between, carry the workflow's id and the id of the HTTP
request that asked for the execution, though that was answered long ago and maybe elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import time

from pydantic import ValidationError

from examples.orchestrator.actions import MissingDataError, Tools, perform
from examples.orchestrator.definitions import Data, Workflow
from examples.orchestrator.executions import Execution, Outcome
from examples.orchestrator.faults import Faults
from examples.orchestrator.workflows import Workflows
from shipper import emit

LIMIT_SECONDS = 45.0  # for all the actions of an execution

log = logging.getLogger("automation_orchestrator.workflows")


class InvalidTriggerError(Exception):
    """The stored trigger is none that could ever start the workflow."""


class Engine:
    """Executes workflows."""

    def __init__(self, workflows: Workflows, tools: Tools, faults: Faults) -> None:
        self._workflows = workflows
        self._tools = tools
        self._faults = faults

    async def execute(self, execution: Execution) -> Outcome:
        """Run a workflow's actions; whatever goes wrong in them is the outcome, not an error."""
        with emit.bind(request_id=execution.request_id, workflow_id=execution.workflow_id):
            about: dict[str, object] = {
                "execution_id": execution.execution_id,
                "trigger": execution.trigger,
            }
            log.info("Workflow started", extra=about)
            started = time.perf_counter()
            try:
                async with asyncio.timeout(LIMIT_SECONDS):
                    await self._run_actions(execution)
            except Exception as error:
                outcome = Outcome("failed", _since_ms(started), type(error).__name__)
                log.exception("Workflow execution failed", extra=about | _fields(outcome))
            else:
                outcome = Outcome("success", _since_ms(started))
                log.info("Workflow executed successfully", extra=about | _fields(outcome))
            return outcome

    async def _run_actions(self, execution: Execution) -> None:
        stored = await asyncio.to_thread(self._workflows.find_definition, execution.workflow_id)
        if stored is None:
            raise MissingDataError("the workflow was deleted before it could run")
        if self._faults.strikes("workflow_failure"):
            stored = self._faults.damage(stored)
        workflow = _parse(stored)
        data: Data = execution.data
        for action in workflow.actions:
            log.debug("Action begins", extra={"action": action.type, "keys": sorted(data)})
            data = await perform(action, data, execution.execution_id, self._tools)


def _parse(definition: str) -> Workflow:
    try:
        return Workflow.model_validate_json(definition)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise InvalidTriggerError(f"{place}: {first['msg']}") from error


def _fields(outcome: Outcome) -> dict[str, object]:
    return {"execution_time_ms": outcome.execution_time_ms, "status": outcome.status}


def _since_ms(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 1)
