"""
Who is told of what happened to incidents: what one turn of the job decides, in one transaction.

Rules say that an incident fires or ends; whether people hear of it is decided here:

- An incident that is muted (silence, maintenance, another incident) is kept with the reason. When
  the mute ends and it still fires, it is told then (`unmuted`).
- Whoever was told that it fires is told of its end and of who took it over, muted or not: a page
  that was opened is closed. Of what nobody was told, nobody is told the end.
- What fired and ended within one turn, or while windows that were missed are being judged, is told
  once, when it is over: one line that says from when to when. What still fires when the job has
  caught up is told then. So there is no flood after a restart, and nothing is kept from anybody.
- Reminders, and the clocks of the SLA, run only for what people were told, and rest while it is
  muted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.ledger import Ledger
from shipper.alerts.muting import Inhibition, Maintenance, Mutes
from shipper.alerts.routing import alerters_for, repeat_after_ms
from shipper.alerts.settings import AlertSettings
from shipper.alerts.sla import Sla
from shipper.view.text import instant

CATCHING_UP: Final = "windows that were missed are being judged"
FIRING: Final = (Phase.FIRING, Phase.ACKNOWLEDGED)
_TOLD: Final = (Change.FIRED, Change.UNMUTED, Change.REMINDED)


@dataclass(frozen=True, slots=True)
class Policy:
    """What people have set: routes, clocks, planned work, what follows from what."""

    settings: AlertSettings
    sla: Sla = field(default_factory=Sla)
    maintenance: tuple[Maintenance, ...] = ()
    inhibitions: tuple[Inhibition, ...] = ()


class Decisions:
    """Decides at one time; everything is called within `ledger.deciding()`."""

    def __init__(self, ledger: Ledger, policy: Policy, now: int) -> None:
        self._ledger = ledger
        self._policy = policy
        self._now = now
        self._mutes = Mutes(ledger.silences(now=now), policy.maintenance, policy.inhibitions)
        self.count = 0  # transitions that were recorded

    def tell(self, transitions: Sequence[Transition], behind: Collection[str] = ()) -> None:
        """
        Record what the rules found in this turn, and who is told.

        The incidents themselves are in the ledger already. `behind` are the rules of which more
        windows are judged at once.
        """
        over = {each.incident.id for each in transitions if each.change is Change.RESOLVED}
        firing = self._ledger.incidents(FIRING)
        fired: dict[str, Incident] = {}
        for each in transitions:
            incident = each.incident
            if each.change is Change.FIRED:
                held = CATCHING_UP if incident.id in over or incident.rule in behind else None
                incident = self._fired(incident, firing, each.at, held)
                fired[incident.id] = incident
                self._patch(incident)
            elif incident.id in fired:
                known = fired[incident.id]
                incident = replace(incident, told_at=known.told_at, muted_by=known.muted_by)
            self._record(replace(each, incident=incident))

    def look_after(self, behind: Collection[str] = ()) -> None:
        """Tell what is due of the incidents that fire: ends of mutes, reminders, clocks."""
        firing = self._ledger.incidents(FIRING)
        for incident in firing:
            reason = self._mutes.reason(incident, firing, self._now)
            if incident.muted_by == CATCHING_UP and incident.rule in behind:
                reason = reason or CATCHING_UP
            if reason is not None:
                if reason != incident.muted_by:
                    self._ledger.update(replace(incident, muted_by=reason))
                continue
            if incident.muted_by is not None or incident.told_at is None:
                incident = self._unmute(incident)  # noqa: PLW2901 - as it stands from here on
            self._remind(incident)

    def act(self, transitions: Iterable[Transition]) -> None:
        """Record what a person has done to an incident, and keep it as it stands."""
        for each in transitions:
            self._record(each)
            if each.change is Change.DROPPED:
                incident = each.incident
                for track in self._ledger.tracks(incident.id):
                    self._ledger.place(incident.rule, incident.group, track, None)
            else:
                self._ledger.update(each.incident)

    def _fired(
        self, incident: Incident, firing: Sequence[Incident], at: int, held: str | None
    ) -> Incident:
        reasons = (self._mutes.reason(incident, firing, time) for time in (self._now, at))
        reason = next(filter(None, reasons), held)
        told_at = None if reason else self._now
        return replace(incident, muted_by=reason, told_at=told_at)

    def _patch(self, decided: Incident) -> None:
        """Keep who is told in the incident as it stands, which may have gone on since."""
        for found in self._ledger.find(decided.id):
            muted_by, told_at, late = decided.muted_by, decided.told_at, decided.late
            self._ledger.update(replace(found, muted_by=muted_by, told_at=told_at, late=late))

    def _record(self, transition: Transition) -> None:
        incident, change = transition.incident, transition.change
        if change is Change.RESOLVED and incident.muted_by == CATCHING_UP:
            begun = instant(incident.fired_at or incident.opened_at, unit_ms=1000)
            ended = instant(transition.at, unit_ms=1000)
            note = f"fired {begun} and was over {ended}, found after the fact"
            incident = replace(incident, told_at=self._now, muted_by=None, late=True)
            transition = replace(transition, incident=incident, note=note)
            self._patch(incident)
        elif change in {Change.RESOLVED, Change.ACKNOWLEDGED} and incident.told_at is not None:
            incident = replace(incident, muted_by=None)
        is_told = incident.told_at is not None
        heard = replace(transition, incident=incident)
        alerters = alerters_for(heard, self._policy.settings) if is_told else ()
        self.count += self._ledger.record(heard, alerters, self._now)

    def _unmute(self, incident: Incident) -> Incident:
        after = replace(incident, muted_by=None, told_at=incident.told_at or self._now)
        self._ledger.update(after)
        if incident.phase is Phase.FIRING:
            note = f"nobody was told before: {incident.muted_by}" if incident.muted_by else ""
            self._record(Transition(after, Change.UNMUTED, self._now, note))
        return after

    def _remind(self, incident: Incident) -> None:
        told = self._ledger.changes_of(incident.id)
        for due in self._policy.sla.due(incident, told, self._now):
            self._record(due)
        last = max((told[each] for each in _TOLD if each in told), default=self._now)
        repeat = repeat_after_ms(incident, self._policy.settings)
        is_due = repeat is not None and self._now >= max(last, incident.told_at or 0) + repeat
        if incident.phase is Phase.FIRING and is_due:
            self._record(Transition(incident, Change.REMINDED, self._now))
