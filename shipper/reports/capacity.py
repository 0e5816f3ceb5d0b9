"""
The capacity plan: what grows, and when a limit is reached if it goes on so.

The numbers are those of the metrics files of the last days, one a day. Where there are too few
days, or no clear direction, that is said instead of a date.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from shipper.config.reports import ReportOptions
from shipper.reports.document import (
    ReportBlock,
    ReportChart,
    ReportSection,
    ReportTable,
    ReportText,
    State,
)
from shipper.reports.kpis import milliseconds
from shipper.reports.metrics import PeriodMetrics
from shipper.reports.periods import Period, midnight
from shipper.reports.sources import ReportSources
from shipper.reports.trend import LEAST_DAYS, Trend, trend_of
from shipper.text import size

LOOKED_BACK: Final = 90  # days
QUARTER: Final = 92  # days ahead
DISK: Final = "free space on the disk"
ALREADY: Final = "reached already"
PERHAPS: Final = "within the quarter, too few days to say when"
NO_LIMIT: Final = "not in sight"
NO_DATA: Final = "no data"
TOO_LITTLE: Final = "too little data"

Of = Callable[[PeriodMetrics], float | None]


@dataclass(frozen=True, slots=True)
class LimitedResource:
    """
    Something that may run out: its number per day, its limit, and how it is written.

    The limit is the least number if `is_least`, else the largest.
    """

    name: str
    of: Of
    limit: float | None
    write: Callable[[float], str]
    is_least: bool = False

    def is_past(self, value: float) -> bool:
        """Return whether a number is at the limit, or beyond it."""
        if self.limit is None:
            return False
        return value <= self.limit if self.is_least else value >= self.limit


@dataclass(frozen=True, slots=True)
class StoreSize:
    """
    The embedded store: its bytes and records.

    `a_day` are the bytes of a day with which it has all days of `keep` within `max_size`.
    """

    bytes: int
    records: int
    a_day: float


def capacity_section(
    sources: ReportSources, options: ReportOptions, period: Period, store_size: StoreSize | None
) -> ReportSection:
    """Return the plan for the quarter after a period."""
    days = _days(sources, period)
    rows, states, lines = [], [], []
    for resource in _resources(options, store_size):
        row, state = plan_of(resource, days, period)
        rows.append(row)
        states.append(state)
        if state in {State.BAD, State.ATTENTION}:
            lines.append(_headline(row, state))
    table = ReportTable(
        columns=("resource", "now", "a day", "in a quarter", "limit", "reached"),
        rows=tuple(rows),
        right=frozenset({1, 2, 3, 4}),
        states=tuple(states),
    )
    blocks: list[ReportBlock] = [
        ReportText(
            text=f"From {len(days)} days with metrics, at most {LOOKED_BACK}. A range is that in "
            "which 19 of 20 days lie if the trend goes on as it was."
        ),
        table,
        _load_text(days),
        *_charts(days, sources, options),
    ]
    if not any(_is_planned(row[-1]) for row in rows):
        text = f"Too little data for a plan: it takes {LEAST_DAYS} complete days."
        blocks.append(ReportText(text=text, state=State.ATTENTION))
    title = "Capacity for the next quarter"
    return ReportSection(title=title, blocks=tuple(blocks), headlines=tuple(lines))


def _is_planned(reached: str) -> bool:
    return reached != NO_DATA and not reached.startswith(TOO_LITTLE)


def _headline(row: tuple[str, ...], state: State) -> ReportText:
    """Return when a limit is reached, in a sentence."""
    name, now, a_day, _, limit, reached = row
    begin = f"{name[0].upper()}{name[1:]}"
    if reached == ALREADY:
        text = f"{begin} is at its limit of {limit} already: {now}."
    else:
        when = f"on {reached}" if reached[0].isdigit() else reached
        text = f"{begin} reaches its limit of {limit} {when}: now {now}, {a_day} a day."
    return ReportText(text=text, state=state)


def _days(sources: ReportSources, period: Period) -> dict[date, PeriodMetrics]:
    """Return the metrics of the complete days up to the end of a period."""
    files = sources.builder.files
    found = {}
    for back in range(LOOKED_BACK):
        day = period.last - timedelta(days=back)
        metrics = files.read(files.day(day))
        if metrics is not None and metrics.complete:
            found[day] = metrics
    return dict(sorted(found.items()))


def _resources(options: ReportOptions, store: StoreSize | None) -> list[LimitedResource]:
    def busiest(metrics: PeriodMetrics) -> float | None:
        rates = [point.requests / 3600 for point in metrics.series]
        return max(rates, default=None)

    most = options.requests_per_second_most
    found = [
        LimitedResource(DISK, _free, float(options.free_gb_least), _gigabytes, is_least=True),
        LimitedResource("requests a second, busiest hour", busiest, most, _plain),
        LimitedResource("records a day", lambda m: float(m.records), None, _count),
        LimitedResource("waiting executions, most", _pending, None, _count),
        LimitedResource("response time, p95", lambda m: m.requests.p95_ms, None, milliseconds),
    ]
    if store is not None and store.records:
        each = store.bytes / store.records

        def new_data(metrics: PeriodMetrics) -> float | None:
            return metrics.records * each

        found.insert(
            1, LimitedResource("new data in the store, a day", new_data, store.a_day, _bytes)
        )
    return found


def _free(metrics: PeriodMetrics) -> float | None:
    return metrics.free_gb


def _pending(metrics: PeriodMetrics) -> float | None:
    return metrics.queue.pending_max


def _gigabytes(value: float) -> str:
    return f"{value:.1f} GB"


def _bytes(value: float) -> str:
    return size(round(value))


def _plain(value: float) -> str:
    return f"{value:.3g}"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def plan_of(
    resource: LimitedResource, days: dict[date, PeriodMetrics], period: Period
) -> tuple[tuple[str, ...], State]:
    """Return the row of a resource, and whether somebody has to act within the quarter."""
    points = [(day, value) for day, m in days.items() if (value := resource.of(m)) is not None]
    limit = "" if resource.limit is None else resource.write(resource.limit)
    if not points:
        return (resource.name, NO_DATA, "", "", limit, NO_DATA), State.NONE
    now = resource.write(points[-1][1])
    if resource.is_past(points[-1][1]):
        return (resource.name, now, "", "", limit, ALREADY), State.BAD
    trend = trend_of([(float(day.toordinal()), value) for day, value in points])
    if trend is None:
        reason = f"{TOO_LITTLE}: {len(points)} of {LEAST_DAYS} days"
        return (resource.name, now, "", "", limit, reason), State.NONE
    slope = f"{'+' if trend.slope >= 0 else '-'}{resource.write(abs(trend.slope))}"
    if not trend.is_clear:
        return (resource.name, now, "no clear trend", "", limit, NO_LIMIT), State.NONE
    ahead = float(period.last.toordinal() + QUARTER)
    middle, margin = trend.at(ahead), trend.margin(ahead)
    low, high = (resource.write(max(middle + side * margin, 0.0)) for side in (-1, 1))
    reached, state = _reached(trend, resource, period)
    return (resource.name, now, slope, f"{low} to {high}", limit, reached), state


def _reached(trend: Trend, resource: LimitedResource, period: Period) -> tuple[str, State]:
    if resource.limit is None:
        return "", State.NONE
    found = trend.reaches(resource.limit, falling=resource.is_least)
    if found is None and resource.is_past(trend.at(period.last.toordinal() + QUARTER)):
        return PERHAPS, State.ATTENTION
    if found is None:
        return NO_LIMIT, State.GOOD
    day, early, late = found
    text = f"{_date(day)} ({_date(early)} to {_date(late)})"
    is_soon = day <= period.last.toordinal() + QUARTER
    return text, State.BAD if is_soon else State.ATTENTION


def _date(day: float | None) -> str:
    return "later" if day is None else date.fromordinal(int(day)).isoformat()


def _load_text(days: dict[date, PeriodMetrics]) -> ReportText:
    """Say whether the response time grows with the load: p95 of hours against their requests."""
    hours = [
        (float(point.requests), point.p95_ms)
        for metrics in days.values()
        for point in metrics.series
        if point.p95_ms is not None
    ]
    trend = trend_of(hours)
    if trend is None:
        return ReportText(text="Too few hours with requests to compare response time and load.")
    busiest = max(load for load, _ in hours)
    if not trend.is_clear or trend.slope <= 0:
        return ReportText(text="The p95 of an hour does not grow with its requests.")
    doubled = trend.at(2 * busiest)
    return ReportText(
        text=f"The p95 of an hour grows with its requests: {milliseconds(trend.at(busiest))} in "
        f"the busiest hour ({busiest:,.0f} requests); with twice as many about "
        f"{milliseconds(doubled)}, ± {milliseconds(trend.margin(2 * busiest))}."
    )


def _charts(
    days: dict[date, PeriodMetrics], sources: ReportSources, options: ReportOptions
) -> Sequence[ReportBlock]:
    def points(of: Of) -> tuple[tuple[int, float | None], ...]:
        return tuple((midnight(day, sources.zone), of(metrics)) for day, metrics in days.items())

    free = points(_free)
    found = [
        ReportChart(title="Records a day", points=points(lambda m: float(m.records)), bars=True)
    ]
    if any(value is not None for _, value in free):
        limit = float(options.free_gb_least)
        title = "Least free space on the disk of the logs, a day"
        found.insert(0, ReportChart(title=title, points=free, unit="GB", limit=limit))
    return found
