"""
The questions of one request.

Those that count the records of different queries in the same slots of the same time share one
statement, which reads the records once: the curves of a page. So do those about the same records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shipper.store.api import (
    AggregateAnswer,
    DateHistogram,
    Percentiles,
    Question,
    Selection,
)
from shipper.store.embedded.aggregate import alone, is_untyped, quantiles_of, slot_of
from shipper.store.embedded.columns import quoted
from shipper.store.embedded.compile import Compiler
from shipper.store.embedded.sharing import is_within
from shipper.store.embedded.tally import Tallies, results
from shipper.store.questions import check, field_of, nested

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipper.store.embedded.view import View, Views

Shape = tuple[Selection, int | None]  # time without a query, length of a slot


def answers(questions: Sequence[Question], views: Views, view: View) -> list[AggregateAnswer]:
    """
    Answer questions, in their order.

    Raises:
        QueryError: a field or a query does not fit, or a field has too many values.
    """
    groups: dict[Shape, list[int]] = {}
    for number, question in enumerate(questions):
        check(question.aggregations)
        shape = _shape_of(question, view)
        if shape is not None:
            groups.setdefault(shape, []).append(number)
    found: dict[int, AggregateAnswer] = {}
    for (time, interval), numbers in groups.items():
        if len(numbers) > 1:
            of_group = [questions[number] for number in numbers]
            found |= zip(numbers, _together(of_group, time, interval, views, view), strict=True)
    rest = [number for number in range(len(questions)) if number not in found]
    found |= zip(rest, alone([questions[number] for number in rest], views, view), strict=True)
    return [found[number] for number in range(len(questions))]


def _shape_of(question: Question, view: View) -> Shape | None:
    """Return what a question must have in common with others that share its statement, if any."""
    selection = question.selection
    time = Selection("", selection.since, selection.until)
    if view.recent is not None and is_within(time, view.recent):
        return None  # what is in memory already is quicker one by one
    if view.chosen(selection) != view.chosen(time):
        return None  # its query says which few pieces it is about
    if not question.aggregations:
        return time, None
    slots = next(iter(question.aggregations.values()))
    if len(question.aggregations) > 1 or not isinstance(slots, DateHistogram):
        return None
    below = slots.aggregations.values()
    if all(isinstance(each, Percentiles) and not is_untyped(each) for each in below):
        return time, slots.interval_ms
    return None


def _together(
    questions: Sequence[Question],
    time: Selection,
    interval: int | None,
    views: Views,
    view: View,
) -> list[AggregateAnswer]:
    """Answer questions of one shape by one statement."""
    compiler = Compiler(odd=view.is_odd(time))
    columns: list[str] = []
    conditions: list[str] = []
    for number, question in enumerate(questions):
        condition = f"f{number}"
        conditions.append(compiler.selection(Selection(question.selection.query)))
        columns.append(f"count(*) FILTER ({condition})")
        columns += [
            f"{quantiles_of(quoted(field_of(each)[0]), each)} FILTER ({condition})"
            for each in _percentiles(question).values()
        ]
    flags = ", ".join(f"({each}) AS f{number}" for number, each in enumerate(conditions))
    either = " OR ".join(f"f{number}" for number in range(len(conditions)))
    slot = "0" if interval is None else slot_of(interval)
    rows = views.rows(
        f"SELECT {slot} AS slot, {', '.join(columns)} FROM (SELECT *, {flags} "
        f"FROM ({view.source(time)}) WHERE {_within(time, compiler)}) WHERE {either} GROUP BY slot",
        compiler,
    )
    return _read(questions, rows)


def _within(time: Selection, compiler: Compiler) -> str:
    bounds = [] if time.since is None else [f"_ms >= {compiler.value(time.since)}"]
    if time.until is not None:
        bounds.append(f"_ms < {compiler.value(time.until)}")
    return " AND ".join(bounds) or "TRUE"


def _read(questions: Sequence[Question], rows: Sequence[tuple[Any, ...]]) -> list[AggregateAnswer]:
    """Return the answers in the rows of a statement: a slot, then the columns of each question."""
    found, at = [], 1
    for question in questions:
        percentiles = _percentiles(question)
        tallies, total = Tallies(), 0
        for row in rows:
            number, *values = row[at : at + 1 + len(percentiles)]
            total += number
            for name in question.aggregations if number else ():
                below = tallies.counts_of(name).add(int(row[0]), number)
                for each, value in zip(percentiles, values, strict=True):
                    if value is not None:
                        below.percentiles[each] = [*map(float, value)]
        at += 1 + len(percentiles)
        within = results(question.aggregations, tallies, question.selection)
        found.append(AggregateAnswer(total, within))
    return found


def _percentiles(question: Question) -> Mapping[str, Percentiles]:
    """Return the percentiles that are asked for of each slot."""
    below = {} if not question.aggregations else nested(next(iter(question.aggregations.values())))
    return {name: each for name, each in below.items() if isinstance(each, Percentiles)}
