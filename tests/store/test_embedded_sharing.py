"""Many questions about one time: read once, and answered as each of them alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from shipper.store.api import (
    Aggregation,
    Average,
    Cardinality,
    DateHistogram,
    Distribution,
    Filters,
    Maximum,
    Percentiles,
    Question,
    Selection,
    Sum,
    Terms,
)
from shipper.store.embedded.cells import MOST_KEYS
from shipper.store.embedded.compile import Compiler
from shipper.store.embedded.sharing import named_columns, shared_time
from shipper.store.embedded.view import Views
from shipper.store.opening import open_embedded
from tests.store.store_records import NOON, record, write_parts

HOUR = 3_600_000
LEVELS = Terms("level")
DAY = Selection("", NOON, NOON + 24 * HOUR)

ASKED: list[tuple[str, dict[str, Aggregation]]] = [
    ("", {"levels": Terms("level"), "hosts": Terms("host.name", 5, {"n": Terms("level")})}),
    ("level:ERROR", {"most": Maximum("duration_ms"), "paths": Cardinality("path")}),
    ("extra.depth:*", {"depths": Terms("extra.depth", 5, {"mean": Average("extra.depth")})}),
    ("tags:slow", {"tags": Terms("tags")}),
    ("message:failed", {"slots": DateHistogram(HOUR, {"p": Percentiles("duration_ms")})}),
    ("", {"slots": DateHistogram(HOUR, {"bins": Distribution("duration_ms")}, filled=False)}),
    ("", {"bins": Distribution("duration_ms"), "sum": Sum("duration_ms")}),
    ("level:NONE", {"bins": Distribution("duration_ms"), "sum": Sum("duration_ms")}),
    ("", {"two": Distribution("duration_ms"), "bins": Distribution("execution_time_ms")}),
    ("", {"bins": Distribution("duration_ms"), "p": Percentiles("duration_ms")}),
    ("", {"named": Filters({"old": "path:/a*"}, {"depth": Sum("extra.depth")})}),
]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A day of records, of which some lack each field, and others before and after it."""
    records = [
        record(
            *(number, NOON - HOUR + number * 180_000),
            level=("INFO", "ERROR")[number % 2],
            message=f"{number} failed" if number % 3 else "done",
            path=f"/a{number % 7}" if number % 5 else f"/b{number}",
            tags=["slow", "odd"] if number % 4 else ["slow"],
            host={"name": f"h{number % 3}"},
            extra={"depth": number % 4} if number % 6 else {},
            **({"duration_ms": 3 ** (number % 12)} if number % 7 else {}),
        )
        for number in range(600)
    ]
    found = tmp_path_factory.mktemp("sharing") / "index"
    write_parts(found, [records[::2], records[1::2]], batch=100)
    return found


@pytest.mark.parametrize("hours", [1, 24])
def test_questions_about_one_time_are_answered_as_each_alone(path: Path, hours: int) -> None:
    """Fields, keys of objects, tags, texts, quantiles and bins; an empty selection, too."""
    until = NOON + hours * HOUR
    questions = [Question(Selection(query, NOON, until), asked) for query, asked in ASKED]
    store = open_embedded(path)
    assert shared_time([each.selection for each in questions]) is not None

    together = store.ask(questions)

    assert together == [store.ask([each])[0] for each in questions]
    assert together[0].total == 20 * hours
    store.close()


def test_what_is_asked_of_the_same_records_is_one_statement(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All levels of a question, and of others with its selection, read the records once."""
    statements = []
    rows = Views.rows

    def counted(self: Views, sql: str, compiler: Compiler) -> list[tuple[Any, ...]]:
        statements.append(sql)
        return rows(self, sql, compiler)

    monkeypatch.setattr(Views, "rows", counted)
    timing: dict[str, Aggregation] = {"b": Distribution("duration_ms"), "m": Maximum("duration_ms")}
    asked: list[dict[str, Aggregation]] = [
        {"levels": Terms("level"), "late": Filters({"late": "duration_ms:>9"}), **timing},
        {"hours": DateHistogram(HOUR, timing), "hosts": Terms("host.name", 5, {"l": LEVELS})},
        {"paths": Terms("path", 3, {"depth": Sum("extra.depth"), "l": LEVELS}), "n": LEVELS},
    ]
    store = open_embedded(path)

    together = store.ask([Question(DAY, each) for each in asked])

    assert len(statements) == 1
    monkeypatch.undo()
    for aggregations, answer in zip(asked, together, strict=True):
        for name, each in aggregations.items():
            (alone,) = store.ask([Question(DAY, {name: each})])
            assert (alone.total, alone.results[name]) == (answer.total, answer.results[name])
    store.close()


def test_more_keys_than_a_statement_has_room_for_are_several(path: Path) -> None:
    """Each key has a bit in a number, which has 63."""
    store = open_embedded(path)
    slots: dict[str, Aggregation] = {f"s{n}": DateHistogram(HOUR + n) for n in range(2 * MOST_KEYS)}

    (answer,) = store.ask([Question(DAY, slots)])

    for name, each in slots.items():
        assert store.ask([Question(DAY, {name: each})])[0].results[name] == answer.results[name]
    store.close()


def test_questions_beside_the_shared_time_are_answered_on_all_records(path: Path) -> None:
    """Only what lies in the shared time is asked there."""
    store = open_embedded(path)
    questions = [Question(DAY, ASKED[0][1])] * 4
    other = Question(Selection("", NOON - HOUR, NOON), {"tags": Terms("tags")})

    answers = store.ask([*questions, other])

    assert answers[-1] == store.ask([other])[0]
    assert answers[-1].total == 20
    store.close()


def test_a_time_is_shared_by_four_questions() -> None:
    """Fewer are cheaper alone; a time without an end is not shared."""
    assert shared_time([DAY] * 3) is None
    assert shared_time([DAY] * 4) == DAY
    assert shared_time([Selection("level:INFO", DAY.since, DAY.until)] * 4) == DAY
    assert shared_time([Selection("", NOON, None)] * 4) is None
    assert shared_time([]) is None


def test_only_the_columns_that_questions_name_are_read() -> None:
    """Texts and keys of objects, which are most of a record, only where they are asked for."""
    plain = Question(DAY, {"routes": Terms("route", 5, {"most": Maximum("duration_ms")})})
    assert named_columns([plain]) == ["_ms", "route", "duration_ms", "event.dataset"]

    keys = Question(Selection("message:failed", *(DAY.since, DAY.until)), {"d": Sum("extra.depth")})
    assert {"message", "_leaves"} <= {*named_columns([keys])}
