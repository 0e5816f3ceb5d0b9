"""The monthly report: performance, SLA, error budget, thresholds, capacity and security."""

from __future__ import annotations

from collections.abc import Sequence

from shipper.alerts.rules.rule import Rule
from shipper.config.reports import ReportOptions
from shipper.reports.capacity import StoreSize, capacity_section
from shipper.reports.compliance import budget_section, sla_section
from shipper.reports.daily_report import errors_section, health, overview, subtitle, traffic
from shipper.reports.document import ReportDocument
from shipper.reports.incident_tables import incidents_section
from shipper.reports.periods import Period
from shipper.reports.proposals import proposals_section
from shipper.reports.security import security_section
from shipper.reports.sources import ReportSources


def monthly_report(
    sources: ReportSources,
    month: Period,
    options: ReportOptions,
    rules: Sequence[Rule],
    store_size: StoreSize | None,
) -> ReportDocument:
    """Return the report of a month; raises as the store does."""
    metrics, before = sources.metrics(month), sources.before(month)
    sections = [
        overview(sources, metrics, before),
        health(sources, metrics),
        traffic(metrics),
        errors_section(sources, month, metrics),
        sla_section(sources, month),
        budget_section(sources, metrics),
        incidents_section(sources, month),
        proposals_section(sources, rules, month),
        capacity_section(sources, options, month, store_size),
        security_section(sources, month, options.sensitive_paths),
    ]
    return ReportDocument(
        kind="monthly",
        name=month.name,
        title=f"Monthly report, {month.first:%B %Y}",
        subtitle=subtitle(sources, month, metrics),
        note=metrics.reason,
        sections=tuple(sections),
        facts=metrics,
    )
