"""
The OpenID Connect provider that people log in by: where it is, and what it says of somebody.

Everything that is asked of it has a deadline, and its answers are bounded; no redirect is followed.
Addresses that it names are https, or on this machine if it is. An ID token counts if it is signed
with a key of the provider, by an algorithm with a public key, and is of this issuer, for this
client, of this log-in (nonce), and of now. What it says is never in a text for people, for it may
be anything.
"""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote_plus, urlsplit

import httpcore
import msgspec
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import BadSignatureError, InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet

from shipper.config.oidc import is_safe_address
from shipper.decoding import UNDECODABLE
from shipper.errors import ShipperError
from shipper.files import read_regular
from shipper.net.connect import ConnectionFailed, client_context
from shipper.net.deadline import Deadline
from shipper.net.http_bounds import BoundedBackend
from shipper.text import safe
from shipper.web.people import Person, Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shipper.config.oidc import OidcOptions

SECONDS: Final = 5.0  # for what one page needs of the provider
MOST_BYTES: Final = 256 * 1024
MOST_SECRET: Final = 4096
MOST_TOKEN: Final = 64 * 1024
MOST_NAME: Final = 100
FRESH_SECONDS: Final = 3600.0  # that its addresses and keys are used
AGAIN_SECONDS: Final = 10.0  # until it is asked again, after it failed or a key was not there
LEEWAY: Final = 60  # seconds, by which clocks may differ
# With a public key only: a token "signed" by a secret, or not at all, could be made by anybody.
ALGORITHMS: Final = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "Ed25519",
)
_OTHER_KEY: Final = (BadSignatureError, InvalidKeyIdError)
PUBLIC: Final = frozenset({"RSA", "EC", "OKP"})


class LoginRefused(ShipperError):  # noqa: N818 - as StoreUnavailable
    """Somebody is not let in, whoever it is."""


class ProviderDown(ShipperError):  # noqa: N818
    """The provider gives no usable answer."""


@dataclass(frozen=True, slots=True)
class ProviderPlaces:
    """Where the provider is asked for what, and its keys."""

    authorization: str
    token: str
    keys: KeySet
    by_post: bool  # the secret is in the form instead of a header
    says_issuer: bool  # in its answers that come through the browser
    read_at: float


class OidcProvider:
    """Asks the provider; for many threads, which wait for each other."""

    def __init__(
        self, options: OidcOptions, ticks: Callable[[], float], now: Callable[[], int]
    ) -> None:
        """`ticks` are seconds that only go forward, `now` returns epoch milliseconds."""
        self.options = options
        self._ticks = ticks
        self.now = now
        self._lock = Lock()
        self._places: ProviderPlaces | None = None
        self._failed: ProviderDown | None = None
        self._failed_at = 0.0
        self.down_since: int | None = None

    def places(self) -> ProviderPlaces:
        """
        Return where it is; asked again after a while.

        Raises:
            ProviderDown: it can't be reached, or its answer is of no use.
        """
        with self._lock:
            found = self._places
            if found is not None and self._ticks() - found.read_at < FRESH_SECONDS:
                return found
            return self._discovered()

    def claims_of(self, code: str, *, back: str, verifier: str, nonce: str) -> Mapping[str, Any]:
        """
        Return what the ID token for a code says, which counts.

        Raises:
            ProviderDown: the provider gives no answer.
            LoginRefused: the code or the token does not count.
        """
        places, deadline = self.places(), self._deadline()
        answer = self._redeemed(places, deadline, code, back, verifier)
        token = answer.get("id_token")
        if not isinstance(token, str) or not token.isascii() or len(token) > MOST_TOKEN:
            raise LoginRefused("the provider gave no ID token", "see `scope` of the config")
        try:
            return self._judged(token, places.keys, nonce, answer.get("access_token"))
        except _OTHER_KEY:  # they may have been changed
            keys = self._renewed(places).keys
        try:
            return self._judged(token, keys, nonce, answer.get("access_token"))
        except _OTHER_KEY:
            raise _no_token() from None

    def person_of(self, claims: Mapping[str, Any]) -> Person:
        """
        Return who somebody is, and what they may do.

        Raises:
            LoginRefused: they have no name, or no role.
        """
        options = self.options
        name = claims.get(options.name_claim)
        if not isinstance(name, str) or not name.strip():
            raise LoginRefused(
                f"the ID token has no {options.name_claim}", "see `name_claim` and `scope` of oidc"
            )
        shown = safe(name.strip())[:MOST_NAME]
        verified = claims.get("email_verified")
        is_doubtful = options.name_claim == "email" and verified is False
        if is_doubtful or (options.role_claim == "email" and verified is not True):
            raise LoginRefused(
                f"the address {shown} is not verified at the provider", "verify it there"
            )
        given = claims.get(options.role_claim)
        values = {given} if isinstance(given, str) else _texts(given)
        for role, wanted in ((Role.OPERATOR, options.operators), (Role.VIEWER, options.viewers)):
            if values.intersection(wanted):
                return Person(shown, role)
        raise LoginRefused(
            f"{shown} may not use this dashboard",
            f"an administrator names one of their {options.role_claim} in `operators` or `viewers` "
            "of oidc",
        )

    def _deadline(self) -> Deadline:
        return Deadline(self._ticks, SECONDS)

    def _discovered(self) -> ProviderPlaces:
        if self._failed is not None and self._ticks() - self._failed_at < AGAIN_SECONDS:
            raise self._failed
        try:
            self._places = self._ask_places(self._deadline())
        except ProviderDown as error:
            self._failed, self._failed_at = error, self._ticks()
            if self.down_since is None:
                self.down_since = self.now()
            raise
        self._failed = self.down_since = None
        return self._places

    def _renewed(self, old: ProviderPlaces) -> ProviderPlaces:
        with self._lock:
            if self._places is not old:
                return self._places or old
            if self._ticks() - old.read_at < AGAIN_SECONDS:
                return old
            return self._discovered()

    def _ask_places(self, deadline: Deadline) -> ProviderPlaces:
        issuer = self.options.issuer
        found = self._json(
            "GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration", deadline
        )
        if found.get("issuer") != issuer:
            raise ProviderDown("the provider calls itself another issuer", "correct oidc.issuer")
        ways = _texts(found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]))
        return ProviderPlaces(
            authorization=_address(found, "authorization_endpoint"),
            token=_address(found, "token_endpoint"),
            keys=_keys(self._json("GET", _address(found, "jwks_uri"), deadline)),
            by_post="client_secret_basic" not in ways and "client_secret_post" in ways,
            says_issuer=found.get("authorization_response_iss_parameter_supported") is True,
            read_at=self._ticks(),
        )

    def _redeemed(
        self, places: ProviderPlaces, deadline: Deadline, code: str, back: str, verifier: str
    ) -> dict[str, Any]:
        options, given = self.options, {"code": code, "code_verifier": verifier}
        headers = [(b"Content-Type", b"application/x-www-form-urlencoded")]
        secret = None if options.client_secret_file is None else _secret(options)
        if secret is None or places.by_post:
            given["client_id"] = options.client_id
            given |= {} if secret is None else {"client_secret": secret}
        else:
            headers.append((b"Authorization", _basic(options.client_id, secret)))
        form = prepare_token_request("authorization_code", redirect_uri=back, **given)
        return self._json("POST", places.token, deadline, headers, form.encode())

    def _judged(self, token: str, keys: KeySet, nonce: str, access_token: Any) -> Mapping[str, Any]:
        """Return the claims of a token; raise LoginRefused, or `_OTHER_KEY`."""
        options = self.options
        rules = {
            "iss": {"essential": True, "value": options.issuer},
            "aud": {"essential": True, "value": options.client_id},
        }
        params = {"nonce": nonce, "client_id": options.client_id, "access_token": access_token}
        try:
            found = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
            judged = CodeIDToken(found.claims, found.header, rules, params)
            judged.validate(self.now() // 1000, LEEWAY)
        except _OTHER_KEY:
            raise
        except (
            JoseError,
            TypeError,
            ValueError,
            AttributeError,
            RecursionError,
        ):  # claims of other kinds
            raise _no_token() from None
        return found.claims

    def _json(
        self,
        method: str,
        address: str,
        deadline: Deadline,
        headers: list[tuple[bytes, bytes]] | None = None,
        content: bytes | None = None,
    ) -> dict[str, Any]:
        """Return the object that an address answers with."""
        where = safe(urlsplit(address).netloc)[:100]
        try:
            status, body = self._exchange(method, address, deadline, headers or [], content)
        except ConnectionFailed as error:
            raise ProviderDown(f"{where} {error.fault}", error.remedy) from None
        except (httpcore.TimeoutException, TimeoutError):
            raise _down(f"{where} did not answer within {SECONDS:g} s") from None
        except (httpcore.NetworkError, httpcore.ProtocolError, OSError, ValueError):
            raise _down(f"{where} cannot be reached, or its certificate is not trusted") from None
        if method == "POST" and 400 <= status < 500:
            raise LoginRefused("the provider did not accept the log-in", "log in again")
        if status != 200:
            raise _down(f"{where} answers {status}")
        try:
            return msgspec.json.decode(body, type=dict[str, Any])
        except UNDECODABLE:
            raise _down(f"the answer of {where} is no JSON object") from None

    def _exchange(
        self,
        method: str,
        address: str,
        deadline: Deadline,
        headers: list[tuple[bytes, bytes]],
        content: bytes | None,
    ) -> tuple[int, bytes]:
        is_encrypted = address.startswith("https:")
        context = client_context(self.options.tls, "oidc") if is_encrypted else None
        sent = [(b"Accept", b"application/json"), (b"User-Agent", b"shipper"), *headers]
        with (
            httpcore.ConnectionPool(context, network_backend=BoundedBackend(deadline)) as pool,
            pool.stream(method, address, headers=sent, content=content) as response,
        ):
            received = bytearray()
            for piece in response.iter_stream():
                received += piece
                if len(received) > MOST_BYTES:
                    raise ValueError
            return response.status, bytes(received)


def _down(fault: str) -> ProviderDown:
    return ProviderDown(fault, "log in by a password, or try again later")


def _no_token() -> LoginRefused:
    return LoginRefused("the ID token of the provider does not count", "log in again")


def _address(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value.isascii() or not is_safe_address(value):
        raise ProviderDown(f"the provider has no safe {name}", "see oidc.issuer of the config")
    return value


def _keys(found: Mapping[str, Any]) -> KeySet:
    """Return the public keys for signatures; those of another kind are left out."""
    listed = found.get("keys")
    usable = [
        each
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict) and each.get("kty") in PUBLIC and each.get("use", "sig") == "sig"
    ][:100]
    try:
        return KeySet.import_key_set({"keys": usable})
    except (JoseError, ValueError, TypeError, KeyError):
        raise ProviderDown("the keys of the provider are of no use", "try again later") from None


def _texts(found: Any) -> set[str]:
    return {each for each in found if isinstance(each, str)} if isinstance(found, list) else set()


def _secret(options: OidcOptions) -> str:
    path = options.client_secret_file
    assert path is not None
    try:
        secret = read_regular(path, MOST_SECRET, follow=True).decode().strip()
    except (OSError, UnicodeDecodeError):
        secret = ""
    if not secret or not secret.isprintable():
        raise ProviderDown("the secret of this client is not there", "see oidc.client_secret_file")
    return secret


def _basic(client: str, secret: str) -> bytes:
    """Return the header of a client that logs in itself (RFC 6749 2.3.1)."""
    pair = f"{quote_plus(client)}:{quote_plus(secret)}"
    return b"Basic " + b64encode(pair.encode())
