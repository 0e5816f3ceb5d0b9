"""Bodies of dashboards and of the data view: what Kibana takes, and what its schema leaves open."""

from __future__ import annotations

import copy
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from shipper.alerts.incident import Change
from shipper.alerts.ledger.journal import line_of
from shipper.alerts.ledger.ledger import Recorded
from shipper.deliver.heartbeat import PipelineSnapshot, ShipperIdentity
from shipper.errors import QueryError
from shipper.fields import FIELDS
from shipper.kibana.bodies import dashboard_body, digest
from shipper.kibana.dashboards.all import DASHBOARDS
from shipper.kibana.data_view import data_view_body, version_of
from shipper.kibana.files import kibana_files
from shipper.kibana.kql import kql_of
from shipper.kibana.panels import Dashboard
from shipper.kibana.place import KibanaPlace
from shipper.kibana.runtime import RUNTIME
from shipper.kibana.sessions import SESSIONS, session_object
from shipper.store.elasticsearch.compile import KEYS_OF_OBJECTS
from shipper.store.query.parser import parse
from tests.alerts.paging import transition
from tests.kibana.facts import DASHBOARD, DATA_VIEW, faults
from tests.kibana.reading import fields_of, kql

PLACE = KibanaPlace()
ROOT = Path(__file__).parents[2]


def body_of(dashboard: Dashboard, place: KibanaPlace = PLACE) -> Any:
    return dashboard_body(dashboard, DASHBOARDS, place)


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each.key)
def test_kibana_takes_a_dashboard(dashboard: Dashboard) -> None:
    """The schema has nothing against it, in the default space and in another."""
    assert faults(DASHBOARD, body_of(dashboard)) == []
    assert faults(DASHBOARD, body_of(dashboard, KibanaPlace("", "ops"))) == []


def test_the_schema_refuses_what_it_does_not_know() -> None:
    """A schema that takes anything would prove nothing."""
    body = body_of(DASHBOARDS[0])
    for place in (body, body["panels"][1], body["panels"][1]["config"]):
        place["surprise"] = 1
        assert faults(DASHBOARD, body) != []
        del place["surprise"]
    assert faults(DASHBOARD, body) == []


def test_kibana_takes_the_data_view() -> None:
    """The schema has nothing against it."""
    assert faults(DATA_VIEW, data_view_body(PLACE)) == []


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each.key)
def test_nothing_is_for_one_version_or_a_paid_licence(dashboard: Dashboard) -> None:
    """9.4 and 9.5 take the same body, and the Basic licence has all of it."""
    text = json.dumps(body_of(dashboard))

    for absent in (
        '"type": "links"',
        '"type": "duration"',
        "url_drilldown",
        "values_source",
        "esql",
    ):
        assert absent not in text


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda each: each.key)
def test_panels_have_a_place_of_their_own(dashboard: Dashboard) -> None:
    """No two panels overlap, none leaves the 48 columns, and each has an id of its own."""
    panels = body_of(dashboard)["panels"]

    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in panels:
        assert panel["grid"]["x"] + panel["grid"]["w"] <= 48
    for one, other in combinations([panel["grid"] for panel in panels], 2):
        assert (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )


def test_every_field_is_one_that_kibana_knows() -> None:
    """A panel, control, column or session names fields of the mapping or of the data view."""
    known = {*FIELDS, *KEYS_OF_OBJECTS, *RUNTIME}

    used = {field for dashboard in DASHBOARDS for field in fields_of(body_of(dashboard))}
    used |= {column for session in SESSIONS for column in session.columns}

    assert used - known == set()


def test_every_runtime_field_is_used_and_written() -> None:
    """A field of the data view is one that heartbeats and the log of incidents have."""
    snapshot = {*PipelineSnapshot.__dataclass_fields__, *ShipperIdentity.__dataclass_fields__}
    written = line_of(Recorded(1, "key", 0, transition(Change.ACKNOWLEDGED)), "run")
    for name in RUNTIME:
        if name.startswith("extra.heartbeat."):
            assert name.removeprefix("extra.heartbeat.") in snapshot
    for name in ("incident", "rule", "severity", "change", "open_seconds", "by"):
        assert f"extra.{name}" in RUNTIME
        assert name in written


def test_a_link_of_a_dashboard_leads_to_one_that_is_installed() -> None:
    """Markdown and drilldowns name ids of our dashboards, those of the same space."""
    place = KibanaPlace("", "ops")
    ids = {place.dashboard(each.key) for each in DASHBOARDS}
    for dashboard in DASHBOARDS:
        body = body_of(dashboard, place)
        text = body["panels"][0]["config"]["content"]
        linked = {part.partition(")")[0] for part in text.split("#/view/")[1:]}
        assert linked == ids - {place.dashboard(dashboard.key)}
        for panel in body["panels"]:
            for drilldown in panel["config"].get("drilldowns", []):
                assert drilldown.get("dashboard_id", place.dashboard("overview")) in ids


def test_ids_of_a_space_are_its_own() -> None:
    """Ids are those of the whole cluster, so another space has other ones."""
    place = KibanaPlace("https://k", "ops")

    assert place.base == "https://k/s/ops"
    assert place == KibanaPlace.of("https://k/s/ops/")
    assert KibanaPlace.of("https://k") == KibanaPlace("https://k")
    assert place.dashboard("errors") == "shipper-errors-ops"
    assert KibanaPlace("https://k", "default").dashboard("errors") == "shipper-errors"
    text = json.dumps(body_of(DASHBOARDS[0], place))
    assert '"logs-orchestrator"' not in text
    assert '"logs-orchestrator-ops"' in text


def test_a_version_is_known_by_its_digest() -> None:
    """A body that changes has another digest, and the same body the same."""
    body = body_of(DASHBOARDS[0])
    changed = copy.deepcopy(body)
    changed["panels"][3]["config"]["title"] += "!"
    del body["description"], changed["description"]

    assert digest(body) != digest(changed)
    assert digest(body) in body_of(DASHBOARDS[0])["description"]
    view = data_view_body(PLACE)["data_view"]
    more = {**view, "version": "WzEsMV0=", "fields": {}, "typeMeta": {}}
    assert version_of(view) == version_of(more)
    assert version_of(view) != version_of({**view, "timeFieldName": "event.created"})


def test_files_are_complete() -> None:
    """`kibana/` has each dashboard and no other; the import of sessions names their data view."""
    there = {str(path.relative_to(ROOT)) for path in (ROOT / "kibana").rglob("*.*json")}

    assert there == {path for path in kibana_files() if path.startswith("kibana/")}
    for session in SESSIONS:
        made = session_object(session, PLACE)
        assert made["references"][0]["id"] == PLACE.data_view
        source = json.loads(made["attributes"]["kibanaSavedObjectMeta"]["searchSourceJSON"])
        assert source["indexRefName"] == made["references"][0]["name"]
        assert kql(source["query"]["query"])


@pytest.mark.parametrize(
    ("query", "written"),
    [
        ("", 'not event.dataset: "orchestrator.heartbeat"'),
        ("event.dataset:orchestrator.heartbeat", 'event.dataset: "orchestrator.heartbeat"'),
        (
            "level:ERROR",
            '(level: "ERROR") and (not event.dataset: "orchestrator.heartbeat")',
        ),
    ],
)
def test_heartbeats_are_left_out_as_in_our_stores(query: str, written: str) -> None:
    """Kibana shows what `shipper search` finds."""
    assert kql_of(query) == written


def test_kql_is_read_as_it_was_meant() -> None:
    """Operators keep what belongs together, whatever binds tighter; texts stay texts."""
    meant = kql_of('(level:A OR level:B) AND NOT status:"or \\"not\\" *"', whole=False)

    assert meant == '((level: "A") or (level: "B")) and (not (status: "or \\"not\\" *"))'
    assert kql(meant) == {
        "bool": {
            "filter": [
                {
                    "bool": {
                        "should": [
                            {"match_phrase": {"level": "A"}},
                            {"match_phrase": {"level": "B"}},
                        ],
                        "minimum_should_match": 1,
                    }
                },
                {"bool": {"must_not": [{"match_phrase": {"status": 'or "not" *'}}]}},
            ]
        }
    }


@pytest.mark.parametrize(
    "query", ["path:/api/*", "extra.other:>5", "extra.other:5", "_exists_:log"]
)
def test_what_kql_cannot_ask_is_refused(query: str) -> None:
    """It would find other records, so there is an error instead."""
    parse(query)
    with pytest.raises(QueryError):
        kql_of(query)
