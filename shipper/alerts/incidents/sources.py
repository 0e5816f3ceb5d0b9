"""
What an incident may follow from, found by the values that have to be equal.

Sources with equal values are kept in the order in which they answer: what fired first of those
that fire, then what ended last, as far as it matters. The first is the answer as a rule, so it
takes no longer where thousands of incidents are open, which is when it is asked for most, within
the transaction of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from shipper.alerts.incident import Incident


@dataclass(frozen=True, slots=True)
class Inhibition:
    """
    While `source` fires, its consequences are muted: the rules `targets` (with * ? [ ]).

    Only those are whose group has the same values in the fields `equal`, where both have them.
    Source rules that are `ignored` mute nothing.
    """

    source: str
    targets: tuple[str, ...]
    equal: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()

    def is_from(self, rule: str) -> bool:
        """Return whether a rule is one of its sources."""
        return fnmatchcase(rule, self.source) and rule not in self.ignored

    def is_for(self, rule: str) -> bool:
        """Return whether a rule is one of those that it mutes."""
        return any(fnmatchcase(rule, glob) for glob in self.targets)

    def mutes(self, source: Incident, target: Incident) -> bool:
        """Return whether the target follows from the source."""
        if source.rule == target.rule or not self.is_from(source.rule):
            return False
        ours, theirs = dict(source.group), dict(target.group)
        both = [field for field in self.equal if field in ours and field in theirs]
        return self.is_for(target.rule) and all(ours[field] == theirs[field] for field in both)


def order_of(incident: Incident) -> tuple[int, str]:
    """Say which comes first of two that would mute each other."""
    return incident.fired_at or incident.opened_at, incident.id


_Names = tuple[str, ...]
_Index = dict[_Names, dict[_Names, list[Incident]]]  # fields → their values → in order


class Sources:
    """Incidents from which others may follow: those that fire, and those that ended lately."""

    def __init__(self, inhibitions: Sequence[Inhibition], incidents: Iterable[Incident]) -> None:
        self._inhibitions = inhibitions
        known = list(incidents) if inhibitions else []
        self._known = KnownFaults(inhibitions, known)
        self._from = [[each for each in known if one.is_from(each.rule)] for one in inhibitions]
        self._indexes: dict[tuple[int, _Names], _Index] = {}

    def of(self, target: Incident) -> Iterator[Incident]:
        """Yield what an incident follows from, what says most first."""
        values, start = dict(target.group), target.verdict.window.start
        for number, inhibition in enumerate(self._inhibitions):
            if not self._from[number] or not inhibition.is_for(target.rule):
                continue
            shared = tuple(field for field in inhibition.equal if field in values)
            for fields, by_values in self._index(number, shared).items():
                for source in by_values.get(tuple(values[field] for field in fields), ()):
                    if source.resolved_at is not None and source.resolved_at <= start:
                        break  # nor is any after it
                    if source.rule != target.rule:
                        yield source

    def known_as(self, source: Incident) -> Incident | None:
        """Return the incident by which people know the fault that another one explains."""
        return self._known.of(source) if source.told_at is None else None

    def _index(self, number: int, shared: _Names) -> _Index:
        """Sort the sources of an inhibition by the fields that a target has, once."""
        place = (number, shared)
        if place not in self._indexes:
            index: _Index = {}
            for each in sorted(self._from[number], key=_rank):
                ours = dict(each.group)
                fields = tuple(field for field in shared if field in ours)
                by_values = index.setdefault(fields, {})
                by_values.setdefault(tuple(ours[field] for field in fields), []).append(each)
            self._indexes[place] = index
        return self._indexes[place]


class KnownFaults:
    """
    Incidents of which people were notified before what explains them was found.

    They are found by the values that have to be equal. The first of which people were notified
    stands for the fault; of those that have ended, only what was there in the window that is asked
    about. One that somebody silenced stands for nothing that came later.
    """

    def __init__(self, inhibitions: Sequence[Inhibition], incidents: Iterable[Incident]) -> None:
        self._inhibitions = inhibitions
        self._index: dict[tuple[int, _Names], list[Incident]] = {}
        notified = [each for each in incidents if each.told_at is not None]
        for each in sorted(notified, key=_known_rank):
            for number, inhibition in enumerate(inhibitions):
                values = _values(each, inhibition.equal)
                if values is not None and inhibition.is_for(each.rule):
                    self._index.setdefault((number, values), []).append(each)

    def of(self, source: Incident) -> Incident | None:
        """Return the incident that stands for the fault of a source; None if there is none."""
        found = [
            each
            for number, inhibition in enumerate(self._inhibitions)
            if inhibition.is_from(source.rule)
            for each in self._of(number, source)
        ]
        return min(found, key=_known_rank, default=None)

    def _of(self, number: int, source: Incident) -> Iterator[Incident]:
        """Yield the first incident that follows from a source by one inhibition, if any."""
        values = _values(source, self._inhibitions[number].equal)
        for each in self._index.get((number, values), ()) if values is not None else ():
            is_over = each.resolved_at is not None
            if is_over and (each.resolved_at or 0) <= source.verdict.window.start:
                continue
            is_heard = each.muted_by is None or source.rule in _raised_by(each)
            if each.rule != source.rule and (is_over or is_heard):
                yield each
                return


def _raised_by(incident: Incident) -> set[str]:
    return {each.rule for each in incident.raised}


def _known_rank(incident: Incident) -> tuple[bool, int, str]:
    return incident.resolved_at is not None, incident.told_at or 0, incident.id


def _values(incident: Incident, fields: Sequence[str]) -> _Names | None:
    """Return what an incident has in fields; None unless it has all of them."""
    group = dict(incident.group)
    found = tuple(group[field] for field in fields if field in group)
    return found if len(found) == len(fields) else None


def _rank(source: Incident) -> tuple[int, tuple[int, str]]:
    return -(source.resolved_at or 1 << 62), order_of(source)
