"""
What a dashboard consists of, without a word of Kibana's: questions, and the form of their answers.

Queries are in our own language (docs/search.md). shipper/kibana/bodies.py writes all of it as
Kibana wants it; the tests put the same questions to our own store and compare the numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Measuring(StrEnum):
    """How a number is made of the records."""

    COUNT = "count"
    SHARE = "share"  # records of `where` among those of `to`
    AVERAGE = "average"
    PERCENTILE = "percentile"
    UNIQUE = "unique_count"
    MINIMUM = "min"
    MAXIMUM = "max"
    LAST = "last_value"


class Unit(StrEnum):
    """How a number is written."""

    NUMBER = "number"
    DECIMAL = "decimal"
    PERCENT = "percent"  # of a share, 0 to 1
    MILLISECONDS = "ms"
    SECONDS = "s"
    BYTES = "bytes"
    PLAIN = "plain"  # a time or a text, as the data view has it


@dataclass(frozen=True, slots=True)
class Target:
    """From `good` on all is well, from `bad` on it is not; in between it is worth a look."""

    good: float
    bad: float


@dataclass(frozen=True, slots=True)
class Measure:
    """A number: of a field (but for counts and shares), among the records of `where`."""

    label: str
    kind: Measuring = Measuring.COUNT
    field: str = ""
    where: str = ""
    to: str = ""
    percent: int = 95
    unit: Unit = Unit.NUMBER
    target: Target | None = None
    per_minute: bool = False  # of a chart over time, whatever the length of its slots


@dataclass(frozen=True, slots=True)
class Grouping:
    """One row, slice or colour for each of the `most` values, the first measure's largest first."""

    field: str
    label: str
    most: int = 10


@dataclass(frozen=True, slots=True)
class ReferenceLine:
    """A line across a chart."""

    label: str
    value: float
    bad: bool = False


class Form(StrEnum):
    """How the answer is shown."""

    NUMBER = "number"
    LINES = "lines"  # over time
    BARS = "bars"  # over time, stacked
    TABLE = "table"
    PIE = "pie"


@dataclass(frozen=True, slots=True)
class ChartPanel:
    """One question: the measures of the records of `query`, as a whole, over time, or by value."""

    key: str
    title: str
    answers: str
    form: Form
    query: str
    measures: tuple[Measure, ...]
    by: Grouping | None = None
    thresholds: tuple[ReferenceLine, ...] = ()
    leads_to: str = ""  # the dashboard with the details
    width: int = 24
    height: int = 12


@dataclass(frozen=True, slots=True)
class RecordsPanel:
    """The records of a query, newest first unless sorted by another field (largest first)."""

    key: str
    title: str
    answers: str
    query: str
    columns: tuple[str, ...]
    sort: str = "@timestamp"
    width: int = 48
    height: int = 14


Panel = ChartPanel | RecordsPanel


@dataclass(frozen=True, slots=True)
class Dashboard:
    """A page: how to read it (Markdown), and its panels in rows of 48 columns."""

    key: str
    title: str
    answers: str
    reading: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class DiscoverSession:
    """A saved Discover session: a question of the troubleshooting, as a list of records."""

    key: str
    title: str
    answers: str
    query: str
    columns: tuple[str, ...]
    sort: str = "@timestamp"
