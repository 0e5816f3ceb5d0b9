"""
Why nobody is notified of an incident: a silence, a maintenance window, or another incident.

What is muted is kept, with its reason, and shown; when the mute ends and it still fires, people are
notified then. Whoever was notified that it fires is notified of its end too, muted or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo

from shipper.alerts.incident import Incident
from shipper.alerts.incidents.sources import Inhibition, Sources, order_of
from shipper.config.matchers import Matcher


def value_of(incident: Incident, name: str) -> str:
    """Return what an incident has under the name of a matcher; empty where it has nothing."""
    own = {"rule": incident.rule, "severity": incident.severity.value, "id": incident.id}
    group = dict(incident.group)
    return own.get(name) or group.get("host.name" if name == "host" else name, "")


def hold(matchers: Sequence[Matcher], incident: Incident) -> bool:
    """Return whether all matchers hold; none at all hold for every incident."""
    return all(matcher.holds(value_of(incident, matcher.name)) for matcher in matchers)


@dataclass(frozen=True, slots=True)
class Silence:
    """What a person wants to hear nothing of, from `start` (included) to `end`; epoch ms."""

    id: str
    matchers: tuple[Matcher, ...]
    start: int
    end: int
    by: str
    comment: str = ""

    def is_active(self, now: int) -> bool:
        """Return whether it holds at a time."""
        return self.start <= now < self.end


@dataclass(frozen=True, slots=True)
class Once:
    """A planned time, `start` (included) to `end`; epoch ms."""

    start: int
    end: int

    def covers(self, now: int) -> bool:
        """Return whether a time is in it."""
        return self.start <= now < self.end


@dataclass(frozen=True, slots=True)
class Recurring:
    """
    A time that comes again: on these days, from `at` by the clock of the zone, for so long.

    `weekdays` count from 0 for Monday, `dates` are days of the month; empty for all. `span` is
    elapsed time: across a change of the clock the window is as long as ever. A time that the clock
    leaps over is taken as if it had not leapt.
    """

    at: time
    span: timedelta
    weekdays: frozenset[int] = frozenset()
    dates: frozenset[int] = frozenset()
    zone: tzinfo = UTC

    def covers(self, now: int) -> bool:
        """Return whether a time is in one of the windows."""
        moment = datetime.fromtimestamp(now / 1000, UTC)
        today = moment.astimezone(self.zone).date()
        for back in range(self.span.days + 2):
            day = today - timedelta(days=back)
            if self.weekdays and day.weekday() not in self.weekdays:
                continue
            if self.dates and day.day not in self.dates:
                continue
            start = datetime.combine(day, self.at, self.zone).astimezone(UTC)
            if start <= moment < start + self.span:
                return True
        return False


@dataclass(frozen=True, slots=True)
class Maintenance:
    """Planned work, by its name: when, and what is muted meanwhile."""

    name: str
    when: Once | Recurring
    matchers: tuple[Matcher, ...] = ()


@dataclass(frozen=True, slots=True)
class Muted:
    """Why nobody is notified of an incident; `known` is the one by which people know its fault."""

    reason: str
    known: Incident | None = None


@dataclass(frozen=True, slots=True)
class Mutes:
    """All that can mute."""

    silences: tuple[Silence, ...] = ()
    maintenance: tuple[Maintenance, ...] = ()
    inhibitions: tuple[Inhibition, ...] = ()

    def reason(
        self, incident: Incident, others: Iterable[Incident] | Sources, now: int
    ) -> str | None:
        """
        Say why nobody is notified of an incident at a time, None where people are.

        `others` are those that fire, and those that have ended lately: what their end has left
        behind in a window that began before it follows from them still.
        """
        found = self.find(incident, others, now)
        return None if found is None else found.reason

    def find(
        self, incident: Incident, others: Iterable[Incident] | Sources, now: int
    ) -> Muted | None:
        """
        Return what mutes an incident at a time; see `reason`.

        Of an incident and what explains it, people hear of the one that they heard of first.
        """
        for silence in self.silences:
            if silence.is_active(now) and hold(silence.matchers, incident):
                message = f": {silence.comment}" if silence.comment else ""
                return Muted(f"silence {silence.id} by {silence.by}{message}")
        for window in self.maintenance:
            if window.when.covers(now) and hold(window.matchers, incident):
                return Muted(f"maintenance window {window.name}")
        sources = others if isinstance(others, Sources) else Sources(self.inhibitions, others)
        for source in sources.of(incident):
            if self._follows(source, incident) and order_of(incident) < order_of(source):
                continue
            if incident.told_at is not None and self._is_news(incident, source, sources):
                continue
            message = f"inhibited by {source.rule} (incident {source.id})"
            return Muted(message + _ended(source))
        known = sources.known_as(incident)
        if known is None:
            return None
        message = f"the same fault as {known.rule} (incident {known.id}), notified before"
        return Muted(message + _ended(known), known)

    def sees_the_same(self, one: Incident, other: Incident) -> bool:
        """Return whether two incidents would mute each other, so that neither is the cause."""
        return self._follows(one, other) and self._follows(other, one)

    def _is_news(self, incident: Incident, source: Incident, sources: Sources) -> bool:
        """Return whether people know the fault by the incident, or heard of it after the source."""
        if source.resolved_at is not None and (incident.told_at or 0) >= source.resolved_at:
            return True
        known = sources.known_as(source)
        return known is not None and known.id == incident.id

    def _follows(self, target: Incident, source: Incident) -> bool:
        return any(each.mutes(source, target) for each in self.inhibitions)


def _ended(incident: Incident) -> str:
    return "" if incident.resolved_at is None else ", which has just ended"
