"""
Who may see the dashboard, and what a browser may do with its pages.

A request needs a name of this server as its `Host` and a session: the cookie that a log-in gives.
Without users in the users file, the printed link logs in whoever opens it first; so other users of
the machine, and pages of other sites that reach it through the browser (by a name that resolves to
127.0.0.1, too), are kept out. With users the link is worth nothing.

Whatever is not read only (every method but GET and HEAD) is refused here unless it comes from a
page of this server, with the token of the session in its form, and from somebody who may act. So no
address can forget to ask. All of them go to the audit trail (trail.py), done or refused.

Pages run no script and load nothing but those of this server; what a log line holds is text.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from shipper.config.addresses import is_loopback
from shipper.errors import ConfigError
from shipper.web.people import Person, Role, UsersFile
from shipper.web.sessions import LONGEST_SECONDS, LoginMeans, Sessions, WebSession
from shipper.web.trail import Trail, WebAct

if TYPE_CHECKING:
    from collections.abc import Callable

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
FORM: Final = "form"  # the field of a form that has the token of the session
MOST_FORM: Final = 16_384  # bytes
FAILED: Final = 500
LOCKED: Final = (
    "This dashboard opens with the link that `shipper serve` printed last; each opens it once.\n"
)
OLD_FORM: Final = "The form is old; open the page again.\n"
# A link from another site comes without the cookie (SameSite=Strict); the page asks again itself.
AGAIN: Final = (
    '<!doctype html><title>shipper</title><meta http-equiv="refresh" content="0"><p>One moment.'
)


def host_of(authority: str) -> str:
    """Return the host of `host:port`, `[::1]:port` or a host alone."""
    if authority.startswith("["):
        return authority.partition("]")[0][1:]
    return authority.partition(":")[0]


def print_nothing(_token: str) -> None:
    """Do nothing with a new token."""


@dataclass(frozen=True, slots=True)
class Access:
    """
    Who may come in, and how.

    `users` is the users file; `names` are those of this server besides loopback addresses. `secure`
    is whether browsers come by TLS. `link_used` is called with the token of the next link.
    """

    users: Path | None = None
    names: frozenset[str] = frozenset()
    secure: bool = False
    trail: Trail | None = None
    link_used: Callable[[str], None] = print_nothing


class Doors:
    """The sessions of a server and what opens them; for one thread."""

    def __init__(self, access: Access, *, token: str, port: int, owner: str) -> None:
        """`token` is that of the printed link, `owner` the name of whoever opens it."""
        self.access = access
        self.sessions = Sessions()
        self.users_file = UsersFile(access.users) if access.users is not None else None
        # Cookies of one host are shared by all its ports.
        self.cookie = f"shipper-{port}"
        self._token = token
        self._owner = owner

    def has_users(self) -> bool:
        """Return whether anybody has an account; raise ConfigError where that can't be read."""
        return bool(self.users_file and self.users_file.users())

    def person_of(self, session: WebSession) -> Person | None:
        """Return whose session it is, None if it is over; raise ConfigError as `has_users`."""
        if session.means is LoginMeans.LINK:
            return None if self.has_users() else Person(session.name, Role.OPERATOR)
        entry = self.users_file.users().get(session.name) if self.users_file else None
        if entry is None or entry.stamp != session.stamp:
            return None
        return Person(entry.name, entry.role)

    def try_token(self, given: str) -> bool:
        """Return whether a token is that of the printed link, which it then is no more."""
        if not self._token or self.has_users():
            return False
        if not secrets.compare_digest(given.encode(errors="replace"), self._token.encode()):
            return False
        self._token = secrets.token_urlsafe(24)
        self.access.link_used(self._token)
        return True

    def note(self, act: WebAct) -> None:
        """Note an act in the audit trail, if there is one."""
        if self.access.trail is not None:
            self.access.trail.note(act)

    def owner(self) -> Person:
        """Return whoever opens the printed link."""
        return Person(self._owner, Role.OPERATOR)

    def let_in(self, answer: Response, name: str, stamp: str, means: LoginMeans) -> None:
        """Open a session, and give its cookie with an answer."""
        answer.set_cookie(
            self.cookie,
            self.sessions.open(name, stamp, means),
            max_age=int(LONGEST_SECONDS),
            httponly=True,
            samesite="strict",
            secure=self.access.secure,
        )


class Gate:
    """Lets requests through that have a session, and adds the headers to every answer."""

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of the server."""
        if scope["type"] != "http":  # the start and end of the server
            await self._app(scope, receive, send)
            return
        status = 0

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)  # a report has a policy of its own
            await send(message)

        request = Request(scope)
        try:
            app, session, person = self._judge(request)
        except ConfigError as error:
            app, session, person = PlainTextResponse(f"{error}\n", 503), None, None
        if session is None or person is None:
            await (app or self._app)(scope, receive, guarded)
            return
        state = {"person": person, "form_token": session.form_token}
        scope["state"] = {**scope.get("state", {}), **state}
        if request.method in ("GET", "HEAD"):
            await self._app(scope, receive, guarded)
            return
        app, receive, fields = await self._read_form(request, receive, session, person)
        try:
            await (app or self._app)(scope, receive, guarded)
        finally:
            path, address = request.url.path, _address(request)
            self._doors.note(WebAct.of_form(person, path, fields, address, status or FAILED))

    def _judge(self, request: Request) -> tuple[ASGIApp | None, WebSession | None, Person | None]:
        """Return the answer to a request that may not pass; else session and person."""
        doors = self._doors
        if not self._is_own_name(host_of(request.headers.get("host", ""))):
            text = "This server answers to its own address only.\n"
            return PlainTextResponse(text, 421), None, None
        given = request.query_params.get(TOKEN)
        if given is not None and request.method == "GET" and doors.try_token(given):
            return self._let_in(request), None, None
        session = doors.sessions.find(request.cookies.get(doors.cookie, ""))
        person = doors.person_of(session) if session else None
        if session is None or person is None:
            return self._stranger(request), None, None
        return None, session, person

    def _is_own_name(self, host: str) -> bool:
        return is_loopback(host) or host.lower() in self._doors.access.names

    def _stranger(self, request: Request) -> ASGIApp:
        """Return the answer to a request without a session."""
        if _is_from_elsewhere(request) and request.method == "GET":
            return HTMLResponse(AGAIN, 401)
        return PlainTextResponse(LOCKED, 401)

    def _let_in(self, request: Request) -> ASGIApp:
        """Return the answer that sets the cookie and leads to the same page without the token."""
        query = str(request.url.query)
        rest = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != TOKEN]
        # One slash: two would be the address of another server.
        page = "/" + request.url.path.lstrip("/\\")
        to = RedirectResponse(page + (f"?{urlencode(rest)}" if rest else ""), 303)
        owner = self._doors.owner()
        self._doors.let_in(to, owner.name, "", LoginMeans.LINK)
        act = WebAct("log in", owner.name, owner.role, "by the link", _address(request))
        self._doors.note(act)
        return to

    async def _read_form(
        self, request: Request, receive: Receive, session: WebSession, person: Person
    ) -> tuple[ASGIApp | None, Receive, list[tuple[str, str]]]:
        """Return the answer to a form that may not pass, what gives it again, and its fields."""
        body = await _body(receive)
        if body is None:
            return PlainTextResponse("The form is too long.\n", 413), receive, []
        fields = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        rest = [pair for pair in fields if pair[0] != FORM]
        given = next((value for name, value in fields if name == FORM), "")
        is_own = secrets.compare_digest(given.encode(), session.form_token.encode())
        answer: ASGIApp | None = None
        if not is_own or self._is_from_other_page(request):
            answer = PlainTextResponse(OLD_FORM, 403)
        elif not person.may_act and request.url.path not in FOR_ALL:
            answer = PlainTextResponse("Your role is viewer; an operator may do this.\n", 403)
        return answer, _again(body, receive), rest

    def _is_from_other_page(self, request: Request) -> bool:
        origin = request.headers.get("origin", "null")
        if _is_from_elsewhere(request):
            return True
        return origin != "null" and not self._is_own_name(host_of(urlsplit(origin).netloc))


FOR_ALL: Final = ("/logout",)


def _address(request: Request) -> str:
    return request.client.host if request.client else ""


def _is_from_elsewhere(request: Request) -> bool:
    """Return whether the browser says that a page of another site made it ask."""
    return request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


async def _body(receive: Receive) -> bytes | None:
    """Return the body of a request, None if it is too long or its sender has left."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > MOST_FORM:
            return None
        if not message.get("more_body"):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that was read once more, then what comes after it."""
    waiting: list[dict[str, Any]] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return waiting.pop() if waiting else await receive()

    return receive_again
