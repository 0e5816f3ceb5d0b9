"""A small OpenID Connect provider on a port of this machine: real keys, real codes, PKCE."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

NOW = 1_770_000_000_000
CLIENT, SECRET = "dashboard", "s3cret/+ of the client"
OPERATOR = {"email": "ada@example.org", "email_verified": True, "groups": ["ops", "all"]}


def new_key(name: str = "one") -> RSAKey:
    """Return a key of this name."""
    return RSAKey.generate_key(2048, parameters={"kid": name, "use": "sig"})


def signed(claims: dict[str, Any], key: RSAKey) -> str:
    """Return a token as the provider signs it."""
    return jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)


@dataclass
class Provider:
    """What it knows: codes that were given, and whom it sends back. Tests bend it."""

    key: RSAKey
    port: int = 0
    person: dict[str, Any] = field(default_factory=lambda: dict(OPERATOR))
    changed: dict[str, Any] = field(
        default_factory=dict
    )  # claims of the next tokens; None: without
    tokens: Callable[[dict[str, Any], RSAKey], str] = signed
    metadata: dict[str, Any] = field(default_factory=dict)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    body: bytes | None = None  # of every answer
    is_down: bool = False

    @property
    def issuer(self) -> str:
        return f"http://localhost:{self.port}/realm"

    def answer(self, method: str, path: str, given: dict[str, str], login: str) -> tuple[int, Any]:
        """Return the answer to a request: a status, and an object or a place to go."""
        self.asked.append(path)
        if self.is_down:
            return 503, {}
        match path:
            case "/realm/.well-known/openid-configuration":
                place = f"http://localhost:{self.port}"
                return 200, {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{place}/authorize",
                    "token_endpoint": f"{place}/token",
                    "jwks_uri": f"{place}/keys",
                    "authorization_response_iss_parameter_supported": True,
                } | self.metadata
            case "/keys":
                return 200, {"keys": [self.key.as_dict(private=False), {"kty": "oct", "k": "AAAA"}]}
            case "/authorize":
                code = secrets.token_urlsafe(8)
                self.codes[code] = given
                back = {"code": code, "state": given["state"], "iss": self.issuer}
                return 303, f"{given['redirect_uri']}?{urlencode(back)}"
            case "/token" if method == "POST":
                return self._redeem(given, login)
        return 404, {}

    def _redeem(self, given: dict[str, str], login: str) -> tuple[int, Any]:
        began = self.codes.pop(given.get("code", ""), None)
        pair = f"{quote_plus(CLIENT)}:{quote_plus(SECRET)}"
        challenge = base64.urlsafe_b64encode(sha256(given["code_verifier"].encode()).digest())
        if (
            began is None
            or login != f"Basic {base64.b64encode(pair.encode()).decode()}"
            or given["redirect_uri"] != began["redirect_uri"]
            or began["code_challenge_method"] != "S256"
            or began["code_challenge"] != challenge.rstrip(b"=").decode()
        ):
            return 400, {"error": "invalid_grant"}
        seconds = NOW // 1000
        claims = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "248289761001",
            "iat": seconds,
            "exp": seconds + 300,
            "nonce": began["nonce"],
            **self.person,
            **self.changed,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        return 200, {"id_token": self.tokens(claims, self.key), "token_type": "Bearer"}


@contextmanager
def provided(key: RSAKey) -> Iterator[Provider]:
    """Run a provider for the length of a `with`."""
    provider = Provider(key)

    class Handler(BaseHTTPRequestHandler):
        """Answers for the provider."""

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            self._send(*provider.answer("GET", parts.path, dict(parse_qsl(parts.query)), ""))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            login = self.headers.get("authorization", "")
            self._send(*provider.answer("POST", self.path, dict(parse_qsl(body)), login))

        def _send(self, status: int, found: Any) -> None:
            body = provider.body or json.dumps(found).encode()
            self.send_response(status)
            if isinstance(found, str):
                self.send_header("location", found)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_given: Any) -> None:
            """Print nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        provider.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield provider
        finally:
            server.shutdown()
            thread.join()
