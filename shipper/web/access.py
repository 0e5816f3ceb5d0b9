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

import re
import secrets
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from shipper.config.addresses import is_loopback
from shipper.errors import ConfigError
from shipper.text import safe
from shipper.web.login import LOGIN, LOGOUT, NO_USERS, OIDC, OIDC_BACK, address_of
from shipper.web.people import Person, Role, UserEntry, UsersFile
from shipper.web.proxies import Proxies
from shipper.web.sessions import LONGEST_SECONDS, LoginMeans, Sessions, WebSession
from shipper.web.trail import Trail, WebAct

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from shipper.web.login import LoginPage
    from shipper.web.provider import OidcProvider

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
# A browser that has come by TLS once comes by nothing else, for a year.
BY_TLS: Final = "max-age=31536000"
TOKEN: Final = "token"  # noqa: S105 - the name of a parameter
FORM: Final = "form"  # the field of a form that has the token of the session
MOST_FORM: Final = 16_384  # bytes
FAILED: Final = 500
OPEN: Final = frozenset(
    {LOGIN, OIDC, OIDC_BACK, "/static/style.css", "/static/icon.svg"}
)  # without a session
LOCKED: Final = (
    "This dashboard opens with the link that `shipper serve` printed last; each opens it once.\n"
)
OLD_FORM: Final = "The form is old; open the page again.\n"
# A link from another site comes without the cookie (SameSite=Strict); the page asks again itself.
AGAIN: Final = (
    '<!doctype html><title>shipper</title><meta http-equiv="refresh" content="0"><p>One moment.'
)


_AUTHORITY: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::\d{1,5})?", re.ASCII)


def host_of(authority: str) -> str:
    """
    Return the host of `host:port`, `[::1]:port` or a host alone; empty for anything else.

    Anything else could be taken for a part of the path where an address is put together of it.
    """
    found = _AUTHORITY.fullmatch(authority)
    return (found[1] or found[2]) if found else ""


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
    proxies: Proxies | None = None  # only they are answered
    provider: OidcProvider | None = None  # logs people in besides the users
    link_used: Callable[[str], None] = print_nothing
    clock: Callable[[], float] = monotonic


class Doors:
    """The sessions of a server and what opens them; for one thread."""

    def __init__(self, access: Access, *, token: str, port: int, owner: str) -> None:
        """`token` is that of the printed link, `owner` the name of whoever opens it."""
        self.access = access
        self.sessions = Sessions(access.clock)
        self.users_file = UsersFile(access.users) if access.users is not None else None
        # Cookies of one host are shared by all its ports.
        # With this prefix, a browser takes it from this host and by TLS alone.
        self.cookie = f"{'__Host-' if access.secure else ''}shipper-{port}"
        self._token = token
        self._owner = owner

    def has_users(self) -> bool:
        """Return whether there are accounts; raise ConfigError where that can't be read."""
        return self.access.provider is not None or bool(self.users_file and self.users_file.users())

    def person_of(self, session: WebSession) -> Person | None:
        """Return whose session it is, None if it is over; raise ConfigError as `has_users`."""
        if session.means is LoginMeans.LINK:
            return None if self.has_users() else Person(session.name, Role.OPERATOR)
        if session.means is LoginMeans.PROVIDER:
            return Person(session.name, Role(session.stamp))
        entry = self.user(session.name)
        if entry is None or entry.stamp != session.stamp:
            return None
        return Person(entry.name, entry.role)

    def user(self, name: str) -> UserEntry | None:
        """Return the user of a name; raise ConfigError as `has_users`."""
        return self.users_file.users().get(name) if self.users_file else None

    def is_over(self, session: WebSession) -> bool:
        """Return whether a session has ended since it let something in."""
        try:
            return not self.sessions.is_open(session) or self.person_of(session) is None
        except ConfigError:
            return True

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

    def let_in(  # noqa: PLR0913, PLR0917 - what a session is made of
        self,
        request: Request,
        answer: Response,
        name: str,
        stamp: str,
        means: LoginMeans,
        seconds: float = LONGEST_SECONDS,
    ) -> WebSession:
        """Open a session in place of the one of a browser, and give its cookie with an answer."""
        self.sessions.close(request.cookies.get(self.cookie, ""))
        value, session = self.sessions.open(name, stamp, means, seconds)
        answer.set_cookie(
            self.cookie,
            value,
            max_age=int(seconds),
            httponly=True,
            samesite="strict",
            secure=self.access.secure,
        )
        return session


@dataclass(frozen=True, slots=True)
class Passed:
    """Whose request may pass."""

    session: WebSession
    person: Person

    def is_form_of(self, token: str) -> bool:
        """Return whether a form with this token is of a page of the session."""
        return secrets.compare_digest(token.encode(), self.session.form_token.encode())

    def state(self, doors: Doors) -> dict[str, Any]:
        """Return what pages know of it; `is_over` says later whether the session has ended."""
        return {
            "person": self.person,
            "form_token": self.session.form_token,
            "has_account": self.session.means in (LoginMeans.PASSWORD, LoginMeans.PROVIDER),
            "is_over": lambda: doors.is_over(self.session),
        }


class Guarded:
    """Sends an answer with the headers of every answer, and knows its status."""

    def __init__(self, send: Send, cookie: Response, headers: Mapping[str, str]) -> None:
        self._send = send
        self._cookie = cookie
        self._headers = headers
        self.status = 0

    async def __call__(self, message: Message) -> None:
        """Send a message of the answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in self._headers.items():
                headers.setdefault(name, value)  # a report has a policy of its own
            for value in self._cookie.headers.getlist("set-cookie"):
                headers.append("set-cookie", value)
        await self._send(message)


class Gate:
    """Lets requests through that have a session, and adds the headers to every answer."""

    def __init__(self, app: ASGIApp, doors: Doors, login: LoginPage) -> None:
        self._app = app
        self._doors = doors
        self._login = login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request of the server."""
        if scope["type"] == "lifespan":  # the start and end of the server
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        request = Request(scope)
        cookie = Response()  # one that the answer gets besides its own
        guarded = Guarded(send, cookie, self._headers_of(request))
        try:
            passed = self._judge(request, cookie)
        except ConfigError:
            passed = PlainTextResponse(f"{NO_USERS}\n", 503)
        if isinstance(passed, Response):
            await passed(scope, receive, guarded)
            return
        if passed is not None:
            scope["state"] = {**scope.get("state", {}), **passed.state(self._doors)}
        if request.method in ("GET", "HEAD"):
            await self._app(scope, receive, guarded)
            return
        answer, receive, fields = await self._read_form(request, receive, passed)
        try:
            await (answer or self._app)(scope, receive, guarded)
        finally:
            if passed is not None:
                path, address = scope["path"], address_of(request)
                status = guarded.status or FAILED
                self._doors.note(WebAct.of_form(passed.person, path, fields, address, status))

    def _headers_of(self, request: Request) -> Mapping[str, str]:
        """Return the headers that every answer has; this machine's own name is for others, too."""
        if not self._doors.access.secure or is_loopback(host_of(request.headers.get("host", ""))):
            return HEADERS
        return {**HEADERS, "strict-transport-security": BY_TLS}

    def _judge(self, request: Request, cookie: Response) -> Response | Passed | None:
        """Return the answer to a request that may not pass; else whose it is, None for nobody's."""
        doors, proxies = self._doors, self._doors.access.proxies
        if refused := self._misled(request):
            return refused
        given = request.query_params.get(TOKEN)
        if given is not None and request.method == "GET" and doors.try_token(given):
            return self._let_in(request)
        has_users = doors.has_users()
        if has_users and request.scope["path"] in OPEN:
            return None
        named = proxies.users_of(request.headers) if proxies is not None else []
        if named:
            return self._named_by_proxy(request, named, cookie)
        session = doors.sessions.find(request.cookies.get(doors.cookie, ""))
        person = doors.person_of(session) if session else None
        if session is None or person is None or session.means is LoginMeans.PROXY:
            return self._stranger(request, has_users=has_users)
        return Passed(session, person)

    def _misled(self, request: Request) -> Response | None:
        """Return the answer to a request that is not for this server, or came beside its proxy."""
        proxies = self._doors.access.proxies
        if proxies is not None:
            peer = address_of(request)
            if not proxies.is_trusted(peer):
                return PlainTextResponse("This server is reached through its proxy only.\n", 403)
            request.scope["client"] = (proxies.client_of(peer, request.headers), 0)
        if not self._is_own_name(request, host_of(request.headers.get("host", ""))):
            return PlainTextResponse("This server answers to its own address only.\n", 421)
        return None

    def _is_own_name(self, request: Request, host: str) -> bool:
        server = request.scope.get("server") or ("", 0)
        # An address cannot be made to lead elsewhere, as a name can.
        own = (*self._doors.access.names, server[0])
        return bool(host) and (is_loopback(host) or host.lower() in own)

    def _stranger(self, request: Request, *, has_users: bool) -> Response:
        """Return the answer to a request without a session."""
        if request.method != "GET":
            return PlainTextResponse(OLD_FORM if has_users else LOCKED, 403 if has_users else 401)
        if _is_from_elsewhere(request):
            return HTMLResponse(AGAIN, 401)
        if not has_users:
            return PlainTextResponse(LOCKED, 401)
        page = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return self._login.form(request, page, 401)

    def _named_by_proxy(
        self, request: Request, named: Sequence[str], cookie: Response
    ) -> Response | Passed:
        """Return whose request it is by the header of a proxy, in a session that is theirs."""
        doors = self._doors
        entry = doors.user(named[0])
        if entry is None or len(named) != 1:
            name = safe(", ".join(named))[:100]
            return PlainTextResponse(f"{name} is no user here; see shipper users add.\n", 403)
        person = Person(entry.name, entry.role)
        session = doors.sessions.find(request.cookies.get(doors.cookie, ""))
        mine = (entry.name, entry.stamp, LoginMeans.PROXY)
        if session is None or (session.name, session.stamp, session.means) != mine:
            session = doors.let_in(request, cookie, *mine)
            doors.note(WebAct("log in", *person.names, "by a proxy", address_of(request)))
        return Passed(session, person)

    def _let_in(self, request: Request) -> Response:
        """Return the answer that sets the cookie and leads to the same page without the token."""
        query = str(request.url.query)
        rest = [pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != TOKEN]
        # One slash: two would be the address of another server.
        page = "/" + request.url.path.lstrip("/\\")
        to = RedirectResponse(page + (f"?{urlencode(rest)}" if rest else ""), 303)
        owner = self._doors.owner()
        self._doors.let_in(request, to, owner.name, "", LoginMeans.LINK)
        self._doors.note(WebAct("log in", *owner.names, "by the link", address_of(request)))
        return to

    async def _read_form(
        self, request: Request, receive: Receive, passed: Passed | None
    ) -> tuple[Response | None, Receive, list[tuple[str, str]]]:
        """Return the answer to a form that may not pass, what gives it again, and its fields."""
        body = await _body(receive)
        if body is None:
            return PlainTextResponse("The form is too long.\n", 413), receive, []
        fields = parse_qsl(body.decode(errors="replace"), keep_blank_values=True)
        rest = [pair for pair in fields if pair[0] != FORM]
        given = next((value for name, value in fields if name == FORM), "")
        answer: Response | None = None
        if self._is_from_other_page(request) or (passed and not passed.is_form_of(given)):
            answer = PlainTextResponse(OLD_FORM, 403)
        elif passed and not passed.person.may_act and request.scope["path"] != LOGOUT:
            answer = PlainTextResponse("Your role is viewer; an operator may do this.\n", 403)
        return answer, _again(body, receive), rest

    def _is_from_other_page(self, request: Request) -> bool:
        origin = request.headers.get("origin", "null")
        if _is_from_elsewhere(request):
            return True
        return origin != "null" and not self._is_own_name(request, host_of(urlsplit(origin).netloc))


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
