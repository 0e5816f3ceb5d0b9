"""The search of the log page as a curl command: the same records, and no password."""

from __future__ import annotations

import html
import json
import re
import shlex
import urllib.request
import uuid
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipper.alerts.incidents.sla import Sla
from shipper.cli import main
from shipper.store.api import Selection, Sort
from shipper.store.elasticsearch.curl import CurlPlace, curl_of, curl_of_record
from shipper.store.opening import open_embedded
from shipper.web.app import WebSources, make_app
from shipper.web.incidents import AlertPlaces
from shipper.web.logs import command_of
from shipper.web.place import PagePlace
from shipper.web.rows import row_of
from tests.store.store_loading import Node, load_embedded
from tests.store.store_records import Record, write_parts
from tests.web.browsing import Browser
from tests.web.test_dashboard import HOSTILE, NOW, RECORDS, RUN, TOKEN, hostile_records

PLACE = CurlPlace("https://es.example:9200", "prod")


def words_of(query: str) -> list[str]:
    """Return the words of the command, as a shell reads them."""
    selection = Selection(query, NOW - 3_600_000, NOW)
    return shlex.split(curl_of(PLACE, selection, limit=50, sort=Sort.DESC))


def test_the_command_asks_what_the_page_asks() -> None:
    """Address, query, bounds, order and number."""
    *words, address, option, body = words_of("level:ERROR")

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

    found = re.findall(
        r"<summary>curl</summary><pre class=\"copied\" tabindex=\"0\">(curl [^<]+)</pre>", page
    )
    expected = curl_of(
        PLACE, Selection("level:ERROR", NOW - 3_600_000, NOW), limit=50, sort=Sort.DESC
    )
    assert found == ([expected] if place else [])
    assert "shipper search level:ERROR" in page
    of_one = re.findall(
        r"<pre class=\"copied\" tabindex=\"0\">(curl [^<]+\"ids\"[^<]+)</pre>", page
    )
    assert of_one == ([curl_of_record(PLACE, f"{RUN}-100")] if place else [])


def test_the_command_of_a_record_finds_it_alone(tmp_path: Path) -> None:
    """As it is pasted into a shell: every record, whatever it holds, of ours and of others."""
    foreign = [
        Record(
            f"{RUN}-{number}",
            json.dumps(
                {
                    "message": "the same",
                    "log": {"file": {"path": "/var/log/a b'$(id).log"}, "offset": number},
                    "host": {"name": "web-1"},
                    "event": {"dataset": "nginx.access"},
                }
            ).encode(),
            NOW - 1000,
        )
        for number in (7, 70)
    ]
    write_parts(tmp_path / "index", [RECORDS + hostile_records() + foreign])
    (tmp_path / "shipper.yml").write_text(
        "service: {name: s}\ninputs: [{paths: [x.log]}]\n"
        f"output: {{embedded: {{path: {tmp_path / 'index'}}}}}\n"
    )
    place = PagePlace("", "", NOW - 86_400_000, NOW + 86_400_000)
    with closing(open_embedded(tmp_path / "index")) as store:
        hits = store.search(place.selection, limit=500).hits
    for hit in hits[:: max(1, len(hits) // 12)]:
        words = shlex.split(row_of(hit, place).command)
        assert words[:2] == ["shipper", "search"]
        done = CliRunner().invoke(main, ["--config", str(tmp_path / "shipper.yml"), *words[1:]])
        assert done.exit_code == 0, done.output
        (found,) = [json.loads(line) for line in done.stdout.splitlines()]
        assert found["_id"] == hit.id
    assert len(hits) > 12


def test_a_query_that_begins_like_an_option_is_a_query() -> None:
    """It stands behind `--`, as with every command."""
    words = shlex.split(command_of(PagePlace("--follow", "1h", 0, 1)))
    assert words == ["shipper", "search", "--since", "1h", "--", "--follow"]


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

    *_, address, _, body = shlex.split(
        curl_of_record(CurlPlace(node.url, node.namespace), hits[0]["_id"])
    )
    asked = urllib.request.Request(address, body.encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        assert [hit["_id"] for hit in json.load(answer)["hits"]["hits"]] == [hits[0]["_id"]]
