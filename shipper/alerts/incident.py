"""
An incident: what a rule found for one group, from its first breach to its end.

    (none) ──breach──► pending ──`for` has passed──► firing ──ack──► acknowledged
                          │                            │                  │
                          └──ok──► (dropped)           └──ok for `keep_firing`──► resolved

There is at most one open incident per rule and group. Every step of it is a transition, and people
are notified of each transition once. `lifecycle.py` says what leads from one phase to the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shipper.alerts.severity import Severity
from shipper.alerts.verdict import Group, Verdict

CATCHING_UP: Final = "windows that were missed are being judged"
SERVICE: Final = "service.name"  # the field of a group that routes and pages go by


class Phase(StrEnum):
    """Where an incident stands."""

    PENDING = "pending"
    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


class Change(StrEnum):
    """What can happen to an incident."""

    OPENED = "opened"  # pending: nobody is notified
    DROPPED = "dropped"  # pending no more, without ever firing: nobody is notified
    FIRED = "fired"
    REMINDED = "reminded"  # still firing after the repeat interval
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    RESPONSE_DUE = "response_due"  # nobody has acknowledged, the limit is near
    RESPONSE_BREACHED = "response_breached"
    RESOLUTION_DUE = "resolution_due"
    RESOLUTION_BREACHED = "resolution_breached"
    RAISED = "raised"  # another rule sees the same fault: it is worse, or its cause was found
    UNMUTED = "unmuted"  # it fired in silence, the mute has ended, and it still fires


@dataclass(frozen=True, slots=True)
class Raise:
    """
    What another rule added to an incident: which rule, when first, and the severity before.

    `again` is when people were notified of it anew, as it had ended and came back.
    """

    rule: str
    at: int
    severity: Severity
    again: int | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """
    One incident; times in epoch milliseconds, None where it has not come to that.

    `id` is unique and short enough to type. `verdict` is the last breach. `resolved_by` and
    `acknowledged_by` name a person, or `rule` where the records say so.

    `opened_at`, `fired_at` and a `resolved_at` by the rule are ends of windows; `told_at` is the
    time on the wall at which people were notified first: the clocks of the SLA run from there, not
    from a past that nobody could know of. `late` marks what was found after the fact, when a host
    or the job caught up. `muted_by` names the silence, maintenance window or incident for which
    nobody is notified; `catching_up`: nobody is yet, for windows that were missed are being judged.
    `raised` says which other rules saw the same fault later; the severity is the highest
    of theirs. `before` is the resolved incident that a pending one may turn out not to follow.
    """

    id: str
    rule: str
    group: Group
    severity: Severity
    phase: Phase
    opened_at: int
    verdict: Verdict
    fired_at: int | None = None
    acknowledged_at: int | None = None
    acknowledged_by: str | None = None
    resolved_at: int | None = None
    resolved_by: str | None = None
    ok_since: int | None = None
    flapping: bool = False
    muted_by: str | None = None
    told_at: int | None = None
    late: bool = False
    relapses: int = 0
    catching_up: bool = False
    before: Incident | None = None
    raised: tuple[Raise, ...] = ()

    @property
    def muted(self) -> str | None:
        """Why nobody is notified, in words; None where people are."""
        return self.muted_by or (CATCHING_UP if self.catching_up else None)


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of an incident: as it stands after the step, when it was made, and why."""

    incident: Incident
    change: Change
    at: int
    note: str = ""

    @property
    def by(self) -> str | None:
        """Who made the step, a person or `rule`; None where it was the time that passed."""
        if self.change is Change.ACKNOWLEDGED:
            return self.incident.acknowledged_by
        is_end = self.change in {Change.RESOLVED, Change.DROPPED}
        return self.incident.resolved_by if is_end else None
