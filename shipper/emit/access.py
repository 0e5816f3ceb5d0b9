"""
One access record for every HTTP request, written by an ASGI middleware.

    GET /api/workflows/7 200   method path route status_code duration_ms client_ip user_agent
                               request_id [error_type]

All access records are INFO: they say that a request was answered, and `status_code` says how. What
went wrong is in the record that the application or the server logs, under the same request_id.

- `duration_ms` ends with the last byte of the body that was handed to the server.
- An answer below 500 is logged when it is complete; one of 500 and more when the application is
  done, because only then it is known whether an exception caused it (`error_type`).
- A client that leaves before the answer began gets 499; one that leaves later, the status it saw.
- The request id stays bound when the application raises, so that the server's record of the
  exception carries it.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any

from shipper.emit.context import REQUEST_ID
from shipper.emit.losses import Reason, count

# The words of ASGI.
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LOGGER = "automation_orchestrator.access"

_logger = logging.getLogger(LOGGER)
_ID_HEADER = b"x-request-id"
_VALID_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
# `203.0.113.9:5555`, `[2001:db8::1]:443`, `[2001:db8::1]`, or an address.
_HOP = re.compile(
    r"\"?(?:\[(?P<v6>[^\]]*)\](?::\d+)?|(?P<v4>[0-9.]+):\d+|(?P<bare>[^\"]*))\"?", re.ASCII
)
# Text of the client's choosing; longer ones are cut so that a record stays small.
_MAX_PATH = 2048
_MAX_USER_AGENT = 256


class AccessLogMiddleware:
    """
    ASGI middleware that logs requests and gives each an id.

    A valid `X-Request-ID` (1 to 128 letters, digits, `.`, `_`, `-`) is kept, else one is made; it
    is bound for all records of the request and answered in the same header. `X-Forwarded-For` is
    believed only from `trusted_proxies`, addresses or networks such as `10.0.0.0/8`. Websockets
    and lifespan events pass through.

    Raises:
        ValueError: an entry of `trusted_proxies` is no address or network.
    """

    def __init__(self, app: App, *, trusted_proxies: Iterable[str] = ()) -> None:
        self._app = app
        self._trusted = tuple(ip_network(proxy) for proxy in trusted_proxies)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        exchange = _Exchange(scope, receive, send, request_id, _client_ip(scope, self._trusted))
        token = REQUEST_ID.set(request_id)
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except BaseException as error:
            exchange.end(type(error).__name__)
            raise
        exchange.end()
        REQUEST_ID.reset(token)


class _Exchange:
    """A request and its answer, from the first byte to the access record."""

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, request_id: str, client_ip: str | None
    ) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        # What routing may change is read before it.
        self._method, self._path = scope["method"], scope["path"][:_MAX_PATH]
        self._root_path = scope.get("root_path", "")
        self._request_id, self._client_ip = request_id, client_ip
        self._start = time.perf_counter()
        self._end: float | None = None
        self._status: int | None = None
        self._has_left = False
        self._is_logged = False

    async def receive(self) -> Message:
        """Pass on what the client sends, and notice when it leaves."""
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._has_left = True
        return message

    async def send(self, message: Message) -> None:
        """Pass on the answer with the request id in it; log it when it is complete."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            message = {**message, "headers": self._headers(message)}
        await self._send(message)
        if _ends_answer(message):
            self._end = time.perf_counter()
            if self._status is not None and self._status < 500:
                self._log(self._status)

    def end(self, error_type: str | None = None) -> None:
        """Log the request, if that is not done yet, when the application is done with it."""
        if self._is_logged:
            return
        if error_type is None and self._end is None:
            error_type = "ClientDisconnect" if self._has_left else "IncompleteResponse"
        unanswered = 499 if self._has_left else 500
        self._log(unanswered if self._status is None else self._status, error_type)

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        others = [pair for pair in message.get("headers", ()) if pair[0].lower() != _ID_HEADER]
        return [*others, (_ID_HEADER, self._request_id.encode())]

    def _log(self, status: int, error_type: str | None = None) -> None:
        self._is_logged = True
        try:
            extra = self._fields(status, error_type)
            _logger.info("%s %s %d", self._method, self._path, status, extra=extra)
        except Exception:  # noqa: BLE001 - a handler or filter of the application may raise anything
            count(Reason.LOGGER)

    def _fields(self, status: int, error_type: str | None) -> dict[str, Any]:
        end = time.perf_counter() if self._end is None else self._end
        fields = {
            "method": self._method,
            "path": self._path,
            "route": route_template(self._scope, self._root_path),
            "status_code": status,
            "duration_ms": round((end - self._start) * 1000, 3),
            "client_ip": self._client_ip,
            "user_agent": _header(self._scope, b"user-agent")[:_MAX_USER_AGENT].decode("latin-1"),
            "request_id": self._request_id,
            "error_type": error_type,
        }
        return {name: value for name, value in fields.items() if value not in (None, "")}


def _ends_answer(message: Message) -> bool:
    if message["type"] == "http.response.body":
        return not message.get("more_body", False)
    return bool(message["type"] == "http.response.pathsend")


def _header(scope: Scope, name: bytes) -> bytes:
    """Join the values of a header; a header that came twice is thus no valid id."""
    return b",".join(value for key, value in scope["headers"] if key == name)


def _request_id(scope: Scope) -> str:
    given = _header(scope, _ID_HEADER)
    if _VALID_ID.fullmatch(given):
        return given.decode("ascii")
    return f"req_{os.urandom(12).hex()}"


def _client_ip(scope: Scope, trusted: tuple[IPv4Network | IPv6Network, ...]) -> str | None:
    """
    Find the first address, from our side, that is no trusted proxy.

    What connects over a unix socket has no address. It is a process of this machine, and so a
    trusted proxy if there are any.
    """
    client = scope.get("client")
    peer = client[0] if client else None
    if not trusted:
        return peer or None
    hops = reversed(_header(scope, b"x-forwarded-for").decode("latin-1").split(","))
    nearest: str | None = peer or None
    for hop in (peer, *hops) if peer else hops:
        address = _address(hop)
        if address is None:
            break  # from here on the header is not an address: believe what came before
        nearest = str(address)
        if not any(address in network for network in trusted):
            break
    return nearest


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Read an address; proxies add a port, a dual-stack socket the form of IPv6 for IPv4."""
    match = _HOP.fullmatch(text.strip())
    try:
        address = ip_address(match["v6"] or match["v4"] or match["bare"]) if match else None
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def route_template(scope: Scope, root_path: str) -> str | None:
    """
    Return the route template that answered, such as `/api/workflows/{id}`, as routing left it.

    The template of a mounted application begins with the path it is mounted at. FastAPI keeps the
    template with the prefix of `include_router` apart from the route, in a context of its own.
    """
    route = scope.get("route")
    context = scope.get("fastapi", {}).get("effective_route_context")
    if getattr(context, "original_route", None) is route:
        route = context
    template = getattr(route, "path", None)
    if not isinstance(template, str):
        return None
    if not hasattr(route, "endpoint"):
        return template  # a mount: nothing inside it answered
    mounted_at: str = scope.get("root_path", "").removeprefix(root_path)
    return mounted_at + template
