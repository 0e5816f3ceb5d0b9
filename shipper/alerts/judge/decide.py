"""
Who is notified of what happened to incidents: what one turn of the job decides, in one transaction.

Rules say that an incident fires or ends; whether people hear of it is decided here:

- An incident that is muted (silence, maintenance, another incident) is kept with the reason. When
  the mute ends and it still fires, people are notified then (`unmuted`). For what follows from an
  incident that has ended, people are notified only when a window that began after that end is a
  breach: a window of five minutes still holds the errors of an outage that is over.
- One fault is one incident to people, whichever of its rules fires first. What explains an incident
  of which people were notified before is muted; that one takes on the severity, and people are
  notified of it (`raised`), once per rule unless it ends and comes back after a while, and not
  where the two rules only see the same.
- Whoever was notified that it fires is notified of its acknowledgement and its end, muted or not: a
  page that was opened is closed. Who was not notified of an incident is not notified of its end.
- For what fired and ended within one turn, or while missed windows are being judged, there is one
  notification when it is over, which says from when to when. People are notified of what still
  fires when the job has caught up. So there is no flood after a restart, and nothing is withheld.
- Reminders, and the clocks of the SLA, run only once people were notified, and rest while it is
  muted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from shipper.alerts.incident import Change, Incident, Phase, Raise, Transition
from shipper.alerts.incidents.muting import Maintenance, Mutes
from shipper.alerts.incidents.sla import Sla
from shipper.alerts.incidents.sources import Inhibition, Sources
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.routing import alerters_for, repeat_after_ms
from shipper.alerts.settings import AlertSettings
from shipper.text import instant

LATELY_MS: Final = 6 * 3_600_000  # the longest window that an outage may be seen in after its end
LATE_MS: Final = 5 * 60_000  # what fired so long ago is said to be found late
AGAIN_MS: Final = 30 * 60_000  # from which on a cause that came back is news again
FIRING: Final = (Phase.FIRING, Phase.ACKNOWLEDGED)
_NOTIFIED: Final = (Change.FIRED, Change.UNMUTED, Change.REMINDED)


@dataclass(frozen=True, slots=True)
class Policy:
    """What people have set: routes, clocks, planned work, what follows from what."""

    settings: AlertSettings
    sla: Sla = field(default_factory=Sla)
    maintenance: tuple[Maintenance, ...] = ()
    inhibitions: tuple[Inhibition, ...] = ()


def act(ledger: Ledger, transitions: Iterable[Transition], now: int) -> None:
    """
    Keep what was done to an incident by hand, within `ledger.deciding()`.

    Whoever does it need not know the alerters: the job decides who is notified (`Decisions.route`).
    """
    for each in transitions:
        ledger.record(each, None, now)
        incident = each.incident
        if each.change is Change.DROPPED:
            for track in ledger.tracks(incident.id):
                ledger.place(incident.rule, incident.group, track, None)
        else:
            ledger.update(incident)


def _decided_of(incident: Incident) -> dict[str, Any]:
    """Return what is decided of an incident, besides what the rule found."""
    names = ("told_at", "muted_by", "catching_up", "late")
    return {name: getattr(incident, name) for name in names}


class Decisions:
    """Decides at one time; everything is called within `ledger.deciding()`."""

    def __init__(self, ledger: Ledger, policy: Policy, now: int) -> None:
        self._ledger = ledger
        self._policy = policy
        self._now = now
        self._mutes = Mutes(ledger.silences.active(now=now), policy.maintenance, policy.inhibitions)
        self._raised: dict[str, Incident] = {}
        self.count = 0  # transitions that were recorded

    def tell(self, transitions: Sequence[Transition], behind: Collection[str] = ()) -> None:
        """
        Record what the rules found in this turn, and who is notified.

        The incidents themselves are in the ledger already. `behind` are the rules of which more
        windows are judged at once.
        """
        over = {each.incident.id for each in transitions if each.change is Change.RESOLVED}
        others = self._others()
        fired: dict[str, Incident] = {}
        for each in transitions:
            incident = each.incident
            if each.change is Change.FIRED:
                waits = incident.id in over or incident.rule in behind
                incident = self._fired(incident, others, each.at, waits=waits)
                fired[incident.id] = incident
                self._patch(incident)
            elif incident.id in fired:
                known = fired[incident.id]
                incident = replace(incident, **_decided_of(known))
            self._record(replace(each, incident=incident))

    def look_after(self, behind: Collection[str] = ()) -> None:
        """Decide what is due for firing incidents: ends of mutes, reminders, SLA clocks."""
        others = self._others()
        for known in self._ledger.incidents(FIRING):
            incident = self._raised.get(known.id, known)
            muted = self._mutes.find(incident, others, self._now)
            reason = None if muted is None else muted.reason
            if muted is not None and muted.known is not None:
                self._raise(muted.known.id, incident)
            waits = reason is None and incident.catching_up and incident.rule in behind
            if reason is not None or waits:
                held = replace(incident, muted_by=reason, catching_up=waits)
                if held != incident:
                    self._ledger.update(held)
                continue
            if incident.muted is not None or incident.told_at is None:
                if incident.ok_since is not None:
                    continue  # it is about to end, or else to be notified at its next breach
                incident = self._unmute(incident)
            self._remind(incident)

    def route(self) -> None:
        """Decide who is notified of what people did to incidents."""
        for each in self._ledger.unrouted():
            heard = self._heard(each.transition)
            self._ledger.route(each.key, self._alerters(heard), self._now)
            self.count += 1

    def _fired(self, incident: Incident, others: Sources, at: int, *, waits: bool) -> Incident:
        reasons = (self._mutes.reason(incident, others, time) for time in (self._now, at))
        reason = next(filter(None, reasons), None)
        told_at = None if reason or waits else self._now
        return replace(
            incident,
            muted_by=reason,
            catching_up=reason is None and waits,
            told_at=told_at,
            late=incident.late or self._now - at >= LATE_MS,
        )

    def _others(self) -> Sources:
        """Return the incidents from which another one may follow: firing, or ended lately."""
        inhibitions = self._policy.inhibitions
        if not inhibitions:
            return Sources((), ())
        ended = self._ledger.ended_since(self._now - LATELY_MS)
        return Sources(inhibitions, [*self._ledger.incidents(FIRING), *ended])

    def _raise(self, known: str, by: Incident) -> None:
        """Put what another rule sees of the same fault on the incident that people know."""
        for incident in self._ledger.find(known):
            before = next((each for each in incident.raised if each.rule == by.rule), None)
            is_worse = by.severity.rank < incident.severity.rank
            is_less = by.severity.rank > incident.severity.rank
            is_cause = is_worse or not self._mutes.sees_the_same(by, incident)
            is_heard = incident.phase in FIRING and incident.muted is None
            if not is_heard or not is_cause or is_less or not self._is_new(before, by):
                continue
            if before is None:
                raised = (*incident.raised, Raise(by.rule, self._now, incident.severity))
            else:
                again = replace(before, again=self._now)
                raised = (*(each for each in incident.raised if each != before), again)
            after = replace(incident, severity=by.severity, raised=raised)
            self._raised[after.id] = after
            self._ledger.update(after)
            note = f"{by.rule} ({by.severity}, incident {by.id}): {by.verdict.reason}"
            self._record(Transition(after, Change.RAISED, self._now, note))

    def _is_new(self, before: Raise | None, by: Incident) -> bool:
        """Return whether people have not heard of a cause, or of one that ended some time ago."""
        if before is None or by.flapping:
            return before is None
        last = before.again or before.at
        return self._now - last >= AGAIN_MS and (by.fired_at or by.opened_at) > last

    def _patch(self, decided: Incident) -> None:
        """Keep who is notified in the incident as it stands, which may have gone on since."""
        for found in self._ledger.find(decided.id):
            self._ledger.update(replace(found, **_decided_of(decided)))

    def _record(self, transition: Transition) -> None:
        heard = self._heard(transition)
        self.count += self._ledger.record(heard, self._alerters(heard), self._now)

    def _heard(self, transition: Transition) -> Transition:
        """Return the transition as people hear of it: who heard of a beginning hears of the end."""
        incident, change = transition.incident, transition.change
        if change is Change.RESOLVED and incident.catching_up:
            begun = instant(incident.fired_at or incident.opened_at, unit_ms=1000)
            ended = instant(transition.at, unit_ms=1000)
            note = f"fired {begun} and was over {ended}, found after the fact"
            incident = replace(
                incident, told_at=self._now, muted_by=None, catching_up=False, late=True
            )
            self._patch(incident)
            return replace(transition, incident=incident, note=note)
        if change in {Change.RESOLVED, Change.ACKNOWLEDGED} and incident.told_at is not None:
            return replace(transition, incident=replace(incident, muted_by=None, catching_up=False))
        return transition

    def _alerters(self, heard: Transition) -> tuple[str, ...]:
        is_notified = heard.incident.told_at is not None
        return alerters_for(heard, self._policy.settings) if is_notified else ()

    def _unmute(self, incident: Incident) -> Incident:
        after = replace(
            incident, muted_by=None, catching_up=False, told_at=incident.told_at or self._now
        )
        self._ledger.update(after)
        if incident.phase is Phase.FIRING:
            since = "nobody was notified before" if incident.told_at is None else "muted until now"
            note = f"{since}: {incident.muted}" if incident.muted else ""
            self._record(Transition(after, Change.UNMUTED, self._now, note))
        return after

    def _remind(self, incident: Incident) -> None:
        changes = self._ledger.changes_of(incident.id)
        for due in self._policy.sla.due(incident, changes, self._now):
            self._record(due)
        last = max((changes[each] for each in _NOTIFIED if each in changes), default=self._now)
        repeat = repeat_after_ms(incident, self._policy.settings)
        is_due = repeat is not None and self._now >= max(last, incident.told_at or 0) + repeat
        if incident.phase is Phase.FIRING and is_due:
            self._record(Transition(incident, Change.REMINDED, self._now))
