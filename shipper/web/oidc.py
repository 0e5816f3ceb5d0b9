"""
Log-in by an OpenID Connect provider: the code flow with PKCE, state and nonce.

What a log-in waits for is in a cookie of the browser that began it, signed with a key of this
start: so many that were begun and never ended take no memory here, and no other browser can end
one. It is good for ten minutes and once. The cookie comes with a link of the provider (Lax); that
of the session does not, as with every log-in (access.py).

Whoever has logged in keeps the session, and the role, until `session` of the config has passed; the
provider is not asked in between, so it may be down.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import msgspec
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from starlette.responses import RedirectResponse, Response

from shipper.errors import ConfigError
from shipper.text import safe
from shipper.web.login import (
    FORBIDDEN,
    MOST_WAITING,
    OIDC_BACK,
    TOO_MANY,
    UNAVAILABLE,
    address_of,
    inner,
)
from shipper.web.provider import LoginRefused, ProviderDown
from shipper.web.sessions import LoginMeans
from shipper.web.throttle import OF_NETWORK, LoginBuckets, network_of
from shipper.web.trail import WebAct

if TYPE_CHECKING:
    from starlette.requests import Request

    from shipper.errors import ShipperError
    from shipper.web.access import Doors
    from shipper.web.login import LoginPage
    from shipper.web.people import Person
    from shipper.web.provider import OidcProvider

AT_A_TIME: Final = 4
LASTS_SECONDS: Final = 600.0
MOST_NEXT: Final = 1500  # a cookie has 4 KiB at most
MOST_USED: Final = 10_000
MOST_CODE: Final = 4000
OLD: Final = "This log-in was begun in another browser, or too long ago. Log in again."


class _Pending(msgspec.Struct, frozen=True):
    """A log-in that waits for the provider."""

    state: str
    nonce: str
    verifier: str
    back: str
    to: str
    until: float


@dataclass(slots=True)
class OidcLogin:
    """Sends browsers to the provider, and lets in whom it knows; for one thread."""

    doors: Doors
    page: LoginPage
    provider: OidcProvider
    _key: bytes = field(default_factory=lambda: os.urandom(32))
    _used: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _limiter: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(AT_A_TIME))
    _buckets: LoginBuckets = field(default_factory=lambda: LoginBuckets(OF_NETWORK))

    async def start(self, request: Request) -> Response:
        """Send a browser to the provider."""
        to = inner(request.query_params.get("next", "/"))
        if self._limiter.statistics().tasks_waiting >= MOST_WAITING:
            return self.page.form(request, to, TOO_MANY, "Others are logging in. Try again.")
        try:
            places = await run_sync(self.provider.places, limiter=self._limiter)
        except ProviderDown as error:
            return self.page.form(request, to, UNAVAILABLE, self._down(error))
        options = self.provider.options
        authority = request.headers["host"]  # the gate has judged it
        pending = _Pending(
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(32),
            secrets.token_urlsafe(48),
            f"{'https' if self.doors.access.secure else 'http'}://{authority}{OIDC_BACK}",
            to if len(to) <= MOST_NEXT else "/",
            self.doors.access.clock() + LASTS_SECONDS,
        )
        address = prepare_grant_uri(
            places.authorization,
            options.client_id,
            "code",
            redirect_uri=pending.back,
            scope=options.scope,
            state=pending.state,
            nonce=pending.nonce,
            code_challenge=create_s256_code_challenge(pending.verifier),
            code_challenge_method="S256",
        )
        answer = RedirectResponse(address, 303)
        answer.set_cookie(
            self._cookie,
            self._signed(pending),
            max_age=int(LASTS_SECONDS),
            httponly=True,
            samesite="lax",
            secure=self.doors.access.secure,
        )
        return answer

    async def back(self, request: Request) -> Response:
        """Let in whom the provider sends back."""
        pending = self._pending(request)
        if pending is None:
            return self._left(self.page.form(request, "/", FORBIDDEN, OLD))
        network, now = network_of(address_of(request)), self.doors.access.clock() + 1
        seconds = self._buckets.wait(network, now)
        if seconds or self._limiter.statistics().tasks_waiting >= MOST_WAITING:
            text = (
                f"There were too many tries. Wait {max(seconds, 5):.0f} seconds and log in again."
            )
            return self._left(self.page.form(request, pending.to, TOO_MANY, text))
        self._buckets.take(network, now)
        try:
            person = await self._person(request, pending)
        except ProviderDown as error:
            return self._left(self.page.form(request, pending.to, UNAVAILABLE, self._down(error)))
        except (LoginRefused, ConfigError) as error:
            self._note_refused(request, error)
            text = f"Nobody was logged in: {error.fault}. {_sentence(error.remedy)}"
            return self._left(self.page.form(request, pending.to, FORBIDDEN, text))
        answer = RedirectResponse(pending.to, 303)
        seconds = self.provider.options.session_seconds
        self.doors.let_in(
            request, answer, person.name, person.role.value, LoginMeans.PROVIDER, seconds
        )
        self.doors.note(WebAct("log in", *person.names, "by the provider", address_of(request)))
        return self._left(answer)

    async def _person(self, request: Request, pending: _Pending) -> Person:
        """Return whom the provider sends back; raise LoginRefused, ProviderDown, ConfigError."""
        asked = request.query_params
        options = self.provider.options
        places = await run_sync(self.provider.places, limiter=self._limiter)
        issuer = asked.get("iss")
        if issuer != options.issuer and (issuer is not None or places.says_issuer):
            raise LoginRefused("the answer is of another issuer", "log in again")
        code = asked.get("code", "")
        if "error" in asked or not 0 < len(code) <= MOST_CODE:
            why = safe(asked.get("error", "no code"))[:60]
            raise LoginRefused(f"the provider refuses it ({why})", "log in again")

        def redeemed() -> Person:
            claims = self.provider.claims_of(
                code, back=pending.back, verifier=pending.verifier, nonce=pending.nonce
            )
            return self.provider.person_of(claims)

        person = await run_sync(redeemed, limiter=self._limiter)
        if self.doors.user(person.name) is not None:
            raise LoginRefused(f"{person.name} is a user with a password here", "use that")
        return person

    def _pending(self, request: Request) -> _Pending | None:
        """Return the log-in that a browser has begun, once; None if it is not this one."""
        value, _, signature = request.cookies.get(self._cookie, "").partition(".")
        if not secrets.compare_digest(self._signature(value).encode(), signature.encode()):
            return None
        pending = msgspec.json.decode(urlsafe_b64decode(value), type=_Pending)
        state = request.query_params.get("state", "")
        is_late = self.doors.access.clock() > pending.until
        if is_late or not secrets.compare_digest(state.encode(), pending.state.encode()):
            return None
        if pending.state in self._used:
            return None
        self._used[pending.state] = None
        if len(self._used) > MOST_USED:
            self._used.popitem(last=False)
        return pending

    def _signed(self, pending: _Pending) -> str:
        value = urlsafe_b64encode(msgspec.json.encode(pending)).decode()
        return f"{value}.{self._signature(value)}"

    def _signature(self, value: str) -> str:
        return hmac.new(self._key, value.encode(errors="replace"), hashlib.sha256).hexdigest()

    def _left(self, answer: Response) -> Response:
        """Return an answer that ends the log-in in the browser."""
        answer.delete_cookie(
            self._cookie, httponly=True, samesite="lax", secure=self.doors.access.secure
        )
        return answer

    def _down(self, error: ProviderDown) -> str:
        return f"{self.provider.options.label}: {error.fault}. {_sentence(error.remedy)}"

    def _note_refused(self, request: Request, error: ShipperError) -> None:
        # the fault names whoever it was, if that was found out
        given = f"by the provider: {error.fault}"
        self.doors.note(
            WebAct("log in", address=address_of(request), given=given, status=FORBIDDEN)
        )

    @property
    def _cookie(self) -> str:
        return f"{self.doors.cookie}-oidc"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}." if text else ""
