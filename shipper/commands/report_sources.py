"""Opens what reports and metrics files are made of."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from shipper.alerts.incident import Phase
from shipper.alerts.ledger.journal import RUN
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.policy import maintenance_of, sla_of
from shipper.alerts.rules.reading import read_rules
from shipper.config.outputs import EmbeddedOutput
from shipper.kibana.place import KibanaPlace
from shipper.process import data_folder
from shipper.reports.capacity import StoreSize
from shipper.reports.completeness import Delivered
from shipper.reports.measure import MeasureOptions
from shipper.reports.metrics_files import Files, MetricsBuilder
from shipper.reports.sources import IncidentNote, ReportSources
from shipper.store.embedded.upkeep import read_info
from shipper.store.fleet import read_fleet
from shipper.store.opening import ReadLimits, store_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.alerts.incident import Incident
    from shipper.alerts.rules.rule import Rule
    from shipper.config.main import Config
    from shipper.reports.measure import IsPlanned
    from shipper.store.origins import OriginStore

ANSWER_SECONDS = 600.0  # of a question: a month of a large store


@contextmanager
def open_builder(config: Config, now: int) -> Iterator[MetricsBuilder]:
    """
    Open what makes metrics files.

    Raises:
        ConfigError: the config names no store that can be searched.
        StoreUnavailable: there are no records yet, or the store cannot be read now.
    """
    with closing(store_of(config, ReadLimits(timeout_seconds=ANSWER_SECONDS))) as store:
        yield builder_of(store, config, now)


def builder_of(store: OriginStore, config: Config, now: int) -> MetricsBuilder:
    """Return what makes metrics files of a store."""
    since = now - config.alerts.forget_hosts_seconds * 1000
    asked = MeasureOptions(round(config.kpis.queue_seconds * 1000), _planned(config))
    return MetricsBuilder(
        store,
        Files(config.reports.metrics, config.reports.zone),
        asked,
        Delivered(read_fleet(store, since=since), now),
        cut=store.retained_after() > 0,
    )


def _planned(config: Config) -> IsPlanned:
    """Return whether a time is in a maintenance window of all incidents."""
    windows = [maintenance_of(each) for each in config.alerts.maintenance if not each.match]
    return lambda at: any(window.when.covers(at) for window in windows)


@contextmanager
def open_sources(config: Config, now: int) -> Iterator[ReportSources]:
    """Open what reports are made of; raises as `open_builder` does."""
    incidents = incidents_of(config)
    with open_builder(config, now) as builder:
        sla = sla_of(config.alerts.sla)
        server = config.kibana
        kibana = None if server is None else KibanaPlace(server.url, server.space)
        folder = config.reports.folder
        notes = notes_of(config) if incidents else []
        judged = None if incidents is None else judged_up_to(config)
        yield ReportSources(builder, folder, config.kpis, sla, incidents, kibana, notes, judged)


def store_size_of(config: Config) -> StoreSize | None:
    """Return the size of the embedded store, None if the config has another."""
    place = config.search or config.output
    if not isinstance(place, EmbeddedOutput):
        return None
    found = read_info(place.path)
    days = max(place.keep_seconds / 86_400, 1.0)
    return StoreSize(found.bytes, found.records, place.max_bytes / days)


def rules_in(config: Config) -> Sequence[Rule]:
    """Return the rules of the config that can be used; none if there is no folder of rules."""
    return read_rules(config.alerts.rules).rules if config.alerts.rules.is_dir() else ()


def notes_of(config: Config) -> list[IncidentNote]:
    """Return the newest notes of the incidents in the ledger."""
    with closing(Ledger(config.data_dir / data_folder.ALERTS_LEDGER)) as ledger:
        found = ledger.acts.notes()
    return [
        IncidentNote(each.incident.id, each.at, each.by, each.note)
        for each in found
        if each.incident is not None
    ]


def judged_up_to(config: Config) -> int:
    """Return the end of the last window that any rule was evaluated on, epoch ms; 0: none was."""
    with closing(Ledger(config.data_dir / data_folder.ALERTS_LEDGER)) as ledger:
        return max(ledger.progress.judged().values(), default=0)


def incidents_of(config: Config) -> list[Incident] | None:
    """Return the incidents of the ledger, None if no alert job has run with this data folder."""
    path = config.data_dir / data_folder.ALERTS_LEDGER
    if not path.exists():
        return None
    with closing(Ledger(path)) as ledger:
        found = ledger.incidents(list(Phase))
        has_run = ledger.meta(RUN) is not None  # reports that were sent make the file, too
    return found if found or has_run else None
