"""Who gets in, who may act, and what is left of it in the audit trail."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.datastructures import Headers

from shipper.alerts.incident import Incident, Phase
from shipper.alerts.incidents.sla import Sla
from shipper.alerts.ledger.ledger import Ledger
from shipper.web.access import Access
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from shipper.web.people import Role, UsersFile
from shipper.web.proxies import Proxies
from shipper.web.throttle import OF_NETWORK
from shipper.web.trail import WebTrail
from tests.alerts.verdicts import HOUR, live_through
from tests.web.browsing import Browser
from tests.web.test_acting import GROUP, TOKEN, no_store

PASSWORD = "correct horse battery"
FORM = re.compile(r'name="form" value="([^"]+)"')


@dataclass
class House:
    """A dashboard with users ada (operator) and vi (viewer), and an incident that fires."""

    folder: Path
    incident: Incident
    tokens: list[str] = field(default_factory=list)

    @property
    def users(self) -> UsersFile:
        return UsersFile(self.folder / "users.json")

    @contextmanager
    def browser(self, **access: Any) -> Iterator[Browser]:
        alerts = AlertPlaces(self.folder / "alerts.db", self.folder, self.folder, Sla(), "oncall")
        now = self.incident.opened_at + HOUR
        trail = WebTrail(self.folder / "web.log", lambda: now)
        given = Access(
            users=self.folder / "users.json", trail=trail, link_used=self.tokens.append, **access
        )
        sources = WebSources(no_store, alerts, lambda: now)
        with Browser(make_app(sources, token=TOKEN, port=8765, access=given)) as browser:
            yield browser

    def phase(self) -> Phase:
        with closing(Ledger(self.folder / "alerts.db")) as ledger:
            (found,) = ledger.find(self.incident.id)
            return found.phase

    def trail(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "web.log").read_text().splitlines()]


@pytest.fixture(scope="module")
def users(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Hash the passwords once."""
    path = tmp_path_factory.mktemp("users") / "users.json"
    UsersFile(path).add("ada", Role.OPERATOR, PASSWORD)
    UsersFile(path).add("vi", Role.VIEWER, PASSWORD)
    return path.read_bytes()


@pytest.fixture
def house(tmp_path: Path, users: bytes) -> House:
    found, transitions = live_through("bb")
    assert found is not None
    with closing(Ledger(tmp_path / "alerts.db")) as ledger, ledger.deciding():
        ledger.place("server_errors", GROUP, "", found)
        for each in transitions:
            ledger.record(each, (), each.at)
    (tmp_path / "users.json").write_bytes(users)
    return House(tmp_path, found)


def log_in(
    browser: Browser, name: str, password: str = PASSWORD, to: str = "/incidents", **options: Any
) -> httpx.Response:
    page = browser.get("/login").text
    form = {"form": FORM.findall(page)[0], "name": name, "password": password, "next": to}
    return browser.request("POST", "/login", data=form, **options)


def token_of(browser: Browser) -> str:
    found: list[str] = FORM.findall(browser.get("/incidents").text)
    return found[0]


def ack(browser: Browser, house: House, token: str, **options: Any) -> int:
    page = f"/incidents/{house.incident.id}/ack"
    return browser.request(
        "POST", page, data={"form": token, "note": "mine"}, **options
    ).status_code


def test_an_operator_logs_in_and_acknowledges(house: House) -> None:
    """Every page is a log-in before, which leads to it; the act is in their name."""
    with house.browser() as browser:
        page = browser.get("/incidents?a=1")
        assert page.status_code == 401
        assert 'value="/incidents?a=1"' in page.text
        assert house.incident.rule not in page.text
        answer = log_in(browser, "ada", to="/incidents?a=1")
        assert (answer.status_code, answer.headers["location"]) == (303, "/incidents?a=1")
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        shown = browser.get(f"/incidents/{house.incident.id}").text
        assert "Acknowledge</button>" in shown
        assert "ada, operator" in shown
        assert ack(browser, house, token_of(browser)) == 303

    with closing(Ledger(house.folder / "alerts.db")) as ledger:
        (found,) = ledger.find(house.incident.id)
    assert (found.phase, found.acknowledged_by) == (Phase.ACKNOWLEDGED, "ada")
    entered, acted = house.trail()
    assert (entered["act"], entered["by"], entered["address"]) == ("log in", "ada", "127.0.0.1")
    assert acted == {
        **acted,
        "act": "ack",
        "by": "ada",
        "role": "operator",
        "on": f"incidents/{house.incident.id}",
        "given": "note=mine",
        "outcome": "done",
        "logger": "shipper.web",
        "seq": 1,
    }


def test_a_viewer_has_no_button_and_may_not_act(house: House) -> None:
    """The server refuses what the page does not offer, and says so in the trail."""
    with house.browser() as browser:
        log_in(browser, "vi")
        shown = browser.get(f"/incidents/{house.incident.id}").text
        assert re.findall(r'method="post" action="([^"]*)"', shown) == ["/logout"]
        for path in (f"incidents/{house.incident.id}/ack", "reports/make", "deadletters/drop"):
            answer = browser.request("POST", f"/{path}", data={"form": token_of(browser)})
            assert answer.status_code == 403
        house.users.set_role("vi", Role.OPERATOR)
        assert ack(browser, house, token_of(browser)) == 303

    outcomes = [(each["role"], each["outcome"]) for each in house.trail()]
    assert outcomes == [("viewer", "done"), *[("viewer", "refused")] * 3, ("operator", "done")]


def test_a_form_of_another_session_is_refused(house: House) -> None:
    """Its token belongs to one session; another user's does not do, and neither another site's."""
    with house.browser() as browser:
        log_in(browser, "vi")
        token = token_of(browser)
        log_in(browser, "ada")
        assert ack(browser, house, token) == 403
        own = token_of(browser)
        for headers in (
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
            {"origin": "https://evil.example"},
        ):
            assert ack(browser, house, own, headers=headers) == 403
        assert house.phase() is Phase.FIRING
        same = {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8765"}
        assert ack(browser, house, own, headers=same) == 303


@pytest.mark.parametrize(
    "change",
    [
        lambda users: users.remove("ada"),
        lambda users: users.set_password("ada", PASSWORD + "2"),
        lambda users: (users.remove("ada"), users.add("ada", Role.OPERATOR, PASSWORD)),
    ],
)
def test_a_changed_user_is_out_at_once(house: House, change: Callable[[UsersFile], Any]) -> None:
    """Removed, with another password, or made again: the session is over, and its form with it."""
    with house.browser() as browser:
        log_in(browser, "ada")
        token = token_of(browser)
        change(house.users)
        assert ack(browser, house, token) == 403
        assert browser.get("/incidents").status_code == 401
    assert house.phase() is Phase.FIRING


@pytest.mark.parametrize("way", ["/login?", "/logout?", "/static/style.css#", "@", " ", ":1"])
def test_a_path_in_the_host_opens_nothing(house: House, way: str) -> None:
    """What is looked at is the path of the request, whatever `Host` makes of the address."""
    odd = {"host": f"127.0.0.1:8765{way}"}
    with house.browser() as browser:
        for page in ("/download", "/logs", "/live", "/incidents", "/login"):
            assert browser.get(page, headers=odd).status_code == 421
        log_in(browser, "vi")
        assert ack(browser, house, token_of(browser), headers=odd) == 421
    assert house.phase() is Phase.FIRING


@pytest.mark.parametrize(
    "path", ["/logout%3F/../incidents/{id}/ack", "//logout/../x", "/login/../x"]
)
def test_a_viewer_gets_around_no_gate_by_a_path(house: House, path: str) -> None:
    """An address that only looks like that of the log-out is none."""
    with house.browser() as browser:
        log_in(browser, "vi")
        page = path.format(id=house.incident.id)
        answer = browser.request("POST", page, data={"form": token_of(browser)})
    assert answer.status_code == 403
    assert house.phase() is Phase.FIRING


def test_who_logs_out_is_out(house: House) -> None:
    """The cookie is worth nothing then, whoever kept it."""
    with house.browser() as browser:
        cookie = log_in(browser, "vi").cookies["shipper-8765"]
        token = token_of(browser)
        assert browser.request("POST", "/logout").status_code == 403
        assert browser.request("POST", "/logout", data={"form": token}).status_code == 303
        browser.cookie("shipper-8765", cookie)
        assert browser.get("/incidents").status_code == 401


def test_a_wrong_name_and_a_wrong_password_look_the_same(house: House) -> None:
    """And what was typed as a name is in no record: people type their password there."""
    with house.browser() as browser:
        answers = [log_in(browser, *given) for given in (("ada", "wrong"), (PASSWORD, "x"))]
        texts = [FORM.sub("", answer.text) for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401]
    assert texts[0] == texts[1]
    assert [each.get("by") for each in house.trail()] == ["ada", None]
    assert PASSWORD not in (house.folder / "web.log").read_text()


def test_guessing_is_slowed_down_and_noted_once(house: House) -> None:
    """After some tries even the right password has to wait; the trail is not flooded."""
    with house.browser(clock=lambda: 0.0) as browser:
        for _ in range(OF_NETWORK.burst):
            assert log_in(browser, "nobody", "guess").status_code == 401
        for _ in range(5):
            answer = log_in(browser, "ada")
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) > 0
    assert len(house.trail()) == OF_NETWORK.burst + 1


def test_another_site_cannot_log_anybody_in(house: House) -> None:
    """The form of the log-in has a token that belongs to the browser."""
    with house.browser() as browser:
        browser.get("/login")
        form = {"name": "ada", "password": PASSWORD, "form": "guessed"}
        assert browser.request("POST", "/login", data=form).status_code == 403
        elsewhere = {"sec-fetch-site": "cross-site"}
        assert log_in(browser, "ada", headers=elsewhere).status_code == 403
        assert browser.get("/incidents").status_code == 401


@pytest.mark.parametrize(
    "to", ["//evil.example/x", "/\\evil.example", "https://evil.example", "\t//e"]
)
def test_a_log_in_leads_to_no_other_server(house: House, to: str) -> None:
    """The page to go to is one of this server, whatever the address says."""
    with house.browser() as browser:
        location = log_in(browser, "ada", to=to).headers["location"]
    assert re.match(r"/(?![/\\])", location)


def test_the_link_is_worth_nothing_once_there_are_users(house: House) -> None:
    """Neither the token, nor the session that it gave before."""
    (house.folder / "users.json").rename(house.folder / "away")
    with house.browser() as browser:
        assert browser.get(f"/incidents?token={TOKEN}").status_code == 303
        assert browser.get("/incidents").status_code == 200
        assert "Log out" not in browser.get("/incidents").text
        (house.folder / "away").rename(house.folder / "users.json")
        assert browser.get("/incidents").status_code == 401
        assert browser.get(f"/incidents?token={house.tokens[0]}").status_code == 401


def test_a_link_opens_the_dashboard_once(house: House) -> None:
    """Who finds it later gets nothing; for another browser there is a new one."""
    (house.folder / "users.json").unlink()
    with house.browser() as browser:
        browser.get(f"/?token={TOKEN}")
        browser.cookie("shipper-8765", "")
        assert browser.get(f"/incidents?token={TOKEN}").status_code == 401
        assert browser.get(f"/incidents?token={house.tokens[0]}").status_code == 303


def test_a_users_file_that_cannot_be_read_lets_nobody_in(house: House) -> None:
    """It is said, and is not taken for one without users."""
    with house.browser() as browser:
        log_in(browser, "ada")
        (house.folder / "users.json").write_text("{")
        for page in ("/incidents", "/login", f"/?token={TOKEN}"):
            assert browser.get(page).status_code == 503


def test_a_link_of_another_site_is_asked_for_again(house: House) -> None:
    """It comes without the cookie: the page that asks again sends it, and nobody logs in twice."""
    with house.browser() as browser:
        answer = browser.get("/incidents", headers={"sec-fetch-site": "cross-site"})
    assert answer.status_code == 401
    assert 'http-equiv="refresh"' in answer.text


def test_the_trail_cannot_be_forged(house: House) -> None:
    """A note with line breaks is one value of one record; control characters are escapes."""
    with house.browser() as browser:
        log_in(browser, "ada")
        note = '"}\n{"logger":"shipper.web","by":"boss"}\r\x1b[31m\u202e' + "x" * 5000
        form = {"form": token_of(browser), "note": note}
        browser.request("POST", f"/incidents/{house.incident.id}/note", data=form)
    assert len(house.trail()) == 2
    assert [each["by"] for each in house.trail()] == ["ada", "ada"]
    assert len(house.trail()[1]["given"]) <= 2000
    assert "\x1b" not in house.trail()[1]["given"]


PROXY = Proxies((ip_network("127.0.0.1/32"),), "x-user")


def test_a_proxy_logs_its_users_in(house: House) -> None:
    """By its header, with the role of the users file, from the address that it says."""
    with house.browser(proxies=PROXY) as browser:
        said = {"x-user": "ada", "x-forwarded-for": "6.6.6.6, 192.0.2.9"}
        page = browser.get("/incidents", headers=said)
        assert page.status_code == 200
        token = FORM.findall(browser.get(f"/incidents/{house.incident.id}", headers=said).text)[0]
        assert ack(browser, house, token) == 403  # without the header the cookie is nobody's
        assert ack(browser, house, token, headers={"x-user": "vi"}) == 403
        token = FORM.findall(browser.get(f"/incidents/{house.incident.id}", headers=said).text)[0]
        assert ack(browser, house, token, headers=said) == 303
        for headers in ({"x-user": "eve"}, [("x-user", "ada"), ("x-user", "vi")]):
            assert browser.get("/incidents", headers=headers).status_code == 403
    acted = house.trail()[-1]
    assert (acted["by"], acted["address"]) == ("ada", "192.0.2.9")


def test_nobody_but_the_proxy_is_answered(house: House) -> None:
    """A header with a user from anybody else is refused, and so is all else."""
    elsewhere = Proxies((ip_network("10.0.0.0/8"),), "x-user")
    with house.browser(proxies=elsewhere) as browser:
        for headers in ({"x-user": "ada"}, {}):
            for page in ("/incidents", "/login", "/static/style.css"):
                assert browser.get(page, headers=headers).status_code == 403


def test_names_of_the_server_are_answered_and_no_others(house: House) -> None:
    """With TLS the cookie is for TLS alone."""
    with house.browser(names=frozenset({"logs1.example.org"}), secure=True) as browser:
        for host, status in (("LOGS1.example.org:8765", 401), ("evil.example", 421)):
            assert browser.get("/incidents", headers={"host": host}).status_code == status
        assert "; secure" in browser.get("/login").headers["set-cookie"].lower()


@pytest.mark.parametrize(
    ("said", "address"),
    [
        ("6.6.6.6, 192.0.2.9, 10.0.0.7", "192.0.2.9"),
        ("192.0.2.9, junk", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("10.0.0.9", "10.0.0.9"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_the_address_is_what_the_last_trusted_proxy_saw(said: str, address: str) -> None:
    """What the browser itself wrote is not believed."""
    proxies = Proxies((ip_network("10.0.0.0/8"),))
    assert proxies.client_of("10.0.0.1", Headers({"x-forwarded-for": said})) == address
