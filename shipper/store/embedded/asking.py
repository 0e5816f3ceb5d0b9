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
    Terms,
)
from shipper.store.embedded.aggregate import (
    STATISTICS,
    alone,
    in_parts,
    is_single,
    is_untyped,
    quantiles_of,
    slot_of,
)
from shipper.store.embedded.columns import quoted
from shipper.store.embedded.compile import Compiler
from shipper.store.embedded.sharing import is_within, reads_keys
from shipper.store.embedded.tally import Tallies, results
from shipper.store.questions import check, field_of, nested

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shipper.store.embedded.view import View, Views

Keys = tuple[bool | str, ...]
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
    found |= _of_keys(questions, rest, views, view)
    rest = [number for number in rest if number not in found]
    for numbers, time in _parted(questions, rest, view):
        parts = in_parts([questions[number] for number in numbers], time, views, view)
        found |= zip(numbers, parts, strict=True)
    rest = [number for number in rest if number not in found]
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


def _parted(
    questions: Sequence[Question], numbers: Sequence[int], view: View
) -> Iterator[tuple[list[int], Selection]]:
    """Yield questions with the same keys and about the same time, nearly, and the time of all."""
    alike: dict[Keys, list[int]] = {}
    for number in numbers:
        keys = _keys_of(questions[number], view)
        if keys is not None:
            alike.setdefault(keys, []).append(number)
    for found in alike.values():
        time = _time_of([questions[number].selection for number in found])
        if time is not None:
            yield found, time


def _time_of(selections: Sequence[Selection]) -> Selection | None:
    """Return the time of several selections, if each lasts for more than half of it."""
    times = [(each.since, each.until) for each in selections]
    bounds = [(since, until) for since, until in times if since is not None and until is not None]
    if len(bounds) < len(times) or len(bounds) < 2:
        return None
    since, until = min(first for first, _ in bounds), max(last for _, last in bounds)
    if any(2 * (last - first) <= until - since for first, last in bounds):
        return None
    return Selection("", since, until)


def _of_keys(
    questions: Sequence[Question], numbers: Sequence[int], views: Views, view: View
) -> dict[int, AggregateAnswer]:
    """
    Return the answers to questions about keys without a column, by their numbers.

    To read these keys takes longer than all else. So what such questions find is read once, if it
    is not much.
    """
    if view.is_odd() or view.recent is not None:
        return {}
    reading = [number for number in numbers if reads_keys(questions[number])]
    asked = [questions[number] for number in reading]
    time = _time_of([each.selection for each in asked])
    if time is None:
        return {}
    with views.found(view, asked, time) as found:
        return {} if found is None else dict(zip(reading, alone(asked, views, found), strict=True))


def _keys_of(question: Question, view: View) -> Keys | None:
    """
    Return what a question with statistics only is grouped by; None unless these are single values.

    The first says whether keys without a column are read, which is not done for other questions.
    """
    selection = question.selection
    time = Selection("", selection.since, selection.until)
    if time.since is None or time.until is None or view.is_odd():
        return None
    if view.recent is not None and is_within(time, view.recent):
        return None
    if view.chosen(selection) != view.chosen(time):
        return None
    keys: list[str] = []
    below = question.aggregations
    while len(below) == 1 and not isinstance(each := next(iter(below.values())), STATISTICS):
        if not isinstance(each, (Terms, DateHistogram)) or not is_single(field_of(each)):
            return None
        keys.append(slot_of(each.interval_ms) if isinstance(each, DateHistogram) else each.field)
        below = each.aggregations
    if not keys or not all(isinstance(each, STATISTICS) for each in below.values()):
        return None
    return reads_keys(question), *keys


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
