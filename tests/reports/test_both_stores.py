"""Tests that both stores give the same metrics files and the same reports, which are true."""

from __future__ import annotations

import json
import random
from contextlib import closing
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import pytest

from shipper.alerts.incidents.sla import Sla
from shipper.alerts.rules.reading import load_rules
from shipper.config.reports import KpiOptions, ReportOptions
from shipper.reports.completeness import Delivered
from shipper.reports.daily_report import daily_report
from shipper.reports.document import ReportDocument, ReportSection, ReportTable, as_json
from shipper.reports.glance import glance_section
from shipper.reports.measure import MeasureOptions
from shipper.reports.metrics_files import Files, MetricsBuilder
from shipper.reports.monthly_report import monthly_report
from shipper.reports.periods import PeriodKind, period_of
from shipper.reports.sources import ReportSources
from shipper.reports.weekly_report import weekly_report
from shipper.store.api import Store
from tests.reports import planted, seeded
from tests.store.store_loading import load_elasticsearch, load_embedded
from tests.store.store_records import RUN, Record

DAYS = 20  # of the month, with all that is planted
EMPTY = range(12, 19)  # of these
NOW = seeded.midnight(date(2026, 3, 2), UTC)
RULES = Path(__file__).parents[2] / "config/rules"
TRIED = (
    "error_rate_high",
    "success_rate_critical",
    "response_time_high",
    "authentication_failures",
)


def month() -> list[dict[str, Any]]:
    """Make the month with its plants, and processes of two hosts that have the same number."""
    rng = random.Random(1)
    made: list[dict[str, Any]] = []
    for number, day in enumerate(seeded.days_of(planted.FIRST, DAYS)):
        made += [] if number in EMPTY else seeded.a_day(rng, day, UTC, scale=6)
    planted.leak(rng, made)
    made += planted.attacks(rng) + planted.outage(rng) + planted.noise(rng)
    for number in range(8):
        process = {
            "pid": 7,
            "memory_rss_bytes": 1_000_000 * (number + 1),
            "cpu_percent": 2.5 * number,
            "start_time_seconds": 1_769_900_000 + number // 4,
        }
        poll = seeded.base(planted.OUTAGE_AT + number * seeded.MINUTE, rng, "orchestrator.metrics")
        made.append(poll | {"extra": {"target": "api", "process": process}})
    return made


def records(made: list[dict[str, Any]]) -> list[Record]:
    """Return them as the stores are given them."""
    return [
        Record(
            f"{RUN}-{number}",
            json.dumps({key: value for key, value in each.items() if key != "at"}).encode(),
            each["at"],
        )
        for number, each in enumerate(made)
    ]


def written(store: Store, folder: Path) -> tuple[dict[str, bytes], dict[str, ReportDocument]]:
    """Return the metrics files, and the reports of the day of the outage, its week and month."""
    files = Files(folder / "metrics", UTC)
    builder = MetricsBuilder(store, files, MeasureOptions(), Delivered((), NOW))
    builder.build(None, planted.FIRST + timedelta(days=DAYS - 1))
    found = [planted.real(), planted.noisy()]
    sources = ReportSources(builder, folder, KpiOptions(), Sla(), found)
    rules = [rule for rule in load_rules(RULES).rules if rule.name in TRIED]
    day, week, whole = (
        period_of(kind, date(2026, 2, 12), UTC)
        for kind in (PeriodKind.DAY, PeriodKind.WEEK, PeriodKind.MONTH)
    )
    options = ReportOptions()
    reports = {
        "daily": daily_report(sources, day, options),
        "weekly": weekly_report(sources, week, options, ()),
        "monthly": monthly_report(sources, whole, options, rules, None),
    }
    return {path.name: path.read_bytes() for path in sorted(files.folder.rglob("*.json"))}, reports


def section(document: ReportDocument, title: str) -> ReportSection:
    (found,) = [each for each in document.sections if each.title == title]
    return found


def rows(document: ReportDocument, title: str, number: int = 0) -> list[tuple[str, ...]]:
    tables = [each for each in section(document, title).blocks if isinstance(each, ReportTable)]
    return [*tables[number].rows]


@pytest.mark.server
@pytest.mark.timeout(400)
def test_both_stores_give_the_same_files_and_the_same_reports(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """Byte by byte, with incidents, back-tests, SLA and audit; and what they say was planted."""
    made = month()
    found = []
    for name, load in (("embedded", load_embedded), ("elasticsearch", load_elasticsearch)):
        with closing(load(request, [records(made)])) as store:
            found.append(written(store, tmp_path / name))

    (files, reports), (others, theirs) = found
    assert files.keys() == others.keys()
    assert len(files) == DAYS + 1
    for name, data in files.items():
        assert data.splitlines() == others[name].splitlines(), name
    for kind, report in reports.items():
        assert as_json(report).splitlines() == as_json(theirs[kind]).splitlines(), kind
    monthly = reports["monthly"]
    assert rows(monthly, "SLA compliance") == [("high", "2", "1", "2", "0", "75 %")]
    assert [row[-1] for row in rows(monthly, "SLA compliance", 1)] == ["realone"]
    proposals = {row[0]: row for row in rows(monthly, "Alert thresholds")}
    assert proposals["error_rate_high"][2:4] == ("2", "1")
    assert "would have fired 1 time, all in real incidents" in proposals["error_rate_high"][-1]
    assert rows(monthly, "Security audit of access logs")[0][:2] == (planted.GUESSER, "40")
    headlines = " ".join(
        getattr(block, "text", "") for block in glance_section(monthly.sections, None).blocks
    )
    assert "response took 20.0 min, limit 15.0 min" in headlines
    assert f"{planted.GUESSER} failed 40 times" in headlines
    assert "reaches its limit of 5.0 GB within the quarter, too few days to say when" in headlines
    processes = rows(reports["daily"], "Resources")
    assert {row[0] for row in processes} == {
        "7, since 2026-01-31T22:53:20Z",
        "7, since 2026-01-31T22:53:21Z",
    }
    within = seeded.within(made, planted.BEGINNING + 11 * planted.DAY, NOW)
    requests = seeded.of_dataset(within, "access")
    day = [each for each in requests if each["at"] < planted.BEGINNING + 12 * planted.DAY]
    assert reports["daily"].facts.requests.count == len(day)
