"""
Commands that pages start: each is a process of its own, the same as in a terminal.

So a report neither slows the pages down nor takes their memory, and what a page does is what the
command does. There is one task of a kind at a time. A task ends after `SECONDS`, and with the
server: it is asked to (SIGTERM), which every command heeds without losing anything, then killed.
The end of what it printed is kept, and the last tasks, until the server ends.
"""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Final

from shipper.errors import ConfigError
from shipper.text import duration, safe

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS: Final = 600.0
STOP_SECONDS: Final = 10.0
MOST_KEPT: Final = 20
MOST_BYTES: Final = 4000  # of what a task printed
NICE: Final = 10
_STEP: Final = re.compile(r"\[(\d{1,6})/(\d{1,6})\] ")  # as commands print with --progress


@dataclass(slots=True)
class Task:
    """A command that was started: what it is, who started it, and how it goes."""

    kind: str
    title: str
    by: str
    process: subprocess.Popen[bytes]
    started: float
    ended: float | None = None
    was_stopped: bool = False
    output: bytes = b""

    def stop(self, number: int) -> None:
        """Send a signal to the command and what it started."""
        self.was_stopped = True
        if self.process.poll() is None:  # else the number may be that of another process
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task as pages show it."""

    title: str
    by: str
    state: str
    lasted: str
    output: str
    step: int = 0  # that is being done, of so many
    steps: int = 0


class TaskRunner:
    """Starts tasks and attends to them; used by many threads."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command` is what runs shipper; empty: no task can be started."""
        self._command = command
        self._tasks: deque[Task] = deque(maxlen=MOST_KEPT)
        self._lock = Lock()

    @property
    def can_start(self) -> bool:
        """Whether pages can start anything here."""
        return bool(self._command)

    def start(self, kind: str, title: str, given: Sequence[str], by: str) -> None:
        """
        Start a command with these arguments.

        Raises:
            ConfigError: one of its kind is running, or it can't be started.
        """
        if not self._command:
            raise ConfigError("this dashboard starts no commands", "use a terminal")
        with self._lock:
            if any(task.kind == kind and task.ended is None for task in self._tasks):
                raise ConfigError(f"{kind}: the one before is still running", "wait for its end")
            try:
                process = subprocess.Popen(  # noqa: S603 - our own command
                    [*self._command, *given],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise ConfigError(f"cannot start shipper: {error.strerror}", "try again") from None
            task = Task(kind, title, by, process, monotonic())
            self._tasks.appendleft(task)
        Thread(target=_attend, args=(task,), name=f"task-{kind}", daemon=True).start()

    def rows(self, kind: str) -> list[TaskRow]:
        """Return the tasks of a kind, the newest first."""
        with self._lock:
            found = [task for task in self._tasks if task.kind == kind]
        return [_row(task) for task in found]

    def is_running(self, kind: str) -> bool:
        """Return whether a task of a kind has not ended."""
        with self._lock:
            return any(task.kind == kind and task.ended is None for task in self._tasks)

    def close(self) -> None:
        """End what is running."""
        with self._lock:
            running = [task for task in self._tasks if task.ended is None]
        for task in running:
            task.stop(signal.SIGTERM)
        for task in running:
            _wait(task)


def _attend(task: Task) -> None:
    """Read what a task prints until it ends, or is out of time."""
    with suppress(ProcessLookupError, PermissionError):
        os.setpriority(os.PRIO_PROCESS, task.process.pid, NICE)
    deadline = task.started + SECONDS
    assert task.process.stdout is not None
    with task.process.stdout as pipe:
        while select.select([pipe], [], [], max(0.0, deadline - monotonic()))[0]:
            found = os.read(pipe.fileno(), 65_536)
            if not found:
                break
            task.output = (task.output + found)[-MOST_BYTES:]
        else:
            task.stop(signal.SIGTERM)
        _wait(task, max(0.0, deadline - monotonic()))
    task.ended = monotonic()


def _wait(task: Task, seconds: float = 0.0) -> None:
    """Wait for the end of a task, `seconds` and what it is given to stop; then kill it."""
    with suppress(subprocess.TimeoutExpired):
        task.process.wait(seconds + STOP_SECONDS)
        return
    task.stop(signal.SIGKILL)
    task.process.wait()


def _row(task: Task) -> TaskRow:
    code = task.process.poll() if task.ended is not None else None
    state = "running" if code is None else "done" if code == 0 else f"failed ({code})"
    lines = task.output.decode(errors="replace").splitlines()
    steps = [found for line in lines if (found := _STEP.match(line))] if code is None else []
    return TaskRow(
        safe(task.title)[:200],
        safe(task.by)[:100],
        "stopped" if code is not None and task.was_stopped else state,
        duration((task.ended or monotonic()) - task.started),
        "\n".join(map(safe, lines)),
        *(map(int, steps[-1].groups()) if steps else ()),
    )
