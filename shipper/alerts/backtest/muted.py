"""
What people would not have been notified of: planned work, and what follows from another incident.

An incident that is muted when it fires is notified when the mute ends and it still fires, as live.
So one is silent if it was muted for all of its life. What explains an incident that people knew
before raises that one, and is no page of its own. Silences are not looked at: they are made by
hand, of the day.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from shipper.alerts.backtest.backtest import BacktestOutcome
from shipper.alerts.incident import Incident
from shipper.alerts.incidents.muting import Mutes
from shipper.alerts.judge.decide import LATELY_MS
from shipper.alerts.verdict import Window

MOST_LOOKS: Final = 1000  # at one incident, spread over its life


def with_mutes(
    outcomes: Sequence[BacktestOutcome], mutes: Mutes, others: Iterable[BacktestOutcome] = ()
) -> list[BacktestOutcome]:
    """Return the outcomes with the incidents that nobody would have been notified of, and why."""
    sources = [
        each
        for outcome in (*outcomes, *others)
        if any(inhibition.is_from(outcome.rule.name) for inhibition in mutes.inhibitions)
        for each in outcome.incidents
    ]
    found = [_with_mutes(outcome, mutes, sources) for outcome in outcomes]
    return [_with_known(outcome, mutes, found) for outcome in found]


def _with_known(
    outcome: BacktestOutcome, mutes: Mutes, among: Sequence[BacktestOutcome]
) -> BacktestOutcome:
    """Add the incidents whose fault people knew already by one that they explain."""
    ours = [each for each in mutes.inhibitions if each.is_from(outcome.rule.name)]
    known = [
        incident
        for other in among
        if any(each.is_for(other.rule.name) for each in ours)
        for incident in other.incidents
        if incident.id not in other.muted
    ]
    muted = dict(outcome.muted)
    for incident in outcome.incidents if known else ():
        begin, end = incident.fired_at or 0, incident.resolved_at or outcome.until
        first = next(
            (
                each
                for each in known
                if (each.fired_at or 0) < begin
                and (each.resolved_at is None or each.resolved_at >= end)
                and any(one.mutes(incident, each) for one in ours)
            ),
            None,
        )
        if first is not None:
            reason = f"the same fault as {first.rule} (incident {first.id}), notified before"
            muted.setdefault(incident.id, reason)
    return replace(outcome, muted=muted)


def _with_mutes(
    outcome: BacktestOutcome, mutes: Mutes, sources: Sequence[Incident]
) -> BacktestOutcome:
    muted: dict[str, str] = {}
    for incident in outcome.incidents:
        causes = [
            each
            for each in sources
            if any(inhibition.mutes(each, incident) for inhibition in mutes.inhibitions)
        ]
        if not causes and not mutes.maintenance:
            continue
        reasons = (
            mutes.reason(_at(incident, time), list(_there(causes, time)), time)
            for time in _looks(outcome, incident)
        )
        first = next(reasons)
        if first is not None and all(reason is not None for reason in reasons):
            muted[incident.id] = first
    return replace(outcome, muted=muted)


def _looks(outcome: BacktestOutcome, incident: Incident) -> range:
    """Return when the live job would have looked whether it is muted still."""
    start, end = incident.fired_at or 0, incident.resolved_at or outcome.until
    every = outcome.rule.every_ms
    step = -(-(end - start) // MOST_LOOKS // every) * every
    return range(start, max(end, start + 1), max(step, every))


def _at(incident: Incident, time: int) -> Incident:
    """Return an incident as it stood at a time, judged over a window that ended then."""
    window = incident.verdict.window
    verdict = replace(incident.verdict, window=Window(time - (window.end - window.start), time))
    return replace(incident, verdict=verdict, resolved_at=None)


def _there(sources: Iterable[Incident], time: int) -> Iterator[Incident]:
    """Yield what was firing at a time, or had ended lately."""
    for each in sources:
        if (each.fired_at or 0) <= time:
            if each.resolved_at is None or each.resolved_at > time:
                yield replace(each, resolved_at=None)
            elif each.resolved_at >= time - LATELY_MS:
                yield each
