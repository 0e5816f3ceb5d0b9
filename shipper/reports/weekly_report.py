"""The weekly report: key figures, error trends, slow routes, log files, backups and noisy rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from shipper.alerts.incident import Incident
from shipper.config.inputs import InputOptions
from shipper.config.reports import ReportOptions
from shipper.reports.backups import backups_section
from shipper.reports.daily_report import errors_section, nothing_stored, overview, subtitle
from shipper.reports.document import (
    ReportDocument,
    ReportSection,
    ReportTable,
    ReportText,
    State,
    cut,
)
from shipper.reports.glance import named
from shipper.reports.incident_tables import incidents_section
from shipper.reports.kpis import arrow, milliseconds, percent
from shipper.reports.log_files import log_files_section
from shipper.reports.metrics import PeriodMetrics, Timed
from shipper.reports.periods import Period
from shipper.reports.sources import ReportSources
from shipper.text import duration

MOST_ROWS: Final = 15
NOISY: Final = 5  # incidents of a rule in a week


def weekly_report(
    sources: ReportSources, week: Period, options: ReportOptions, inputs: Sequence[InputOptions]
) -> ReportDocument:
    """Return the report of a week; raises as the store does."""
    metrics, before = sources.metrics(week), sources.before(week)
    sections = [
        overview(sources, metrics, before),
        error_trends(metrics, before),
        errors_section(sources, week, metrics),
        slow_routes(metrics, before),
        log_files_section(inputs, options.log_file_most, sources.now),
        backups_section(options.backups, sources.now),
        noisy_rules(sources, week),
        incidents_section(sources, week),
    ]
    return ReportDocument(
        kind="weekly",
        name=week.name,
        title=f"Weekly report {week.name}",
        subtitle=subtitle(sources, week, metrics),
        note=metrics.reason,
        sections=tuple(sections),
        facts=metrics,
    )


def error_trends(metrics: PeriodMetrics, before: PeriodMetrics | None) -> ReportSection:
    """Return the errors per type, beside those of the period before."""
    earlier: Mapping[str, int] = before.error_types if before else {}
    names = [*metrics.error_types, *(name for name in earlier if name not in metrics.error_types)]
    rows, states = [], []
    for name in names[:MOST_ROWS]:
        now, then = metrics.error_types.get(name, 0), earlier.get(name, 0)
        rows.append((cut(name), f"{now:,}", f"{then:,}" if before else "", _change(now, then)))
        is_worse = before is not None and now > 2 * then and now - then >= NOISY
        states.append(State.ATTENTION if is_worse else State.NONE)
    table = ReportTable(
        columns=("type", "now", "before", "trend"),
        rows=tuple(rows),
        right=frozenset({1, 2, 3}),
        states=tuple(states),
        empty="No errors were logged.",
    )
    blocks = (table, *nothing_stored(metrics))
    worse = [
        f"{row[0]} ({row[1]}, before {row[2]})"
        for row, s in zip(rows, states, strict=True)
        if s is State.ATTENTION
    ]
    text = f"Errors more than doubled: {named(worse)}."
    lines = (ReportText(text=text, state=State.ATTENTION),) if worse else ()
    return ReportSection(title="Error trends", blocks=blocks, headlines=lines)


def _change(now: int, then: int) -> str:
    if not then:
        return "new" if now else ""
    return f"{arrow(now, then)} {(now - then) / then:+.0%}"


def slow_routes(metrics: PeriodMetrics, before: PeriodMetrics | None) -> ReportSection:
    """Return the routes with the longest p95."""
    earlier = {row.name: row for row in before.routes} if before else {}
    slow = sorted(
        (row for row in metrics.routes if row.p95_ms is not None),
        key=lambda row: -(row.p95_ms or 0.0),
    )
    table = ReportTable(
        columns=("route", "requests", "success", "mean", "p95", "p95 before", "p99"),
        rows=tuple(_route(row, earlier.get(row.name)) for row in slow[:MOST_ROWS]),
        right=frozenset(range(1, 7)),
        empty="No route has requests.",
    )
    return ReportSection(title="Slow routes", blocks=(table,))


def _route(row: Timed, before: Timed | None) -> tuple[str, ...]:
    def time(value: float | None) -> str:
        return "" if value is None else milliseconds(value)

    then = before.p95_ms if before else None
    return (
        cut(row.name),
        f"{row.count:,}",
        "" if row.success_rate is None else percent(row.success_rate),
        time(row.average_ms),
        time(row.p95_ms),
        f"{time(then)} {arrow(row.p95_ms, then)}".strip(),
        time(row.p99_ms),
    )


def noisy_rules(sources: ReportSources, period: Period) -> ReportSection:
    """Return the rules by the incidents that they made."""
    title = "Noisy rules"
    if sources.incidents is None:
        text = "No alert job has run with this config."
        return ReportSection(title=title, blocks=(ReportText(text=text),))
    by_rule: dict[str, list[Incident]] = {}
    for each in sources.opened_in(period):
        by_rule.setdefault(each.rule, []).append(each)
    ordered = sorted(by_rule.items(), key=lambda pair: (-len(pair[1]), pair[0]))
    table = ReportTable(
        columns=("rule", "incidents", "acknowledged", "flapping", "relapses", "shortest"),
        rows=tuple(_rule(sources, name, found) for name, found in ordered[:MOST_ROWS]),
        right=frozenset(range(1, 6)),
        states=tuple(
            State.ATTENTION if _is_noisy(found) else State.NONE for _, found in ordered[:MOST_ROWS]
        ),
        empty="No incident fired.",
    )
    noisy = [
        f"{cut(name)} ({len(found):,} incidents)" for name, found in ordered if _is_noisy(found)
    ]
    text = f"Noisy rules, mostly unanswered: {named(noisy)}."
    lines = (ReportText(text=text, state=State.ATTENTION),) if noisy else ()
    return ReportSection(title=title, blocks=(table,), headlines=lines)


def _is_noisy(found: Sequence[Incident]) -> bool:
    """Return whether a rule fires often, and mostly for nothing that people answer."""
    answered = sum(each.acknowledged_at is not None for each in found)
    return len(found) >= NOISY and 2 * answered < len(found)


def _rule(sources: ReportSources, name: str, found: Sequence[Incident]) -> tuple[str, ...]:
    lasted = [(each.resolved_at or sources.now) - (each.fired_at or 0) for each in found]
    return (
        cut(name),
        f"{len(found):,}",
        f"{sum(each.acknowledged_at is not None for each in found):,}",
        f"{sum(each.flapping for each in found):,}",
        f"{sum(each.relapses for each in found):,}",
        duration(min(lasted) / 1000),
    )
