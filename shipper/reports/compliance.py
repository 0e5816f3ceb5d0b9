"""SLA compliance of incidents, and the error budget of a period."""

from __future__ import annotations

from collections.abc import Sequence

from shipper.alerts.incident import Incident
from shipper.alerts.incidents.sla import Kept, compliance
from shipper.reports.document import (
    ReportBlock,
    ReportFigure,
    ReportFigures,
    ReportSection,
    ReportTable,
    ReportText,
    State,
    cut,
)
from shipper.reports.glance import named
from shipper.reports.incident_tables import unjudged
from shipper.reports.kpis import percent
from shipper.reports.metrics import PeriodMetrics
from shipper.reports.periods import Period
from shipper.reports.sources import ReportSources
from shipper.text import counted, duration


def sla_section(sources: ReportSources, period: Period) -> ReportSection:
    """Return how the limits of each severity were kept, and every breach by its name."""
    title = "SLA compliance"
    if sources.incidents is None:
        text = "No alert job has run with this config, so there are no incidents to judge."
        blocks_ = (ReportText(text=text, state=State.ATTENTION),)
        return ReportSection(title=title, blocks=blocks_)
    clocked = [
        each
        for each in sources.incidents
        if each.told_at is not None and period.since <= each.told_at < period.until
    ]
    kept = _summed(compliance(clocked, sources.sla, sources.now))
    unknown = unjudged(sources, period)
    blocks: list[ReportBlock] = [
        *unknown,
        ReportTable(
            columns=(
                "severity",
                "incidents",
                "answered in time",
                "resolved in time",
                "running",
                "kept",
            ),
            rows=tuple(_row(each) for each in kept),
            right=frozenset({1, 2, 3, 4, 5}),
            states=tuple(_state(each) for each in kept),
            empty="Nobody was notified of an incident.",
        ),
    ]
    breaches = [row for each in clocked for row in _breaches(each, sources)]
    if clocked:
        blocks.append(
            ReportTable(
                columns=("fired", "severity", "rule", "breach", "limit", "took", "id"),
                rows=tuple(breaches),
                right=frozenset({4, 5}),
                states=(State.BAD,) * len(breaches),
                empty="No limit was missed.",
            )
        )
    return ReportSection(
        title=title, blocks=tuple(blocks), headlines=(*unknown, *_missed(breaches))
    )


def _missed(breaches: Sequence[tuple[str, ...]]) -> tuple[ReportText, ...]:
    """Return the breaches in one sentence."""
    if not breaches:
        return ()
    names = [
        f"{rule} ({severity}) at {at}, {what} took {took}, limit {limit}"
        for at, severity, rule, what, limit, took, _ in breaches
    ]
    times = counted(len(breaches), "time")
    return (ReportText(text=f"SLA missed {times}: {named(names)}.", state=State.BAD),)


def _summed(kept: list[Kept]) -> list[Kept]:
    """Return one row per severity: the calendar of the SLA may cut the period in two months."""
    found: dict[str, Kept] = {}
    for each in kept:
        before = found.get(each.severity)
        found[each.severity] = (
            each
            if before is None
            else Kept(
                each.month,
                each.severity,
                each.incidents + before.incidents,
                each.responded + before.responded,
                each.resolved + before.resolved,
                each.running + before.running,
            )
        )
    return list(found.values())


def _row(kept: Kept) -> tuple[str, ...]:
    share = "" if kept.share is None else percent(kept.share)
    counts = (kept.incidents, kept.responded, kept.resolved, kept.running)
    return (kept.severity, *(f"{count:,}" for count in counts), share)


def _state(kept: Kept) -> State:
    if kept.share is None:
        return State.NONE
    return State.GOOD if kept.share == 1 else State.BAD


def _breaches(incident: Incident, sources: ReportSources) -> list[tuple[str, ...]]:
    sla, notified = sources.sla, incident.told_at
    assert notified is not None
    ended = incident.resolved_at
    if ended is not None and ended <= notified:
        return []  # over before anybody could be notified: it had no clock
    answers = [at for at in (incident.acknowledged_at, ended) if at is not None]
    clocks = (
        ("response", sla.respond_by(incident), min(answers, default=sources.now)),
        ("resolution", sla.resolve_by(incident), sources.now if ended is None else ended),
    )
    return [
        (
            sources.local(notified),
            incident.severity,
            cut(incident.rule),
            what,
            duration((limit - notified) / 1000),
            duration((at - notified) / 1000),
            incident.id,
        )
        for what, limit, at in clocks
        if limit is not None and at > limit
    ]


def budget_section(sources: ReportSources, metrics: PeriodMetrics) -> ReportSection:
    """Return how much of the failures and minutes that the targets allow were used."""
    kpis, requests, uptime = sources.kpis, metrics.requests, metrics.uptime
    allowed = (1 - kpis.success_rate) * requests.count
    wanted = uptime.polled_minutes - uptime.planned_minutes
    minutes = (1 - kpis.uptime) * wanted
    figures = (
        _used(
            f"Failed requests, of those that {percent(kpis.success_rate)} allow",
            requests.failed,
            allowed,
            f"{requests.failed:,} of {allowed:,.0f}",
        ),
        _used(
            f"Minutes down, of those that {percent(kpis.uptime)} allow",
            uptime.unplanned_minutes,
            minutes,
            f"{uptime.unplanned_minutes:,} of {minutes:,.1f}",
        ),
    )
    over = [f"{f.detail} {what}" for f, what in zip(figures, _BUDGETS, strict=True) if _is_used(f)]
    text = f"The error budget is used up: {', '.join(over)}."
    lines = (ReportText(text=text, state=State.BAD),) if over else ()
    return ReportSection(
        title="Error budget", blocks=(ReportFigures(figures=figures),), headlines=lines
    )


_BUDGETS = ("failed requests that the target allows", "minutes down that the target allows")


def _is_used(figure: ReportFigure) -> bool:
    return figure.state is State.BAD


def _used(label: str, used: float, allowed: float, text: str) -> ReportFigure:
    if not allowed:
        return ReportFigure(label=label, value="no data")
    share = used / allowed
    state = State.GOOD if share <= 0.8 else State.ATTENTION if share <= 1 else State.BAD
    return ReportFigure(label=label, value=f"{share:.0%} used", detail=text, state=state)
