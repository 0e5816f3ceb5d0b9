"""Tests that both stores give the same metrics files and the same reports."""

from __future__ import annotations

import json
import random
from contextlib import closing
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.config.reports import KpiOptions, ReportOptions
from shipper.reports.completeness import Delivered
from shipper.reports.document import as_json
from shipper.reports.measure import MeasureOptions
from shipper.reports.metrics_files import Files, MetricsBuilder
from shipper.reports.monthly_report import monthly_report
from shipper.reports.periods import PeriodKind, period_of
from shipper.reports.sources import ReportSources
from shipper.store.api import Store
from tests.reports import planted, seeded
from tests.store.store_loading import load_elasticsearch, load_embedded
from tests.store.store_records import RUN, Record

DAYS = 10  # of the month, with all that is planted for the audit
NOW = seeded.midnight(date(2026, 3, 2), UTC)


def records() -> list[Record]:
    """Make the month with its plants, smaller than elsewhere."""
    rng = random.Random(1)
    made: list[dict[str, Any]] = []
    for day in seeded.days_of(planted.FIRST, DAYS):
        made += seeded.a_day(rng, day, UTC, scale=12)
    planted.leak(rng, made)
    made += planted.attacks(rng)
    return [
        Record(
            f"{RUN}-{number}",
            json.dumps({key: value for key, value in each.items() if key != "at"}).encode(),
            each["at"],
        )
        for number, each in enumerate(made)
    ]


def written(store: Store, folder: Path) -> dict[str, bytes]:
    """Return the metrics files and the monthly report that a store gives."""
    files = Files(folder / "metrics", UTC)
    builder = MetricsBuilder(store, files, MeasureOptions(), Delivered((), NOW))
    month = period_of(PeriodKind.MONTH, planted.FIRST, UTC)
    builder.build(None, planted.FIRST + timedelta(days=DAYS - 1))
    sources = ReportSources(builder, folder, KpiOptions(), Sla(), ())
    report = monthly_report(sources, month, ReportOptions(), (), None)
    found = {path.name: path.read_bytes() for path in sorted(files.folder.rglob("*.json"))}
    return {**found, "report": as_json(report)}


@pytest.mark.server
def test_both_stores_give_the_same_files_and_the_same_report(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Byte by byte: counts, means and percentiles, and what the security audit finds."""
    made = records()
    found = []
    for name, load in (("embedded", load_embedded), ("elasticsearch", load_elasticsearch)):
        with closing(load(request, [made])) as store:
            found.append(written(store, tmp_path / name))

    embedded, elasticsearch = found
    assert embedded.keys() == elasticsearch.keys()
    assert len(embedded) == DAYS + 2
    for name, data in embedded.items():
        assert data.splitlines() == elasticsearch[name].splitlines(), name
    assert planted.GUESSER.encode() in embedded["report"]
