"""
Executions of workflows: one `with` counts, times and logs them, so nothing is counted in two ways.

    with instrument.workflow("workflow_123"):
        ...
    @instrument.workflow("workflow_123")
    def work(): ...

The record has what the rules and reports of the store ask for: `workflow_id`, `status` (success or
failed), `execution_time_ms`, and `error_type` of an exception, which goes on. An execution that is
cancelled is none that ended.
"""

from __future__ import annotations

import functools
import inspect
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

from shipper.emit.context import bind
from shipper.instrument.guard import Guard
from shipper.instrument.recording import Recorder

log = logging.getLogger("automation_orchestrator.workflows")

Function = TypeVar("Function", bound=Callable[..., Any])


class WorkflowTimer:
    """One execution of a workflow, or, as a decorator, one for each call."""

    def __init__(
        self, recorder: Recorder, guard: Guard, workflow_id: str, fields: Mapping[str, Any]
    ) -> None:
        self._recorder = recorder
        self._guard = guard
        self._workflow_id = workflow_id
        self._fields = fields
        self._stack = ExitStack()
        self._started = 0.0
        self.milliseconds = 0.0

    def __enter__(self) -> Self:
        self._stack.enter_context(bind(workflow_id=self._workflow_id))
        self._started = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        seconds = time.perf_counter() - self._started
        self.milliseconds = round(seconds * 1000, 3)
        with self._stack:
            self._note(error, seconds)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: Function) -> Function:
        """Decorate a function, sync or async."""
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def later(*args: Any, **kwargs: Any) -> Any:
                with self._anew():
                    return await function(*args, **kwargs)

            return later  # type: ignore[return-value]

        @functools.wraps(function)
        def now(*args: Any, **kwargs: Any) -> Any:
            with self._anew():
                return function(*args, **kwargs)

        return now  # type: ignore[return-value]

    def _anew(self) -> WorkflowTimer:
        return WorkflowTimer(self._recorder, self._guard, self._workflow_id, self._fields)

    def _note(self, error: BaseException | None, seconds: float) -> None:
        if error is not None and not isinstance(error, Exception):
            return  # it did not end, it was ended: a task that is cancelled, an interrupt
        status = "success" if error is None else "failed"
        self._guard.run(lambda: self._recorder.workflow(self._workflow_id, status, seconds))
        extra = {**self._fields, "status": status, "execution_time_ms": self.milliseconds}
        if error is None:
            log.info("Workflow executed successfully", extra=extra)
        else:
            log.error(
                "Workflow execution failed",
                extra={**extra, "error_type": type(error).__name__},
                exc_info=error,
            )
