"""The daily report: health, critical errors, the queue, resources and incidents of a day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shipper.config.reports import ReportOptions
from shipper.reports.document import (
    ReportBlock,
    ReportChart,
    ReportDocument,
    ReportFigure,
    ReportFigures,
    ReportSection,
    ReportTable,
    ReportText,
    State,
    cut,
)
from shipper.reports.error_groups import ErrorGroup, error_groups
from shipper.reports.glance import named
from shipper.reports.incident_tables import incidents_section
from shipper.reports.kpis import NO_DATA, figures, percent, shown
from shipper.reports.measure import ERRORS
from shipper.reports.metrics import PeriodMetrics, Point
from shipper.reports.periods import Period
from shipper.reports.process_use import process_use
from shipper.reports.sources import ReportSources
from shipper.reports.tables import chart_points, timed_table
from shipper.store.fleet import HostBeat
from shipper.text import duration, size


def daily_report(sources: ReportSources, day: Period, options: ReportOptions) -> ReportDocument:
    """
    Return the report of a day.

    Raises:
        StoreUnavailable, QueryError: as the store says.
    """
    metrics = sources.metrics(day)
    sections = [
        overview(sources, metrics, sources.before(day)),
        health(sources, metrics),
        errors_section(sources, day, metrics),
        queue(sources, metrics),
        resources(sources, day, metrics, options),
        traffic(metrics),
        incidents_section(sources, day),
    ]
    return ReportDocument(
        kind="daily",
        name=day.name,
        title=f"Daily report, {day.first:%A} {day.name}",
        subtitle=subtitle(sources, day, metrics),
        note=metrics.reason,
        sections=tuple(sections),
        facts=metrics,
    )


def subtitle(sources: ReportSources, period: Period, metrics: PeriodMetrics) -> str:
    """Return the time of a report in words."""
    since, until = sources.local(period.since), sources.local(period.until)
    made = sources.local(sources.now)
    return (
        f"{since} to {until} ({period.zone}, {period.hours:g} hours), "
        f"{metrics.records:,} records; made {made}"
    )


def overview(
    sources: ReportSources, metrics: PeriodMetrics, before: PeriodMetrics | None
) -> ReportSection:
    """Return the key figures, and how many requests there were."""
    requests = ReportChart(
        title="Requests", points=chart_points(metrics, lambda point: point.requests), bars=True
    )
    failed = ReportChart(
        title="Requests that failed (5xx)",
        points=chart_points(metrics, lambda point: point.failed),
        bars=True,
    )
    found = figures(sources.kpis, metrics, before)
    blocks: list[ReportBlock] = [ReportFigures(figures=found), requests, failed]
    if all(figure.value == NO_DATA for figure in found):
        text = "No record of this time is stored, so there is nothing to judge."
        blocks.append(ReportText(text=text, state=State.ATTENTION))
    return ReportSection(title="Key figures", blocks=tuple(blocks), headlines=tuple(missed(found)))


def missed(found: Sequence[ReportFigure]) -> Iterator[ReportText]:
    """Yield the targets that were missed, the worse ones first."""
    for state, words in ((State.BAD, "Far off target"), (State.ATTENTION, "Off target")):
        names = [f"{f.label} {f.value} (target {f.target})" for f in found if f.state is state]
        if names:
            yield ReportText(text=f"{words}: {', '.join(names)}.", state=state)


def health(sources: ReportSources, metrics: PeriodMetrics) -> ReportSection:
    """Return whether the application was up."""
    uptime = metrics.uptime
    if not uptime.polled_minutes:
        text = "Nothing polls the health endpoint, so nobody knows whether the application was up."
        blocks: tuple[ReportBlock, ...] = (ReportText(text=text, state=State.ATTENTION),)
        return ReportSection(title="Health", blocks=blocks)
    down = uptime.unplanned_minutes
    status = ReportFigure(
        label="Uptime, planned downtime left out",
        value=NO_DATA if uptime.share is None else percent(uptime.share),
        target=f"≥ {percent(sources.kpis.uptime)}",
        state=State.NONE
        if uptime.share is None
        else State.GOOD
        if uptime.share >= sources.kpis.uptime
        else State.BAD,
    )
    figures_ = (
        status,
        ReportFigure(label="Down, unplanned", value=duration(60 * down) if down else "none"),
        ReportFigure(
            label="Down, planned",
            value=duration(60 * uptime.planned_minutes) if uptime.planned_minutes else "none",
        ),
        ReportFigure(label="Time polled", value=duration(60 * uptime.polled_minutes)),
    )
    return ReportSection(title="Health", blocks=(ReportFigures(figures=figures_),))


def errors_section(sources: ReportSources, period: Period, metrics: PeriodMetrics) -> ReportSection:
    """Return the errors of a period, grouped by type."""
    groups = error_groups(sources.store, period)
    rows = tuple(_error_row(sources, group) for group in groups)
    states = tuple(
        State.BAD if group.critical else State.ATTENTION if group.is_new else State.NONE
        for group in groups
    )
    table = ReportTable(
        columns=("type", "count", "critical", "first", "last", "new", "example"),
        rows=rows,
        right=frozenset({1, 2}),
        states=states,
        empty="No errors were logged.",
    )
    category = ", ".join(f"{name} {n:,}" for name, n in metrics.error_categories.items())
    blocks: list[ReportBlock] = [table, *nothing_stored(metrics)]
    if category:
        blocks.append(ReportText(text=f"By category: {category}."))
    if groups:
        blocks.append(sources.records_of(ERRORS, period, ["error_type"]))
    return ReportSection(title="Errors", blocks=tuple(blocks), headlines=tuple(_worst(groups)))


def _worst(groups: Sequence[ErrorGroup]) -> Iterator[ReportText]:
    critical = [f"{cut(g.kind)} ({g.critical:,})" for g in groups if g.critical]
    if critical:
        yield ReportText(text=f"Critical errors: {named(critical)}.", state=State.BAD)
    new = [f"{cut(g.kind)} ({g.count:,})" for g in groups if g.is_new]
    if new:
        yield ReportText(
            text=f"Errors of types that were not seen in the 14 days before: {named(new)}.",
            state=State.ATTENTION,
        )


def nothing_stored(metrics: PeriodMetrics) -> list[ReportBlock]:
    """Return what a report says in place of "no errors" if there are no records at all."""
    text = "No record of this time is stored, so nobody knows whether there were errors."
    return [] if metrics.records else [ReportText(text=text, state=State.ATTENTION)]


def _error_row(sources: ReportSources, group: ErrorGroup) -> tuple[str, ...]:
    return (
        cut(group.kind),
        f"{group.count:,}",
        f"{group.critical:,}" if group.critical else "",
        sources.local(group.first, seconds=True),
        sources.local(group.last, seconds=True),
        "new" if group.is_new else "",
        cut(group.example),
    )


def queue(sources: ReportSources, metrics: PeriodMetrics) -> ReportSection:
    """Return whether the queue was processed."""
    found, kpis = metrics.queue, sources.kpis
    is_stuck = bool(found.samples and found.pending_max and not found.finished)
    over = found.pending_max is not None and found.pending_max > kpis.queue_pending
    late = found.finished - found.in_time
    within = shown(kpis.queue_seconds * 1000, "ms")
    states = (
        State.BAD if is_stuck else State.GOOD if found.finished else State.NONE,
        State.ATTENTION if late else State.GOOD if found.finished else State.NONE,
        State.BAD if over else State.GOOD if found.samples else State.NONE,
    )
    figures_ = (
        ReportFigure(label="Executions finished", value=f"{found.finished:,}", state=states[0]),
        ReportFigure(label=f"Longer than {within}", value=f"{late:,}", state=states[1]),
        ReportFigure(
            label="Waiting, most",
            value=NO_DATA if found.pending_max is None else f"{found.pending_max:,}",
            target=f"≤ {kpis.queue_pending:,}",
            state=states[2],
        ),
        ReportFigure(label="Waiting, mean", value=shown(found.pending_average, "")),
    )
    chart = ReportChart(
        title="Executions that waited",
        points=chart_points(metrics, lambda point: point.pending_max),
        limit=float(kpis.queue_pending) if over else None,
    )
    blocks: list[ReportBlock] = [ReportFigures(figures=figures_), chart]
    if not found.finished and not found.samples:
        text = "No record says whether the queue moved: no execution ended, no poll has a depth."
        blocks.append(ReportText(text=text, state=State.ATTENTION))
    stuck = f"No execution ended, while up to {found.pending_max or 0:,} waited."
    lines = (ReportText(text=stuck, state=State.BAD),) if is_stuck else ()
    return ReportSection(title="Queue", blocks=tuple(blocks), headlines=lines)


def resources(
    sources: ReportSources, period: Period, metrics: PeriodMetrics, options: ReportOptions
) -> ReportSection:
    """Return the disk, memory and CPU of processes, and how far each host has delivered."""
    beats = sources.builder.delivered.beats
    blocks: list[ReportBlock] = []
    lines = [*_lost(beats)]
    if metrics.free_gb is None and not beats:
        text = "No host sends heartbeats, and no health record names the free space."
        blocks.append(ReportText(text=text, state=State.ATTENTION))
    if metrics.free_gb is not None:
        free, chart = disk(metrics, metrics.free_gb, options)
        blocks += [ReportFigures(figures=(free,)), chart]
        if free.state is State.BAD:
            text = f"The disk of the logs had {free.value} left (target {free.target})."
            lines.append(ReportText(text=text, state=State.BAD))
    blocks += [*process_use(sources.store, period), _hosts(sources, beats)]
    return ReportSection(title="Resources", blocks=tuple(blocks), headlines=tuple(lines))


def disk(
    metrics: PeriodMetrics, free_gb: float, options: ReportOptions
) -> tuple[ReportFigure, ReportChart]:
    """Return the least free space, and its picture."""
    limit = options.free_gb_least
    free = ReportFigure(
        label="Free space, least",
        value=f"{free_gb:,.1f} GB",
        target=f"> {limit} GB",
        state=State.BAD if free_gb <= limit else State.GOOD,
    )
    chart = ReportChart(
        title="Free space on the disk of the logs",
        points=chart_points(metrics, lambda point: point.free_gb),
        unit="GB",
        limit=float(limit),
    )
    return free, chart


def _hosts(sources: ReportSources, beats: Sequence[HostBeat]) -> ReportTable:
    rows, states = [], []
    for beat in beats:
        behind = beat.behind_bytes or beat.dead_letters or beat.tombstones
        rows.append(
            (
                cut(beat.host),
                sources.local(beat.watermark) if beat.watermark else "unknown",
                size(beat.behind_bytes),
                f"{beat.dead_letters:,}",
                f"{beat.tombstones:,}",
            )
        )
        is_lost = beat.dead_letters or beat.tombstones
        states.append(State.ATTENTION if is_lost else State.NONE if behind else State.GOOD)
    return ReportTable(
        columns=("host", "delivered up to", "behind", "dead letters", "dropped files"),
        rows=tuple(rows),
        right=frozenset({2, 3, 4}),
        states=tuple(states),
        empty="No host sends heartbeats.",
    )


def _lost(beats: Sequence[HostBeat]) -> Iterator[ReportText]:
    hosts = [cut(beat.host) for beat in beats if beat.dead_letters or beat.tombstones]
    if hosts:
        text = f"Records were not delivered: dead letters or dropped files on {named(hosts)}."
        yield ReportText(text=text, state=State.ATTENTION)


def traffic(metrics: PeriodMetrics) -> ReportSection:
    """Return the routes, the workflows and the response time."""

    def average(point: Point) -> float | None:
        return point.average_ms

    return ReportSection(
        title="Routes and workflows",
        blocks=(
            ReportChart(
                title="Response time, mean", points=chart_points(metrics, average), unit="ms"
            ),
            timed_table("route", metrics.routes),
            timed_table("workflow", metrics.workflows),
        ),
    )
