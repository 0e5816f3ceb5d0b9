"""Log-in by an OpenID Connect provider: whom it lets in, and every way to get in without it."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from shipper.alerts.incidents.sla import Sla
from shipper.config.oidc import ISSUER, OidcOptions
from shipper.config.options import InvalidValueError
from shipper.web.access import Access
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from shipper.web.people import Role, UsersFile
from shipper.web.provider import AGAIN_SECONDS, OidcProvider
from shipper.web.trail import WebTrail
from tests.web.browsing import Browser
from tests.web.providing import CLIENT, NOW, OPERATOR, SECRET, Provider, new_key, provided
from tests.web.test_acting import TOKEN, no_store
from tests.web.test_login import PASSWORD, log_in, token_of


@dataclass
class Door:
    """A dashboard that people log in to by a provider; bo has a password, too."""

    folder: Path
    provider: Provider
    later: list[float] = field(default_factory=lambda: [0.0])

    @contextmanager
    def browser(self, **options: Any) -> Iterator[Browser]:
        def ticks() -> float:
            return monotonic() + self.later[0]

        secret = self.folder / "secret"
        secret.write_text(f"{SECRET}\n")
        given = OidcOptions(
            **{
                "issuer": self.provider.issuer,
                "client_id": CLIENT,
                "client_secret_file": secret,
                "label": "the provider",
                "operators": ("ops",),
                "viewers": ("readers",),
                **options,
            }
        )
        access = Access(
            users=self.folder / "users.json",
            trail=WebTrail(self.folder / "web.log", lambda: NOW),
            provider=OidcProvider(given, ticks, lambda: NOW),
            clock=ticks,
        )
        alerts = AlertPlaces(self.folder / "none.db", self.folder, self.folder, Sla(), "oncall")
        app = make_app(
            WebSources(no_store, alerts, lambda: NOW), token=TOKEN, port=8765, access=access
        )
        with Browser(app) as browser:
            yield browser

    def trail(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "web.log").read_text().splitlines()]


@pytest.fixture(scope="module")
def key() -> RSAKey:
    return new_key()


@pytest.fixture
def door(tmp_path: Path, key: RSAKey) -> Iterator[Door]:
    with provided(key) as provider:
        yield Door(tmp_path, provider)


def sent(browser: Browser, to: str = "/incidents") -> str:
    """Begin a log-in; return where the provider sends the browser back to."""
    begun = browser.get("/login/oidc", params={"next": to})
    assert begun.status_code == 303, begun.text
    return httpx.get(begun.headers["location"]).headers["location"]


def inside(browser: Browser, to: str = "/incidents") -> httpx.Response:
    """Log in; return the answer to the browser that comes back."""
    return browser.get(sent(browser, to))


def is_in(browser: Browser) -> bool:
    return browser.get("/incidents").status_code == 200


def test_a_person_of_the_provider_logs_in_and_acts(door: Door) -> None:
    """The log-in page leads to it and back to the page that was asked for; the trail has it."""
    with door.browser() as browser:
        page = browser.get("/incidents?a=1")
        assert page.status_code == 401
        assert 'href="/login/oidc?next=%2Fincidents%3Fa%3D1"' in page.text
        assert "Log in with the provider" in page.text
        assert 'name="password"' not in page.text  # nobody has one
        answer = inside(browser, "/incidents?a=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/incidents?a=1")
        assert "samesite=strict" in answer.headers["set-cookie"].lower()
        assert "ada@example.org, operator" in browser.get("/incidents").text
        saved = browser.request(
            "POST", "/searches/save", data={"form": token_of(browser), "name": "mine"}
        )
        assert saved.status_code in (303, 404)  # there is no file for them; the gate let it through
        browser.request("POST", "/logout", data={"form": token_of(browser)})
        assert not is_in(browser)

    entered = door.trail()[0]
    assert (entered["act"], entered["by"], entered["role"]) == (
        "log in",
        "ada@example.org",
        "operator",
    )


def test_what_is_asked_of_the_provider_is_bound_to_this_browser(door: Door) -> None:
    """Code flow, PKCE, state and nonce; the address to come back to is this server's."""
    with door.browser() as browser:
        begun = browser.get("/login/oidc?next=/logs")
    asked = dict(parse_qsl(urlsplit(begun.headers["location"]).query))
    assert asked["response_type"] == "code"
    assert asked["redirect_uri"] == "http://127.0.0.1:8765/login/oidc/back"
    assert asked["code_challenge_method"] == "S256"
    assert min(len(asked[name]) for name in ("state", "nonce", "code_challenge")) >= 43
    cookie = begun.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie


@pytest.mark.parametrize(
    ("groups", "role"),
    [(["readers"], "viewer"), ("readers", "viewer"), (["readers", "ops"], "operator")],
)
def test_roles_are_by_a_claim(door: Door, groups: Any, role: str) -> None:
    """A list or a text; the higher role counts. A viewer may not act."""
    door.provider.person = OPERATOR | {"groups": groups}
    with door.browser() as browser:
        inside(browser)
        assert f"ada@example.org, {role}" in browser.get("/incidents").text
        data = {"form": token_of(browser), "name": "mine"}
        status = browser.request("POST", "/searches/save", data=data).status_code
        assert (status == 403) is (role == "viewer")


@pytest.mark.parametrize("groups", [None, [], "all", ["OPS", "ops "], {"ops": 1}, 7, [["ops"]]])
def test_who_has_no_role_is_refused_with_a_page(door: Door, groups: Any) -> None:
    """The page says who may change that; nothing of the dashboard is in it."""
    door.provider.person = OPERATOR | {"groups": groups}
    with door.browser() as browser:
        answer = inside(browser)
        assert answer.status_code == 403
        assert "ada@example.org may not use this dashboard" in answer.text
        assert not is_in(browser)
    assert door.trail()[0]["outcome"] == "refused"


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unsigned(claims: dict[str, Any], _key: RSAKey) -> str:
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    return ".".join(encoded(json.dumps(part).encode()) for part in parts) + "."


def signed_with_the_public_key(claims: dict[str, Any], key: RSAKey) -> str:
    parts = ({"alg": "HS256", "kid": "one"}, claims)
    text = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    mac = hmac.new(key.as_pem(private=False), text.encode(), "sha256").digest()
    return f"{text}.{encoded(mac)}"


def signed_by_another(claims: dict[str, Any], _key: RSAKey) -> str:
    return jwt.encode({"alg": "RS256", "kid": "one"}, claims, new_key())


def with_a_key_inside(claims: dict[str, Any], _key: RSAKey) -> str:
    own = new_key("mine")
    header = {"alg": "RS256", "kid": "mine", "jwk": own.as_dict(private=False)}
    return jwt.encode(header, claims, own)


def changed_after(claims: dict[str, Any], key: RSAKey) -> str:
    head, _, signature = jwt.encode({"alg": "RS256", "kid": "one"}, claims, key).split(".")
    return f"{head}.{encoded(json.dumps(claims | {'groups': 'ops'}).encode())}.{signature}"


@pytest.mark.parametrize(
    "tokens",
    [
        unsigned,
        signed_with_the_public_key,
        signed_by_another,
        with_a_key_inside,
        changed_after,
        lambda _claims, _key: "",
        lambda _claims, _key: "a.b.c",
        lambda _claims, _key: "[" * 200_000,
    ],
)
def test_a_forged_token_lets_nobody_in(
    door: Door, tokens: Callable[[dict[str, Any], RSAKey], str]
) -> None:
    """No signature, one by a secret that everybody has, by another key, or of other claims."""
    door.provider.tokens = tokens
    door.provider.person["groups"] = ["ops"]
    with door.browser() as browser:
        assert inside(browser).status_code == 403
        assert not is_in(browser)


SECONDS = NOW // 1000


@pytest.mark.parametrize(
    "changed",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"exp": SECONDS - 61},
        {"exp": None},
        {"exp": "tomorrow"},
        {"iat": SECONDS + 3600},
        {"nbf": SECONDS + 3600},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": [CLIENT, "another"]},  # without azp
        {"aud": [CLIENT, "another"], "azp": "another"},
        {"aud": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"sub": None},
        {"email": None},
        {"email": " "},
        {"email": ["ada@example.org"]},
        {"email_verified": False},
    ],
)
def test_a_token_of_another_log_in_lets_nobody_in(door: Door, changed: dict[str, Any]) -> None:
    """Issuer, audience, times and nonce are those of this log-in; there is a verified name."""
    door.provider.changed = changed
    with door.browser() as browser:
        assert inside(browser).status_code == 403
        assert not is_in(browser)


def test_state_is_of_the_browser_that_began(door: Door) -> None:
    """Neither a wrong state, nor another browser, nor a late one, nor a second time gets in."""
    with door.browser() as other:
        foreign = sent(other)
    with door.browser() as browser:
        assert browser.get(foreign).status_code == 403  # it has begun nothing
        back = sent(browser)
        assert browser.get(foreign).status_code == 403  # it has begun something else
        assert browser.get(back).status_code == 403  # which has ended with that
        back = sent(browser)
        assert browser.get(back.replace("state=", "state=x")).status_code == 403
        back = sent(browser)
        door.later[0] += 601
        assert browser.get(back).status_code == 403
        assert not is_in(browser)


def test_a_replayed_answer_lets_nobody_in(door: Door) -> None:
    """Neither with the cookie of the log-in put back, nor with its code in another log-in."""
    with door.browser() as browser:
        begun = browser.get("/login/oidc")
        cookie = begun.headers["set-cookie"].partition(";")[0].partition("=")
        back = httpx.get(begun.headers["location"]).headers["location"]
        assert browser.get(back).status_code == 303
        browser.request("POST", "/logout", data={"form": token_of(browser)})
        browser.cookie(cookie[0], cookie[2].strip('"'))
        asked = len(door.provider.asked)
        assert browser.get(back).status_code == 403
        assert len(door.provider.asked) == asked
        code = dict(parse_qsl(urlsplit(back).query))["code"]
        again = sent(browser)
        mine = dict(parse_qsl(urlsplit(again).query))["code"]
        assert browser.get(again.replace(mine, code)).status_code == 403
        assert not is_in(browser)


@pytest.mark.parametrize(
    "to",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "\t//evil.example", "@evil", ""],
)
def test_next_leads_nowhere_else(door: Door, to: str) -> None:
    """Wherever a link wants to have somebody after the log-in: it is a page of this server."""
    with door.browser() as browser:
        place = inside(browser, to).headers["location"]
    assert place.startswith("/")
    assert place[1:2] not in ("/", "\\")


@pytest.mark.parametrize(
    "change",
    ["iss=https%3A%2F%2Fevil.example", "iss=", "code=", "error=access_denied", "error=<script>"],
)
def test_an_answer_of_another_issuer_or_a_refusal_lets_nobody_in(door: Door, change: str) -> None:
    """`iss` of the answer is that of the provider, which says that it sends it; else a page."""
    with door.browser() as browser:
        back = sent(browser)
        name = change.partition("=")[0]
        found = urlsplit(back)
        pairs = [pair for pair in found.query.split("&") if not pair.startswith(f"{name}=")]
        answer = browser.get(f"{found.path}?{'&'.join([*pairs, change])}")
        assert answer.status_code == 403
        assert "<script>" not in answer.text
        assert not is_in(browser)


def test_a_name_of_a_local_user_is_taken(door: Door) -> None:
    """Nobody of the provider can act in the name of a user of the users file."""
    UsersFile(door.folder / "users.json").add("ada@example.org", Role.VIEWER, PASSWORD)
    with door.browser() as browser:
        assert inside(browser).status_code == 403
        assert not is_in(browser)


def test_an_address_counts_for_a_role_only_if_it_is_verified(door: Door) -> None:
    """Where people are named by their address, the provider has to have verified it."""
    options = {"role_claim": "email", "operators": ("ada@example.org",)}
    for verified, status in ((None, 403), ("true", 403), (True, 303)):
        door.provider.person = OPERATOR | {"email_verified": verified}
        with door.browser(**options) as browser:
            assert inside(browser).status_code == status


def test_a_provider_that_is_down_ends_no_session(door: Door) -> None:
    """Who is in stays in; the log-in page says so and for how long; a password works."""
    UsersFile(door.folder / "users.json").add("bo", Role.VIEWER, PASSWORD)
    with door.browser() as browser, door.browser() as other:
        inside(browser)
        door.provider.is_down = True
        door.later[0] += 3601
        assert is_in(browser)
        answer = other.get("/login/oidc?next=/logs")
        assert answer.status_code == 503
        assert f"the provider: localhost:{door.provider.port} answers 503" in answer.text
        assert "no usable answer since 2026-02-02T02:40:00" in other.get("/logs").text
        asked = len(door.provider.asked)
        assert other.get("/login/oidc").status_code == 503
        assert len(door.provider.asked) == asked  # it is left in peace for a while
        assert log_in(other, "bo").status_code == 303
        assert is_in(other)
        door.provider.is_down = False
        door.later[0] += AGAIN_SECONDS + 1
        assert inside(browser).status_code == 303


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"token_endpoint": "http://evil.example/token"},
        {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "https://user:secret@evil.example/"},
        {"jwks_uri": 7},
        {"token_endpoint": None},
    ],
)
def test_a_provider_with_an_unsafe_address_is_not_used(
    door: Door, metadata: dict[str, Any]
) -> None:
    """All of its addresses are https, or on this machine."""
    door.provider.metadata = metadata
    with door.browser() as browser:
        assert browser.get("/login/oidc").status_code == 503


@pytest.mark.parametrize("body", [b"[]", b"{", b"x" * 300_000, b"[" * 100_000, b"\xff"])
def test_an_answer_that_is_none_is_not_used(door: Door, body: bytes) -> None:
    """Too large, or no object: the page says so."""
    door.provider.body = body
    with door.browser() as browser:
        assert browser.get("/login/oidc").status_code == 503


def test_a_silent_provider_is_waited_for_so_long(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline is for all that a page needs of it."""
    monkeypatch.setattr("shipper.web.provider.SECONDS", 0.2)
    waiting = []

    def silent(*_given: Any) -> tuple[int, Any]:
        waiting.append(1)
        end = monotonic() + 1.5
        while monotonic() < end:
            pass
        return 200, {}

    monkeypatch.setattr(door.provider, "answer", silent)
    with door.browser() as browser:
        answer = browser.get("/login/oidc")
    assert answer.status_code == 503
    assert "did not answer within 0.2 s" in answer.text
    assert waiting == [1]


def test_new_keys_of_the_provider_are_read(door: Door) -> None:
    """A key that was not there is asked for once more, and no more often than every ten seconds."""
    with door.browser() as browser:
        assert inside(browser).status_code == 303
        door.provider.key = new_key("two")
        assert inside(browser).status_code == 403
        door.later[0] += AGAIN_SECONDS + 1
        assert inside(browser).status_code == 303


def test_a_session_of_the_provider_ends_sooner(door: Door) -> None:
    """The role is read again then."""
    with door.browser(session_seconds=600.0) as browser:
        inside(browser)
        assert is_in(browser)
        door.later[0] += 599
        assert is_in(browser)
        door.later[0] += 2
        assert not is_in(browser)


def test_tries_of_a_network_are_counted(door: Door) -> None:
    """Ten that reach the provider at once; then it is not asked."""
    door.provider.person = {}
    with door.browser() as browser:
        statuses = [inside(browser).status_code for _ in range(11)]
    assert statuses == [403] * 10 + [429]


def test_the_link_opens_nothing_where_people_log_in(door: Door) -> None:
    """As with users: a token that was printed is worth nothing."""
    with door.browser() as browser:
        assert browser.get(f"/incidents?token={TOKEN}").status_code == 401


def test_a_public_client_has_no_secret(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is known by its id, and PKCE."""
    seen: list[dict[str, str]] = []

    def token(given: dict[str, str], login: str) -> tuple[int, Any]:
        seen.append(given | {"login": login})
        return 400, {}

    monkeypatch.setattr(door.provider, "_redeem", token)
    with door.browser(client_secret_file=None) as browser:
        inside(browser)
    assert (seen[0]["client_id"], seen[0]["login"]) == (CLIENT, "")


@pytest.mark.parametrize("issuer", ["http://login.example.org", "https://u:p@h", "ftp://h", "h"])
def test_the_issuer_is_https(issuer: str) -> None:
    """In the config, too; clear text is for this machine."""
    with pytest.raises(InvalidValueError):
        ISSUER.parse(issuer)
    assert ISSUER.parse("http://127.0.0.1:8080/realm") == "http://127.0.0.1:8080/realm"
