"""
Who may see the dashboard, and what a browser may do with its pages.

The server listens on this machine only. Other users of the machine, and pages of other sites that
reach it through the browser (by a name that resolves to 127.0.0.1, too), are kept out: a request
needs a loopback `Host` and the cookie that the printed link gives. The link has a token that is
made at the start and is valid until the end of the server; it leaves the address at once.

Pages run no script and load nothing but those of this server; what a log line holds is text.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse

from shipper.config.addresses import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
TOKEN: Final = "token"  # noqa: S105 - the name of a parameter
LOCKED: Final = (
    "This dashboard opens with the link that `shipper serve` printed when it was started.\n"
)


def host_of(authority: str) -> str:
    """Return the host of `host:port`, `[::1]:port` or a host alone."""
    if authority.startswith("["):
        return authority.partition("]")[0][1:]
    return authority.partition(":")[0]


class Gate:
    """Lets requests through that come by the link, and adds the headers to every answer."""

    def __init__(self, app: ASGIApp, *, token: str, port: int) -> None:
        self._app = app
        self._token = token
        self._session = secrets.token_urlsafe(32)
        # Cookies of one host are shared by all its ports.
        self._cookie = f"shipper-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of the server."""
        if scope["type"] != "http":  # the start and end of the server
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)  # a report has a policy of its own
            await send(message)

        app = self._answer_before(Request(scope)) or self._app
        await app(scope, receive, guarded)

    def _answer_before(self, request: Request) -> ASGIApp | None:
        """Return the answer to a request that may not pass, None for one that may."""
        if not is_loopback(host_of(request.headers.get("host", ""))):
            return PlainTextResponse("This server answers to its own address only.\n", 421)
        given = request.query_params.get(TOKEN)
        if given is not None and secrets.compare_digest(given.encode(), self._token.encode()):
            return self._let_in(request)
        cookie = request.cookies.get(self._cookie, "")
        if secrets.compare_digest(cookie.encode(), self._session.encode()):
            return None
        return PlainTextResponse(LOCKED, 401)

    def _let_in(self, request: Request) -> ASGIApp:
        """Return the answer that sets the cookie and leads to the same page without the token."""
        query = str(request.url.query)
        rest = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != TOKEN]
        # One slash: two would be the address of another server.
        page = "/" + request.url.path.lstrip("/\\")
        to = RedirectResponse(page + (f"?{urlencode(rest)}" if rest else ""), 303)
        to.set_cookie(self._cookie, self._session, httponly=True, samesite="lax")
        return to
