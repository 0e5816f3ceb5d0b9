"""
The page to log in, and what its form does.

The form has a token that belongs to a cookie of the same browser, so no other site can log anybody
in. How often it may be tried, throttle.py says, before a password is looked at; passwords are
hashed by a thread or two beside those of the pages, and only so many tries wait for them. A wrong
name and a wrong password have the same answer, after the same work.

Every try that was judged is in the audit trail; those that were not, at most once a minute.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, quote

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from starlette.responses import HTMLResponse, RedirectResponse, Response

from shipper.errors import ConfigError
from shipper.web.people import is_password_of
from shipper.web.sessions import LoginMeans
from shipper.web.throttle import LoginThrottle
from shipper.web.trail import WebAct
from shipper.web.zones import shown, use_zone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jinja2 import Environment
    from starlette.requests import Request

    from shipper.web.access import Doors

LOGIN: Final = "/login"
LOGOUT: Final = "/logout"
OIDC: Final = "/login/oidc"  # begins a log-in by a provider
OIDC_BACK: Final = "/login/oidc/back"  # where it ends
AT_A_TIME: Final = 2  # hashes, 64 MiB each
MOST_WAITING: Final = 16
NOTED_SECONDS: Final = 60.0
MOST_NEXT: Final = 4000
WRONG: Final = "Name or password is wrong."
NO_USERS: Final = "Nobody can be let in: the users cannot be read. `shipper users list` says why."
OLD: Final = "The form was old. Try again."
UNAUTHORIZED, FORBIDDEN, TOO_MANY, UNAVAILABLE = 401, 403, 429, 503


@dataclass(slots=True)
class LoginPage:
    """Shows the form and answers it; for one thread."""

    doors: Doors
    templates: Environment
    throttle: LoginThrottle
    _key: bytes = field(default_factory=lambda: os.urandom(32))
    _strangers: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(AT_A_TIME))
    _known: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(1))
    _refused: int = 0
    _noted_at: float | None = None

    async def show(self, request: Request) -> Response:
        """Show the form; it leads to the page in `next`."""
        return self.form(request, inner(request.query_params.get("next", "/")), 200)

    def form(self, request: Request, to: str, status: int, fault: str = "") -> Response:
        """Return the page with the form."""
        cookie = request.cookies.get(self._cookie, "") or secrets.token_urlsafe(24)
        page = self.templates.get_template("login.html").render(
            form_token=self._token_of(cookie), to=to, fault=fault, **self._ways(to, request.cookies)
        )
        answer = HTMLResponse(page, status)
        access = self.doors.access
        answer.set_cookie(
            self._cookie, cookie, httponly=True, samesite="strict", secure=access.secure
        )
        return answer

    def _ways(self, to: str, cookies: Mapping[str, str]) -> dict[str, Any]:
        """Return how somebody can log in: by a password, by a provider that has a name."""
        provider = self.doors.access.provider
        use_zone(cookies)
        try:
            has_passwords = bool(self.doors.users_file and self.doors.users_file.users())
        except ConfigError:
            has_passwords = True
        return {
            "has_passwords": has_passwords or provider is None,
            "provider": provider and provider.options.label,
            "provider_down": provider and provider.down_since and shown(provider.down_since),
            "provider_link": f"{OIDC}?next={quote(to, safe='')}",
        }

    async def answer(self, request: Request) -> Response:
        """Log somebody in who knows a password; the gate (access.py) has bounded the body."""
        body = await request.body()
        fields = dict(parse_qsl(body.decode(errors="replace"), keep_blank_values=True))
        to, name = inner(fields.get("next", "/")), fields.get("name", "").strip()
        token = self._token_of(request.cookies.get(self._cookie, ""))
        if not secrets.compare_digest(fields.get("form", "").encode(), token.encode()):
            return self.form(request, to, FORBIDDEN, OLD)
        address = address_of(request)
        seconds = self.throttle.try_one(name, address)
        limiter = self._known if self.throttle.knows(name, address) else self._strangers
        if not seconds and limiter.statistics().tasks_waiting >= MOST_WAITING:
            seconds = 5.0
        if seconds:
            self._note_refused(address)
            text = f"There were too many tries. Wait {seconds:.0f} seconds and try again."
            answer = self.form(request, to, TOO_MANY, text)
            answer.headers["retry-after"] = str(int(seconds) + 1)
            return answer
        try:
            entry = self.doors.user(name)
        except ConfigError:
            return self.form(request, to, UNAVAILABLE, NO_USERS)
        right = await run_sync(is_password_of, entry, fields.get("password", ""), limiter=limiter)
        if not right or entry is None:
            known = entry.name if entry else ""
            self.doors.note(WebAct("log in", known, address=address, status=UNAUTHORIZED))
            return self.form(request, to, UNAUTHORIZED, WRONG)
        self.throttle.succeeded(name, address)
        answer = RedirectResponse(to, 303)
        self.doors.let_in(request, answer, entry.name, entry.stamp, LoginMeans.PASSWORD)
        self.doors.note(WebAct("log in", entry.name, entry.role, "by password", address))
        return answer

    async def leave(self, request: Request) -> Response:
        """End the session of a browser (the gate has judged the form)."""
        self.doors.sessions.close(request.cookies.get(self.doors.cookie, ""))
        answer = RedirectResponse("/", 303)
        answer.delete_cookie(self.doors.cookie, secure=self.doors.access.secure)
        return answer

    @property
    def _cookie(self) -> str:
        return f"{self.doors.cookie}-login"

    def _token_of(self, cookie: str) -> str:
        return hmac.new(self._key, cookie.encode(errors="replace"), hashlib.sha256).hexdigest()

    def _note_refused(self, address: str) -> None:
        self._refused += 1
        now = self.doors.access.clock()
        if self._noted_at is None or now - self._noted_at >= NOTED_SECONDS:
            given = f"too many tries: {self._refused} since the last such record"
            act = WebAct("log in", address=address, given=given, status=TOO_MANY)
            self.doors.note(act)
            self._refused, self._noted_at = 0, now


def address_of(request: Request) -> str:
    """Return the address that a request came from."""
    return request.client.host if request.client else ""


def inner(to: str) -> str:
    """Return a page of this server: never the address of another one."""
    clean = "".join(each for each in to[:MOST_NEXT] if " " < each < "\x7f")
    return "/" + quote(clean.lstrip("/\\"), safe="/?&=:%+,;@~!*'()$")
