"""Tests of the checklists: items with proofs, ticks that people leave, and the exit code."""

from __future__ import annotations

import json
import random
from datetime import UTC, date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shipper.cli import main
from shipper.reports.checklist import TASKS, Tick, append_tick, proofs, read_ticks
from shipper.reports.document import ReportSection, ReportTable
from tests.commands.cli_index import config_in, store_records
from tests.reports import seeded

DAY = date(2026, 2, 5)
GUIDE = {
    "daily": 4,
    "weekly": 4,
    "monthly": 5,
}


@pytest.fixture
def quiet(tmp_path: Path) -> Path:
    """A day on which all is well, and health is polled."""
    rng = random.Random(1)
    made = []
    for each in seeded.a_day(rng, DAY, UTC):
        if each["level"] == "INFO" and "extra" not in each:
            each.update({"status_code": 200} if "status_code" in each else {"status": "healthy"})
            if "workflow_id" in each:
                each.update(status="success", execution_time_ms=9.0)
            each.pop("error", None)
            made.append(each)
    for at in range(0, 24, 2):
        record = seeded.health(rng, seeded.midnight(DAY, UTC) + at * seeded.HOUR)
        record["extra"]["queue_depth"] = 3
        made.append(record)
    store_records(tmp_path, made)
    config_in(tmp_path)
    return tmp_path


def run(folder: Path, kind: str, *args: str) -> Result:
    command = ["--config", str(folder / "shipper.yml"), "checklist", kind, "--date", str(DAY)]
    return CliRunner().invoke(main, [*command, *args])


def items(done: Result) -> dict[str, dict[str, Any]]:
    return {found["item"]: found for found in map(json.loads, done.output.splitlines())}


def test_the_guide_has_all_its_items() -> None:
    """Four a day, four a week, five a month, each with a command that helps."""
    assert {kind: len(tasks) for kind, tasks in TASKS.items()} == GUIDE
    assert all(task.command for tasks in TASKS.values() for task in tasks)


def test_a_good_day_is_done_with_proofs(quiet: Path) -> None:
    """Every item names the figures that prove it, and the exit code is 0."""
    done = run(quiet, "daily", "--json")

    assert done.exit_code == 0, done.output
    found = items(done)
    assert {each["state"] for each in found.values()} == {"done"}
    assert found["health"]["proof"] == "Uptime, planned downtime left out: 100 %"
    assert found["errors"]["proof"] == "No errors were logged."


@pytest.mark.parametrize(
    ("kind", "unproven"),
    [("daily", {"health", "errors", "queue", "resources"}), ("weekly", {"errors"})],
)
def test_a_time_without_records_proves_nothing(quiet: Path, kind: str, unproven: set[str]) -> None:
    """No record is not the same as no error: each item is a person's, with the reason."""
    found = items(run(quiet, kind, "--date", "2026-01-15", "--json"))

    assert {found[item]["state"] for item in unproven} == {"yours"}
    assert "nobody knows" in found["errors"]["proof"]


def test_rows_of_a_table_are_a_proof_in_words() -> None:
    """What was looked at is counted by its name, and nothing of it needs attention."""
    table = ReportTable(columns=("process", "memory"), rows=(("1", "2"), ("3", "4")))
    section = ReportSection(title="Resources", blocks=(table,))

    assert [*proofs(section)] == ["2 processes, none needs attention"]


def test_a_bad_day_needs_attention(quiet: Path) -> None:
    """A critical error makes its item need attention, names it, and exits with 1."""
    at = seeded.midnight(DAY, UTC)
    record = seeded.base(at, random.Random(1)) | {"level": "CRITICAL", "error_type": "DiskError"}
    store_records(quiet, [record], first=5000)

    done = run(quiet, "daily", "--json")

    assert done.exit_code == 1
    assert items(done)["errors"]["state"] == "attention"
    assert "DiskError" in items(done)["errors"]["proof"]


def test_what_no_record_says_is_a_persons_until_it_is_ticked(quiet: Path) -> None:
    """No backup is configured: it is theirs, and their tick is kept, shown and in the report."""
    before = items(run(quiet, "weekly", "--json"))["backups"]

    args = ("--tick", "backups", "--by", "the <b>operator</b>", "--note", "restored one")
    done = run(quiet, "weekly", *args)

    assert before["state"] == "yours"
    assert done.exit_code == 0, done.output
    after = items(run(quiet, "weekly", "--json"))["backups"]
    assert (after["state"], after["ticked_by"]) == ("done", "the <b>operator</b>")
    assert after["note"] == "restored one"
    assert "restored one" in done.output
    report = ["--config", str(quiet / "shipper.yml"), "report", "weekly", "--date", str(DAY)]
    assert CliRunner().invoke(main, report).exit_code == 0
    page = (quiet / "reports/weekly-2026-W06.html").read_text()
    assert "the &lt;b&gt;operator&lt;/b&gt;" in page
    elsewhere = run(quiet, "weekly", "--date", "2026-01-20", "--json")
    assert items(elsewhere)["backups"]["state"] == "yours"


def test_an_unknown_item_is_refused(quiet: Path) -> None:
    """The message lists the items that there are; nothing is kept."""
    done = run(quiet, "daily", "--tick", "backups")

    assert done.exit_code == 2
    assert "health, errors, queue, resources" in done.output
    assert read_ticks(quiet / "data") == []


def test_a_tick_that_was_cut_off_costs_no_other(tmp_path: Path) -> None:
    """A writer was killed half-way: the next tick has a line of its own."""
    first, second = (
        Tick(checklist="daily", period="2026-02-05", item="health", by=name, at=1)
        for name in ("one", "two")
    )
    append_tick(tmp_path, first)
    with (tmp_path / "checklist.ndjson").open("ab") as file:
        file.write(b'{"checklist":"daily","per')

    append_tick(tmp_path, second)

    assert read_ticks(tmp_path) == [first, second]
