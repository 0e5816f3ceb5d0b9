"""
A store as plain as can be: a list of records that is walked through for every question.

It does not know the query language: tests give it a predicate for each query text they use, so it
shares nothing with the code under test but the words of the api.
"""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

from shipper.fields import ALIASES
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
    Result,
    Selection,
    Sort,
    Statistic,
    Sum,
    Terms,
)
from shipper.store.distribution import BOUNDS
from tests.store.store_records import Record

Predicate = Callable[[Record], bool]


def values(record: Record, path: str) -> list[Any]:
    """Return all strings, numbers and booleans of a record at a dotted path."""
    found = _walk(record.fields, ALIASES.get(path, path))
    return [_read(value) if path.startswith("extra.") else value for value in found]


def _read(value: Any) -> Any:
    """Return the number or boolean that a text under `extra` spells, or the text."""
    try:
        meant = json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value
    if isinstance(meant, bool):
        return meant
    if not _is_number(meant) or value not in (meant, json.dumps(meant), json.dumps(float(meant))):
        return value
    return meant


def _written(value: Any) -> str:
    """Return a value as JSON writes it, whole numbers as integers."""
    if isinstance(value, str):
        return value
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else value)


def _walk(value: Any, path: str) -> Iterable[Any]:
    if isinstance(value, list):
        for below in value:
            yield from _walk(below, path)
    elif not path:
        if not isinstance(value, dict) and value is not None:
            yield value
    elif isinstance(value, dict):
        for key, below in value.items():
            if path == key:
                yield from _walk(below, "")
            elif path.startswith(f"{key}."):
                yield from _walk(below, path[len(key) + 1 :])


def leaves(value: Any) -> int:
    """Return the number of values at and below a value."""
    if isinstance(value, dict):
        return sum(map(leaves, value.values()))
    if isinstance(value, list):
        return sum(map(leaves, value))
    return value is not None


# Predicates.


def has(path: str, value: Any) -> Predicate:
    """Match a keyword or number."""

    def holds(record: Record) -> bool:
        return any(_same(found, value) for found in values(record, path))

    return holds


def _same(found: Any, value: Any) -> bool:
    return isinstance(found, bool) == isinstance(value, bool) and found == value


def any_of(*predicates: Predicate) -> Predicate:
    """Match at least one of them."""
    return lambda record: any(holds(record) for holds in predicates)


def all_of(*predicates: Predicate) -> Predicate:
    """Match all of them."""
    return lambda record: all(holds(record) for holds in predicates)


def no(predicate: Predicate) -> Predicate:
    """Match what another does not."""
    return lambda record: not predicate(record)


def words(text: str) -> list[str]:
    """Split a text into words as the stores do."""
    return ["".join(map(_small, word)) for word in re.findall(r"[^\W_]+", text)]


def _small(character: str) -> str:
    """Return one character in lower case; that of a dotted I would be two."""
    return character.lower()[0]


def says(path: str, phrase: str) -> Predicate:
    """Match a text with these words in a row."""
    wanted = words(phrase)

    def holds(record: Record) -> bool:
        return any(
            found[start : start + len(wanted)] == wanted
            for text in values(record, path)
            for found in [words(text)]
            for start in range(len(found))
        )

    return holds


def like(path: str, regex: str) -> Predicate:
    """Match a string by a wildcard pattern."""
    form = re.compile(regex, re.DOTALL)
    return lambda record: any(
        form.fullmatch(_written(found)) is not None
        for found in values(record, path)
        if isinstance(found, str) or path.startswith("extra.")
    )


def word_like(path: str, regex: str) -> Predicate:
    """Match one word of a text by a wildcard pattern."""
    return lambda record: any(
        re.fullmatch(regex, word) for text in values(record, path) for word in words(text)
    )


def within(path: str, lower: float, upper: float) -> Predicate:
    """Match a number between two, both included."""
    return lambda record: any(
        not isinstance(found, (str, bool)) and lower <= found <= upper
        for found in values(record, path)
    )


def time_within(lower: float, upper: float) -> Predicate:
    """Match a time between two, both included."""
    return lambda record: lower <= record.time <= upper


def exists(path: str) -> Predicate:
    """Match a value at the path, or below it except under `extra`."""

    def holds(record: Record) -> bool:
        if path.startswith("extra."):
            return bool(values(record, path))
        return bool(leaves(_below(record.fields, path)))

    return holds


def _below(value: Any, path: str) -> Any:
    if not path:
        return value
    if isinstance(value, list):
        return [_below(item, path) for item in value]
    if isinstance(value, dict):
        return [
            _below(below, path[len(key) + 1 :])
            for key, below in value.items()
            if path == key or path.startswith(f"{key}.")
        ]
    return None


# Questions.


@dataclass
class Reference:
    """The records in the order they were stored, and what each query text means."""

    records: Sequence[Record]
    meanings: Mapping[str, Predicate] = field(default_factory=dict)

    def select(self, selection: Selection) -> list[Record]:
        """Return the records of a selection in the order they were stored."""
        meaning = self.meanings[selection.query] if selection.query else lambda _: True
        since = -math.inf if selection.since is None else selection.since
        until = math.inf if selection.until is None else selection.until
        return [r for r in self.records if since <= r.time < until and meaning(r)]

    def search(self, selection: Selection, limit: int, sort: Sort) -> list[str]:
        """Return the ids of the hits."""
        found = sorted(self.select(selection), key=lambda r: r.time)
        ordered = found if sort is Sort.ASC else found[::-1]
        return [r.id for r in ordered[:limit]]

    def ask(self, selection: Selection, asked: Mapping[str, Aggregation]) -> dict[str, Result]:
        """Answer aggregations."""
        return self._results(asked, self.select(selection), selection)

    def _results(
        self, asked: Mapping[str, Aggregation], records: list[Record], selection: Selection
    ) -> dict[str, Result]:
        return {name: self._result(a, records, selection) for name, a in asked.items()}

    def _result(  # noqa: PLR0911 - one per aggregation
        self, a: Aggregation, records: list[Record], selection: Selection
    ) -> Result:
        match a:
            case Terms():
                return self._terms(a, records, selection)
            case DateHistogram():
                return self._histogram(a, records, selection)
            case Filters():
                buckets = []
                for name, query in a.queries.items():
                    found = [r for r in records if self.meanings[query](r)]
                    below = self._results(a.aggregations, found, selection)
                    buckets.append(Bucket(name, len(found), below))
                return Buckets(buckets)
            case Percentiles():
                return _percentiles(a, _numbers(records, a.field))
            case Distribution():
                bins = Counter(bisect_right(BOUNDS, n) for n in _numbers(records, a.field))
                return DistributionCounts(dict(sorted(bins.items())))
            case Cardinality():
                return Number(len({key for r in records for key in _keys(r, a.field)}))
            case _:
                numbers = _numbers(records, a.field)
                return Number(_statistic(a, numbers) if numbers else None)

    def _terms(self, a: Terms, records: list[Record], selection: Selection) -> Buckets:
        by_key: dict[Any, list[Record]] = {}
        for record in records:
            for key in _keys(record, a.field):
                by_key.setdefault(key, []).append(record)
        ordered = sorted(
            by_key.items(), key=lambda kr: (-len(kr[1]), isinstance(kr[0], str), kr[0])
        )
        first, rest = ordered[: a.size], ordered[a.size :]
        return Buckets(
            [Bucket(k, len(rs), self._results(a.aggregations, rs, selection)) for k, rs in first],
            sum(len(rs) for _, rs in rest),
        )

    def _histogram(self, a: DateHistogram, records: list[Record], selection: Selection) -> Buckets:
        step = a.interval_ms
        by_slot: dict[int, list[Record]] = {}
        for record in records:
            by_slot.setdefault(record.time // step * step, []).append(record)
        slots: Sequence[int]
        if not a.filled:
            slots = sorted(by_slot)
        elif selection.since is not None and selection.until is not None:
            slots = range(selection.since // step * step, selection.until, step)
        else:
            slots = range(min(by_slot, default=0), max(by_slot, default=-1) + 1, step)
        return Buckets(
            [
                Bucket(
                    slot,
                    len(by_slot.get(slot, [])),
                    self._results(a.aggregations, by_slot.get(slot, []), selection),
                )
                for slot in slots
            ]
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 2**63


def _numbers(records: list[Record], path: str) -> list[float]:
    """Return the numbers of a field, each once per record."""
    return sorted(n for r in records for n in {x for x in values(r, path) if _is_number(x)})


def _keys(record: Record, path: str) -> set[Any]:
    keys = set()
    for value in values(record, path):
        if isinstance(value, bool):
            keys.add(str(value).lower())
        elif isinstance(value, str) or _is_number(value):
            keys.add(value)
        else:  # more than 64 bits hold
            keys.add(str(value))
    return {key for key in keys if not isinstance(key, str) or len(key.encode()) <= 65_530}


def _statistic(a: Statistic, numbers: list[float]) -> float:
    made: dict[type[Statistic], Callable[[list[float]], float]] = {
        Average: fmean,
        Sum: math.fsum,
        Minimum: min,
        Maximum: max,
    }
    return made[type(a)](numbers)


def _percentiles(a: Percentiles, numbers: list[float]) -> PercentileValues:
    def rank(percent: float) -> float | None:
        if not numbers:
            return None
        return numbers[max(1, math.ceil(percent / 100 * len(numbers))) - 1]

    return PercentileValues({percent: rank(percent) for percent in a.percents})
