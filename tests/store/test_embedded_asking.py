"""Questions that share a statement are answered as each of them alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from shipper.store.api import (
    Aggregation,
    Cardinality,
    DateHistogram,
    Filters,
    Maximum,
    Minimum,
    Percentiles,
    Question,
    Selection,
    Sum,
    Terms,
)
from shipper.store.embedded.view import Views
from shipper.store.opening import open_embedded
from tests.store.store_records import NOON, record, write_parts

HOUR = 3_600_000
SLOTS = DateHistogram(HOUR)
LATENCY = DateHistogram(HOUR, {"ms": Percentiles("duration_ms", (50.0, 99.0))})
CURVES: list[tuple[str, dict[str, Aggregation]]] = [
    ("path:/a*", {"slots": LATENCY}),
    ("path:/a* AND level:ERROR", {"slots": SLOTS}),
    ("message:failed", {"of another name": SLOTS}),
    ("level:NONE", {"slots": LATENCY}),
    ("extra.depth:2 OR tags:odd", {"slots": SLOTS}),
    ("level:INFO", {"slots": DateHistogram(HOUR, filled=False)}),
    ("level:INFO", {}),
    ("NOT level:INFO", {}),
]
FACETS: dict[str, Aggregation] = {
    "slots": SLOTS,
    "levels": Terms("level", 12, {"slots": SLOTS}),
    "slots of levels": DateHistogram(HOUR, {"levels": Terms("level", 12)}),
    "level": Terms("level", 1),
    "paths": Terms("path", 2),
    "hosts": Terms("host.name", 2),
    "deep": Terms("host.name", 2, {"level": Terms("level", 3, {"slots": SLOTS})}),
    "number of paths": Cardinality("path"),
    "tags": Terms("tags"),
    "depths": Terms("extra.depth"),
    "named": Filters({"old": "path:/a*"}),
    "ms": Percentiles("duration_ms"),
    "none": Terms("error_type"),
    "two below": Terms("level", 3, {"paths": Terms("path", 2), "hosts": Terms("host.name")}),
}


def shifted(asked: Sequence[tuple[str, dict[str, Aggregation]]]) -> list[Question]:
    """Return questions about nine hours, each an hour later than the one before."""
    return [
        Question(Selection(query, NOON + number * HOUR, NOON + (9 + number) * HOUR), each)
        for number, (query, each) in enumerate(asked)
    ]


def write_day(path: Path, *, odd: bool) -> None:
    """Write records of a day in several pieces, of which some lack each field."""
    records = [
        record(number, NOON + number * 180_000, **_fields(number, odd=odd)) for number in range(300)
    ]
    write_parts(path, [records[start : start + 60] for start in range(0, 300, 60)])


def _fields(number: int, *, odd: bool) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "message": f"{number} failed" if number % 3 else "done",
        "path": f"/a{number % 7}" if number % 5 else f"/b{number}",
        "tags": ["slow", "odd"] if number % 4 else ["slow"],
        "host": {"name": f"h{number % 3}", **({"cpus": 4} if odd else {})},
        "extra": {"depth": number % 4} if number % 6 else {},
    }
    if number % 11:
        fields["level"] = ("INFO", "ERROR")[number % 2]
    if number % 7:
        fields["duration_ms"] = 3 ** (number % 12)
    return fields


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list that every statement on records is added to."""
    asked: list[str] = []
    rows = Views.rows

    def noting(views: Views, sql: str, compiler: Any) -> Any:
        asked.append(sql)
        return rows(views, sql, compiler)

    monkeypatch.setattr(Views, "rows", noting)
    return asked


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("bounds", [(NOON, NOON + 9 * HOUR), (NOON + 5 * HOUR, None), (None, None)])
def test_curves_of_several_queries_are_as_those_of_each(
    tmp_path: Path, bounds: tuple[int | None, int | None], *, odd: bool, statements: list[str]
) -> None:
    """Counts and percentiles per slot, and totals, in the order of the questions."""
    write_day(tmp_path / "index", odd=odd)
    questions = [Question(Selection(query, *bounds), asked) for query, asked in CURVES]
    others = [Question(Selection(query), {"slots": SLOTS}) for query in ("level:INFO", "/b0")]
    store = open_embedded(tmp_path / "index")
    # Three questions are too few for a table of their time.
    for some in (questions[:3], questions[3:6], [*questions[6:], others[0]], others):
        assert store.ask(some) == [store.ask([each])[0] for each in some]
    statements.clear()
    store.ask(questions[:3])
    assert len(statements) == 1
    store.close()


def grouped(field: str, of: str, step: int = HOUR) -> dict[str, Aggregation]:
    """Return slots with statistics per value of a field."""
    numbers: dict[str, Aggregation] = {"sum": Sum(of), "least": Minimum(of), "most": Maximum(of)}
    return {"each": Terms(field, 50, {"slots": DateHistogram(step, numbers, filled=False)})}


# What is asked together, and the statements that it takes.
HISTORIES: dict[str, tuple[list[tuple[str, dict[str, Aggregation]]], int]] = {
    "one reading": (
        [
            ("path:/a*", grouped("host.name", "duration_ms")),
            ("level:ERROR", grouped("host.name", "duration_ms")),
            ("level:NONE", grouped("host.name", "status_code")),
        ],
        1,
    ),
    "other keys": (
        [
            ("path:/a*", grouped("host.name", "duration_ms")),
            ("path:/a*", grouped("level", "duration_ms")),
            ("level:ERROR", grouped("host.name", "duration_ms", 2 * HOUR)),
        ],
        3,
    ),
    "several values": (
        [(query, grouped("tags", "duration_ms")) for query in ("path:/a*", "level:ERROR")],
        4,
    ),
}


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("name", HISTORIES)
def test_slots_per_value_of_several_queries_are_as_those_of_each(
    tmp_path: Path, name: str, *, odd: bool, statements: list[str]
) -> None:
    """Also if their times differ a little; objects with odd keys are read one by one."""
    write_day(tmp_path / "index", odd=odd)
    asked, expected = HISTORIES[name]
    questions = shifted(asked)
    store = open_embedded(tmp_path / "index")
    alone = [store.ask([each])[0] for each in questions]
    statements.clear()

    assert store.ask(questions) == alone

    assert any(each.total for each in alone)
    assert odd or len(statements) == expected
    store.close()


DEPTHS = [
    ("extra.depth:>1", grouped("level", "duration_ms")),
    ("extra.depth:* AND level:ERROR", grouped("extra.depth", "extra.depth")),
    ("path:/a*", grouped("host.name", "extra.depth")),
]


@pytest.mark.parametrize("most", [200_000, 3])
@pytest.mark.parametrize("odd", [False, True])
def test_keys_without_a_column_are_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int, *, odd: bool, statements: list[str]
) -> None:
    """What questions about them find is kept for the request, unless it is too much."""
    monkeypatch.setattr("shipper.store.embedded.view.MOST_FOUND", most)
    write_day(tmp_path / "index", odd=odd)
    questions = shifted(DEPTHS)
    store = open_embedded(tmp_path / "index")
    alone = [store.ask([each])[0] for each in questions]
    statements.clear()

    assert store.ask(questions) == alone

    assert all(each.total for each in alone)
    is_once = not odd and most > len(DEPTHS)
    assert all("FROM recent" in each for each in statements) == is_once
    assert store.ask(questions[:1]) == alone[:1]
    store.close()


@pytest.mark.parametrize("odd", [False, True])
@pytest.mark.parametrize("query", ["", "level:ERROR", "level:NONE"])
def test_counts_of_one_question_are_as_each_alone(
    tmp_path: Path, query: str, *, odd: bool, statements: list[str]
) -> None:
    """The facets of a page have the counts that each has when nothing else is asked."""
    write_day(tmp_path / "index", odd=odd)
    store = open_embedded(tmp_path / "index")
    selection = Selection(query, NOON, NOON + 20 * HOUR)

    (answer,) = store.ask([Question(selection, FACETS)])

    for name, each in FACETS.items():
        (alone,) = store.ask([Question(selection, {name: each})])
        assert (answer.total, answer.results[name]) == (alone.total, alone.results[name]), name
    usual: Mapping[str, Aggregation] = {name: FACETS[name] for name in ("slots", "levels", "paths")}
    statements.clear()
    store.ask([Question(selection, usual)])
    assert len(statements) == 1
    store.close()
