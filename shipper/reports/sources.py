"""What reports are made of: the store, the metrics files, incidents, targets and the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path

from shipper.alerts.incident import Incident
from shipper.alerts.incidents.sla import Sla
from shipper.config.reports import KpiOptions
from shipper.kibana.links import discover_link
from shipper.kibana.place import KibanaPlace
from shipper.reports.document import ReportText
from shipper.reports.error_groups import search_command
from shipper.reports.metrics import PeriodMetrics
from shipper.reports.metrics_files import MetricsBuilder, merged_of
from shipper.reports.periods import Period, PeriodKind, day_at
from shipper.store.api import Store
from shipper.times import EPOCH, MILLISECOND


@dataclass(frozen=True, slots=True)
class IncidentNote:
    """What somebody wrote to an incident; `at` in epoch milliseconds."""

    incident: str
    at: int
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class ReportSources:
    """
    All that a report may look at.

    `folder` is where reports are written. `incidents` are those of the ledger, None if no alert job
    has run here, `notes` the newest written to them, oldest first, and `judged_up_to` is the end of
    the last window that any rule was evaluated on (epoch ms; None: not asked). `kibana` is where
    links to records lead, None for none.
    """

    builder: MetricsBuilder
    folder: Path
    kpis: KpiOptions
    sla: Sla
    incidents: Sequence[Incident] | None
    kibana: KibanaPlace | None = None
    notes: Sequence[IncidentNote] = ()
    judged_up_to: int | None = None

    @property
    def store(self) -> Store:
        """The store that is asked."""
        return self.builder.store

    @property
    def now(self) -> int:
        """The time of the report, epoch ms."""
        return self.builder.delivered.now

    @property
    def zone(self) -> tzinfo:
        """The zone of days."""
        return self.builder.files.zone

    def metrics(self, period: Period) -> PeriodMetrics:
        """Return the metrics of a period, from the files or, for today, from the store."""
        today = self.builder.files.day(day_at(self.now, self.zone))
        if period.kind is PeriodKind.DAY:
            known = self.builder.files.read(period) if period.first < today.first else None
            return known or self.builder.measured(period)
        more = {}
        if period.first <= today.first <= period.last:
            more = {today.first: self.builder.measured(today)}
        return merged_of(self.builder.files, period, self.builder.delivered, more)

    def before(self, period: Period) -> PeriodMetrics | None:
        """Return the metrics of the period before, None if there are none."""
        earlier = period.before()
        found = merged_of(self.builder.files, earlier, self.builder.delivered)
        return found if found.records or found.series else None

    def opened_in(self, period: Period) -> list[Incident]:
        """Return the incidents that people were or would have been notified of in a period."""
        return [
            each
            for each in self.incidents or ()
            if each.fired_at is not None and period.since <= each.fired_at < period.until
        ]

    def records_of(self, query: str, period: Period, names: Sequence[str] = ()) -> ReportText:
        """Return the command that shows what a query finds in a period, with its Kibana link."""
        link = None
        if self.kibana is not None:
            link = discover_link(self.kibana, query, period.since, period.until)
        return ReportText(text=search_command(query, period, names), code=True, link=link or "")

    def local(self, at: int, *, seconds: bool = False) -> str:
        """Return a time in the zone of the report: `2026-02-05 14:30`."""
        moment = (EPOCH + at * MILLISECOND).astimezone(self.zone)
        if not seconds:
            return f"{moment:%Y-%m-%d %H:%M}"
        return f"{moment:%Y-%m-%d %H:%M:%S}"
