"""
The incidents that the verdicts of one rule are held against.

A window is judged when it is due on the hosts that have delivered it, and once more for each host
that was late. So a group has a main track, on which windows are judged at their time, and a track
per late host, on which they are judged again, long after. There is one open incident per rule and
group all the same:

- what a late window finds while an incident of the group is open, or within the life of one that
  has ended, was found already; an ok of a late window ends an open incident where it is the whole
  answer (`waiting` is empty) for a time after the last breach;
- what was never found opens an incident on the track of that host, marked `late`, whose times are
  those of its windows: its whole life may be over when it is found;
- when a breach comes on the main track, the open incident of a late one is carried on there, and so
  it is when the host has caught up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from shipper.alerts.incident import Incident, Phase, Transition
from shipper.alerts.incidents.lifecycle import (
    BY_RULE,
    LifecycleTerms,
    is_firing,
    is_open,
    resolve,
    step,
)
from shipper.alerts.verdict import Group, Verdict, VerdictState

MAIN = ""
Place = tuple[Group, str]  # group and track


class Standings:
    """The incidents of one rule by group and track; what changes is kept in memory."""

    def __init__(self, incidents: Mapping[Place, Incident]) -> None:
        self._incidents = dict(incidents)
        self._tracks: dict[Group, dict[str, None]] = {}  # of a group, in order
        for group, track in self._incidents:
            self._tracks.setdefault(group, {})[track] = None
        self._changed: set[Place] = set()

    def take(
        self, verdict: Verdict, terms: LifecycleTerms, track: str = MAIN
    ) -> tuple[Transition, ...]:
        """Hold a verdict against what stands on a track, and give what happened."""
        if track != MAIN:
            return self._take_late(replace(verdict, late=True), terms, track)
        place = (verdict.group, MAIN)
        dropped = self._carry_on(verdict) if verdict.state is VerdictState.BREACH else ()
        return dropped + self._step(place, verdict, terms)

    def close(self, track: str, now: int) -> tuple[Transition, ...]:
        """End the track of a host that has caught up: what fires is carried on at its time."""
        dropped: tuple[Transition, ...] = ()
        for place in [place for place in self._incidents if place[1] == track]:
            before, main = self._incidents[place], (place[0], MAIN)
            if is_firing(before):
                dropped += self._drop(main, now)
                self._put(main, before)
                self._put(place, None)
            else:
                dropped += self._drop(place, now)
        return dropped

    def open_groups(self) -> set[Group]:
        """Return the groups that have an open incident on any track."""
        return {group for (group, _), found in self._incidents.items() if is_open(found)}

    def ended(self) -> dict[Group, int]:
        """Return the groups whose incident has ended, with the end of its last breach."""
        open_now, ended = self.open_groups(), dict[Group, int]()
        for (group, _), found in self._incidents.items():
            if group not in open_now:
                ended[group] = max(ended.get(group, 0), found.verdict.window.end)
        return ended

    def changes(self) -> Iterator[tuple[Place, Incident | None]]:
        """Yield what stands otherwise than before, each place once."""
        for place in sorted(self._changed):
            yield place, self._incidents.get(place)

    def _take_late(
        self, verdict: Verdict, terms: LifecycleTerms, track: str
    ) -> tuple[Transition, ...]:
        group, at = verdict.group, verdict.window.end
        own = (group, track)
        firing = self._firing(group)
        if firing not in {None, own}:
            dropped = self._drop(own, at)
            if firing is None or at < self._incidents[firing].opened_at:
                return dropped
            return dropped + self._step(firing, verdict, terms)
        if firing is None and any(_lived_at(each, at) for _, each in self._of(group)):
            return self._drop(own, at)
        return self._step(own, verdict, terms)

    def _firing(self, group: Group) -> Place | None:
        """Return where the incident of a group that fires stands."""
        return next((place for place, each in self._of(group) if is_firing(each)), None)

    def _of(self, group: Group) -> Iterator[tuple[Place, Incident]]:
        """Yield what stands on the tracks of a group."""
        for track in self._tracks.get(group, ()):
            yield (group, track), self._incidents[group, track]

    def _carry_on(self, verdict: Verdict) -> tuple[Transition, ...]:
        """Put what fires on a late track in the place of what is pending on the main one."""
        main, firing = (verdict.group, MAIN), self._firing(verdict.group)
        if firing is None or firing == main:
            return ()
        incident = self._incidents[firing]
        dropped = self._drop(main, verdict.window.end)
        self._put(main, incident)
        self._put(firing, None)
        return dropped

    def _drop(self, place: Place, now: int) -> tuple[Transition, ...]:
        """Forget what never fired, and what has ended."""
        before = self._incidents.get(place)
        if before is None:
            return ()
        self._put(place, None)
        return resolve(before, BY_RULE, now)[1]

    def _step(
        self, place: Place, verdict: Verdict, terms: LifecycleTerms
    ) -> tuple[Transition, ...]:
        before = self._incidents.get(place)
        after, transitions = step(before, verdict, terms, verdict.window.end, place[1])
        if after != before:
            self._put(place, after)
        return transitions

    def _put(self, place: Place, incident: Incident | None) -> None:
        self._changed.add(place)
        if incident is None:
            self._incidents.pop(place, None)
            self._tracks.get(place[0], {}).pop(place[1], None)
        else:
            self._incidents[place] = incident
            self._tracks.setdefault(place[0], {})[place[1]] = None


def _lived_at(incident: Incident | None, at: int) -> bool:
    """Return whether an incident that fired was there at a time."""
    if incident is None or incident.phase is Phase.PENDING or at < incident.opened_at:
        return False
    return incident.resolved_at is None or at <= incident.resolved_at
