"""The incidents of a period, and those that are open."""

from __future__ import annotations

from collections.abc import Sequence

from shipper.alerts.incident import Incident, Phase
from shipper.alerts.severity import Severity
from shipper.reports.document import ReportBlock, ReportSection, ReportTable, ReportText, State, cut
from shipper.reports.glance import named
from shipper.reports.periods import Period
from shipper.reports.sources import IncidentNote, ReportSources
from shipper.text import counted, duration

MOST_NOTES = 50
LATE_MS = 3_600_000  # how far rules may be behind: windows wait for their hosts
MOST_NAMED = 5  # incidents at the top of a report
SEVERE = (Severity.CRITICAL, Severity.HIGH)


def incidents_section(sources: ReportSources, period: Period) -> ReportSection:
    """Return the incidents that fired in a period, and older ones that are still open."""
    if sources.incidents is None:
        text = "No alert job has run with this config, so there are no incidents."
        return ReportSection(title="Incidents", blocks=(ReportText(text=text),))
    found = sources.opened_in(period)
    ids = {each.id for each in found}
    older = [
        each
        for each in sources.incidents
        if each.phase in (Phase.FIRING, Phase.ACKNOWLEDGED)
        and each.id not in ids
        and each.opened_at < period.until
    ]
    unknown = unjudged(sources, period)
    blocks: list[ReportBlock] = [*unknown, _table(sources, found, "No incident fired.")]
    if older:
        blocks += [ReportText(text="Open since before:"), _table(sources, older, "")]
    notes = [each for each in sources.notes if each.incident in ids | {one.id for one in older}]
    if notes:
        blocks += [ReportText(text="Notes:"), _notes(sources, notes[-MOST_NOTES:])]
    lines = _headlines(sources, [*found, *older])
    return ReportSection(title="Incidents", blocks=tuple(blocks), headlines=(*unknown, *lines))


def unjudged(sources: ReportSources, period: Period) -> tuple[ReportText, ...]:
    """Return that rules were not evaluated up to the end of a period, if that is so."""
    judged, due = sources.judged_up_to, min(period.until, sources.now) - LATE_MS
    if judged is None or judged >= due:
        return ()
    since = f" after {sources.local(judged)}" if judged else ""
    text = f"No rule was evaluated{since}: incidents of later are unknown. Does the alert job run?"
    return (ReportText(text=text, state=State.ATTENTION),)


def _headlines(sources: ReportSources, incidents: Sequence[Incident]) -> tuple[ReportText, ...]:
    """Return the incidents that still need somebody, and those that are over."""
    states = {state: [each for each in incidents if _state(each) is state] for state in State}
    return tuple(
        ReportText(
            text=f"{counted(len(found), 'incident')} {words}: "
            f"{named([_named(sources, each) for each in found], MOST_NAMED)}.",
            state=shown,
        )
        for state, words, shown in (
            (State.BAD, "still open", State.BAD),
            (State.ATTENTION, "still open", State.ATTENTION),
            (State.NONE, "fired and resolved", State.NONE),
        )
        if (found := states[state])
    )


def _named(sources: ReportSources, incident: Incident) -> str:
    fired = incident.fired_at or incident.opened_at
    lasted = duration(max((incident.resolved_at or sources.now) - fired, 0) / 1000)
    return f"{cut(incident.rule)} ({incident.severity}) at {sources.local(fired)}, {lasted}"


def _notes(sources: ReportSources, notes: Sequence[IncidentNote]) -> ReportTable:
    return ReportTable(
        columns=("id", "noted", "by", "note"),
        rows=tuple(
            (each.incident, sources.local(each.at), cut(each.by), cut(each.text)) for each in notes
        ),
    )


def _table(sources: ReportSources, incidents: list[Incident], empty: str) -> ReportTable:
    return ReportTable(
        columns=("fired", "severity", "rule", "group", "state", "answered", "lasted", "id"),
        rows=tuple(_row(sources, each) for each in incidents),
        states=tuple(_state(each) for each in incidents),
        right=frozenset({5, 6}),
        empty=empty,
    )


def _row(sources: ReportSources, incident: Incident) -> tuple[str, ...]:
    fired = incident.fired_at or incident.opened_at
    answered = incident.acknowledged_at or incident.resolved_at
    start = incident.told_at or fired
    end = incident.resolved_at or sources.now
    return (
        sources.local(fired),
        incident.severity,
        cut(incident.rule),
        cut(", ".join(value for _, value in incident.group)),
        f"{incident.phase}, muted" if incident.muted else incident.phase,
        "" if answered is None else duration(max(answered - start, 0) / 1000),
        duration(max(end - fired, 0) / 1000),
        incident.id,
    )


def _state(incident: Incident) -> State:
    if incident.phase is Phase.RESOLVED:
        return State.NONE
    return State.BAD if incident.severity in SEVERE else State.ATTENTION
