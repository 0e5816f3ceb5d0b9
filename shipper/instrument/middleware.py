"""
Counts every HTTP request of an ASGI application, and answers those for its health.

A request is counted with the last byte of its answer, or when the application is done without one:
499 if the client left before, else 500. Those of `/health` and its sisters are not counted: an
unhealthy answer must not make the application unhealthy.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from shipper.emit.access import route_template
from shipper.instrument.guard import Guard
from shipper.instrument.recording import UNMATCHED

if TYPE_CHECKING:
    from shipper.instrument.instrument import Instrument

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class InstrumentMiddleware:
    """Wraps an application; websockets and lifespan events pass through."""

    def __init__(self, app: App, *, instrument: Instrument) -> None:
        self._app = app
        self._instrument = instrument
        self._recorder = instrument.recorder
        self._guard = Guard("requests are not counted")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                self._guard.run(self._instrument.begin)
            await self._app(scope, receive, send)
            return
        self._guard.run(self._instrument.begin)
        if self._instrument.endpoints.answers(scope):
            await self._instrument.endpoints(scope, receive, send)
            return
        await self._count(scope, receive, send)

    async def _count(self, scope: Scope, receive: Receive, send: Send) -> None:
        method, root_path = scope["method"], scope.get("root_path", "")
        started = time.perf_counter()
        status, ended = 0, False

        async def note(message: Message) -> None:
            nonlocal status, ended
            kind = message["type"]
            if kind == "http.response.start":
                status = message["status"]
            await send(message)
            if kind == "http.response.body" and not message.get("more_body", False):
                ended = True
                self._note(scope, method, root_path, status, started)

        self._guard.run(self._recorder.began)
        try:
            await self._app(scope, receive, note)
        except Exception as error:
            name = type(error).__name__
            self._guard.run(lambda: self._recorder.exception(name))
            if not ended:
                self._note(scope, method, root_path, max(status, 500), started)
                ended = True
            raise
        finally:
            if not ended:
                self._note(scope, method, root_path, status or 499, started)

    def _note(self, scope: Scope, method: str, root_path: str, status: int, started: float) -> None:
        seconds = time.perf_counter() - started
        try:
            route = route_template(scope, root_path) or UNMATCHED
            self._recorder.request(method, route, status, seconds)
        except Exception as error:  # noqa: BLE001 -- a full disk must not fail a request
            self._guard.failed(error)
