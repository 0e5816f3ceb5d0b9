"""
The protocol of the stores: their questions, and the form of their answers.

The embedded store and Elasticsearch implement it alike. A store that cannot answer a question
exactly raises `QueryError`; it never answers a similar one instead.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from enum import StrEnum
from typing import Any, Protocol


class Sort(StrEnum):
    """Order of hits by `@timestamp`, of equal times as they were stored; DESC is the reverse."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class Selection:
    """
    The records that a question is about.

    `query` is written in the query language (docs/search.md); empty means all records. `since`
    (included) and `until` (excluded) bound `@timestamp` in epoch milliseconds; None: no bound.
    """

    query: str = ""
    since: int | None = None
    until: int | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """One stored record: its `_id`, its `@timestamp` in epoch milliseconds, its fields."""

    id: str
    time: int
    source: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Hits:
    """The hits of a search, and the total number of records that match."""

    hits: Sequence[Hit]
    total: int


@dataclass(frozen=True, slots=True)
class Terms:
    """Counts per value of a field, most frequent first, equal counts by value."""

    field: str
    size: int = 10
    aggregations: Mapping[str, Aggregation] = default(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DateHistogram:
    """
    Counts per time slot of `interval_ms`, aligned to the epoch, oldest first.

    With `filled`, empty slots have a count of 0: those between the first and the last record, or
    between the bounds of the selection if it has both.
    """

    interval_ms: int
    aggregations: Mapping[str, Aggregation] = default(default_factory=dict)
    filled: bool = True


@dataclass(frozen=True, slots=True)
class Filters:
    """Counts per named query of the query language."""

    queries: Mapping[str, str]
    aggregations: Mapping[str, Aggregation] = default(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles of a numeric field, within 1 % of the true value."""

    field: str
    percents: Sequence[float] = (50.0, 95.0, 99.0)


@dataclass(frozen=True, slots=True)
class Distribution:
    """
    Counts of a numeric field per bin of a fixed scale (shipper/store/distribution.py).

    Unlike percentiles, the counts of several selections add up. Keys of objects have no types, so
    they have none.
    """

    field: str


@dataclass(frozen=True, slots=True)
class Average:
    """Mean of a numeric field."""

    field: str


@dataclass(frozen=True, slots=True)
class Sum:
    """Sum of a numeric field."""

    field: str


@dataclass(frozen=True, slots=True)
class Minimum:
    """Minimum of a numeric field."""

    field: str


@dataclass(frozen=True, slots=True)
class Maximum:
    """Maximum of a numeric field."""

    field: str


@dataclass(frozen=True, slots=True)
class Cardinality:
    """Number of distinct values of a field."""

    field: str


Statistic = Average | Sum | Minimum | Maximum
Aggregation = Terms | DateHistogram | Filters | Percentiles | Distribution | Statistic | Cardinality


@dataclass(frozen=True, slots=True)
class Bucket:
    """A value, time slot (epoch ms) or filter name, its count, and the results nested in it."""

    key: str | int | float
    count: int
    results: Mapping[str, Result] = default(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Result of Terms, DateHistogram and Filters; `others` counts the values beyond `size`."""

    buckets: Sequence[Bucket]
    others: int = 0


@dataclass(frozen=True, slots=True)
class Number:
    """Result of a statistic or of Cardinality; None if no record has a number."""

    value: float | None


@dataclass(frozen=True, slots=True)
class PercentileValues:
    """Result of Percentiles: percent → value; None if no record has the field."""

    values: Mapping[float, float | None]


@dataclass(frozen=True, slots=True)
class DistributionCounts:
    """Result of Distribution: number of a bin → count, without the empty bins."""

    counts: Mapping[int, int]


Result = Buckets | Number | PercentileValues | DistributionCounts


@dataclass(frozen=True, slots=True)
class Question:
    """Aggregations over one selection; many questions are one request."""

    selection: Selection
    aggregations: Mapping[str, Aggregation] = default(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AggregateAnswer:
    """The number of records in the selection, and a result per aggregation."""

    total: int
    results: Mapping[str, Result]


def buckets_of(answer: AggregateAnswer | Bucket, name: str) -> Buckets:
    """Return the buckets of the Terms, DateHistogram or Filters aggregation called `name`."""
    result = answer.results[name]
    assert isinstance(result, Buckets), f"{name} has no buckets"
    return result


class Store(Protocol):
    """
    A store that answers queries; used by one thread at a time.

    Every method raises `QueryError` for a question it cannot answer and `StoreUnavailable` while
    the store cannot be read.
    """

    def search(
        self, selection: Selection, *, limit: int, sort: Sort = Sort.DESC, counted: bool = True
    ) -> Hits:
        """
        Return the first `limit` records of the selection in that order.

        Unless they are `counted`, which may take far longer than to find them, the total may be
        just the number of hits.
        """

    def count(self, selection: Selection) -> int:
        """Return the number of records in the selection."""

    def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
        """Answer many questions in one request."""

    def follow(self, selection: Selection) -> Iterator[Sequence[Hit]]:
        """
        Yield the records that become searchable from now on, each once.

        Endless: every step yields at once what is new since the step before, possibly nothing;
        the caller waits between the steps.
        """

    def cancel(self) -> None:
        """
        End what another thread is asking, and answer nothing from now on.

        Called again and again until it has ended: one call may come between two steps of it.
        """

    def close(self) -> None:
        """Close what is open; a second call does nothing."""
