"""
The metrics of a day, a week or a month: what a metrics file holds.

`PeriodMetrics` is the form of the files `metrics/YYYY-MM-DD.json` and `…/monthly/YYYY-MM.json`,
`config/metrics.schema.json` its JSON Schema, written by `make docs`. Counts add up exactly.
Times are in milliseconds. Percentiles come from `bins`, which add up as well, and are within 1 % of
the true ones (shipper/store/distribution.py). A rate is null where there is nothing to divide by.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from shipper.store.distribution import merged, percentile_of

VERSION: Final = 1  # of the form
OTHERS: Final = "(others)"  # what is beyond the values that are listed
NONE: Final = "(none)"  # records without the field
MOST_NAMES: Final = 50  # routes and workflows that a file lists; Elasticsearch makes 65,536 buckets
# at most in one answer, of which a distribution takes 882
MOST_HOSTS: Final = 200
MOST_TYPES: Final = 100
MOST: Final = 1e15  # of any number: what a record claims beyond it counts as that


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """
    Requests or executions: how many, how many failed, how long they took.

    `failed` are answers of 5xx or failed executions, `refused` answers of 4xx. `timed` of `count`
    have a duration; `total_ms`, `max_ms` and `bins` (pairs of bin and count) are about these.
    """

    name: str = ""
    count: int = 0
    failed: int = 0
    refused: int = 0
    timed: int = 0
    success_rate: float | None = None
    average_ms: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    total_ms: float = 0.0
    bins: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Uptime:
    """
    Minutes in which health was polled: `up` in those with a poll that was answered as healthy.

    Minutes without a poll are not `polled`, and count neither as up nor as down. `planned` are
    minutes down during maintenance.
    """

    share: float | None = None
    polled_minutes: int = 0
    up_minutes: int = 0
    planned_minutes: int = 0
    unplanned_minutes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """
    Executions that ended within the target time (`in_time` of `finished`), and those that waited.

    `samples` are the health records that say how many waited.
    """

    share: float | None = None
    finished: int = 0
    in_time: int = 0
    samples: int = 0
    pending_total: int = 0
    pending_average: float | None = None
    pending_max: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HostMetrics:
    """What one host wrote."""

    name: str
    records: int = 0
    requests: int = 0
    failed: int = 0
    errors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """An hour of a day, or a day of a longer period; `at` is its beginning."""

    at: str
    records: int = 0
    requests: int = 0
    failed: int = 0
    errors: int = 0
    average_ms: float | None = None
    p95_ms: float | None = None
    pending_max: int | None = None
    free_gb: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodMetrics:
    """
    All metrics of a period.

    `complete` is false, and `reason` says why, while records may still arrive, or a day of a longer
    period is missing. `free_gb` is the least space that the health records saw on the disk.
    """

    version: int = VERSION
    period: str
    name: str
    zone: str
    since: str
    until: str
    hours: float
    complete: bool
    reason: str | None = None
    records: int = 0
    errors: int = 0
    warnings: int = 0
    requests: Timed = Timed()
    executions: Timed = Timed()
    uptime: Uptime = Uptime()
    queue: Queue = Queue()
    free_gb: float | None = None
    error_types: Mapping[str, int] = field(default_factory=dict)
    error_categories: Mapping[str, int] = field(default_factory=dict)
    levels: Mapping[str, int] = field(default_factory=dict)
    datasets: Mapping[str, int] = field(default_factory=dict)
    routes: tuple[Timed, ...] = ()
    workflows: tuple[Timed, ...] = ()
    hosts: tuple[HostMetrics, ...] = ()
    series: tuple[Point, ...] = ()


_decode = msgspec.json.Decoder(PeriodMetrics).decode


def encoded(metrics: PeriodMetrics) -> bytes:
    """Return the bytes of a metrics file: a line per key, so that it can be read and compared."""
    pairs = msgspec.json.decode(msgspec.json.encode(metrics)).items()
    lines = (b' "%s": %s' % (key.encode(), msgspec.json.encode(value)) for key, value in pairs)
    return b"{\n" + b",\n".join(lines) + b"\n}\n"


def decoded(data: bytes) -> PeriodMetrics:
    """Read a metrics file; raise msgspec.ValidationError or DecodeError if it is none."""
    return _decode(data)


def metrics_schema() -> dict[str, Any]:
    """Return the JSON Schema of a metrics file."""
    schema = msgspec.json.decode(msgspec.json.encode(msgspec.json.schema(PeriodMetrics)))
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Metrics of a day or a month, by shipper",
        **schema,
    }


def timed_of(  # noqa: PLR0913 - what it is made of
    name: str,
    count: int,
    failed: int,
    bins: Mapping[int, int],
    *,
    refused: int = 0,
    total_ms: float = 0.0,
    max_ms: float | None = None,
) -> Timed:
    """Return counts with the rates and percentiles that follow from them."""
    timed = sum(bins.values())
    total_ms = round(total_ms, 3)  # stores add in any order: what follows from it does not differ
    p50, p95, p99 = (rounded(percentile_of(bins, percent)) for percent in (50, 95, 99))
    return Timed(
        name=name,
        count=count,
        failed=failed,
        refused=refused,
        timed=timed,
        success_rate=share_of(count - failed, count),
        average_ms=rounded(total_ms / timed) if timed else None,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        max_ms=rounded(max_ms),
        total_ms=total_ms,
        bins=tuple(bins.items()),
    )


def rest_of(whole: Timed, parts: Iterable[Timed]) -> Timed:
    """Return what is left of a whole without some parts; its largest number is not known."""
    known = sum_of("", parts)
    bins, counted = dict(whole.bins), dict(known.bins)
    left = {number: count - counted.get(number, 0) for number, count in bins.items()}
    return timed_of(
        OTHERS,
        whole.count - known.count,
        whole.failed - known.failed,
        {number: count for number, count in left.items() if count},
        refused=whole.refused - known.refused,
        total_ms=whole.total_ms - known.total_ms,
    )


def sum_of(name: str, parts: Iterable[Timed]) -> Timed:
    """Return the sum of counts, with the rates and percentiles of the whole."""
    found = list(parts)
    largest = [part.max_ms for part in found if part.max_ms is not None]
    return timed_of(
        name,
        sum(part.count for part in found),
        sum(part.failed for part in found),
        merged(dict(part.bins) for part in found),
        refused=sum(part.refused for part in found),
        total_ms=sum(part.total_ms for part in found),
        max_ms=max(largest, default=None),
    )


def share_of(part: float, whole: float) -> float | None:
    """Return a share with 6 decimals; None of nothing."""
    return round(part / whole, 6) if whole else None


def bounded(value: float | None) -> float | None:
    """Return a number out of records as a finite one that a metrics file can hold."""
    return None if value is None or math.isnan(value) else min(max(value, -MOST), MOST)


def rounded(value: float | None) -> float | None:
    """Return a number with 3 decimals."""
    return None if value is None else round(value, 3)
