"""Tests of the daily summary against numbers computed from the records."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from shipper.cli import main
from shipper.reports.daily import DailySummary, summarize, write
from shipper.store.opening import open_embedded
from tests.commands.cli_index import START, access, config_in, record, store_records

DAY = date(2026, 2, 5)
DAY_MS = 86_400_000
KEYS = [
    "date",
    "total_requests",
    "errors",
    "warnings",
    "success_rate",
    "avg_response_time",
    "top_errors",
]


def a_few_days(seed: int) -> list[dict[str, Any]]:
    """Make records over three days, some at the edges of the day of the report."""
    rng = random.Random(seed)
    times = [START - 1, START, START + DAY_MS - 1, START + DAY_MS]
    times += [START + rng.randrange(-DAY_MS, 2 * DAY_MS) for _ in range(900)]
    levels = ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
    types = [None, "TimeoutError", "ValueError", "unknown"]
    made = []
    for at in times:
        if rng.random() < 0.5:
            made.append(access(at, rng.choice([200, 404, 499, 500, 503, 599]), rng.random() * 300))
        else:
            level, kind = rng.choice(levels), rng.choice(types)
            made.append(record(at, level, "x", **({"error_type": kind} if kind else {})))
    return made


def report(folder: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(config_in(folder)), "report", "daily", *args])


def test_every_number_is_right(tmp_path: Path) -> None:
    """Requests are access records, a 4xx is no failure, and each error has its type or none."""
    records = a_few_days(seed=3)
    store_records(tmp_path, records)
    of_day = [each for each in records if START <= each["at"] < START + DAY_MS]
    requests = [each for each in of_day if "status_code" in each]
    errors = [each for each in of_day if each["level"] in {"ERROR", "CRITICAL"}]
    good = [each for each in requests if each["status_code"] < 500]
    mean = sum(each["duration_ms"] for each in requests) / len(requests)

    store = open_embedded(tmp_path / "index")
    summary = summarize(store, DAY)
    store.close()

    assert summary.date == "2026-02-05"
    assert summary.total_requests == len(requests) > 50
    assert summary.errors == len(errors) > 50
    assert summary.warnings == sum(each["level"] == "WARNING" for each in of_day) > 20
    assert summary.success_rate == pytest.approx(len(good) / len(requests), abs=0.000001)
    assert summary.avg_response_time == pytest.approx(mean, abs=0.01)
    assert summary.top_errors == Counter(each.get("error_type", "unknown") for each in errors)
    assert list(summary.top_errors.values()) == sorted(summary.top_errors.values(), reverse=True)


def test_a_day_without_records_is_all_zeros(tmp_path: Path) -> None:
    """A quiet day has a summary, too."""
    store_records(tmp_path, [access(START, 200, 1.0)])

    store = open_embedded(tmp_path / "index")
    summary = summarize(store, date(2026, 2, 7))
    store.close()

    assert summary == DailySummary("2026-02-07", 0, 0, 0, 0.0, 0.0, {})


def test_the_file_has_exactly_the_keys_of_the_guide(tmp_path: Path) -> None:
    """The file has exactly the keys of the guide, in its order."""
    store_records(tmp_path, [access(START, 200, 12.5), record(START, "ERROR", "x")])

    folder = tmp_path / "new" / "logs"

    result = report(tmp_path, "--date", "2026-02-05", "--directory", str(folder))

    path = folder / "daily_summary_2026-02-05.json"
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"Daily Summary: 1 requests, 1 errors\nwritten to {path}\n")
    summary = json.loads(path.read_text())
    assert list(summary) == KEYS
    assert summary["top_errors"] == {"unknown": 1}
    assert summary["avg_response_time"] == 12.5


def test_a_summary_is_replaced_whole(tmp_path: Path) -> None:
    """A reader sees the old file or the new one, and nothing else is left in the folder."""
    first = DailySummary("2026-02-05", 1, 0, 0, 1.0, 1.0, {})
    second = DailySummary("2026-02-05", 2, 0, 0, 1.0, 1.0, {})

    path = write(first, tmp_path)
    assert write(second, tmp_path) == path

    assert json.loads(path.read_text())["total_requests"] == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_exits_with_3(tmp_path: Path) -> None:
    """The message names the path; no unfinished file stays."""
    store_records(tmp_path, [access(START, 200, 1.0)])
    (tmp_path / "logs").write_text("a file, not a folder")

    result = report(tmp_path, "--directory", str(tmp_path / "logs" / "x"))

    assert result.exit_code == 3
    assert str(tmp_path / "logs") in result.stderr
    assert "Traceback" not in result.stderr
