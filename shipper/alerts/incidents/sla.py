"""
The clocks of an incident: how long until somebody answers it, and until it is over.

Both clocks start with the first notification (`told_at`). Where the severity is raised, those of
the new one start then; the limit that ends first counts. The response clock stops at the
acknowledgement and the resolution clock at the end; an incident that ends before anybody answered
has stopped both.
When four fifths of the time are gone, the limit is near; after it, it is breached. Each of these is
notified once. Whoever looks too late (a job that was down) is notified of the breach alone.

A limit is a span of time that passes day and night, or `next business day`: until the close of
business of the first business day after the day of the first notification, by the calendar of the
zone. Spans are counted in UTC, so a change to summer time neither shortens nor lengthens one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.severity import Severity

NEAR: Final = 0.8  # of the time is gone
MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
MOST_DAYS: Final = 400  # that are looked through for a business day

Span = int | None  # milliseconds; None for the next business day


@dataclass(frozen=True, slots=True)
class Limits:
    """How long until an incident has to be acknowledged, and resolved."""

    respond: Span
    resolve: Span


GUIDE: Final[Mapping[Severity, Limits]] = {
    Severity.CRITICAL: Limits(5 * MINUTE, 1 * HOUR),
    Severity.HIGH: Limits(15 * MINUTE, 4 * HOUR),
    Severity.MEDIUM: Limits(1 * HOUR, 8 * HOUR),
    Severity.LOW: Limits(None, 48 * HOUR),
}


@dataclass(frozen=True, slots=True)
class Calendar:
    """When business is done: `days` from 0 for Monday, up to `close`, not on `holidays`."""

    zone: tzinfo = UTC
    days: frozenset[int] = frozenset(range(5))
    close: time = time(17)
    holidays: frozenset[date] = frozenset()

    def is_business(self, day: date) -> bool:
        """Return whether business is done on a day."""
        return day.weekday() in self.days and day not in self.holidays

    def after(self, at: int) -> int:
        """Return the close of the first business day after the day of `at`; epoch ms."""
        day = self.local(at).date()
        for _ in range(MOST_DAYS):
            day += timedelta(days=1)
            if self.is_business(day):
                break
        return round(datetime.combine(day, self.close, self.zone).timestamp() * 1000)

    def local(self, at: int) -> datetime:
        """Return the time in the zone."""
        return datetime.fromtimestamp(at / 1000, self.zone)


@dataclass(frozen=True, slots=True)
class Sla:
    """The limits of every severity, and the calendar that they are counted by."""

    limits: Mapping[Severity, Limits] = field(default_factory=lambda: GUIDE)
    calendar: Calendar = Calendar()

    def respond_by(self, incident: Incident) -> int | None:
        """Return the time by which somebody has to answer; None where the clock has not begun."""
        return self._first(incident, lambda limits: limits.respond)

    def resolve_by(self, incident: Incident) -> int | None:
        """Return the time by which it has to be over; None where the clock has not begun."""
        return self._first(incident, lambda limits: limits.resolve)

    def start_of(self, incident: Incident) -> int | None:
        """Return when the clocks of its severity began: when first notified, or when raised."""
        raises = (each.at for each in incident.raised if each.severity != incident.severity)
        return None if incident.told_at is None else max([incident.told_at, *raises])

    def _first(self, incident: Incident, span_of: Callable[[Limits], Span]) -> int | None:
        """Return the first of the limits of all the severities that it had, each from its start."""
        severities = [each.severity for each in incident.raised] + [incident.severity]
        starts = [incident.told_at, *(each.at for each in incident.raised)]
        ends = [
            self._by(span_of(self.limits[severity]), start)
            for severity, start in zip(severities, starts, strict=True)
        ]
        return min((end for end in ends if end is not None), default=None)

    def _by(self, span: Span, start: int | None) -> int | None:
        if start is None:
            return None
        return self.calendar.after(start) if span is None else start + span

    def due(
        self, incident: Incident, recorded: Collection[Change], now: int
    ) -> Iterator[Transition]:
        """Yield the transitions of an incident's clocks that are due and not in `recorded`."""
        if incident.told_at is None or incident.phase not in {Phase.FIRING, Phase.ACKNOWLEDGED}:
            return
        clocks = [(self.resolve_by(incident), Change.RESOLUTION_DUE, Change.RESOLUTION_BREACHED)]
        if incident.acknowledged_at is None:
            response = (self.respond_by(incident), Change.RESPONSE_DUE, Change.RESPONSE_BREACHED)
            clocks.insert(0, response)
        for limit, near, breached in clocks:
            assert limit is not None, "both clocks begin at once"
            start = self.start_of(incident) or 0
            change = breached if now >= limit else near
            if now >= start + (limit - start) * NEAR and not {change, breached} & {*recorded}:
                yield Transition(incident, change, now, _words(limit - now))


def _words(left: int) -> str:
    """Return how much time is left, or since when there is none."""
    minutes = abs(left) // MINUTE
    span = f"{minutes} min" if minutes < 120 else f"{minutes // 60} h"
    if left > 0:
        return f"{span} left" if minutes > 1 else f"{left // 1000} s left"
    return f"{span} over" if minutes else "the time is over"


@dataclass(frozen=True, slots=True)
class Kept:
    """How the limits of one severity were kept in a month, by the incidents that it began with."""

    month: str
    severity: Severity
    incidents: int
    responded: int
    resolved: int
    running: int  # clocks that have neither stopped nor run out

    @property
    def share(self) -> float | None:
        """Return the share of the clocks that stopped in time among those that are decided."""
        decided = 2 * self.incidents - self.running
        return (self.responded + self.resolved) / decided if decided else None


def compliance(incidents: Sequence[Incident], sla: Sla, now: int) -> list[Kept]:
    """
    Count per month (of the calendar's zone, by the time of the first notification) and severity.

    What was over before anybody could be notified had no clock, and is left out.
    """
    found: dict[tuple[str, Severity], list[Incident]] = {}
    for incident in incidents:
        notified, ended = incident.told_at, incident.resolved_at
        if notified is not None and (ended is None or ended > notified):
            month = f"{sla.calendar.local(notified):%Y-%m}"
            found.setdefault((month, incident.severity), []).append(incident)
    order = list(Severity)
    return [
        _kept(month, severity, found[month, severity], sla, now)
        for month, severity in sorted(found, key=lambda key: (key[0], order.index(key[1])))
    ]


def _kept(month: str, severity: Severity, among: list[Incident], sla: Sla, now: int) -> Kept:
    responded = resolved = running = 0
    for each in among:
        respond_by, resolve_by = sla.respond_by(each), sla.resolve_by(each)
        assert respond_by is not None
        assert resolve_by is not None
        answers = [at for at in (each.acknowledged_at, each.resolved_at) if at is not None]
        answered = min(answers, default=None)
        responded += answered is not None and answered <= respond_by
        resolved += each.resolved_at is not None and each.resolved_at <= resolve_by
        running += answered is None and now <= respond_by
        running += each.resolved_at is None and now <= resolve_by
    return Kept(month, severity, len(among), responded, resolved, running)
