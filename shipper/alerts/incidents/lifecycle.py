"""
The life of an incident: one pure step for each verdict.

`step` is all that the live job, the back-test and the tests of rules know of incidents. Its time
is the end of the window that was judged, never the clock on the wall: the same verdicts make the
same incidents, whenever they are judged.

    breach   opens an incident (pending); after `for` it fires; of one that fires, it is the last
             number known, and it takes back a beginning end
    ok       drops what is pending, and the incident before it is remembered again; what fires is
             resolved when it has been ok for `keep_firing`
    ok, but without hosts that are late (`Verdict.waiting`)
             drops what is pending, and never resolves: the breach may be theirs

A window that cannot be judged has no verdict, and changes nothing. A verdict of an earlier window
than the last breach changes nothing either: it comes from a host that caught up, or after an early
breach, and the incident has gone on since.

Flapping is damped: an incident that comes back within `RELAPSE_MS` after the last one of the same
rule and group was resolved is a relapse. The second relapse in a row makes it `flapping`; it is
then resolved only after it has been ok for `CALM_MS`, so what comes and goes every few minutes is
notified three times, then once more when it ends.
"""

from __future__ import annotations

from base64 import b32encode
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final

from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import Group, Verdict, VerdictState, Window

RELAPSE_MS: Final = 3_600_000
CALM_MS: Final = 1_800_000
RELAPSES: Final = 2  # so many in a row are flapping
AHEAD_MS: Final = 60_000  # a clock that is set back by less is waited for
BY_RULE: Final = "rule"  # who resolved it, where the records say so
ID_BYTES: Final = 5  # 8 letters

Step = tuple[Incident | None, tuple[Transition, ...]]


@dataclass(frozen=True, slots=True)
class LifecycleTerms:
    """
    What a rule says of its incidents; times in milliseconds.

    Of a rule that widens its windows of `over_ms`, a breach that took a longer one to be seen is
    not over after a short one without it, but only when half of the longer one is calm.
    """

    severity: Severity
    for_ms: int = 0
    keep_firing_ms: int = 0
    over_ms: int | None = None

    def calm_ms(self, incident: Incident) -> int:
        """Return for how long it must be ok before an incident is over."""
        window = incident.verdict.window
        span = window.end - window.start
        widened = span // 2 if self.over_ms is not None and span > self.over_ms else 0
        return max(self.keep_firing_ms, CALM_MS if incident.flapping else 0, widened)


def is_open(incident: Incident | None) -> bool:
    """Return whether there is an incident that has not ended."""
    return incident is not None and incident.phase is not Phase.RESOLVED


def is_firing(incident: Incident | None) -> bool:
    """Return whether an incident is one that people have to look after, acknowledged or not."""
    return incident is not None and incident.phase in {Phase.FIRING, Phase.ACKNOWLEDGED}


def step(
    before: Incident | None, verdict: Verdict, terms: LifecycleTerms, now: int, track: str = ""
) -> Step:
    """
    Return the incident after a verdict, and what happened to it.

    `before` is the last one of the rule and group, or what the last step gave: a resolved one is
    remembered for relapses. `now` is the end of the window. `track` tells apart what is judged of
    the same windows more than once (`standing.py`).
    """
    if before is None or before.phase is Phase.RESOLVED:
        return (
            (before, ())
            if verdict.state is VerdictState.OK
            else _open(before, verdict, terms, now, track)
        )
    if verdict.state is VerdictState.BREACH:
        return _go_on(before, verdict, terms, now)
    return _calm_down(before, verdict, terms, now)


def as_of(incident: Incident, now: int, every_ms: int) -> Incident:
    """Return an incident whose last breach was found while the clock was ahead as one of before."""
    window = incident.verdict.window
    ahead = window.end - now
    if ahead <= AHEAD_MS:
        return incident
    back = ahead + 2 * every_ms
    verdict = replace(incident.verdict, window=Window(window.start - back, window.end - back))
    return replace(incident, verdict=verdict, ok_since=None)


def acknowledge(incident: Incident, by: str, now: int, note: str = "") -> Step:
    """Have a person take over an incident that fires; of any other, nothing happens."""
    if incident.phase is not Phase.FIRING:
        return incident, ()
    after = replace(
        incident,
        phase=Phase.ACKNOWLEDGED,
        acknowledged_at=now,
        acknowledged_by=by,
        muted_by=None,
        catching_up=False,
    )
    return after, (Transition(after, Change.ACKNOWLEDGED, now, note),)


def resolve(incident: Incident, by: str, now: int, note: str = "") -> Step:
    """End an incident, also one that is pending; of one that has ended, nothing happens."""
    if incident.phase is Phase.RESOLVED:
        return incident, ()
    if incident.phase is Phase.PENDING:
        ended = replace(incident, resolved_by=by)
        return None, (Transition(ended, Change.DROPPED, now, note),)
    after = replace(incident, phase=Phase.RESOLVED, resolved_at=now, resolved_by=by)
    return after, (Transition(after, Change.RESOLVED, now, note),)


def incident_id(rule: str, group: Group, opened_at: int, track: str = "") -> str:
    """Name an incident by what it is: whoever judges the same records finds the same one."""
    pairs = (f"{field}\0{value}" for field, value in group)
    identity = "\0".join([rule, *pairs, str(opened_at), track])
    return b32encode(blake2b(identity.encode(), digest_size=ID_BYTES).digest()).decode().lower()


def _open(
    before: Incident | None, verdict: Verdict, terms: LifecycleTerms, now: int, track: str
) -> Step:
    relapse = before is not None and now - (before.resolved_at or now) < RELAPSE_MS
    incident = Incident(
        id=incident_id(verdict.rule, verdict.group, now, track),
        rule=verdict.rule,
        group=verdict.group,
        severity=terms.severity,
        phase=Phase.PENDING,
        opened_at=now,
        verdict=verdict,
        late=verdict.late,
        relapses=before.relapses + 1 if before is not None and relapse else 0,
        before=before,
    )
    opened = Transition(incident, Change.OPENED, now)
    after, fired = _fire_if_due(incident, terms, now)
    return after, (opened, *fired)


def _go_on(before: Incident, verdict: Verdict, terms: LifecycleTerms, now: int) -> Step:
    if now < before.verdict.window.end:
        return before, ()
    after = replace(before, verdict=verdict, ok_since=None)
    return _fire_if_due(after, terms, now)


def _fire_if_due(incident: Incident, terms: LifecycleTerms, now: int) -> Step:
    if incident.phase is not Phase.PENDING or now - incident.opened_at < terms.for_ms:
        return incident, ()
    flapping = incident.relapses >= RELAPSES
    after = replace(incident, phase=Phase.FIRING, fired_at=now, flapping=flapping, before=None)
    note = f"flapping: back {incident.relapses} times within an hour each" if flapping else ""
    return after, (Transition(after, Change.FIRED, now, note),)


def _calm_down(before: Incident, verdict: Verdict, terms: LifecycleTerms, now: int) -> Step:
    if now <= before.verdict.window.end:
        return before, ()
    if before.phase is Phase.PENDING:
        return before.before, resolve(before, BY_RULE, now, verdict.reason)[1]
    if verdict.waiting:
        return before, ()
    since = now if before.ok_since is None else before.ok_since
    after = replace(before, ok_since=since)
    if now - since < terms.calm_ms(before):
        return after, ()
    return resolve(after, BY_RULE, now, verdict.reason)
