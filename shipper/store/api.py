"""
The questions that every store answers, and the form of the answers.

The embedded index and Elasticsearch stand behind one protocol. A store that cannot answer a
question raises `QueryError`; it never gives the answer to another question.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from enum import StrEnum
from typing import Any, Protocol


class Sort(StrEnum):
    """Order of the hits by `@timestamp`; equal times stay in the order they were stored."""

    ASC = "asc"
    DESC = "desc"


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Which records a question is about.

    `query` is in the query language (docs/search.md), empty for all; `since` (included) and
    `until` (excluded) bound `@timestamp`, in milliseconds since the epoch, None for no bound.
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
    """The records asked for, and how many there are in all."""

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

    Empty slots between the first and the last record (or between the bounds of the selection,
    where it has both) are there with a count of 0, unless it is not to be `filled`.
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
class Average:
    """Mean of a numeric field."""

    field: str


@dataclass(frozen=True, slots=True)
class Sum:
    """Sum of a numeric field."""

    field: str


@dataclass(frozen=True, slots=True)
class Minimum:
    """The smallest number of a field."""

    field: str


@dataclass(frozen=True, slots=True)
class Maximum:
    """The largest number of a field."""

    field: str


@dataclass(frozen=True, slots=True)
class Cardinality:
    """Number of distinct values of a field."""

    field: str


Statistic = Average | Sum | Minimum | Maximum
Aggregation = Terms | DateHistogram | Filters | Percentiles | Statistic | Cardinality


@dataclass(frozen=True, slots=True)
class Bucket:
    """A value, a time slot (epoch milliseconds) or a name; its count; what was asked within."""

    key: str | int | float
    count: int
    results: Mapping[str, Result] = default(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Buckets:
    """Answer to Terms, DateHistogram and Filters; `others` counts what Terms cut off."""

    buckets: Sequence[Bucket]
    others: int = 0


@dataclass(frozen=True, slots=True)
class Number:
    """Answer to a statistic and to Cardinality; None where there is no number to make it of."""

    value: float | None


@dataclass(frozen=True, slots=True)
class PercentileValues:
    """Answer to Percentiles: percent → value; None where no record has the field."""

    values: Mapping[float, float | None]


Result = Buckets | Number | PercentileValues


@dataclass(frozen=True, slots=True)
class Question:
    """Aggregations over one selection; many questions go out as one request."""

    selection: Selection
    aggregations: Mapping[str, Aggregation] = default(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AggregateAnswer:
    """How many records the selection has, and a result per aggregation asked for."""

    total: int
    results: Mapping[str, Result]


def buckets_of(answer: AggregateAnswer | Bucket, name: str) -> Buckets:
    """Give what was asked for under `name` by Terms, DateHistogram or Filters."""
    result = answer.results[name]
    assert isinstance(result, Buckets), f"{name} was asked for as something else"
    return result


class Store(Protocol):
    """
    A store that can be asked; used by one thread at a time.

    Every method raises `QueryError` for a question it cannot answer and `StoreUnavailable`
    where the store cannot be read now.
    """

    def search(self, selection: Selection, *, limit: int, sort: Sort = Sort.DESC) -> Hits:
        """Give the first `limit` records of the selection in that order."""

    def count(self, selection: Selection) -> int:
        """Count the records of the selection."""

    def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
        """Answer many questions in one request."""

    def follow(self, selection: Selection) -> Iterator[Sequence[Hit]]:
        """
        Give the records that become searchable from now on, each once, as they arrive.

        Endless: every step gives what is new since the one before, at once and possibly
        nothing; the caller waits between the steps.
        """

    def close(self) -> None:
        """Let go of what is open; a second call does nothing."""
