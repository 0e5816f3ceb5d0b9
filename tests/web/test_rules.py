"""The pages about rules: what they say now, and what another threshold would have done."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.store.opening import open_embedded
from shipper.web import rules
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from tests.store.store_records import Record, write_parts
from tests.web.browsing import Browser

NOW = 1_770_300_000_000
MINUTE = 60_000
TOKEN = "the-token-of-the-link"
RUN = "01KGVWFG00" + "0" * 16
SERVICE = "<b>shop</b>"
RULE = """
name: server_errors
severity: high
summary: too many
ratio: {of: "status_code:[500 TO 599]", to: "event.dataset:orchestrator.access", widen_to: 0s}
above: 5%
at_least: 10
group_by: [service.name]
"""


def requests() -> Iterator[Record]:
    """Yield 20 requests a minute for 40 minutes; from the 15th to the 20th half of them fail."""
    for number in range(800):
        at = NOW - 40 * MINUTE + number * 3000
        fails = 300 <= number < 400 and number % 2
        document = {
            "@timestamp": at,
            "message": "GET /",
            "level": "INFO",
            "run": RUN,
            "seq": number,
            "event": {"dataset": "orchestrator.access"},
            "service": {"name": SERVICE},
            "status_code": 500 if fails else 200,
        }
        yield Record(f"{RUN}-{number}", json.dumps(document).encode(), at)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rules")
    write_parts(path / "index", [list(requests())])
    (path / "rules").mkdir()
    (path / "rules" / "server_errors.yml").write_text(RULE)
    (path / "rules" / "broken.yml").write_text("name: <img src=x>\n")
    return path


@pytest.fixture
def client(folder: Path) -> Iterator[Browser]:
    alerts = AlertPlaces(folder / "none.db", folder / "rules", folder, Sla(), "oncall")
    sources = WebSources(lambda: open_embedded(folder / "index"), alerts, lambda: NOW)
    with Browser(make_app(sources, token=TOKEN, port=8765)) as client:
        client.get(f"/?token={TOKEN}")
        yield client


def times(page: str) -> list[str]:
    """Return how often each threshold would have fired."""
    return re.findall(r'</td><td class="num">([\d,]+)</td>', page)


def test_the_list_has_each_rule_with_its_last_verdict(client: Browser) -> None:
    """A rule that is well is said to be; a file that can't be used is named, as text."""
    page = client.get("/rules").text

    assert '<a href="/rules/server_errors?range=24h">' in page
    assert "&gt; 5 %" in page
    assert html.escape(f"service.name={SERVICE}") in page
    assert "broken.yml" in page
    assert "<img" not in page


def test_a_rule_has_its_curve_and_what_another_threshold_would_have_done(client: Browser) -> None:
    """The threshold is drawn over what was measured; a higher one would not have fired."""
    page = client.get("/rules/server_errors?range=1h").text
    other = client.get("/rules/server_errors?range=1h&threshold=80%25").text

    assert 'class="series-0"' in page
    assert 'class="limit"' in page
    assert times(page) == ["1"]
    assert "2026-02-05T13:3" in page  # when it fired
    assert times(other) == ["1", "0"]
    assert "above: 80%" in other
    assert SERVICE not in page + other


def test_the_records_of_what_would_have_fired_are_found(client: Browser) -> None:
    """The link of an incident shows the requests that failed, and no other group."""
    page = client.get("/rules/server_errors?range=1h").text
    link = re.findall(r'<td><a href="([^"]+)">2026', page)[0]

    assert "<b>50</b> records" in client.get(html.unescape(link)).text


@pytest.mark.parametrize(
    ("page", "status"),
    [
        ("server_errors?threshold=<script>", 400),
        ("server_errors?threshold=nan", 400),
        ("server_errors?threshold=" + "9" * 5000, 400),
        ("server_errors?range=30d", 400),
        ("server_errors?range=soon", 400),
        ("unknown", 404),
        ("..%2Fserver_errors", 404),
        ("%3Cscript%3E", 404),
    ],
)
def test_what_makes_no_sense_is_refused_in_words(client: Browser, page: str, status: int) -> None:
    """A threshold that is none, a time that is too long, a rule that is not there."""
    answer = client.get(f"/rules/{page}")

    assert answer.status_code == status
    assert answer.text.count("<script") <= 1  # that of the frame


@pytest.mark.parametrize("bound", ["MOST_JUDGED", "MOST_QUESTIONS", "MOST_SECONDS"])
def test_a_back_test_has_bounds(
    client: Browser, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Too many groups, questions or seconds end it with what to do instead."""
    monkeypatch.setattr(rules, bound, -1 if bound == "MOST_SECONDS" else 0)

    answer = client.get("/rules/server_errors?range=1h")

    assert answer.status_code == 400
    assert "choose a shorter time" in answer.text
