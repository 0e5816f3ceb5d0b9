"""What pages say to somebody who knows nothing: in words, with units, and what to do."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from shipper.alerts.incidents.sla import Sla
from shipper.alerts.ledger.ledger import Ledger
from shipper.config.shipped import own_or_shipped
from shipper.store.opening import open_embedded
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from tests.alerts.verdicts import HOUR, live_through
from tests.store.store_records import Record, write_parts
from tests.web.browsing import Browser
from tests.web.test_dashboard import NOW, TOKEN, record

BEAT = "01KGVWFG01" + "0" * 16


def page_of(folder: Path, records: Sequence[Record], page: str) -> str:
    """Return a page over these records, with the rules that come with shipper, as text."""
    write_parts(folder / "index", [list(records)])
    rules, runbooks = own_or_shipped("rules"), own_or_shipped("runbooks")
    alerts = AlertPlaces(folder / "alerts.db", rules, runbooks, Sla(), "oncall")
    sources = WebSources(lambda: open_embedded(folder / "index"), alerts, lambda: NOW)
    with Browser(make_app(sources, token=TOKEN, port=8765)) as browser:
        browser.get(f"/?token={TOKEN}")
        return html.unescape(browser.get(page).text)


def beat(**fields: Any) -> Record:
    document = {
        "@timestamp": NOW - 2000,
        "message": "heartbeat",
        "run": BEAT,
        "seq": 1,
        "host": {"name": "web-1"},
        "event": {"dataset": "orchestrator.heartbeat"},
        "extra": {"heartbeat": {"files": 3, "behind_bytes": 5000, **fields}},
    }
    return Record(f"{BEAT}-1", json.dumps(document).encode(), NOW - 2000)


def test_an_incident_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    """The sentence of its rule, the runbook, and the way to the records and to the curve."""
    found, transitions = live_through("bb")
    assert found is not None
    made = replace(found, id="one", rule="database_disconnected", opened_at=NOW - HOUR)
    with closing(Ledger(tmp_path / "alerts.db")) as ledger, ledger.deciding():
        ledger.place(made.rule, made.group, "", made)
        for each in transitions:
            ledger.record(replace(each, incident=made), (), NOW)

    page = page_of(tmp_path, [record(1)], "/incidents/one")

    assert re.search(r'class="reason">The database cannot be reached \(', page)
    assert "<h2>Runbook</h2>" in page
    assert "Check the database itself" in page
    for name in ("Its records", "Errors at that time", "What was measured"):
        assert f">{name}</a>" in page
    assert "/rules/database_disconnected?since=" in page
    for listed in ("/incidents", "/"):
        assert "The database cannot be reached (" in page_of(tmp_path, [], listed)


def test_what_is_muted_does_not_hide_what_is_not(tmp_path: Path) -> None:
    """The overview lists what people are notified of, and counts the rest behind a line."""
    found, _ = live_through("bb")
    assert found is not None
    rules = ("database_disconnected", "success_rate_low", "error_rate_high")
    with closing(Ledger(tmp_path / "alerts.db")) as ledger, ledger.deciding():
        for rule in rules:
            by = None if rule == rules[0] else rules[0]
            made = replace(found, id=rule, rule=rule, muted_by=by, opened_at=NOW - HOUR)
            ledger.place(rule, made.group, "", made)

    page = page_of(tmp_path, [record(1)], "/")

    told, _, muted = page.partition('<details id="muted"><summary>2 muted')
    places = [(f">{rule}</a>" in told, f">{rule}</a>" in muted) for rule in rules]
    assert places == [(True, False), (False, True), (False, True)]


def test_a_threshold_is_written_out(tmp_path: Path) -> None:
    """Ten million is no power of ten."""
    page = page_of(tmp_path, [record(1)], "/rules")

    assert "> 10,000,000</td>" in page
    assert "e+0" not in page


def test_a_trace_is_on_one_time_line_across_hosts(tmp_path: Path) -> None:
    """Each record with its host, and the milliseconds since the first."""
    records = [
        record(1, 3000, request_id="r1", host={"name": "web-1"}),
        record(2, 2900, request_id="r1", host={"name": "db-1"}),
        record(3, 1500, request_id="r1", host={"name": "web-1"}),
    ]

    page = page_of(tmp_path, records, "/trace?q=request_id:r1&range=1h&sort=asc")

    assert "3 records of 2 hosts in 1,500 ms." in page
    found = re.findall(r'class="after">([^<]+)</span> <i>([^<]+)</i>', page)
    assert found == [("+0 ms", "web-1"), ("+100 ms", "db-1"), ("+1,500 ms", "web-1")]


def test_the_pipeline_has_what_is_held_and_what_the_audit_found(tmp_path: Path) -> None:
    """Of every host, with the name of each number for a narrow screen."""
    for number, (fields, audit) in enumerate(
        (
            ({}, "none yet"),
            ({"audit_open": 0}, "all there"),
            ({"audit_open": 1200, "held_bytes": 4096}, "1,200 open"),
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        page = page_of(folder, [beat(**fields)], "/pipeline")
        assert f'data-label="audit">{audit}</td>' in page
    assert 'data-label="held">4.0 KiB</td>' in page


def test_nothing_is_new_where_there_was_nothing_before(tmp_path: Path) -> None:
    """Else everything would be, and the mark say nothing."""
    page = page_of(tmp_path, [record(number) for number in range(9)], "/similar?range=1h")

    assert "nothing is marked new" in page
    assert 'class="new"' not in page


def test_an_empty_page_says_what_to_do(tmp_path: Path) -> None:
    """Every page without anything on it names the next step."""
    for address, hint in (
        ("/logs?q=level:ERROR&range=15m", "longer time"),
        ("/trace?q=request_id:r9&range=15m", "in 30 days"),
        ("/similar?q=level:ERROR&range=15m", "in 30 days"),
        ("/incidents", "shipper alerts run"),
        ("/pipeline", "shipper run"),
        ("/", "shipper run"),
    ):
        assert hint in page_of(tmp_path, [record(1, 40 * 86_400_000)], address), address
