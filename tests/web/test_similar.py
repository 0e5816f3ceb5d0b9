"""Similar messages: which patterns the time before did not have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.store.api import Store
from shipper.web import similar
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from shipper.web.place import place_of
from tests.store.store_loading import load_elasticsearch, load_embedded
from tests.store.store_records import Record
from tests.web.browsing import Browser
from tests.web.test_dashboard import HOSTILE, NOW, TOKEN, record

HOUR = 3_600_000
OLD = ["Task 1 failed in step one", "user anna has logged in", "disk nearly full"]
NEW = ["Task 2 failed in step one", "user bert has logged in", 'the "pool" is empty: x=1']


def records_of(old: list[str], new: list[str]) -> list[Record]:
    """Return records of the hour before the last and of the last one."""
    return [
        *(record(n, HOUR + 60_000 + n, message=text) for n, text in enumerate(old)),
        *(record(1000 + n, 60_000 + n, message=text) for n, text in enumerate(new)),
    ]


def marked(store: Store) -> set[str]:
    page = similar.similar_page(store, place_of({}, NOW))
    return {row.template for row in page.rows if row.is_new}


def test_a_pattern_that_the_time_before_has_not_is_new(request: pytest.FixtureRequest) -> None:
    """The page marks it, and leads to the time before."""
    store = load_embedded(request, [records_of(OLD, NEW)])
    none = Path("/nonexistent")
    alerts = AlertPlaces(none / "none.db", none, none, Sla(), "oncall")
    app = make_app(WebSources(lambda: store, alerts, lambda: NOW), token=TOKEN, port=8765)
    with Browser(app) as browser:
        browser.get(f"/?token={TOKEN}")
        page = browser.get("/similar").text

    assert re.findall(r'<td><b class="new">new</b> ([^<]+)', page) == [
        "the &#34;pool&#34; is empty: x=&lt;*&gt;"
    ]
    assert ">3 records</a> of as long a time before" in page


def all_searched(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at fewer records than there are, so that the store is asked for the words."""
    monkeypatch.setattr(similar, "LOOKED_AT", 3)
    assert marked(store) == {'the "pool" is empty: x=<*>'}


OLDEST = [*["Task 1 failed in step one"] * 5, *OLD]  # the newest three are all alike


def test_records_that_were_not_looked_at_are_searched(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pattern is not new where older records of the time before have it, with other names."""
    all_searched(load_embedded(request, [records_of(OLDEST, NEW)]), monkeypatch)


def test_a_pattern_with_too_many_to_compare_is_not_marked(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More records than are looked at have its first word and another of it."""
    new = ["Task was in one go", "Task of another kind began"]
    store = load_embedded(request, [records_of(OLDEST, new)])

    assert marked(store) == {*new}
    monkeypatch.setattr(similar, "LOOKED_AT", 3)
    assert marked(store) == {"Task of another kind began"}


def test_a_query_with_no_room_for_more_is_answered(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is marked where the query cannot be narrowed."""
    monkeypatch.setattr(similar, "LOOKED_AT", 3)
    store = load_embedded(request, [records_of(OLDEST, ["user x was here", "disk full"])])
    query = " OR ".join(["level:INFO"] * 1024)

    page = similar.similar_page(store, place_of({"q": query}, NOW))

    assert [row.is_new for row in page.rows] == [False, False]
    assert marked(store) == {"user x was here", "disk full"}


@pytest.mark.server
def test_elasticsearch_searches_them_too(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same patterns are new."""
    all_searched(load_elasticsearch(request, [records_of(OLDEST, NEW)]), monkeypatch)


def test_what_is_not_known_to_be_new_is_not_marked(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No words to search for, too many patterns, or too many records before."""
    letters = [f"{chr(97 + n)} happened" for n in range(similar.MOST_ASKED + 2)]
    store = load_embedded(request, [records_of(OLDEST, [*letters, "17", *HOSTILE])])
    monkeypatch.setattr(similar, "LOOKED_AT", 7)
    assert "17" not in marked(store)
    monkeypatch.setattr(similar, "MOST_ASKED", 2)
    assert len(marked(store)) <= 2
    monkeypatch.setattr(similar, "MOST_BEFORE", 7)
    assert not similar.similar_page(store, place_of({}, NOW)).is_compared
    assert marked(store) == set()
