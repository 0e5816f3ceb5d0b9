"""
When reports are due, at a time of day in the zone of the reports.

Of a day on the day after, of a week on the Monday after, of a month on the first after.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta, tzinfo
from typing import Final

from shipper.reports.periods import Period, PeriodKind, day_at, period_of

# Periods that are made up for after a downtime, at most.
MISSED: Final = {PeriodKind.DAY: 7, PeriodKind.WEEK: 4, PeriodKind.MONTH: 3}
NAMES: Final = {
    "daily": PeriodKind.DAY,
    "weekly": PeriodKind.WEEK,
    "monthly": PeriodKind.MONTH,
}


def due_periods(kind: PeriodKind, at: time, zone: tzinfo, now: int) -> list[Period]:
    """Return the periods whose reports were due until now, the oldest first; `MISSED` at most."""
    return [*reversed([*_newest_first(kind, at, zone, now)])]


def _newest_first(kind: PeriodKind, at: time, zone: tzinfo, now: int) -> Iterator[Period]:
    period = period_of(kind, day_at(now, zone), zone).before()
    if due_at(period, at) > now:
        period = period.before()
    for _ in range(MISSED[kind]):
        yield period
        period = period.before()


def due_at(period: Period, at: time) -> int:
    """Return when the report of a period is due, epoch ms."""
    day = period.last + timedelta(days=1)
    return round(datetime.combine(day, at, period.zone).timestamp() * 1000)
