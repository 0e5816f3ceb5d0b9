"""Times of the pages: in UTC, or in the zone of the browser; addresses are in UTC always."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.store.store_records import write_parts
from tests.web.browsing import Browser
from tests.web.test_dashboard import RECORDS, client_of


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("zones") / "index"
    write_parts(path, [RECORDS])
    return path


def page(browser: Browser, address: str, zone: str = "") -> str:
    if zone:
        browser.cookie("zone", zone)
    return browser.get(address).text


def test_times_are_in_the_zone_that_the_browser_asks_for(index: Path) -> None:
    """Records, bounds and the zone itself; links stay in UTC."""
    with client_of(index) as browser:
        usual, local = page(browser, "/logs"), page(browser, "/logs", "Europe%2FBerlin")
        overview = page(browser, "/")

    assert "<time>13:59:00.000</time>" in usual
    assert "<time>14:59:00.000</time>" in local
    assert "2026-02-05T15:00:00+01:00" in local
    assert re.search(r'id="zone"[^>]*>Europe/Berlin<', local)
    assert re.search(r'id="zone"[^>]*>UTC<', usual)
    links = set(re.findall(r"[?;]since=([^&\"]+)", local))
    assert links == set(re.findall(r"[?;]since=([^&\"]+)", usual))
    assert all(link.endswith("Z") for link in links)
    assert "as of 2026-02-05T15:00:00+01:00" in overview


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "%2Fetc%2Fpasswd", "x" * 5000, "%00", "Nowhere", "<b>", "UTC"]
)
def test_a_zone_that_is_none_is_utc(index: Path, name: str) -> None:
    """The cookie is from outside."""
    with client_of(index) as browser:
        assert "<time>13:59:00.000</time>" in page(browser, "/logs", name)


def asked(browser: Browser, **given: str) -> dict[str, list[str]]:
    answer = browser.get("/logs", params=given)
    assert answer.status_code == 303
    return parse_qs(urlsplit(answer.headers["location"]).query)


def test_typed_times_become_an_address_in_utc(index: Path) -> None:
    """What a form sends is in the zone that is shown; the address that follows is not."""
    typed = {"q": "a b", "from": "2026-02-05T14:00", "to": "2026-02-05T15:00:00.250"}
    with client_of(index) as browser:
        usual = asked(browser, **typed, range="1h", was="1h")
        browser.cookie("zone", "Europe%2FBerlin")
        local = asked(browser, **typed)

    assert usual == {
        "q": ["a b"],
        "since": ["2026-02-05T14:00:00.000Z"],
        "until": ["2026-02-05T15:00:00.250Z"],
    }
    assert local["since"] == ["2026-02-05T13:00:00.000Z"]


def test_the_field_that_was_changed_counts(index: Path) -> None:
    """Another range leaves the times that stand in the form, and a new query keeps them."""
    times = {"from": "2026-02-05T14:00", "to": "2026-02-05T15:00"}
    with client_of(index) as browser:
        assert asked(browser, range="6h", was="", **times)["range"] == ["6h"]
        assert "range" not in asked(browser, range="", was="", **times)
        assert asked(browser, range="6h", was="1h") == {"range": ["6h"]}
        wrong = asked(browser, **{"from": "tomorrow"})
        assert browser.get("/logs", params={"since": wrong["since"][0]}).status_code == 400


def test_the_form_has_the_time_that_is_shown(index: Path) -> None:
    """To the millisecond where the address has them, so that nothing is lost by sending it."""
    with client_of(index) as browser:
        shown = page(browser, "/logs?since=2026-02-05T13:00:00Z&until=2026-02-05T14:00:00.250Z")

    assert 'name="from" step="1" value="2026-02-05T13:00:00"' in shown
    assert 'name="to" step="0.001" value="2026-02-05T14:00:00.250"' in shown
