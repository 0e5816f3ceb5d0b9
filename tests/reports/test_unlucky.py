"""Tests of reports in bad luck: absurd numbers, changed files, dropped records, wrong days."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shipper.alerts.ledger.journal import RUN
from shipper.alerts.ledger.ledger import Ledger
from shipper.cli import main
from shipper.commands.moments import NamedDay
from shipper.config.main import load
from shipper.reports.capacity import ALREADY, NO_LIMIT, PERHAPS, LimitedResource, plan_of
from shipper.reports.document import (
    MOST_ROWS,
    ReportSection,
    ReportTable,
    ReportText,
    State,
    limited,
)
from shipper.reports.metrics import PeriodMetrics
from shipper.reports.periods import PeriodKind, period_of
from tests.commands.cli_index import config_in, store_records
from tests.reports import seeded
from tests.reports.seeded import Made

DAY = date(2026, 2, 5)
SINCE = seeded.midnight(DAY, UTC)
MONTH = period_of(PeriodKind.MONTH, DAY, UTC)


def run(folder: Path, *args: str) -> Result:
    config = folder / "shipper.yml"
    return CliRunner().invoke(main, ["--config", str(config), *args])


def report(folder: Path, kind: str, *args: str) -> dict[str, Any]:
    """Return a report of the day as JSON; it has to be made."""
    more = ("--directory", str(folder / "logs")) if kind == "daily" else ()
    done = run(folder, "report", kind, "--date", str(DAY), "--format", "json", *more, *args)
    assert done.exit_code == 0, done.output
    path = Path(done.output.splitlines()[-1].removeprefix("report in "))
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def section(found: dict[str, Any], title: str) -> dict[str, Any]:
    (one,) = [each for each in found["sections"] if each["title"] == title]
    return dict(one)


def states(folder: Path, kind: str) -> dict[str, tuple[str, str]]:
    """Return the state and the proof of each item of a checklist."""
    done = run(folder, "checklist", kind, "--date", str(DAY), "--json")
    assert done.exit_code in {0, 1}, done.output
    found = map(json.loads, done.output.splitlines())
    return {each["item"]: (each["state"], each["proof"]) for each in found}


def plan(
    of: Callable[[int], float], limit: float, *, is_least: bool = False, days: int = 28
) -> tuple[tuple[str, ...], State]:
    """Return the plan of something that has a number on each of the last days of the month."""
    known = {
        day: PeriodMetrics(
            period="day",
            name="",
            zone="UTC",
            since="",
            until="",
            hours=24,
            complete=True,
            free_gb=of(number),
        )
        for number, day in enumerate(MONTH.days()[-days:])
    }
    return plan_of(LimitedResource("it", lambda m: m.free_gb, limit, str, is_least), known, MONTH)


def test_a_limit_is_not_reached_by_what_leads_away_from_it() -> None:
    """Space that grows is not full some day, and load that falls does not reach its most."""
    assert plan(lambda n: 20.0 + n, 5, is_least=True)[0][-1] == NO_LIMIT
    assert plan(lambda n: 100.0 - n, 200)[0][-1] == NO_LIMIT
    assert plan(lambda n: 33.0 - n, 5, is_least=True)[1] is State.BAD
    assert plan(lambda n: 100.0 + n, 140)[1] is State.BAD


def test_few_days_name_no_day_but_are_not_silent() -> None:
    """Ten days look thirty ahead: what is reached later in the quarter is said without a day."""
    few = plan(lambda n: 60.0 - n, 5, is_least=True, days=10)
    assert (few[0][-1], few[1]) == (PERHAPS, State.ATTENTION)
    assert plan(lambda n: 300.0 - n, 5, is_least=True, days=10)[0][-1] == NO_LIMIT


def test_a_limit_that_is_reached_already_needs_action_without_any_trend() -> None:
    """A disk that has been full all month is not "not in sight"."""
    for of, limit, is_least in (
        (lambda _: 3.0, 5.0, True),
        (lambda n: 3.0 + n % 2, 5.0, True),
        (lambda _: 9.0, 9.0, False),
    ):
        row, state = plan(of, limit, is_least=is_least)
        assert (row[-1], state) == (ALREADY, State.BAD)


def absurd(number: float) -> list[Made]:
    """Make a day on which every number of a record is absurd, twice."""
    rng = random.Random(1)
    made = []
    for n in range(2):
        at = SINCE + n * seeded.HOUR
        made += [
            seeded.request(rng, at, duration_ms=number, status_code=200),
            seeded.execution(rng, at) | {"execution_time_ms": number},
            seeded.health(rng, at, free_gb=number),
            seeded.base(at, rng, "orchestrator.metrics")
            | {
                "extra": {
                    "target": "api",
                    "process": {"pid": 1, "memory_rss_bytes": number, "cpu_percent": number},
                }
            },
        ]
        made[-2]["extra"]["queue_depth"] = number
    return made


@pytest.mark.parametrize("number", [1e308, -1e308, 2**63], ids=str)
def test_absurd_numbers_cost_no_report(tmp_path: Path, number: float) -> None:
    """Sums of them overflow; the files stay JSON with finite numbers, the same each time."""
    store_records(tmp_path, absurd(number) + seeded.a_day(random.Random(2), DAY, UTC, scale=6))
    config_in(tmp_path)

    report(tmp_path, "daily")
    assert run(tmp_path, "report", "monthly", "--date", str(DAY)).exit_code == 0

    paths = [*(tmp_path / "metrics").rglob("*.json"), *(tmp_path / "logs").glob("daily_summary*")]
    assert len(paths) > 3
    for path in paths:
        assert not {"Infinity", "NaN"} & {*path.read_text().replace(",", " ").split()}
    again = run(tmp_path, "metrics", "build", "--until", str(DAY))
    assert again.output.startswith("0 files made"), again.output


@pytest.mark.parametrize(
    "change",
    [
        {"name": "2026-02-04"},
        {"records": 10**6},
        {"errors": 0},
        {"series": [{"at": "yesterday", "records": 1}]},
    ],
    ids=str,
)
def test_a_metrics_file_that_was_changed_by_hand_is_made_again(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    """Whatever does not add up, or is of another day, is no reason to fail, and does not stay."""
    store_records(tmp_path, seeded.a_day(random.Random(1), DAY, UTC))
    config_in(tmp_path)
    report(tmp_path, "daily")
    path = tmp_path / f"metrics/{DAY}.json"
    whole = path.read_bytes()
    path.write_text(json.dumps({**json.loads(whole), **change}))

    report(tmp_path, "daily")

    assert path.read_bytes() == whole


def test_days_that_retention_dropped_are_not_called_days_without_errors(tmp_path: Path) -> None:
    """The figures are those of the files; what the store is asked for says how little is left."""
    made = seeded.a_day(random.Random(1), DAY, UTC, scale=90)
    config = config_in(tmp_path)
    config.write_text(f"{config.read_text()}alerts: {{rules: {tmp_path}/none}}\n")
    store_records(tmp_path, made)
    before = report(tmp_path, "daily")
    (tmp_path / "index").rename(tmp_path / "old")
    kept = seeded.request(random.Random(2), SINCE + seeded.HOUR, status_code=200)
    store_records(tmp_path, [kept])

    found = report(tmp_path, "daily")

    assert section(found, "Key figures") == section(before, "Key figures")
    said = f"dropped {len(made) - 1:,} of {len(made):,} records"
    for title in ("Errors", "Resources"):
        assert said in section(found, title)["blocks"][0]["text"]
        assert any(said in block["text"] for block in section(found, "At a glance")["blocks"])
    assert said in states(tmp_path, "daily")["errors"][1]
    assert states(tmp_path, "daily")["errors"][0] == "yours"
    assert states(tmp_path, "monthly")["security"][0] == "yours"


def test_no_type_of_error_is_new_where_nothing_is_stored_of_the_time_before(
    tmp_path: Path,
) -> None:
    """On the first day of a store every type would be; with a day before, a new one is."""
    rng = random.Random(1)
    at = SINCE + seeded.HOUR
    error = seeded.base(at, rng) | {"level": "ERROR", "error_type": "DiskError"}
    config_in(tmp_path)
    store_records(tmp_path, [error])
    assert section(report(tmp_path, "daily"), "Errors")["blocks"][0]["rows"][0][5] == ""

    store_records(tmp_path, [seeded.base(SINCE - 1, rng)], first=100)

    found = report(tmp_path, "daily")
    assert section(found, "Errors")["blocks"][0]["rows"][0][5] == "new"
    assert any("DiskError (1)" in block["text"] for block in found["sections"][0]["blocks"])


def test_nothing_is_done_that_no_record_proves(tmp_path: Path) -> None:
    """No alert job, no rules, no requests, few days, no log file: each item is a person's."""
    made = [seeded.base(SINCE + n, random.Random(1)) for n in range(20)]
    config = config_in(tmp_path)
    config.write_text(f"{config.read_text()}alerts: {{rules: {tmp_path}/none}}\n")
    store_records(tmp_path, made)

    for kind in ("daily", "weekly", "monthly"):
        for item, (state, proof) in states(tmp_path, kind).items():
            if (kind, item) not in {("daily", "errors"), ("weekly", "errors")}:
                assert (state, bool(proof)) == ("yours", True), (kind, item, proof)


@pytest.mark.parametrize("kind", ["daily", "monthly"])
def test_an_alert_job_that_stopped_proves_nothing(tmp_path: Path, kind: str) -> None:
    """No incident after its end says that nobody looked; with rules evaluated, that none was."""
    config_in(tmp_path)
    store_records(tmp_path, seeded.a_day(random.Random(1), DAY, UTC, scale=3))
    title = "SLA compliance" if kind == "monthly" else "Incidents"
    (tmp_path / "data").mkdir(exist_ok=True)
    found, proofs = [], []
    for judged in (SINCE, SINCE + 40 * 86_400_000):
        with closing(Ledger(tmp_path / "data" / "alerts.db")) as ledger, ledger.deciding():
            ledger.set_meta(RUN, "one")
            ledger.progress.set_judged("error_rate_high", judged)
        found.append(json.dumps(section(report(tmp_path, kind), title)))
        proofs.append(states(tmp_path, "monthly")["sla"][1])

    assert ["No rule was evaluated after" in each for each in found] == [True, False]
    assert ["No rule was evaluated after" in each for each in proofs] == [True, False]


def test_a_day_that_is_not_complete_is_not_ticked(tmp_path: Path) -> None:
    """What a host has not delivered yet may hold an error; the reason stands beside the proof."""
    config_in(tmp_path)
    now = [each for each in seeded.a_day(random.Random(1), DAY, UTC) if each["level"] == "INFO"]
    store_records(tmp_path, now)

    monthly = states(tmp_path, "monthly")

    assert {state for state, _ in monthly.values()} <= {"yours", "attention"}
    assert states(tmp_path, "daily")["errors"] == ("done", "No errors were logged.")


@pytest.mark.parametrize("kind", ["daily", "weekly", "monthly"])
def test_a_time_to_come_is_refused(tmp_path: Path, kind: str) -> None:
    """Neither a report nor a summary nor a tick of what has not begun."""
    config_in(tmp_path)
    store_records(tmp_path, seeded.a_day(random.Random(1), DAY, UTC, scale=3))
    later = ("--date", "2999-01-01")

    refused = run(tmp_path, "report", kind, *later)
    ticked = run(tmp_path, "checklist", kind, *later, "--tick", "errors")
    built = run(tmp_path, "metrics", "build", "--since", "2999-01-01", "--until", "2999-01-02")

    assert [done.exit_code for done in (refused, ticked, built)] == [2, 2, 2]
    assert "has not begun" in refused.stderr
    assert "has not begun" in built.stderr
    assert not (tmp_path / "reports").exists()
    assert not (tmp_path / "data/checklist.ndjson").exists()


def test_today_is_the_day_of_the_zone_of_reports(tmp_path: Path) -> None:
    """In the east the next day has begun; the day of the guide's summary stays that of UTC."""
    path = config_in(tmp_path)
    path.write_text(path.read_text().replace("reports: {", "reports: {zone: Pacific/Kiritimati, "))
    store_records(tmp_path, seeded.a_day(random.Random(1), DAY, UTC, scale=3))
    noon = SINCE + 12 * seeded.HOUR
    zone = load(path).reports.zone

    assert NamedDay("today", noon).of(zone) == DAY + timedelta(days=1)
    assert NamedDay("yesterday", noon).of(zone) == DAY
    assert NamedDay("today", noon).of(UTC) == DAY


def test_a_table_has_a_bound_and_keeps_its_worst_rows() -> None:
    """Of very many rows a hundred are shown, in their order, those that need somebody first."""
    count = 5 * MOST_ROWS
    rows = tuple((str(n),) for n in range(count))
    worst = (count - 1, count - 7)
    table = ReportTable(
        columns=("n",),
        rows=rows,
        states=tuple(State.BAD if n in worst else State.NONE for n in range(count)),
    )

    shown, more = limited(ReportSection(title="", blocks=(table,))).blocks

    assert isinstance(shown, ReportTable)
    assert isinstance(more, ReportText)
    assert len(shown.rows) == len(shown.states) == MOST_ROWS
    assert [row for row, s in zip(shown.rows, shown.states, strict=True) if s is State.BAD] == [
        (str(n),) for n in sorted(worst)
    ]
    assert more.text == f"{count - MOST_ROWS:,} more rows are not shown."


def test_ten_thousand_routes_and_a_very_long_one_have_a_report(tmp_path: Path) -> None:
    """Counts of all add up; the page stays small."""
    rng = random.Random(1)
    made = [seeded.request(rng, SINCE + n, route=f"/r/{n}") for n in range(10_000)]
    made += [seeded.request(rng, SINCE + n, route="/" + "x" * 10_000) for n in range(3)]
    store_records(tmp_path, made)
    config_in(tmp_path)

    found = report(tmp_path, "daily")
    assert run(tmp_path, "report", "daily", "--date", str(DAY)).exit_code == 0

    assert sum(row["count"] for row in found["facts"]["routes"]) == len(made)
    page = (tmp_path / f"reports/daily-{DAY}.html").read_bytes()
    assert len(page) < 300_000


@pytest.mark.parametrize(
    "args", [("report", "monthly"), ("metrics", "build"), ("checklist", "weekly")], ids=" ".join
)
def test_what_cannot_be_used_is_named(tmp_path: Path, args: tuple[str, ...]) -> None:
    """No store, a folder that cannot be written, a bad day: a sentence each, and its exit code."""
    path = config_in(tmp_path)
    whole = path.read_text()
    day = ("--until", str(DAY)) if args[0] == "metrics" else ("--date", str(DAY))

    missing = run(tmp_path, *args, *day)
    store_records(tmp_path, seeded.a_day(random.Random(1), DAY, UTC, scale=3))
    path.write_text(whole.replace(f"{tmp_path}/metrics", "/proc/none/metrics"))
    refused = run(tmp_path, *args, *day)
    path.write_text(
        whole.replace(
            f"embedded: {{path: {tmp_path}/index}}",
            "elasticsearch: {hosts: ['http://127.0.0.1:9']}",
        )
    )
    down = run(tmp_path, *args, *day)
    bad = run(tmp_path, *args, day[0], "2026-02-30")

    assert [each.exit_code for each in (missing, refused, down, bad)] == [3, 3, 3, 2]
    for done, said in (
        (missing, "no store at"),
        (refused, "/proc/none"),
        (down, "cannot reach http://127.0.0.1:9"),
        (bad, "is not a day"),
    ):
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_two_at_once_make_the_same_files(tmp_path: Path) -> None:
    """Each replaces files whole: whoever is last, the bytes are those of one alone."""
    made = [
        each
        for day in seeded.days_of(DAY, 3)
        for each in seeded.a_day(random.Random(1), day, UTC, scale=3)
    ]
    store_records(tmp_path, made)
    config = config_in(tmp_path)
    last = str(DAY + timedelta(days=2))
    command = [sys.executable, "-m", "shipper", "--config", str(config), "metrics", "build"]
    both = [subprocess.Popen([*command, "--until", last]) for _ in range(2)]
    assert [each.wait(timeout=200) for each in both] == [0, 0]
    found = {
        path: path.read_bytes() for path in (tmp_path / "metrics").rglob("*") if path.is_file()
    }

    assert len(found) == 4
    for path in found:
        path.unlink()
    assert run(tmp_path, "metrics", "build", "--until", last).exit_code == 0
    assert {path: path.read_bytes() for path in found} == found
