"""
Metrics of a longer period, put together of the metrics of its days.

Counts, sums and bins add up exactly. Of the values that a day lists (routes, error types), those
that it left out stay among `(others)`, so every total is right, also where a list is not whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeVar

from shipper.reports.measure import uptime_of
from shipper.reports.metrics import (
    MOST_HOSTS,
    MOST_NAMES,
    MOST_TYPES,
    NONE,
    OTHERS,
    HostMetrics,
    PeriodMetrics,
    Point,
    Queue,
    rounded,
    share_of,
    sum_of,
)
from shipper.reports.periods import Period
from shipper.times import iso


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Row = TypeVar("Row", bound=_Named)


def merge(period: Period, days: Sequence[PeriodMetrics], reason: str | None) -> PeriodMetrics:
    """Return the metrics of a period from those of its days; `reason`: why they are incomplete."""
    return PeriodMetrics(
        period=period.kind,
        name=period.name,
        zone=str(period.zone),
        since=iso(period.since),
        until=iso(period.until),
        hours=period.hours,
        complete=reason is None,
        reason=reason,
        records=sum(day.records for day in days),
        errors=sum(day.errors for day in days),
        warnings=sum(day.warnings for day in days),
        requests=sum_of("", (day.requests for day in days)),
        executions=sum_of("", (day.executions for day in days)),
        uptime=uptime_of(
            sum(day.uptime.polled_minutes for day in days),
            sum(day.uptime.planned_minutes for day in days),
            sum(day.uptime.unplanned_minutes for day in days),
        ),
        queue=_queue([day.queue for day in days]),
        free_gb=_least(day.free_gb for day in days),
        error_types=_counts((day.error_types for day in days), MOST_TYPES),
        error_categories=_counts((day.error_categories for day in days), MOST_TYPES),
        levels=_counts((day.levels for day in days), MOST_NAMES),
        datasets=_counts((day.datasets for day in days), MOST_NAMES),
        routes=_rows((day.routes for day in days), MOST_NAMES, sum_of, lambda row: row.count),
        workflows=_rows((day.workflows for day in days), MOST_NAMES, sum_of, lambda row: row.count),
        hosts=_rows((day.hosts for day in days), MOST_HOSTS, _host, lambda row: row.records),
        series=tuple(map(_point, days)),
    )


def _least(values: Iterable[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _queue(days: Sequence[Queue]) -> Queue:
    finished, in_time = sum(day.finished for day in days), sum(day.in_time for day in days)
    samples, pending = sum(day.samples for day in days), sum(day.pending_total for day in days)
    return Queue(
        share=share_of(in_time, finished),
        finished=finished,
        in_time=in_time,
        samples=samples,
        pending_total=pending,
        pending_average=rounded(pending / samples) if samples else None,
        pending_max=max((d.pending_max for d in days if d.pending_max is not None), default=None),
    )


def _counts(days: Iterable[Mapping[str, int]], most: int) -> dict[str, int]:
    total: Counter[str] = Counter()
    for counts in days:
        total.update(counts)
    rest = {key: total.pop(key) for key in (OTHERS, NONE) if key in total}
    ordered = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
    cut = sum(count for _, count in ordered[most:])
    if cut:
        rest = {OTHERS: rest.get(OTHERS, 0) + cut, **{k: v for k, v in rest.items() if k == NONE}}
    return {**dict(ordered[:most]), **rest}


def _rows(
    days: Iterable[Iterable[Row]],
    most: int,
    add: Callable[[str, list[Row]], Row],
    count: Callable[[Row], int],
) -> tuple[Row, ...]:
    by_name: dict[str, list[Row]] = {}
    for rows in days:
        for row in rows:
            by_name.setdefault(row.name, []).append(row)
    rest = by_name.pop(OTHERS, [])
    summed: list[Row] = [add(name, rows) for name, rows in by_name.items()]
    summed.sort(key=lambda row: (-count(row), row.name))
    rest += summed[most:]
    return (*summed[:most], add(OTHERS, rest)) if rest else (*summed,)


def _host(name: str, rows: Sequence[HostMetrics]) -> HostMetrics:
    def total(of: Callable[[HostMetrics], int]) -> int:
        return sum(map(of, rows))

    return HostMetrics(
        name=name,
        records=total(lambda row: row.records),
        requests=total(lambda row: row.requests),
        failed=total(lambda row: row.failed),
        errors=total(lambda row: row.errors),
    )


def _point(day: PeriodMetrics) -> Point:
    return Point(
        at=day.since,
        records=day.records,
        requests=day.requests.count,
        failed=day.requests.failed,
        errors=day.errors,
        average_ms=day.requests.average_ms,
        p95_ms=day.requests.p95_ms,
        pending_max=day.queue.pending_max,
        free_gb=day.free_gb,
    )
