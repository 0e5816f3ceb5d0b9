"""Fields of choice that the log page counts: kept in its address, and refused in words."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from shipper.web.place import MOST_FACETS, place_of
from tests.store.store_records import write_parts
from tests.web.browsing import Browser
from tests.web.test_dashboard import NOW, RECORDS, client_of


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    path = tmp_path_factory.mktemp("facets") / "index"
    write_parts(path, [RECORDS])
    with client_of(path) as client:
        yield client


def parts_of(page: str) -> dict[str, str]:
    """Return the counted fields of a page, each with its part of the page."""
    found = re.findall(r"<summary>([^<]+)</summary>(.*?)</details>", page, re.DOTALL)
    return {html.unescape(name): part for name, part in found}


def test_fields_of_choice_are_counted(client: Browser) -> None:
    """Several at once, besides the usual ones; their values lead to narrower queries."""
    parts = parts_of(client.get("/logs?facet=extra.target,extra.queue_depth").text)

    assert "612" in parts["extra.queue_depth"]
    assert "q=extra.target%3A%22api%22" in parts["extra.target"]
    assert "level" in parts


def test_one_more_is_counted_by_its_form(client: Browser) -> None:
    """It is added to those of the address, and the rest of the state is kept."""
    page = "/logs?q=seq:103&range=6h&sort=asc&cols=run&facet=extra.target&count=+extra.queue_depth"
    moved = client.get(page).headers["location"]

    assert parse_qs(urlsplit(moved).query) == {
        "q": ["seq:103"],
        "range": ["6h"],
        "sort": ["asc"],
        "cols": ["run"],
        "facet": ["extra.target,extra.queue_depth"],
    }


def test_links_and_forms_keep_the_fields(client: Browser) -> None:
    """Every address of the log page has them; that of `no more` has the others."""
    page = client.get("/logs?q=seq:103&facet=extra.target,extra.queue_depth").text

    links = [html.unescape(link) for link in re.findall(r'href="(/logs\?[^"]*)"', page)]
    facets = [parse_qs(urlsplit(link).query).get("facet", [""])[0] for link in links]
    assert set(facets) == {"extra.target,extra.queue_depth", "extra.target", "extra.queue_depth"}
    assert min(facets.count(name) for name in ("extra.target", "extra.queue_depth")) == 1
    forms = re.findall(r"<form [^>]*>.*?</form>", page, re.DOTALL)
    of_logs = [form for form in forms if 'name="q"' in form]
    assert len(of_logs) == 3
    assert all('name="facet" value="extra.target,extra.queue_depth"' in form for form in of_logs)


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("message", "message is text and has no values to count"),
        ("@timestamp", "@timestamp is a date and has no values to count"),
        ("request_id", "request_id differs in every request"),
        ("extra", "extra is an object"),
        ("extra.nothing", "none of these records has this field"),
        ("nothing", "none of these records has this field"),
        ("slots", "none of these records has this field"),
    ],
)
def test_a_field_without_counts_says_why(client: Browser, field: str, said: str) -> None:
    """In its place, with a way to leave it out; other counts are as ever."""
    answer = client.get("/logs", params={"facet": f"{field},extra.target"})

    assert answer.status_code == 200
    parts = parts_of(answer.text)
    assert said in parts[field]
    assert "count it no more" in parts[field]
    assert "api" in parts["extra.target"]
    assert "Workflow failed" in answer.text
    assert 'class="histogram"' in answer.text


def test_fields_of_choice_are_bounded(client: Browser) -> None:
    """In number and length; the page says that there is no room for more."""
    names = [f"extra.f{number}" for number in range(MOST_FACETS + 1)]
    page = client.get("/logs", params={"facet": ",".join(names)}).text

    assert names[-1] not in parts_of(page)
    assert names[-2] in parts_of(page)
    assert "5 fields of choice at most" in page
    assert 'name="count"' not in page
    assert place_of({"facet": f" a,,a,{'b' * 999}"}, NOW).facets == ("a", "b" * 100)


def test_a_wrong_query_is_no_fault_of_a_field(tmp_path: Path) -> None:
    """It takes the page as ever, with fields of choice or without."""
    write_parts(tmp_path / "index", [RECORDS])
    with client_of(tmp_path / "index") as client:
        assert client.get("/logs?q=level:(&facet=extra.target").status_code == 400
