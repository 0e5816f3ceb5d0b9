"""
Days, weeks and months of a time zone.

A day is from one midnight of the zone to the next: where clocks change it has 23 or 25 hours. Where
a change skips midnight itself, the day begins with the first minute that there is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class PeriodKind(StrEnum):
    """How long a period is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Period:
    """A day, an ISO week or a month of a zone; `first` and `last` are its days."""

    kind: PeriodKind
    first: date
    last: date
    zone: tzinfo

    @property
    def name(self) -> str:
        """Its name in files: `2026-02-05`, `2026-W06` or `2026-02`."""
        match self.kind:
            case PeriodKind.DAY:
                return self.first.isoformat()
            case PeriodKind.WEEK:
                year, week, _ = self.first.isocalendar()
                return f"{year}-W{week:02}"
            case PeriodKind.MONTH:
                return f"{self.first:%Y-%m}"

    @property
    def since(self) -> int:
        """Its beginning in epoch milliseconds."""
        return midnight(self.first, self.zone)

    @property
    def until(self) -> int:
        """Its end in epoch milliseconds, which is no part of it."""
        return midnight(self.last + timedelta(days=1), self.zone)

    @property
    def hours(self) -> float:
        """Its length."""
        return (self.until - self.since) / HOUR_MS

    def days(self) -> list[date]:
        """Return its days."""
        return [self.first + timedelta(days=n) for n in range((self.last - self.first).days + 1)]

    def before(self) -> Period:
        """Return the period of the same kind before it."""
        return period_of(self.kind, self.first - timedelta(days=1), self.zone)


def period_of(kind: PeriodKind, day: date, zone: tzinfo) -> Period:
    """Return the period that a day lies in."""
    match kind:
        case PeriodKind.DAY:
            return Period(kind, day, day, zone)
        case PeriodKind.WEEK:
            first = day - timedelta(days=day.weekday())
            return Period(kind, first, first + timedelta(days=6), zone)
        case PeriodKind.MONTH:
            first = day.replace(day=1)
            following = (first + timedelta(days=31)).replace(day=1)
            return Period(kind, first, following - timedelta(days=1), zone)


def midnight(day: date, zone: tzinfo) -> int:
    """Return the beginning of a day in epoch milliseconds."""
    return round(datetime.combine(day, time(), zone).timestamp()) * 1000


def day_at(at: int, zone: tzinfo) -> date:
    """Return the day of a time in epoch milliseconds."""
    return datetime.fromtimestamp(at / 1000, zone).date()
