"""The search of the log page as a curl command: the same records, and no password."""

from __future__ import annotations

import html
import json
import re
import shlex
import urllib.request
import uuid
from pathlib import Path

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.store.api import Selection, Sort
from shipper.store.elasticsearch.curl import CurlPlace, curl_of
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from tests.store.store_loading import Node, load_embedded
from tests.web.browsing import Browser
from tests.web.test_dashboard import HOSTILE, NOW, RECORDS, TOKEN

PLACE = CurlPlace("https://es.example:9200", "prod")


def command_of(query: str) -> list[str]:
    """Return the words of the command, as a shell reads them."""
    selection = Selection(query, NOW - 3_600_000, NOW)
    return shlex.split(curl_of(PLACE, selection, limit=50, sort=Sort.DESC))


def test_the_command_asks_what_the_page_asks() -> None:
    """Address, query, bounds, order and number."""
    *words, address, option, body = command_of("level:ERROR")

    assert words == ["curl", "-H", "content-type: application/json"]
    assert (address, option) == ("https://es.example:9200/logs-orchestrator.*-prod/_search", "-d")
    asked = json.loads(body)
    assert {"term": {"level": "ERROR"}} in asked["query"]["bool"]["filter"]
    assert str(NOW) in body
    assert asked["sort"][0] == {"@timestamp": "desc"}
    assert asked["size"] == 50


@pytest.mark.parametrize("text", [*HOSTILE, "'; rm -rf ~ #", "$(id)`id`", "a\x7fb", "é"])
def test_no_query_leaves_its_quotes(text: str) -> None:
    """Whatever it asks for is one word of the command, in characters that can be seen."""
    query = 'run:"' + text.replace('"', '\\"') + '"'
    selection = Selection(query)
    command = curl_of(PLACE, selection, limit=50, sort=Sort.ASC)

    assert command.isascii()
    assert command.isprintable()
    words = shlex.split(command)
    assert len(words) == 6
    assert {"term": {"run": text}} in json.loads(words[5])["query"]["bool"]["filter"]


def test_what_the_store_has_to_list_first_has_no_command() -> None:
    """A range of a key of `extra` means values that only the store can name."""
    assert curl_of(PLACE, Selection("extra.n:>5"), limit=50, sort=Sort.DESC) == ""


@pytest.mark.parametrize("place", [PLACE, None])
def test_the_page_has_it_with_elasticsearch_only(
    request: pytest.FixtureRequest, place: CurlPlace | None
) -> None:
    """Beside the command of the shipper; with the embedded store there is that alone."""
    store = load_embedded(request, [RECORDS])
    none = Path("/nonexistent")
    alerts = AlertPlaces(none / "none.db", none, none, Sla(), "oncall")
    sources = WebSources(lambda: store, alerts, lambda: NOW, curl=place)
    with Browser(make_app(sources, token=TOKEN, port=8765)) as browser:
        browser.get(f"/?token={TOKEN}")
        page = html.unescape(browser.get("/logs?q=level:ERROR").text)

    found = re.findall(r"<pre class=\"copied\" tabindex=\"0\">(curl [^<]+)</pre>", page)
    expected = curl_of(
        PLACE, Selection("level:ERROR", NOW - 3_600_000, NOW), limit=50, sort=Sort.DESC
    )
    assert found == ([expected] if place else [])
    assert "shipper search level:ERROR" in page


@pytest.mark.server
def test_elasticsearch_answers_it(elasticsearch_url: str) -> None:
    """It finds the records of the query."""
    node = Node(elasticsearch_url, uuid.uuid4().hex)
    node.send(RECORDS)
    selection = Selection("level:ERROR", NOW - 3_600_000, NOW)
    command = curl_of(CurlPlace(node.url, node.namespace), selection, limit=50, sort=Sort.DESC)
    words = shlex.split(command)

    asked = urllib.request.Request(
        words[3], words[5].encode(), {"content-type": "application/json"}
    )
    with urllib.request.urlopen(asked, timeout=60) as answer:
        hits = json.load(answer)["hits"]["hits"]

    assert [hit["_source"]["message"] for hit in hits] == ["Workflow failed"]
