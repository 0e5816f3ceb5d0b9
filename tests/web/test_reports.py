"""The page of reports: what it lists, and that a report can do nothing to the dashboard."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.errors import StoreUnavailable
from shipper.web import reports
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from tests.web.browsing import Browser

TOKEN = "the-token-of-the-link"
REPORT = b"<!DOCTYPE html><title>Daily</title><script>alert(1)</script>"


def no_store() -> Any:
    raise StoreUnavailable("there is no store", "start shipper run")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "daily-2026-02-05.html").write_bytes(REPORT)
    (folder / "daily-2026-02-05.json").write_text("{}")
    (folder / "<img src=x>-1.html").write_text("x")
    (tmp_path / "secret-1.html").write_text("secret")
    (folder / "weekly-2026-W05.html").symlink_to(tmp_path / "secret-1.html")
    os.mkfifo(folder / "monthly-2026-01.html")
    return folder


@pytest.fixture
def client(folder: Path) -> Iterator[Browser]:
    alerts = AlertPlaces(folder / "none.db", folder, folder, Sla(), "oncall")
    sources = WebSources(no_store, alerts, lambda: 1_770_300_000_000, folder)
    with Browser(make_app(sources, token=TOKEN, port=8765)) as client:
        client.get(f"/?token={TOKEN}")
        yield client


def test_only_reports_are_listed(client: Browser) -> None:
    """Other forms, names that are none, links and pipes are left out."""
    page = client.get("/reports").text

    assert '<a href="/reports/daily-2026-02-05.html">daily</a>' in page
    assert page.count('<a href="/reports/') == 1
    assert "<img" not in page


def test_a_report_is_shown_in_a_sandbox(client: Browser) -> None:
    """It is what was written, and may run no script and load nothing of the dashboard."""
    answer = client.get("/reports/daily-2026-02-05.html")

    policy = answer.headers["content-security-policy"]
    assert answer.content == REPORT
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script-src" not in policy
    assert "allow-" not in policy
    assert answer.headers["cross-origin-opener-policy"] == "unsafe-none"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize(
    "name",
    [
        "weekly-2026-W05.html",
        "monthly-2026-01.html",
        "daily-2026-02-05.json",
        "daily-2026-02-06.html",
        "..%2Fsecret-1.html",
        "%2e%2e%2fsecret-1.html",
        "daily-2026-02-05.html%00",
        "daily-2026-02-05.html%0a",
        "%3Cimg%20src=x%3E-1.html",
    ],
)
def test_nothing_else_is_opened(client: Browser, name: str) -> None:
    """A link, a pipe, another form, a file beside the folder: not found, and said as text."""
    answer = client.get(f"/reports/{name}")

    assert answer.status_code == 404
    assert "secret</" not in answer.text
    is_text = answer.headers["content-type"].startswith("text/plain")
    assert is_text or "there is no page" in answer.text


def test_a_report_that_is_too_large_is_refused(
    client: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file is read to a bound."""
    monkeypatch.setattr(reports, "MOST_BYTES", 10)

    assert client.get("/reports/daily-2026-02-05.html").status_code == 404


def test_without_a_folder_the_page_says_what_to_do(client: Browser, folder: Path) -> None:
    """Before the first report the page has the command for it."""
    folder.rename(folder.with_name("elsewhere"))

    assert "shipper report daily" in client.get("/reports").text
