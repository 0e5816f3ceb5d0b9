"""Tables and series that several reports show."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from shipper.reports.document import ReportTable, cut
from shipper.reports.kpis import milliseconds, percent
from shipper.reports.metrics import PeriodMetrics, Point, Timed
from shipper.reports.periods import DAY_MS, HOUR_MS
from shipper.times import parse_period

MOST_ROWS: Final = 12

Of = Callable[[Point], float | None]


def epoch_of(text: str) -> int:
    """Return the epoch milliseconds of a time in a metrics file."""
    period = parse_period(text)
    assert period is not None, text
    return period[0]


def chart_points(metrics: PeriodMetrics, of: Of) -> tuple[tuple[int, float | None], ...]:
    """Return one number per hour of a day, or day of a longer period, gaps where there is none."""
    step = HOUR_MS if metrics.period == "day" else DAY_MS
    since, until = epoch_of(metrics.since), epoch_of(metrics.until)
    known = [(epoch_of(point.at), of(point)) for point in metrics.series]
    found: list[tuple[int, float | None]] = []
    begin = since if not known else known[0][0] - (known[0][0] - since) // step * step
    for at, value in known:
        found += [(gap, None) for gap in _between(found, begin, at, step)]
        found.append((at, value))
    if known:
        found += [(gap, None) for gap in _between(found, begin, until, step)]
    return tuple(found)


def _between(found: Sequence[tuple[int, float | None]], begin: int, at: int, step: int) -> range:
    """Return the times that are missing up to `at`; days may be an hour shorter or longer."""
    first = found[-1][0] + step if found else begin
    return range(first, at - step // 2, step)


def timed_table(name: str, rows: Sequence[Timed]) -> ReportTable:
    """Return routes or workflows with their counts and times."""
    return ReportTable(
        columns=(name, "count", "failed", "success", "mean", "p50", "p95", "p99"),
        rows=tuple(
            (
                cut(row.name),
                f"{row.count:,}",
                f"{row.failed:,}",
                "" if row.success_rate is None else percent(row.success_rate),
                *(_time(value) for value in (row.average_ms, row.p50_ms, row.p95_ms, row.p99_ms)),
            )
            for row in rows[:MOST_ROWS]
        ),
        right=frozenset(range(1, 8)),
        empty=f"No {name} has records.",
    )


def _time(value: float | None) -> str:
    return "" if value is None else milliseconds(value)
