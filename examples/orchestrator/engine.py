"""
One execution, from start to outcome, with the records that tell its story.

    INFO   Workflow started                 queue_wait_ms
    DEBUG  Action begins                    action, keys; of each action
    INFO   Workflow executed successfully   execution_time_ms, status=success
    ERROR  Workflow execution failed        execution_time_ms, status=failed, error_type, exc_info

All of them, and whatever an action logs in between, carry the workflow's id and the id of the HTTP
request that asked for the execution, though that was answered long ago and maybe elsewhere.
"""

from __future__ import annotations

import asyncio
import logging

from pydantic import ValidationError

from examples.orchestrator.actions import MissingDataError, Tools, perform
from examples.orchestrator.definitions import Data, Workflow
from examples.orchestrator.executions import Execution, Outcome, TakenExecution
from examples.orchestrator.faults import Faults
from examples.orchestrator.workflows import Workflows
from shipper import emit
from shipper.instrument import Instrument

QUEUE = "executions"  # as the metrics call it
LIMIT_SECONDS = 45.0  # for all the actions of an execution

log = logging.getLogger("automation_orchestrator.workflows")


class InvalidTriggerError(Exception):
    """The stored trigger is none that could ever start the workflow."""


class Engine:
    """Executes workflows."""

    def __init__(
        self, workflows: Workflows, tools: Tools, faults: Faults, instrument: Instrument
    ) -> None:
        self._workflows = workflows
        self._tools = tools
        self._faults = faults
        self._instrument = instrument

    async def execute(self, execution: TakenExecution) -> Outcome:
        """Run a workflow's actions; whatever goes wrong in them is the outcome, not an error."""
        with emit.bind(request_id=execution.request_id, workflow_id=execution.workflow_id):
            about: dict[str, object] = {
                "execution_id": execution.execution_id,
                "trigger": execution.trigger,
            }
            if execution.waited_seconds is not None:
                self._instrument.waited(QUEUE, execution.waited_seconds)
                about["queue_wait_ms"] = round(execution.waited_seconds * 1000, 1)
            log.info("Workflow started", extra=about)
            timer = self._instrument.workflow(execution.workflow_id, **about)
            try:
                async with timer, asyncio.timeout(LIMIT_SECONDS):
                    await self._run_actions(execution)
            except Exception as error:  # noqa: BLE001 -- it is logged by the timer
                return Outcome("failed", timer.milliseconds, type(error).__name__)
            return Outcome("success", timer.milliseconds)

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
