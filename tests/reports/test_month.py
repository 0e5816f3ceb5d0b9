"""Tests of weekly and monthly reports against a month whose truth was planted."""

from __future__ import annotations

import json
import random
import shlex
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner

from shipper.cli import main
from shipper.reports.metrics import PeriodMetrics
from shipper.reports.trend import student_95, trend_of
from tests.commands.cli_index import config_in, store_records
from tests.reports import planted, seeded
from tests.reports.planted import Planted, plant
from tests.reports.test_metrics import BERLIN
from tests.reports.test_metrics import assert_is_recount as assert_recount

RULES = Path(__file__).parents[2] / "config/rules"

Report = dict[str, Any]


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    """The month in an embedded store."""
    return plant(tmp_path_factory.mktemp("month"), rules=RULES)


def report(place: Planted, kind: str, day: str = "2026-02-12") -> Report:
    """Return a report as JSON."""
    args = ["--config", str(place.config), "report", kind, "--date", day, "--format", "json"]
    done = CliRunner().invoke(main, args)
    assert done.exit_code == 0, done.output
    path = Path(done.output.splitlines()[-1].removeprefix("report in "))
    found: Report = json.loads(path.read_text())
    return found


@pytest.fixture(scope="module")
def monthly(month: Planted) -> Report:
    """The report of the month."""
    return report(month, "monthly")


def blocks_of(found: Report, title: str) -> list[Report]:
    (section,) = [each for each in found["sections"] if each["title"] == title]
    blocks: list[Report] = section["blocks"]
    return blocks


def tables(found: Report, title: str) -> list[list[list[str]]]:
    return [block["rows"] for block in blocks_of(found, title) if block["type"] == "table"]


def figures(found: Report, title: str) -> dict[str, str]:
    (block,) = [each for each in blocks_of(found, title) if each["type"] == "figures"]
    return {each["label"]: each["value"] for each in block["figures"]}


def test_the_figures_of_the_month_are_those_of_a_recount(month: Planted, monthly: Report) -> None:
    """Requests, errors and rates in the report are counted again in plain Python."""
    requests = seeded.of_dataset(month.records, "access")
    failed = sum(each["status_code"] >= 500 for each in requests)

    shown = figures(monthly, "Key figures")

    assert shown["Requests"] == f"{len(requests):,}"
    assert shown["Success rate"] == f"{100 * (1 - failed / len(requests)):.2f} %"
    assert monthly["facts"]["records"] == len(month.records)
    assert (monthly["complete"], monthly["reason"]) == (True, None)
    assert len(monthly["facts"]["series"]) == planted.DAYS


def test_the_sla_of_the_month_names_the_late_answer(monthly: Report) -> None:
    """Of two incidents, one was answered after 20 of 15 minutes; both were resolved in time."""
    kept, breaches = tables(monthly, "SLA compliance")

    assert kept == [["high", "2", "1", "2", "0", "75 %"]]
    assert [row[2:6] for row in breaches] == [
        ["error_rate_high", "response", "15.0 min", "20.0 min"]
    ]
    assert breaches[0][-1] == "realone"
    assert [row[-1] for row in tables(monthly, "Incidents")[0]] == ["realone", "noisyone"]


def test_all_that_was_planted_stands_at_the_top(monthly: Report) -> None:
    """Incidents, the late answer, the full disk with its day, guessing: a sentence each."""
    first = monthly["sections"][0]
    assert first["title"] == "At a glance"
    lines = {line["text"].split(":")[0]: line["text"] for line in first["blocks"]}

    fired = lines["2 incidents fired and resolved"]
    assert "error_rate_high (high) at 2026-02-12 10:02, 45.0 min; " in fired
    assert "response took 20.0 min, limit 15.0 min" in lines["SLA missed 1 time"]
    (disk,) = [text for text in lines.values() if "Free space on the disk reaches" in text]
    day = date.fromisoformat(disk.split(" on ")[2].split()[0])
    assert abs((day - planted.DISK_FULL).days) <= 2
    guessed = lines["Password guessing by client"]
    assert f"{planted.GUESSER} failed 40 times within an hour (2026-02-10 03:00)" in guessed
    assert "root failed 40 times" in lines["Password guessing by user"]
    others = [text for name, text in lines.items() if not name.startswith("Password")]
    for planted_one in (planted.SCANNER, planted.FLOODER, planted.NEWCOMER, planted.TOOL, "429"):
        assert any(planted_one in text for text in others)
    assert "> 3 % instead of > 1 %" in lines["Threshold of error_rate_high"]
    worst = [line["state"] for line in first["blocks"]]
    assert worst == sorted(worst, key=["bad", "attention", "none", "good"].index)


def test_the_budget_is_what_the_target_allows(month: Planted, monthly: Report) -> None:
    """Two of a hundred requests may fail; how many did is said in shares of that."""
    requests = seeded.of_dataset(month.records, "access")
    failed = sum(each["status_code"] >= 500 for each in requests)

    (used, _) = figures(monthly, "Error budget").values()

    assert used == f"{failed / (0.02 * len(requests)):.0%} used"


def test_a_threshold_is_proposed_that_fires_in_the_real_incident_only(monthly: Report) -> None:
    """At 1 % the rule fires in the outage and in the noise of 3 %; above that, in the outage."""
    (rows,) = tables(monthly, "Alert thresholds")

    by_rule = {row[0]: row[1:] for row in rows}

    assert by_rule["error_rate_high"] == [
        *("> 1 %", "2", "1"),
        "> 3 %: would have fired 1 time, all in real incidents",
    ]
    assert by_rule["success_rate_critical"] == ["< 80 %", "1", "1", "keep"]


def test_the_disk_is_full_on_the_planted_day(monthly: Report) -> None:
    """The line through the days reaches the limit within two days of the truth."""
    (rows,) = tables(monthly, "Capacity for the next quarter")
    disk = next(row for row in rows if row[0] == "free space on the disk")

    day = date.fromisoformat(disk[-1].split()[0])

    assert disk[2] == "-0.5 GB"
    assert abs((day - planted.DISK_FULL).days) <= 2
    assert all(row[-1] in {"", "not in sight"} for row in rows if row is not disk)


def test_the_security_audit_finds_what_was_planted_and_nothing_else(monthly: Report) -> None:
    """Each attack is in its table with its client; the usual clients are in none."""
    by_client, by_user, new, scans, storms, tools, floods = tables(
        monthly, "Security audit of access logs"
    )

    assert by_client == [[planted.GUESSER, "40", "40", "2026-02-10 03:00"]]
    assert by_user == [["root", "40", "40", "2026-02-10 03:00"]]
    assert [row[0] for row in new] == [planted.NEWCOMER]
    assert [row[:2] for row in scans] == [[planted.SCANNER, "8"]]
    assert [row[:2] for row in storms] == [["429", "80"]]
    assert [row[:2] for row in tools] == [[planted.TOOL, "1"]]
    assert [row[:2] for row in floods] == [[planted.FLOODER, "650"]]


def test_every_query_of_the_audit_shows_its_records(month: Planted, monthly: Report) -> None:
    """The command below a finding finds records of the month."""
    blocks = blocks_of(monthly, "Security audit of access logs")
    commands = [shlex.split(each["text"]) for each in blocks if each.get("code")]

    for command in commands:
        done = CliRunner().invoke(main, ["--config", str(month.config), *command[1:], "--json"])
        assert done.exit_code == 0, (command, done.output)
        assert json.loads(done.output.splitlines()[0])["count"] > 0


def test_the_week_stands_beside_the_week_before(month: Planted) -> None:
    """Requests and errors of two weeks, counted again; rotated logs, no backup, the noisy rule."""
    logs = month.folder / "logs"
    logs.mkdir(exist_ok=True)
    (logs / "app.log").write_bytes(b"x" * 2048)
    (logs / "app.log.1").write_bytes(b"x" * 1024)

    found = report(month, "weekly")

    since = planted.BEGINNING + 8 * planted.DAY
    week = seeded.within(month.records, since, since + 7 * planted.DAY)
    before = seeded.within(month.records, since - 7 * planted.DAY, since)
    assert found["name"] == "2026-W07"
    (block,) = [each for each in blocks_of(found, "Key figures") if each["type"] == "figures"]
    (requests,) = [each for each in block["figures"] if each["label"] == "Requests"]
    assert requests["value"] == f"{len(seeded.of_dataset(week, 'access')):,}"
    assert requests["before"] == f"{len(seeded.of_dataset(before, 'access')):,}"
    kinds = {row[0]: row[1:3] for row in tables(found, "Error trends")[0]}
    for kind in ("TimeoutError", "ValueError"):
        counts = [sum(each.get("error_type") == kind for each in part) for part in (week, before)]
        assert kinds[kind] == [f"{count:,}" for count in counts]
    (log,) = tables(found, "Log files")[0]
    assert log[1:4] == ["2.0 KiB", "1", "1.0 KiB"]
    assert "No backup is configured" in blocks_of(found, "Backups")[0]["text"]
    assert [row[:3] for row in tables(found, "Noisy rules")[0]] == [["error_rate_high", "1", "1"]]


def test_a_month_with_a_change_of_the_clock_has_every_record_once(tmp_path: Path) -> None:
    """March 2026 in Berlin has 743 hours; the weeks and days add up to it."""
    rng = random.Random(3)
    days = seeded.days_of(date(2026, 3, 28), 3)
    made = [each for day in days for each in seeded.a_day(rng, day, BERLIN, scale=10)]
    store_records(tmp_path, made)
    path = config_in(tmp_path)
    text = path.read_text().replace("reports: {", "reports: {zone: Europe/Berlin, ")
    path.write_text(text)

    found = report(Planted(tmp_path, made), "monthly", "2026-03-29")

    assert found["facts"]["hours"] == 743
    assert_recount(msgspec.convert(found["facts"], PeriodMetrics), made)


@pytest.mark.parametrize(
    ("freedom", "quantile"), [(8, 2.306), (12, 2.179), (30, 2.042), (88, 1.987)]
)
def test_the_quantiles_of_student_are_those_of_the_tables(freedom: int, quantile: float) -> None:
    """From 8 degrees of freedom on, the least that a trend has, within 0.2 %."""
    assert student_95(freedom) == pytest.approx(quantile, rel=0.002)


def test_nineteen_of_twenty_days_lie_in_the_interval() -> None:
    """The prediction interval holds what it says on series whose line is known."""
    rng = random.Random(2)
    inside = 0
    for _ in range(400):
        points = [(float(day), 10 - 0.1 * day + rng.gauss(0, 1)) for day in range(20)]
        trend = trend_of(points)
        assert trend is not None
        value = 10 - 0.1 * 30 + rng.gauss(0, 1)
        inside += abs(value - trend.at(30)) <= trend.margin(30)
    assert 0.92 <= inside / 400 <= 0.98


def test_too_few_days_have_no_trend() -> None:
    """Nine days are too few, as are many numbers of one day; noise has no clear trend."""
    assert trend_of([(float(day), 1.0) for day in range(9)]) is None
    assert trend_of([(1.0, float(n)) for n in range(20)]) is None
    rng = random.Random(1)
    noise = trend_of([(float(day), rng.gauss(0, 1)) for day in range(30)])
    assert noise is not None
    assert not noise.is_clear
