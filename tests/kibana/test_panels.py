"""
Every panel's question, put to a real Elasticsearch as Kibana would, and to our own store.

The same records are in both. The bodies are read by `reading.py`, which knows nothing of how they
were made; the embedded store answers the queries that the panels declare. The numbers are equal.
"""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from shipper.kibana.bodies import dashboard_body
from shipper.kibana.dashboards.all import DASHBOARDS
from shipper.kibana.data_view import data_view_body
from shipper.kibana.panels import (
    ChartPanel,
    Dashboard,
    Form,
    Measure,
    Measuring,
    Panel,
    RecordsPanel,
)
from shipper.kibana.place import KibanaPlace
from shipper.store.api import (
    AggregateAnswer,
    Aggregation,
    Average,
    Bucket,
    Cardinality,
    DateHistogram,
    Filters,
    Maximum,
    Minimum,
    Number,
    Percentiles,
    PercentileValues,
    Question,
    Selection,
    Sort,
    Store,
    Terms,
    buckets_of,
)
from shipper.times import iso
from tests.kibana.reading import Key, Reader, Row, fields_of
from tests.kibana.seed import SINCE, SLOT, UNTIL, seed
from tests.store.store_loading import Node, load_embedded

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

PLACE = KibanaPlace()
PANELS = [(dashboard, panel) for dashboard in DASHBOARDS for panel in dashboard.panels]
EVERYTHING = "*"
NAMES = [f"{dashboard.key}-{panel.key}" for dashboard, panel in PANELS]


@pytest.fixture(scope="module")
def ours(request: pytest.FixtureRequest) -> Iterator[Store]:
    """Our own store, with the records."""
    store = load_embedded(request, [seed()])
    yield store
    store.close()


@pytest.fixture(scope="module")
def kibana(elasticsearch_url: str) -> Reader:
    """Kibana's view of a node with the records."""
    node = Node(elasticsearch_url, uuid.uuid4().hex)
    node.send(seed())
    path = f"/{node.stream}/_search"
    view = data_view_body(PLACE)["data_view"]

    def ask(body: Any) -> Any:
        return node.call("POST", path, json.dumps(body).encode())

    return Reader(ask, view, SINCE, UNTIL, SLOT)


@pytest.mark.parametrize(("dashboard", "panel"), PANELS, ids=NAMES)
def test_a_panel_shows_the_numbers_of_our_store(
    kibana: Reader, ours: Store, dashboard: Dashboard, panel: Panel
) -> None:
    """What Kibana makes of the panel's JSON is what our store answers to its question."""
    body = dashboard_body(dashboard, DASHBOARDS, PLACE)
    (config,) = [each["config"] for each in body["panels"] if each["id"] == panel.key]

    if isinstance(panel, RecordsPanel):
        shown = kibana.records(config)
        assert shown
        assert_records(ours, panel, shown)
        return
    rows = kibana.rows(config)
    expected = answered(ours, panel)
    assert rows, "the seed has no record for it"
    assert any(value not in (None, 0) for row in rows.values() for value in row)
    if panel.by is None:
        assert rows.keys() == expected.keys()
    else:
        groups = {key[0] for key in expected}
        assert len({key[0] for key in rows}) == min(len(groups), panel.by.most)
        assert rows.keys() <= expected.keys()
    for key, row in rows.items():
        for shown, wanted, measure in zip(row, expected[key], panel.measures, strict=True):
            assert same(shown, wanted, measure), (key, measure.label, shown, wanted)
    assert_ranked(panel, rows)


def test_no_measure_is_without_numbers(kibana: Reader) -> None:
    """Each measure of each panel has a value for the seeded records, so none is compared idly."""
    empty = []
    for dashboard in DASHBOARDS:
        body = dashboard_body(dashboard, DASHBOARDS, PLACE)
        for panel, made in zip(dashboard.panels, body["panels"][1:], strict=True):
            if isinstance(panel, ChartPanel):
                columns = zip(*kibana.rows(made["config"]).values(), strict=True)
                for measure, values in zip(panel.measures, columns, strict=True):
                    if not any(values):
                        empty.append(f"{dashboard.key}-{panel.key}: {measure.label}")
    assert empty == []


def test_every_field_can_be_used_as_it_is(kibana: Reader) -> None:
    """Elasticsearch finds and counts every field that a body names."""
    used = {
        field
        for dashboard in DASHBOARDS
        for field in fields_of(dashboard_body(dashboard, DASHBOARDS, PLACE))
    }
    aggregations = {
        field: {"missing": {"field": field}}
        for field in sorted(used - {"message", "exc_info"})  # words, shown and searched only
    }

    found = kibana.search({"match_all": {}}, size=0, aggs=aggregations)

    total = found["hits"]["total"]["value"]
    missing = {name for name, each in found["aggregations"].items() if each["doc_count"] == total}
    assert missing == set(), "no record has it, or no mapping"


def assert_records(store: Store, panel: RecordsPanel, shown: list[str]) -> None:
    """Check the records of a list, and their order."""
    selection = Selection(panel.query, SINCE, UNTIL)
    found = store.search(selection, limit=1000, sort=Sort.DESC)
    expected = {
        hit.id: hit.time if panel.sort == "@timestamp" else hit.source[panel.sort]
        for hit in found.hits
    }
    values = [expected[each] for each in shown]
    assert values == sorted(expected.values(), reverse=True)[: len(shown)]
    assert len(shown) == min(200, found.total)


def assert_ranked(panel: ChartPanel, rows: dict[Key, Row]) -> None:
    """Check the order of a table: the largest of its first number on top."""
    if panel.form is Form.TABLE:
        first = [row[0] for row in rows.values()]
        assert first == sorted(first, reverse=True)


def same(shown: Any, wanted: Any, measure: Measure) -> bool:
    """Return whether two numbers are equal; percentiles are estimates on both sides."""
    if isinstance(wanted, str) or wanted is None or shown is None:
        return bool(shown == wanted)
    close = 0.02 if measure.kind is Measuring.PERCENTILE else 1e-9
    return math.isclose(shown, wanted, rel_tol=close)


def answered(store: Store, panel: ChartPanel) -> dict[Key, Row]:
    """Return what our store answers, in the form of the reader."""
    aggregations: dict[str, Aggregation] = {
        f"m{number}": made
        for number, measure in enumerate(panel.measures)
        if (made := aggregation(measure)) is not None
    }
    over_time = panel.form in (Form.LINES, Form.BARS)
    if over_time:
        aggregations = {"slot": DateHistogram(SLOT, aggregations, filled=False)}
    if panel.by is not None:
        aggregations = {"group": Terms(panel.by.field, 1000, aggregations)}
    (answer,) = store.ask([Question(Selection(panel.query, SINCE, UNTIL), aggregations)])
    return dict(_rows(store, panel, answer, ()))


def _rows(
    store: Store, panel: ChartPanel, answer: AggregateAnswer | Bucket, key: Key
) -> Iterator[tuple[Key, Row]]:
    for name in ("group", "slot"):
        if name in answer.results:
            for bucket in buckets_of(answer, name).buckets:
                yield from _rows(store, panel, bucket, (*key, str(bucket.key)))
            return
    count = answer.total if isinstance(answer, AggregateAnswer) else answer.count
    if count:
        values = [
            value_of(store, panel, answer, number, key) for number in range(len(panel.measures))
        ]
        yield key, tuple(values)


def aggregation(measure: Measure) -> Aggregation | None:
    """Return our store's aggregation; None for what is a search, the newest record that has it."""
    if measure.kind is Measuring.LAST or measure.field == "@timestamp":
        return None
    if measure.kind is Measuring.SHARE:
        return Filters({"part": measure.where, "whole": measure.to or EVERYTHING})
    kinds: dict[Measuring, Any] = {
        Measuring.AVERAGE: Average,
        Measuring.MINIMUM: Minimum,
        Measuring.MAXIMUM: Maximum,
        Measuring.UNIQUE: Cardinality,
    }
    inner: dict[str, Aggregation] = {}
    if measure.kind is Measuring.PERCENTILE:
        inner = {"v": Percentiles(measure.field, (float(measure.percent),))}
    elif measure.kind is not Measuring.COUNT:
        inner = {"v": kinds[measure.kind](measure.field)}
    return Filters({"part": measure.where or EVERYTHING}, inner)


def value_of(
    store: Store, panel: ChartPanel, answer: AggregateAnswer | Bucket, number: int, key: Key
) -> Any:
    measure = panel.measures[number]
    if aggregation(measure) is None:
        return newest(store, panel, measure, key)
    buckets = {each.key: each for each in buckets_of(answer, f"m{number}").buckets}
    if measure.kind is Measuring.SHARE:
        whole = buckets["whole"].count
        return buckets["part"].count / whole if whole else None
    part = buckets["part"]
    if measure.kind is Measuring.COUNT:
        return part.count / (SLOT / 60_000) if measure.per_minute else part.count
    found = part.results["v"]
    if isinstance(found, PercentileValues):
        return found.values[float(measure.percent)]
    assert isinstance(found, Number)
    return found.value


def newest(store: Store, panel: ChartPanel, measure: Measure, key: Key) -> Any:
    """Return the time of the newest (or oldest) record, or the newest value of a field."""
    query = f"({panel.query})" if panel.query else EVERYTHING
    if panel.by is not None:
        query += f' AND {panel.by.field}:"{key[0]}"'
    if measure.kind is Measuring.LAST:
        query += f" AND _exists_:{measure.field}"
    sort = Sort.ASC if measure.kind is Measuring.MINIMUM else Sort.DESC
    hits = store.search(Selection(query, SINCE, UNTIL), limit=1, sort=sort).hits
    if measure.kind is not Measuring.LAST:
        return hits[0].time
    value: Any = hits[0].source if hits else None
    for part in measure.field.split(".") if hits else ():
        value = value[part]
    return iso(value) if measure.field.endswith(".watermark") and hits else value
