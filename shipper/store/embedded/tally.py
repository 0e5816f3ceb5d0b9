"""Tallies of the rows that DuckDB returns, and the results made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from shipper.store.answers import (
    MAX_VALUES,
    Key,
    by_frequency,
    slots_of,
    too_many_values,
)
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
    Statistic,
    Sum,
    Terms,
)


@dataclass(slots=True)
class NumberTally:
    """Count and sum of numbers, the smallest and the largest."""

    count: int = 0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")

    def add(self, count: int, total: float, least: float | None, most: float | None) -> None:
        """Add numbers; `least` and `most` are None if there are none."""
        self.count += count
        self.total += total
        if least is not None and most is not None:
            self.least = min(self.least, least)
            self.most = max(self.most, most)


@dataclass(slots=True)
class Counts:
    """Records per key, and the tallies nested in each."""

    counts: dict[Key, int] = field(default_factory=dict)
    below: dict[Key, Tallies] = field(default_factory=dict)

    def add(self, key: Key, count: int) -> Tallies:
        """Add to the count of a key; return the tallies nested in it."""
        self.counts[key] = self.counts.get(key, 0) + count
        below = self.below.get(key)
        if below is None:
            below = self.below[key] = Tallies()
        return below


@dataclass(slots=True)
class Tallies:
    """What was tallied at one level, by the name of the aggregation."""

    counts: dict[str, Counts] = field(default_factory=dict)
    numbers: dict[str, NumberTally] = field(default_factory=dict)
    percentiles: dict[str, list[float | None]] = field(default_factory=dict)
    bins: dict[str, Counter[int]] = field(default_factory=dict)

    def bins_of(self, name: str) -> Counter[int]:
        """Return the bins of an aggregation."""
        found = self.bins.get(name)
        if found is None:
            found = self.bins[name] = Counter()
        return found

    def counts_of(self, name: str) -> Counts:
        """Return the counts of an aggregation."""
        found = self.counts.get(name)
        if found is None:
            found = self.counts[name] = Counts()
        return found

    def numbers_of(self, name: str) -> NumberTally:
        """Return the numbers of an aggregation."""
        found = self.numbers.get(name)
        if found is None:
            found = self.numbers[name] = NumberTally()
        return found


def results(
    aggregations: Mapping[str, Aggregation], tallies: Tallies, selection: Selection
) -> dict[str, Result]:
    """Return the results of one level."""
    return {
        name: _one(name, aggregation, tallies, selection)
        for name, aggregation in aggregations.items()
    }


def _one(name: str, aggregation: Aggregation, tallies: Tallies, selection: Selection) -> Result:
    match aggregation:
        case Percentiles():
            return _percentiles(aggregation, tallies.percentiles.get(name))
        case Distribution():
            return DistributionCounts(dict(sorted(tallies.bins.get(name, {}).items())))
        case _:
            counts = tallies.counts.get(name, _NO_COUNTS)
            return _result(aggregation, counts, tallies.numbers.get(name, _NO_NUMBERS), selection)


_NO_COUNTS, _NO_NUMBERS = Counts(), NumberTally()  # only read


def _result(
    aggregation: Aggregation, counts: Counts, numbers: NumberTally, selection: Selection
) -> Result:
    match aggregation:
        case Terms():
            return _terms(aggregation, counts, selection)
        case DateHistogram():
            times = [int(key) for key in counts.counts]
            keys = slots_of(aggregation, times, selection)
            return Buckets([_bucket(key, aggregation, counts, selection) for key in keys])
        case Filters():
            names = aggregation.queries
            return Buckets([_bucket(name, aggregation, counts, selection) for name in names])
        case Cardinality():
            limit_values(aggregation.field, len(counts.counts))
            return Number(len(counts.counts))
        case _:
            assert not isinstance(aggregation, Percentiles | Distribution)
            return Number(_statistic(aggregation, numbers) if numbers.count else None)


def _statistic(aggregation: Statistic, numbers: NumberTally) -> float:
    match aggregation:
        case Average():
            return numbers.total / numbers.count
        case Sum():
            return numbers.total
        case Minimum():
            return numbers.least
        case Maximum():
            return numbers.most


def _terms(aggregation: Terms, counts: Counts, selection: Selection) -> Buckets:
    limit_values(aggregation.field, len(counts.counts))
    by_count = by_frequency(counts.counts)
    first = by_count[: aggregation.size]
    others = sum(count for _, count in by_count[aggregation.size :])
    return Buckets([_bucket(key, aggregation, counts, selection) for key, _ in first], others)


def _bucket(
    key: Key, aggregation: Terms | DateHistogram | Filters, counts: Counts, selection: Selection
) -> Bucket:
    if not aggregation.aggregations:
        return Bucket(key, counts.counts.get(key, 0))
    below = counts.below.get(key) or Tallies()
    within = results(aggregation.aggregations, below, selection)
    return Bucket(key, counts.counts.get(key, 0), within)


def _percentiles(
    aggregation: Percentiles, values: Sequence[float | None] | None
) -> PercentileValues:
    found = values or [None] * len(aggregation.percents)
    return PercentileValues(dict(zip(aggregation.percents, found, strict=True)))


def limit_values(field_name: str, values: int) -> None:
    """Raise `QueryError` for a field with too many values to count exactly."""
    if values > MAX_VALUES:
        raise too_many_values(field_name, MAX_VALUES)
