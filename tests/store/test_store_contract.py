"""
What every store has to answer, on ordinary and hostile records.

Another store joins by a loader (store_loading.py) and lines in STORES and IN_PORTIONS.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from shipper.errors import QueryError
from shipper.fields import FIELDS
from shipper.store.api import (
    Aggregation,
    Average,
    Bucket,
    Buckets,
    Cardinality,
    DateHistogram,
    Distribution,
    DistributionCounts,
    Filters,
    Maximum,
    Minimum,
    Number,
    Percentiles,
    PercentileValues,
    Question,
    Result,
    Selection,
    Sort,
    Store,
    Sum,
    Terms,
)
from shipper.store.context import with_context
from shipper.store.inventory import fields_of_records, leaves
from tests.store.store_loading import STORES, Load, load_elasticsearch, load_embedded
from tests.store.store_meanings import MEANINGS
from tests.store.store_records import HOSTILE, NOON, ORDINARY, Record
from tests.store.store_reference import Reference

ALL = [*ORDINARY, *HOSTILE]
REFERENCE = Reference(ALL, MEANINGS)


IN_PORTIONS = [
    pytest.param((load_embedded, 1), id="embedded in 1"),
    pytest.param((load_embedded, 3), id="embedded in 3"),
    pytest.param((load_elasticsearch, 3), id="elasticsearch in 3", marks=pytest.mark.server),
]


@pytest.fixture(scope="module", params=IN_PORTIONS)
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    """The records in each of the stores, in one portion or several."""
    load, portions = request.param
    size = -(-len(ALL) // portions)
    loaded = load(request, [ALL[start : start + size] for start in range(0, len(ALL), size)])
    yield loaded
    loaded.close()


@pytest.mark.parametrize("query", MEANINGS)
def test_a_query_finds_what_it_says(store: Store, query: str) -> None:
    """Every documented form of a query finds exactly the records that plain Python finds."""
    selection = Selection(query)

    found = store.search(selection, limit=1000, sort=Sort.ASC)

    assert [hit.id for hit in found.hits] == REFERENCE.search(selection, 1000, Sort.ASC)
    assert found.total == store.count(selection) == len(REFERENCE.select(selection))


def test_the_queries_are_no_empty_promises() -> None:
    """Nearly every query of the table finds some records but not all."""
    trivial = [q for q in MEANINGS if len(REFERENCE.select(Selection(q))) in (0, len(ALL))]

    assert len(trivial) < len(MEANINGS) / 5


@pytest.mark.parametrize("sort", list(Sort))
@pytest.mark.parametrize("limit", [0, 1, 3, 7, 8, 9, 10, 15, 20, 1000])
def test_hits_come_in_order(store: Store, sort: Sort, limit: int) -> None:
    """Hits are ordered by time, equal times as they were stored or the reverse, at every limit."""
    found = store.search(Selection(), limit=limit, sort=sort)

    assert [hit.id for hit in found.hits] == REFERENCE.search(Selection(), limit, sort)
    assert found.total == len(ALL)
    uncounted = store.search(Selection(), limit=limit, sort=sort, counted=False)
    assert [hit.id for hit in uncounted.hits] == [hit.id for hit in found.hits]


@pytest.mark.parametrize(
    ("since", "until"),
    [(NOON, None), (None, NOON), (NOON + 90_001, NOON + 90_002), (NOON, NOON), (NOON + 5, NOON)],
)
def test_time_bounds_are_exact_to_the_millisecond(
    store: Store, since: int | None, until: int | None
) -> None:
    """`since` is included, `until` is not, even if they exclude each other."""
    selection = Selection("", since, until)

    assert store.count(selection) == len(REFERENCE.select(selection))


def test_a_record_comes_back_as_it_was(store: Store) -> None:
    """A hit has every field with its value and type, including unknown keys and odd texts."""
    hits = {hit.id: hit for hit in store.search(Selection(), limit=1000).hits}

    for written in ALL:
        assert hits[written.id].time == written.time
        assert hits[written.id].source == expected(written)


def test_every_store_lists_the_same_fields(store: Store) -> None:
    """The fields of the records are those that were written, each counted exactly."""
    written = [dict(leaves(expected(record))) for record in ALL]

    found = fields_of_records(store, Selection())

    # A key that no query can name, or that a store does not index, has no exact count.
    counts = {each.name: each.count for each in found.fields if each.count is not None}
    assert found.total == found.sample == len(ALL)
    assert {"level", "message", "tags", "host.name", "status_code"} < counts.keys()
    for field in ("level", "logger", "message", "status_code", "duration_ms", "host.name"):
        has = [each.get(field) not in (None, []) for each in written]
        assert counts[field] == sum(has), field


def test_every_store_finds_the_neighbours_of_a_hit(store: Store) -> None:
    """Of a process by their numbers, of another program's lines by their place in the file."""
    of_run = store.search(Selection("run:* AND seq:5"), limit=1).hits[0]
    run = of_run.id.rpartition("-")[0]
    (group,) = with_context(store, [of_run], 2, 1)

    known = {hit.id for hit in store.search(Selection(f"run:{run}"), limit=1000).hits}
    wanted = [f"{run}-{seq}" for seq in range(3, 7) if f"{run}-{seq}" in known]
    assert [hit.id for hit in group] == wanted
    assert of_run.id in wanted
    assert len(wanted) > 1


def expected(written: Record) -> dict[str, Any]:
    """Return the fields as a store returns them, without unknown and empty ones."""
    fields = {k: v for k, v in written.fields.items() if k in FIELDS and v not in ([], {})}
    time = written.time
    moment = f"{datetime.fromtimestamp(time // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{time % 1000:03d}Z"
    return {"timestamp": moment, "@timestamp": moment, **fields}


LEVELS = Terms("level")
AGGREGATIONS: dict[str, tuple[Selection, Aggregation]] = {
    "terms": (Selection(), LEVELS),
    "terms of a few": (Selection(), Terms("path", 2)),
    "terms of several values": (Selection(), Terms("tags")),
    "terms of an alias": (Selection(), Terms("http.response.status_code")),
    "terms of a number": (Selection(), Terms("duration_ms")),
    "terms of an object": (Selection(), Terms("event.dataset")),
    "terms of a list in an object": (Selection(), Terms("event.category")),
    "terms of an offset": (Selection(), Terms("log.offset", 3)),
    "terms of unknown keys": (Selection(), Terms("extra.tenant")),
    "terms of mixed types": (Selection(), Terms("extra.n", 20)),
    "terms of mixed lists": (Selection(), Terms("extra.m", 20)),
    "terms of booleans": (Selection(), Terms("extra.flag")),
    "terms of texts that look like numbers": (Selection(), Terms("extra.code")),
    "terms of versions": (Selection(), Terms("extra.v", 1)),
    "terms of dates": (Selection(), Terms("extra.when")),
    "terms of nothing": (Selection(), Terms("extra.nowhere")),
    "terms of a query": (Selection("level:ERROR"), Terms("error_type")),
    "terms in terms": (
        Selection(),
        Terms("event.dataset", 2, {"levels": LEVELS, "mean": Average("duration_ms")}),
    ),
    "histogram": (Selection("", NOON - 1, NOON + 120_000), DateHistogram(7_000)),
    "open histogram": (Selection("status_code:*"), DateHistogram(1_500)),
    "histogram of nothing": (Selection("extra.nowhere:1"), DateHistogram(1_500)),
    "bounded histogram of nothing": (
        Selection("extra.nowhere:1", NOON, NOON + 10_000),
        DateHistogram(1_500),
    ),
    "half bounded histogram": (Selection("host:*", NOON), DateHistogram(30_000)),
    "histogram without empty slots": (
        Selection("", NOON - 1, NOON + 120_000),
        DateHistogram(700, {"l": LEVELS}, filled=False),
    ),
    "long histogram without empty slots": (Selection(), DateHistogram(1, filled=False)),
    "nested histogram": (
        Selection("", NOON, NOON + 100_000),
        DateHistogram(10_000, {"levels": LEVELS, "p": Percentiles("duration_ms")}),
    ),
    "histogram in terms": (
        Selection("host:* -extra:*", NOON),
        Terms("host.name", 5, {"t": DateHistogram(2_000), "n": Cardinality("level")}),
    ),
    "filters": (Selection(), Filters({"errors": "level:ERROR", "all": "*", "none": "extra.x:y"})),
    "filters with": (
        Selection("status_code:*"),
        Filters(
            {"bad": "status_code:>=500", "good": "status_code:<300"},
            {"p": Percentiles("duration_ms", (0, 50, 100)), "routes": Terms("route")},
        ),
    ),
    "filters in histogram": (
        Selection("", NOON, NOON + 100_000),
        DateHistogram(50_000, {"f": Filters({"errors": "level:ERROR"}), "l": LEVELS}),
    ),
    "filters in filters in terms": (
        Selection(),
        Terms(
            "event.dataset",
            10,
            {
                "f": Filters(
                    {"errors": "level:ERROR", "all": "*"},
                    {"g": Filters({"time": "error_type:TimeoutError"}, {"l": LEVELS}), "l": LEVELS},
                )
            },
        ),
    ),
    "percentiles": (Selection(), Percentiles("duration_ms", (0, 10, 50, 90, 99.9, 100))),
    "percentiles of integers": (Selection(), Percentiles("status_code")),
    "percentiles of unknown keys": (Selection(), Percentiles("extra.n", (0, 50, 100))),
    "percentiles of nothing": (Selection("level:DEBUG"), Percentiles("duration_ms")),
    "distribution": (Selection(), Distribution("duration_ms")),
    "distribution of integers": (Selection(), Distribution("status_code")),
    "distribution of nothing": (Selection("level:DEBUG"), Distribution("duration_ms")),
    "distribution in terms": (
        Selection(),
        Terms("route", 3, {"d": Distribution("duration_ms"), "s": Sum("duration_ms")}),
    ),
    "average": (Selection(), Average("duration_ms")),
    "average of integers": (Selection(), Average("status_code")),
    "average of unknown keys": (Selection(), Average("extra.m")),
    "average of a list": (Selection(), Average("extra.v")),
    "average of nothing": (Selection("level:DEBUG"), Average("duration_ms")),
    "sum": (Selection(), Sum("duration_ms")),
    "sum of unknown keys": (Selection(), Sum("extra.m")),
    "sum of nothing": (Selection("level:DEBUG"), Sum("duration_ms")),
    "minimum": (Selection(), Minimum("duration_ms")),
    "minimum of unknown keys": (Selection(), Minimum("extra.n")),
    "minimum of nothing": (Selection("level:DEBUG"), Minimum("duration_ms")),
    "maximum": (Selection(), Maximum("duration_ms")),
    "maximum of integers": (Selection(), Maximum("status_code")),
    "maximum of unknown keys": (Selection(), Maximum("extra.n")),
    "maximum of nothing": (Selection(), Maximum("extra.nowhere")),
    "extremes in slots": (
        Selection("", NOON, NOON + 100_000),
        DateHistogram(
            10_000, {"s": Sum("extra.n"), "l": Minimum("duration_ms"), "m": Maximum("extra.n")}
        ),
    ),
    "cardinality": (Selection(), Cardinality("path")),
    "cardinality in an object": (Selection(), Cardinality("host.name")),
    "cardinality of unknown keys": (Selection(), Cardinality("extra.m")),
    "cardinality of nothing": (Selection(), Cardinality("extra.nowhere")),
}


@pytest.mark.parametrize("name", AGGREGATIONS)
def test_an_aggregation_gives_the_right_numbers(store: Store, name: str) -> None:
    """Every aggregation equals that of plain Python, percentiles within 1 %."""
    selection, aggregation = AGGREGATIONS[name]

    answer = store.ask([Question(selection, {"x": aggregation})])[0]

    assert answer.total == len(REFERENCE.select(selection))
    assert_equal(answer.results["x"], REFERENCE.ask(selection, {"x": aggregation})["x"])


def test_many_questions_are_answered_in_their_order(store: Store) -> None:
    """Questions in one request are independent, as are names within one question."""
    asked = [
        Question(selection, {name: aggregation, "l": LEVELS, "n": Cardinality("path")})
        for name, (selection, aggregation) in AGGREGATIONS.items()
    ]

    answers = store.ask([*asked, Question(Selection("level:ERROR"))])

    for question, answer in zip(asked, answers, strict=False):
        wanted = REFERENCE.ask(question.selection, question.aggregations)
        for name, result in wanted.items():
            assert_equal(answer.results[name], result)
    assert answers[-1].total == len(REFERENCE.select(Selection("level:ERROR")))
    assert answers[-1].results == {}


def assert_equal(found: Result, wanted: Result) -> None:
    """Compare two results; numbers within the promised error."""
    assert type(found) is type(wanted)
    if isinstance(found, Buckets) and isinstance(wanted, Buckets):
        assert [(b.key, b.count) for b in found.buckets] == [
            (b.key, b.count) for b in wanted.buckets
        ]
        assert found.others == wanted.others
        for one, other in zip(found.buckets, wanted.buckets, strict=True):
            assert_buckets_equal(one, other)
    elif isinstance(found, PercentileValues) and isinstance(wanted, PercentileValues):
        assert found.values == {
            percent: value if value is None else pytest.approx(value, rel=0.01)
            for percent, value in wanted.values.items()
        }
    elif isinstance(found, DistributionCounts) and isinstance(wanted, DistributionCounts):
        assert dict(found.counts) == dict(wanted.counts)
    elif isinstance(found, Number) and isinstance(wanted, Number):
        assert found.value == pytest.approx(wanted.value)


def assert_buckets_equal(found: Bucket, wanted: Bucket) -> None:
    assert found.results.keys() == wanted.results.keys()
    for name, result in wanted.results.items():
        assert_equal(found.results[name], result)


@pytest.mark.parametrize(
    ("aggregation", "fault"),
    [
        (Terms("message"), "message is text"),
        (Cardinality("exc_info"), "exc_info is text"),
        (Terms("@timestamp"), "date histogram"),
        (Terms("host"), "host is an object"),
        (Terms("request_id"), "differs in every request"),
        (Cardinality("http.request.id"), "differs in every request"),
        (Terms("level", 0), "use 1 or more"),
        (DateHistogram(0), "use 1 ms or more"),
        (DateHistogram(1), "use longer slots"),
        (Percentiles("level"), "level holds no numbers"),
        (Percentiles("@timestamp"), "holds no numbers"),
        (Percentiles("duration_ms", (101,)), "use 0 to 100"),
        (Distribution("level"), "level has no distribution"),
        (Distribution("extra.n"), "extra.n has no distribution"),
        (Average("service.version"), "holds no numbers"),
        (Sum("level"), "level holds no numbers"),
        (Minimum("@timestamp"), "holds no numbers"),
        (Maximum("host.name"), "holds no numbers"),
        (Filters({"a": "level:"}), "level has no value"),
        (Terms("level", 3, {"x": Average("message")}), "holds no numbers"),
    ],
)
def test_what_can_not_be_counted_is_an_error(
    store: Store, aggregation: Aggregation, fault: str
) -> None:
    """A question without an exact answer is refused, never answered differently."""
    with pytest.raises(QueryError, match=fault):
        store.ask([Question(Selection(), {"x": aggregation})])


@pytest.mark.parametrize("load", STORES)
def test_an_empty_store_has_no_records(load: Load, request: pytest.FixtureRequest) -> None:
    """An empty store is not an error: no hits, no buckets, no numbers."""
    store = load(request, [[]])
    asked: dict[str, Aggregation] = {
        "t": LEVELS,
        "a": Average("duration_ms"),
        "p": Percentiles("duration_ms", (50,)),
    }

    answer = store.ask([Question(Selection(), asked)])[0]

    assert store.search(Selection(), limit=10).total == 0
    assert answer.total == 0
    assert answer.results == REFERENCE_OF_NOTHING.ask(Selection(), asked)
    store.close()
    store.close()


REFERENCE_OF_NOTHING = Reference([])


def test_hits_can_be_taken_piecewise(store: Store) -> None:
    """Hits are a sequence: by index, by slice, repeatedly."""
    hits = store.search(Selection(), limit=1000).hits

    everything = list(hits)

    assert hits[0] == everything[0]
    assert list(hits[2:5]) == everything[2:5]
    assert list(hits) == everything
    assert len(hits) == len(ALL)


@pytest.mark.parametrize("limit", [-1, 1_000_001])
def test_limits_have_limits(store: Store, limit: int) -> None:
    """A negative limit, or one beyond memory, is refused."""
    with pytest.raises(QueryError, match="limit"):
        store.search(Selection(), limit=limit)
