"""The page of dead letters."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.errors import StoreUnavailable
from shipper.web import deadletters
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from tests.web.browsing import Browser

TOKEN = "the-token-of-the-link"
HOSTILE = "</pre><img src=x onerror=alert(1)>\u202e"


def no_store() -> Any:
    raise StoreUnavailable("there is no store", "start shipper run")


def shown(path: Path) -> str:
    alerts = AlertPlaces(path / "none.db", path, path, Sla(), "oncall")
    sources = WebSources(no_store, alerts, lambda: 0, dead_letters=path / "dead")
    with Browser(make_app(sources, token=TOKEN, port=8765)) as client:
        client.get(f"/?token={TOKEN}")
        return client.get("/deadletters").text


def write(path: Path, count: int) -> None:
    fields = ("_id", "dataset", "reason", "at")
    lines = [
        dict.fromkeys(fields, f"{number}-{HOSTILE}") | {"document": {HOSTILE: "x" * 9000}}
        for number in range(count)
    ]
    (path / "dead").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


def test_dead_letters_are_shown_as_text(tmp_path: Path) -> None:
    """The last come first; what they hold is no markup; a long document is cut."""
    write(tmp_path, 3)

    page = shown(tmp_path)

    assert page.index("2-&lt;/pre") < page.index("0-&lt;/pre")
    assert "<img" not in page
    assert "\u202e" not in page
    assert "x" * 4001 not in page


def test_a_long_file_is_read_to_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more lines than are read the page says so."""
    monkeypatch.setattr(deadletters, "MOST_READ", 2)
    write(tmp_path, 3)

    assert "2 and more lines" in shown(tmp_path)


def test_without_dead_letters_the_page_says_so(tmp_path: Path) -> None:
    """A file that is not there has none."""
    assert "has refused no record" in shown(tmp_path)
