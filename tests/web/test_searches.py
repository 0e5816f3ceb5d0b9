"""Saved searches: bounded, for everybody who opens the dashboard, and text wherever they show."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.errors import ConfigError
from shipper.store.opening import open_embedded
from shipper.web import searches
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from shipper.web.searches import SavedSearches
from tests.store.store_records import write_parts
from tests.web.browsing import Browser
from tests.web.test_dashboard import NOW, RECORDS, TOKEN


@contextmanager
def browser_of(folder: Path) -> Iterator[Browser]:
    alerts = AlertPlaces(folder / "none.db", folder, folder, Sla(), "oncall")
    write_parts(folder / "index", [RECORDS])
    sources = WebSources(
        lambda: open_embedded(folder / "index"),
        alerts,
        lambda: NOW,
        searches=folder / "data" / "searches.json",
    )
    with Browser(make_app(sources, token=TOKEN, port=8765)) as browser:
        browser.get(f"/?token={TOKEN}")
        yield browser


def test_a_search_is_saved_found_and_deleted(tmp_path: Path) -> None:
    """Its link has the whole state of the page; another of the name takes its place."""
    with browser_of(tmp_path) as browser:
        token = re.findall(r'name="form" value="([^"]+)"', browser.get("/logs").text)[0]
        form = {"form": token, "name": "<b>5xx</b>", "q": "status_code:>=500", "range": "6h"}

        done = browser.request("POST", "/searches/save", data={**form, "other": "x"})

        state = "q=status_code%3A%3E%3D500&range=6h"
        assert done.headers["location"] == f"/logs?{state}"
        page = browser.get("/logs").text
        link = f'<a href="/logs?{html.escape(state)}">&lt;b&gt;5xx&lt;/b&gt;</a>'
        assert link in page
        assert "Saved searches (1)" in page
        browser.request("POST", "/searches/save", data={**form, "range": "15m"})
        assert "Saved searches (1)" in browser.get("/logs").text
        browser.request("POST", "/searches/delete", data=form)
        assert "Saved searches (" not in browser.get("/logs").text
        assert browser.request("POST", "/searches/save", data={"name": "x"}).status_code == 403
        assert browser.request("POST", "/searches/burn", data=form).status_code == 404


@pytest.mark.parametrize("name", ["", "  ", "x" * 61, "a\x1bb", "a\u202eb"])
def test_a_name_is_text(tmp_path: Path, name: str) -> None:
    """Empty, too long or with control characters, it is refused."""
    with pytest.raises(ConfigError, match="a name has 1 to 60 characters"):
        SavedSearches(tmp_path / "s.json").save(name, {"q": "x"})


def test_searches_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In number and length; without a file there are none, and none can be kept."""
    monkeypatch.setattr(searches, "MOST_SEARCHES", 2)
    saved = SavedSearches(tmp_path / "s.json")
    for name in ("b", "A"):
        saved.save(name, {"q": name})

    with pytest.raises(ConfigError, match="there are 2 saved searches"):
        saved.save("c", {})
    with pytest.raises(ConfigError, match="too long"):
        saved.save("a", {"q": "x" * 2001})

    assert saved.links() == [("A", "/logs?q=A"), ("b", "/logs?q=b")]
    assert SavedSearches(None).links() == []
    with pytest.raises(ConfigError, match="keeps no searches"):
        SavedSearches(None).save("x", {})


def test_two_dashboards_lose_nothing_of_each_other(tmp_path: Path) -> None:
    """Searches that are saved at once are all there."""
    with ThreadPoolExecutor(8) as threads:
        for name in map(str, range(40)):
            threads.submit(SavedSearches(tmp_path / "s.json").save, name, {"q": name})

    assert len(SavedSearches(tmp_path / "s.json").links()) == 40


@pytest.mark.parametrize(
    "text", ["{", '{"searches": [1]}', '{"searches": [{"name": "x"}]}', "\xff"]
)
def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path, text: str) -> None:
    """It is not written over."""
    path = tmp_path / "s.json"
    path.write_text(text, "latin-1")

    with pytest.raises(ConfigError, match="it is damaged"):
        SavedSearches(path).save("x", {})

    assert path.read_text("latin-1") == text


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    """Nor is another parameter of the file put into an address."""
    other = tmp_path / "other"
    state = {"q": "x", "token": "y"}
    other.write_text(json.dumps({"searches": [{"name": "x", "state": state}]}))
    path = tmp_path / "s.json"
    path.symlink_to(other)

    with pytest.raises(ConfigError, match="cannot read"):
        SavedSearches(path).links()

    assert SavedSearches(other).links() == [("x", "/logs?q=x")]
