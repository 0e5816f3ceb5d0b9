"""Random queries over random records: the stores against plain Python."""

from __future__ import annotations

import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from shipper.store.api import (
    Aggregation,
    Average,
    Cardinality,
    DateHistogram,
    Filters,
    Maximum,
    Minimum,
    Percentiles,
    Question,
    Selection,
    Sort,
    Store,
    Sum,
    Terms,
)
from shipper.store.opening import open_embedded
from tests.store.store_loading import Node
from tests.store.store_records import NOON, Record, record, write_parts
from tests.store.store_reference import (
    Predicate,
    Reference,
    all_of,
    any_of,
    exists,
    has,
    like,
    no,
    says,
    within,
)
from tests.store.test_store_contract import assert_equal

WORDS = ["time", "out", "ÄRGER", "x1", "日本"]
LEVELS = ["INFO", "ERROR"]
TRUE = True
NUMBERS = [0, 1, 2.5, -1, 1e6, -0.001]
KEYS = ["n", "a b", "ö", "l", "t.u"]

scalars = st.one_of(
    st.sampled_from(NUMBERS),
    st.sampled_from(["", "a*b", "5", "2026-02-05T14:30:45.5Z", "b\\c", 'q"q', "true"]),
    st.booleans(),
    st.none(),
)
extras = st.dictionaries(
    st.sampled_from(KEYS), st.one_of(scalars, st.lists(scalars, max_size=3)), max_size=3
)
texts = st.lists(st.sampled_from(WORDS), max_size=4).map(" - ".join)


@st.composite
def record_lists(draw: st.DrawFn) -> list[Record]:
    optional: dict[str, st.SearchStrategy[Any]] = {
        "level": st.sampled_from(LEVELS),
        "message": texts,
        "path": st.sampled_from(["/a", "/a/b", "/*", "/a\\b"]),
        "status_code": st.sampled_from([200, 404, 500]),
        "duration_ms": st.sampled_from([0.0, 0.5, 100.0, 1e5]),
        "tags": st.lists(st.sampled_from(["a", "b"]), max_size=2, unique=True),
        "host": st.sampled_from([{"name": "h1"}, {"name": "h2", "cpus": 4}]),
        "extra": extras,
    }
    fields: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries({}, optional=optional)
    drawn = draw(st.lists(st.tuples(fields, st.integers(-3, 3)), min_size=1, max_size=12))
    return [record(i, NOON + 500 * at, **f) for i, (f, at) in enumerate(drawn)]


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def field_name(key: str) -> str:
    return "extra." + key.replace(" ", "\\ ")


@st.composite
def terms_of_extra(draw: st.DrawFn) -> tuple[str, Predicate]:
    key = draw(st.sampled_from(KEYS))
    name, path = field_name(key), f"extra.{key}"
    form = draw(st.sampled_from(["number", "text", "boolean", "exists", "range", "wild"]))
    if form == "number":
        number = draw(st.sampled_from(NUMBERS))
        return f"{name}:{quoted(repr(number))}", any_of(has(path, number), has(path, repr(number)))
    if form == "text":
        text = draw(st.sampled_from(["", "a*b", "2026-02-05T14:30:45.5Z", "b\\c", 'q"q', "nope"]))
        return f"{name}:{quoted(text)}", has(path, text)
    if form == "boolean":
        return f"{name}:true", any_of(has(path, TRUE), has(path, "true"))
    if form == "exists":
        return f"{name}:*", exists(path)
    if form == "wild":
        return f"{name}:*b*", like(path, ".*b.*")
    lower, upper = sorted(draw(st.tuples(st.sampled_from(NUMBERS), st.sampled_from(NUMBERS))))
    return f"{name}:[{lower} TO {upper}]", within(path, lower, upper)


@st.composite
def terms_of_known(draw: st.DrawFn) -> tuple[str, Predicate]:
    phrase = " ".join(draw(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3)))
    bound = draw(st.sampled_from([0.0, 0.5, 99.0, 100.0]))
    drawn: tuple[str, Predicate] = draw(
        st.sampled_from(
            [
                ("level:error", has("level", "ERROR")),
                (f"message:{quoted(phrase)}", says("message", phrase)),
                (f"duration_ms:>={bound}", within("duration_ms", bound, float("inf"))),
                (f"duration_ms:{bound}", has("duration_ms", bound)),
                ("status_code:{200 TO 500]", within("status_code", 201, 500)),
                ("path:/a*", like("path", "/a.*")),
                (r"path:/\*", has("path", "/*")),
                (r"path:/a\\?", like("path", r"/a\\.")),
                ("tags:a", has("tags", "a")),
                ("tags:*", exists("tags")),
                ("message:*", exists("message")),
                ("host.name:h1", has("host.name", "h1")),
                ("host.cpus:>3", within("host.cpus", 4, float("inf"))),
                ("host.cpus:4", has("host.cpus", 4)),
                ("host:*", exists("host")),
                ("extra:*", exists("extra")),
            ]
        )
    )
    return drawn


def joined(parts: st.SearchStrategy[tuple[str, Predicate]]) -> st.SearchStrategy[Any]:
    pairs = st.tuples(parts, parts)
    return st.one_of(
        pairs.map(lambda p: (f"({p[0][0]} AND {p[1][0]})", all_of(p[0][1], p[1][1]))),
        pairs.map(lambda p: (f"({p[0][0]} {p[1][0]})", all_of(p[0][1], p[1][1]))),
        pairs.map(lambda p: (f"({p[0][0]} OR {p[1][0]})", any_of(p[0][1], p[1][1]))),
        parts.map(lambda p: (f"NOT {p[0]}", no(p[1]))),
    )


queries = st.recursive(terms_of_known() | terms_of_extra(), joined, max_leaves=5)


cases = st.tuples(
    record_lists(),
    st.lists(queries, min_size=1, max_size=6),
    st.sampled_from(KEYS),
    st.integers(1, 3),
)
Case = tuple[list[Record], list[tuple[str, Predicate]], str, int]


@given(cases)
@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
def test_random_queries_agree(case: Case) -> None:
    """Any query over any records in any parts finds and counts the same as plain Python."""
    records, asked, key, parts = case
    size = -(-len(records) // parts)
    portions = [records[i : i + size] for i in range(0, len(records), size)]
    with tempfile.TemporaryDirectory() as folder:
        write_parts(Path(folder) / "index", portions, batch=2)
        agree(open_embedded(Path(folder) / "index"), records, asked, key)


@pytest.mark.server
@given(cases)
@settings(
    max_examples=10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    phases=[Phase.explicit, Phase.generate],  # shrinking would take minutes
)
def test_random_queries_agree_in_elasticsearch(elasticsearch_url: str, case: Case) -> None:
    """Elasticsearch gives the same results as plain Python."""
    records, asked, key, _ = case
    assume(not any("cpus" in query for query, _ in asked))  # has no place in the mapping
    node = Node(elasticsearch_url, uuid.uuid4().hex)
    node.send(records)
    agree(node.open(), records, asked, key)


def agree(
    store: Store, records: list[Record], asked: list[tuple[str, Predicate]], key: str
) -> None:
    """Ask a store and the reference the same questions; compare the answers."""
    meanings = {"*": lambda _: True, **dict(asked)}
    reference = Reference(records, meanings)
    name = field_name(key).replace("\\", "")
    aggregations: dict[str, Aggregation] = {
        "t": Terms(name, 3, {"n": Cardinality("path"), "h": DateHistogram(1000)}),
        "h": DateHistogram(700, {"f": Filters({"q": asked[0][0]}, {"l": Terms("level")})}),
        "p": Percentiles(name, (0, 50, 100)),
        "d": Percentiles("duration_ms", (0, 50, 100)),
        "a": Average(name),
        "s": Sum(name),
        "i": Minimum(name),
        "m": Maximum("duration_ms"),
        "o": Terms("host.name", 5, {"t": Terms("tags")}),
    }
    for query in meanings:
        selection = Selection(query)
        found = [hit.id for hit in store.search(selection, limit=5, sort=Sort.DESC).hits]
        assert found == reference.search(selection, 5, Sort.DESC), query
    questions = [Question(Selection(query), aggregations) for query in meanings]
    for question, answer in zip(questions, store.ask(questions), strict=True):
        assert answer.total == len(reference.select(question.selection)), question
        for aggregation, wanted in reference.ask(question.selection, aggregations).items():
            assert_equal(answer.results[aggregation], wanted)
    store.close()
