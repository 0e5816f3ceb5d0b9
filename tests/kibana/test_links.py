"""Links to Kibana: what goes into one comes out of it, and nothing breaks out."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.alerts.job import read_setup
from shipper.config.main import load
from shipper.errors import QueryError
from shipper.kibana.links import dashboard_link, discover_link
from shipper.kibana.place import KibanaPlace
from shipper.kibana.runtime import RUNTIME
from shipper.store.api import Selection
from shipper.store.elasticsearch.compile import compile_selection
from tests.kibana.reading import fields_of_query, kql

ROOT = Path(__file__).parents[2]
PLACE = KibanaPlace("https://kibana.example.com", "ops")


def state_of(link: str | None, locator: str) -> Any:
    """Read a link as Kibana does: locator, version and parameters."""
    assert link is not None
    parts = urlsplit(link)
    assert parts.geturl().startswith("https://kibana.example.com/s/ops/app/r?")
    assert parts.fragment == ""
    query = parse_qs(parts.query, strict_parsing=True)
    assert query.keys() == {"l", "v", "p"}
    assert query["l"] == [locator]
    assert re.fullmatch(r"9\.\d+\.\d+", query["v"][0])
    return json.loads(query["p"][0])


def test_a_link_to_records_has_their_question() -> None:
    """Data view, time, KQL, columns and order; `until` is excluded here and included there."""
    link = discover_link(
        PLACE, 'status_code:>=500 AND service.name:"a & b"', 0, 60_000, columns=("level", "message")
    )

    state = state_of(link, "DISCOVER_APP_LOCATOR")
    assert state["dataViewId"] == "logs-orchestrator-ops"
    assert state["timeRange"] == {
        "from": "1970-01-01T00:00:00.000Z",
        "to": "1970-01-01T00:00:59.999Z",
    }
    assert state["columns"] == ["level", "message"]
    assert state["sort"] == [["@timestamp", "desc"]]
    assert "filters" not in state
    asked = kql(state["query"]["query"])
    assert asked["bool"]["filter"][0]["bool"]["filter"] == [
        {"range": {"status_code": {"gte": "500"}}},
        {"match_phrase": {"service.name": "a & b"}},
    ]


def test_what_kql_cannot_ask_goes_along_as_a_filter() -> None:
    """Wildcards are asked by the query that the store makes of them."""
    state = state_of(discover_link(PLACE, "path:/api/*", name="paths"), "DISCOVER_APP_LOCATOR")

    (chosen,) = state["filters"]
    assert state["query"]["query"] == ""
    assert chosen["query"] == compile_selection(Selection("path:/api/*"), {})
    assert chosen["meta"]["alias"] == "paths"
    assert chosen["meta"]["index"] == "logs-orchestrator-ops"


def test_there_is_no_link_where_kibana_would_show_something_else() -> None:
    """A range of a key that neither mapping nor data view knows is compared as text there."""
    assert "extra.unknown" not in RUNTIME
    assert discover_link(PLACE, "extra.unknown:>100") is None
    assert discover_link(PLACE, "level:") is None
    assert discover_link(PLACE, "extra.queue_depth:>100") is not None


def test_a_link_to_a_dashboard() -> None:
    """Its id in that space, the time, and the query in KQL."""
    state = state_of(
        dashboard_link(PLACE, "errors", 0, 1000, "host.name:web-1"), "DASHBOARD_APP_LOCATOR"
    )

    assert state["dashboardId"] == "shipper-errors-ops"
    assert state["query"] == {"language": "kuery", "query": 'host.name: "web-1"'}
    with pytest.raises(QueryError):
        dashboard_link(PLACE, "errors", query="path:/api/*")


@given(st.text(min_size=1, max_size=40), st.integers(-(2**40), 2**43), st.integers(0, 2**40))
def test_any_text_comes_back(value: str, since: int, length: int) -> None:
    """Whatever a value holds, the link is one line of ASCII and says the same."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    try:
        link = discover_link(PLACE, f'service.name:"{escaped}"', since, since + length)
        compile_selection(Selection(f'service.name:"{escaped}"'), {})
    except QueryError:
        return
    if link is None:
        return
    assert link.isascii()
    assert link.isprintable()
    assert " " not in link
    state = state_of(link, "DISCOVER_APP_LOCATOR")
    asked = kql(state["query"]["query"])["bool"]["filter"][0]
    assert [*fields_of_query(asked)] == ["service.name"]
    assert asked == {"match_phrase": {"service.name": value}}


def test_alerts_link_to_the_kibana_of_the_config(tmp_path: Path) -> None:
    """Without an address of their own, pages lead to the section `kibana`, in its space."""
    config = tmp_path / "shipper.yml"
    (tmp_path / "alerts.json").write_text('{"alerters": {"out": {"console": {}}}}')
    config.write_text(
        "service: {name: app}\n"
        "inputs: [{paths: [logs/*.log]}]\n"
        "output: {embedded: {}}\n"
        'kibana: {url: "https://kibana.example.com:5601", space: ops}\n'
        f'alerts: {{rules: "{ROOT}/config/rules", settings: "{tmp_path}/alerts.json"}}\n'
    )

    pages = read_setup(load(config)).pages("shipper search")

    assert pages.kibana_url == "https://kibana.example.com:5601/s/ops"
    assert KibanaPlace.of(pages.kibana_url).data_view == "logs-orchestrator-ops"
