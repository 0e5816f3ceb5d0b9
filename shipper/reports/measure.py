"""
Measures a day: asks a store, in one request, for all that the metrics of a day hold.

Both stores count alike, and a percentile is made of counts, so both give the same metrics. The
definitions are those of the shipped rules:

    request     a record of the dataset `orchestrator.access`; failed with 5xx, refused with 4xx
    error       a record of level ERROR or CRITICAL, in however many files it was written
    execution   a record of the dataset `orchestrator.workflow` with status `success` or `failed`;
                in time if its `execution_time_ms` is at most the target
    pending     `queue_depth` of a health record, written by the application or by the poller
    up          a minute in which at least half of the polls of /health found it healthy or
                degraded. Minutes down in a maintenance window of all incidents are planned
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from typing import Final

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
    Timed,
    Uptime,
    bounded,
    rest_of,
    rounded,
    share_of,
    timed_of,
)
from shipper.reports.periods import HOUR_MS, Period
from shipper.store.api import (
    AggregateAnswer,
    Aggregation,
    Average,
    Bucket,
    DateHistogram,
    Distribution,
    DistributionCounts,
    Filters,
    Maximum,
    Minimum,
    Number,
    Question,
    Selection,
    Store,
    Sum,
    Terms,
    buckets_of,
)
from shipper.store.distribution import percentile_of
from shipper.times import iso

REQUESTS: Final = "event.dataset:orchestrator.access"
ERRORS: Final = "level:IN [ERROR CRITICAL]"
EXECUTIONS: Final = "event.dataset:orchestrator.workflow AND status:IN [success failed]"
POLLS: Final = "event.dataset:orchestrator.health"
HEALTH: Final = f"logger:automation_orchestrator.health OR {POLLS}"
QUEUE_DEPTH: Final = "extra.queue_depth"
FREE_GB: Final = "extra.storage.available_gb"
EXECUTED_MS: Final = "execution_time_ms"
# Counts per status are cheaper than filters, which look at each record once for each of them.
CODES: Final = Terms("status_code", 1000)
STATUSES: Final = Terms("status", 50)
FAILURES: Final[frozenset[object]] = frozenset({*range(500, 600), "failed"})
REFUSALS: Final[frozenset[object]] = frozenset(range(400, 500))
UP: Final[frozenset[object]] = frozenset({"healthy", "degraded"})
MINUTE_MS: Final = 60_000

Measured = AggregateAnswer | Bucket
IsPlanned = Callable[[int], bool]  # whether a time (epoch ms) lies in a maintenance window


def nothing_planned(_at: int) -> bool:
    """Return False: there is no maintenance."""
    return False


@dataclass(frozen=True, slots=True)
class MeasureOptions:
    """What a measurement depends on besides the records."""

    queue_ms: int = 300_000
    is_planned: IsPlanned = nothing_planned


def measure(
    store: Store, day: Period, options: MeasureOptions, reason: str | None = None
) -> PeriodMetrics:
    """
    Return the metrics of a day; `reason` says why they are not complete.

    Raises:
        StoreUnavailable: the store cannot be read now.
        QueryError: the records have too many values to count.
    """
    answers = store.ask(_questions(day, options))
    every, requests, routes, errors, executions, workflows, health, polls = answers
    kinds = _named(errors, "types")
    asked, executed = _timed("", requests), _timed("", executions)
    return replace(
        nothing_measured(day, reason),
        records=every.total,
        errors=errors.total,
        warnings=_count(every, "levels", "WARNING"),
        requests=asked,
        executions=executed,
        uptime=_uptime(polls, options.is_planned),
        queue=_queue(executions, health),
        free_gb=rounded(_number(health, "free")),
        error_types=kinds,
        error_categories=_named(every, "categories", rest=False),
        levels=_named(every, "levels"),
        datasets=_named(every, "datasets"),
        routes=_rows(routes, asked),
        workflows=_rows(workflows, executed),
        hosts=_hosts(every, requests),
        series=_series(every, requests, errors, health),
    )


def nothing_measured(day: Period, reason: str | None) -> PeriodMetrics:
    """Return the metrics of a day without records."""
    return PeriodMetrics(
        period=day.kind,
        name=day.name,
        zone=str(day.zone),
        since=iso(day.since),
        until=iso(day.until),
        hours=day.hours,
        complete=reason is None,
        reason=reason,
    )


def _questions(day: Period, options: MeasureOptions) -> list[Question]:
    def among(query: str, **aggregations: Aggregation) -> Question:
        return Question(Selection(query, day.since, day.until), aggregations)

    requests, executions = _timing("duration_ms", CODES), _timing(EXECUTED_MS, STATUSES)
    hosts = Terms("host.name", MOST_HOSTS, {"of": CODES})
    waiting: dict[str, Aggregation] = {"pending": Maximum(QUEUE_DEPTH), "free": Minimum(FREE_GB)}
    late = Filters({"late": f"{EXECUTED_MS}:>{options.queue_ms}"})
    return [
        among(
            "",
            levels=Terms("level", MOST_NAMES),
            datasets=Terms("event.dataset", MOST_NAMES),
            categories=Terms("error.category", MOST_NAMES),
            hosts=Terms("host.name", MOST_HOSTS, {"levels": Terms("level", MOST_NAMES)}),
            hours=_hourly({}),
        ),
        among(REQUESTS, **requests, hours=_hourly(requests), hosts=hosts),
        among(REQUESTS, rows=Terms("route", MOST_NAMES, requests)),
        among(ERRORS, types=Terms("error_type", MOST_TYPES), hours=_hourly({})),
        among(EXECUTIONS, **executions, late=late),
        among(EXECUTIONS, rows=Terms("workflow_id", MOST_NAMES, executions)),
        among(
            f"({HEALTH}) AND {QUEUE_DEPTH}:*",
            average=Average(QUEUE_DEPTH),
            **waiting,
            hours=_hourly(waiting),
        ),
        among(POLLS, minutes=DateHistogram(MINUTE_MS, {"of": STATUSES}, filled=False)),
    ]


def _hourly(inner: Mapping[str, Aggregation]) -> DateHistogram:
    return DateHistogram(HOUR_MS, inner, filled=False)


def _timing(field: str, outcomes: Terms) -> dict[str, Aggregation]:
    return {
        "of": outcomes,
        "bins": Distribution(field),
        "sum": Sum(field),
        "max": Maximum(field),
    }


def _timed(name: str, found: Measured) -> Timed:
    return timed_of(
        name,
        found.total if isinstance(found, AggregateAnswer) else found.count,
        _among(found, FAILURES),
        _bins(found),
        refused=_among(found, REFUSALS),
        total_ms=_number(found, "sum") or 0.0,
        max_ms=_number(found, "max"),
    )


def _rows(found: AggregateAnswer, whole: Timed) -> tuple[Timed, ...]:
    """Return the values that are listed, and all others together, with those that have none."""
    rows = [_timed(str(bucket.key), bucket) for bucket in buckets_of(found, "rows").buckets]
    rest = rest_of(whole, rows)
    return (*rows, rest) if rest.count else (*rows,)


def _without(found: AggregateAnswer, name: str) -> int:
    """Return how many records have no value of a field that has one value at most."""
    buckets = buckets_of(found, name)
    return found.total - buckets.others - sum(bucket.count for bucket in buckets.buckets)


def _named(found: AggregateAnswer, name: str, *, rest: bool = True) -> dict[str, int]:
    """Return the counts per value, with what is beyond the listed values and what has none."""
    buckets = buckets_of(found, name)
    counts = {str(bucket.key): bucket.count for bucket in buckets.buckets}
    if buckets.others:
        counts[OTHERS] = buckets.others
    if rest and (without := _without(found, name)) > 0:
        counts[NONE] = without
    return counts


def _hosts(every: AggregateAnswer, requests: AggregateAnswer) -> tuple[HostMetrics, ...]:
    asked = {bucket.key: bucket for bucket in buckets_of(requests, "hosts").buckets}
    return tuple(
        HostMetrics(
            name=str(bucket.key),
            records=bucket.count,
            requests=asked[bucket.key].count if bucket.key in asked else 0,
            failed=_among(asked[bucket.key], FAILURES) if bucket.key in asked else 0,
            errors=sum(_count(bucket, "levels", level) for level in ("ERROR", "CRITICAL")),
        )
        for bucket in buckets_of(every, "hosts").buckets
    )


def _queue(executions: AggregateAnswer, health: AggregateAnswer) -> Queue:
    finished, late = executions.total, _count(executions, "late", "late")
    average, most = _number(health, "average"), _number(health, "pending")
    return Queue(
        share=share_of(finished - late, finished),
        finished=finished,
        in_time=finished - late,
        samples=health.total,
        pending_total=round(bounded((average or 0.0) * health.total) or 0),
        pending_average=rounded(average),
        pending_max=None if most is None else round(most),
    )


def _uptime(polls: AggregateAnswer, is_planned: IsPlanned) -> Uptime:
    minutes = buckets_of(polls, "minutes").buckets
    down = [minute for minute in minutes if 2 * _among(minute, UP) < minute.count]
    planned = sum(is_planned(int(minute.key)) for minute in down)
    return uptime_of(len(minutes), planned, len(down) - planned)


def uptime_of(polled: int, planned: int, unplanned: int) -> Uptime:
    """Return minutes with the share that is up, of those in which it should have been."""
    up = polled - planned - unplanned
    return Uptime(
        share=share_of(up, polled - planned),
        polled_minutes=polled,
        up_minutes=up,
        planned_minutes=planned,
        unplanned_minutes=unplanned,
    )


def _series(
    every: AggregateAnswer,
    requests: AggregateAnswer,
    errors: AggregateAnswer,
    health: AggregateAnswer,
) -> tuple[Point, ...]:
    asked, failed, waiting = (_by_hour(found) for found in (requests, errors, health))
    times = sorted({*_by_hour(every), *waiting})
    return tuple(
        _point(at, _by_hour(every).get(at), asked.get(at), failed.get(at), waiting.get(at))
        for at in times
    )


def _by_hour(found: AggregateAnswer) -> dict[int, Bucket]:
    return {int(bucket.key): bucket for bucket in buckets_of(found, "hours").buckets}


def _point(
    at: int,
    every: Bucket | None,
    requests: Bucket | None,
    errors: Bucket | None,
    health: Bucket | None,
) -> Point:
    timed = _timed("", requests) if requests else Timed()
    pending = _number(health, "pending") if health else None
    return Point(
        at=iso(at),
        records=every.count if every else 0,
        requests=timed.count,
        failed=timed.failed,
        errors=errors.count if errors else 0,
        average_ms=timed.average_ms,
        p95_ms=rounded(percentile_of(dict(timed.bins), 95)),
        pending_max=None if pending is None else round(pending),
        free_gb=rounded(_number(health, "free")) if health else None,
    )


def _number(found: Measured, name: str) -> float | None:
    result = found.results[name]
    assert isinstance(result, Number)
    return bounded(result.value)


def _bins(found: Measured) -> Mapping[int, int]:
    result = found.results["bins"]
    assert isinstance(result, DistributionCounts)
    return result.counts


def _among(found: Measured, outcomes: Container[object]) -> int:
    """Return how many of the records have one of some outcomes."""
    return sum(bucket.count for bucket in buckets_of(found, "of").buckets if bucket.key in outcomes)


def _count(found: Measured, name: str, key: str) -> int:
    return sum(bucket.count for bucket in buckets_of(found, name).buckets if bucket.key == key)
