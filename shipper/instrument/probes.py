"""
Probes: what an application asks of its parts for `/health`, such as its database or its disk.

A probe is a callable, sync or async, that returns what is known of the part: a mapping with a
`status` and numbers, or nothing, which is `ok`.

- A probe that raises, or returns what JSON cannot say, makes its own part `error`, one that takes
  too long `timeout`, with the reason.
- All probes run at the same time. An answer is kept for some seconds, so that many who ask are no
  load; who asks meanwhile waits for the same run.
- A probe that hangs for ever keeps one thread: no other is started before it has ended. The thread
  does not hold up the end of the process.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import threading
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

from shipper.instrument.judge import DEGRADED, HEALTHY, UNHEALTHY, State

LONGEST_REASON: Final = 200
Probe = Callable[[], Any]

# What a probe's `status` means for the application.
STATES: Final[Mapping[str, State]] = {
    **dict.fromkeys(("ok", "connected", "healthy"), HEALTHY),
    "degraded": DEGRADED,
    **dict.fromkeys(("unhealthy", "disconnected", "timeout", "error"), UNHEALTHY),
}


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What a probe found: its part of the answer, and the state that it means."""

    part: Mapping[str, Any]
    state: State

    @property
    def failed(self) -> bool:
        """Whether it could not be asked."""
        return self.part.get("status") in ("timeout", "error")


@dataclass(slots=True)
class ProbeRunner:
    """Runs one probe; used by one event loop at a time."""

    name: str
    probe: Probe
    seconds: float = 2.0  # that a run may take
    keep_seconds: float = 5.0
    is_critical: bool = True
    up_word: str = "ok"
    down_word: str = "error"
    ticks: Callable[[], float] = field(default=time.monotonic, repr=False)
    _result: ProbeResult | None = None
    _at: float = 0.0
    _run: asyncio.Task[ProbeResult] | None = None
    _thread: threading.Thread | None = None

    async def result(self) -> ProbeResult:
        """Return what the probe finds, or found a few seconds ago."""
        if self._result is not None and self.ticks() - self._at < self.keep_seconds:
            return self._result
        loop = asyncio.get_running_loop()
        if self._run is None or self._run.done() or self._run.get_loop() is not loop:
            self._run = loop.create_task(self._ask())
        return await asyncio.shield(self._run)

    async def _ask(self) -> ProbeResult:
        try:
            found = await asyncio.wait_for(self._call(), self.seconds)
            part = _plain({"status": self.up_word, **_mapping_of(found)})
        except TimeoutError:
            part = {"status": "timeout", "reason": f"no answer within {self.seconds:g} s"}
        except Exception as error:  # noqa: BLE001 -- whatever a probe of the application raises
            part = {"status": self.down_word, "reason": reason_of(error)}
        state = STATES.get(str(part["status"]), UNHEALTHY)
        if state == UNHEALTHY and not self.is_critical:
            state = DEGRADED
        self._result, self._at = ProbeResult(part, state), self.ticks()
        return self._result

    async def _call(self) -> Any:
        if inspect.iscoroutinefunction(self.probe):
            return await self.probe()
        found = await self._in_thread()
        return await found if isinstance(found, Awaitable) else found

    async def _in_thread(self) -> Any:
        if self._thread is not None and self._thread.is_alive():
            raise TimeoutError
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()

        def settle(found: Any, error: BaseException | None) -> None:
            if answer.done():
                return
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)

        def run() -> None:
            found, failure = None, None
            try:
                found = self.probe()
            except Exception as error:  # noqa: BLE001 -- handed to who waits
                failure = error
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, found, failure)

        self._thread = threading.Thread(target=run, name=f"probe {self.name}", daemon=True)
        self._thread.start()
        return await answer


def reason_of(error: BaseException) -> str:
    """Return the class of an error alone: its text may hold a password, a path or a query."""
    return type(error).__name__[:LONGEST_REASON]


def _mapping_of(found: Any) -> Mapping[str, Any]:
    if found is None or found is True:
        return {}
    if found is False:
        raise ValueError
    if isinstance(found, Mapping):
        return found
    return {"value": found}


def _plain(part: Mapping[str, Any]) -> dict[str, Any]:
    """Return a part as JSON can say it; raise what json does if it cannot."""
    text = json.dumps(part, default=_plain_value, allow_nan=False, skipkeys=True)
    found: dict[str, Any] = json.loads(text)
    return found


def _plain_value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError
