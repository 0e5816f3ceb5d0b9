"""Tests of the cases of rules: what they may say, and that they tell when a rule goes wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipper.alerts.backtest.cases import documents, nested, read_cases
from shipper.cli import main
from shipper.errors import ConfigError

RULE = """\
name: errors
severity: high
summary: "{{ value | number }} errors"
count: level:ERROR AND event.dataset:orchestrator.workflow
above: 2
over: 2m
for: 1m
group_by: [host.name]
"""
CASE = """\
fields: {logger: app.workflows, level: ERROR}
cases:
  - name: two minutes of errors
    until: 10m
    records:
      - {from: 2m, until: 4m, every: 10s}
    expect:
      - {at: 4m, change: fired, group: {host.name: server-1}, summary: 12 errors}
      - {at: 6m, change: resolved}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A rule, and a case that goes as it says."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "errors.yml").write_text(RULE)
    (tmp_path / "tests/errors.yml").write_text(CASE)
    return tmp_path


def run_tests(folder: Path, *paths: str) -> Result:
    return CliRunner().invoke(main, ["alerts", "test", *paths, "--rules", str(folder)])


def test_a_case_that_goes_as_it_says_is_good(folder: Path) -> None:
    """The records get dataset and category as the shipper would give them, host and service too."""
    result = run_tests(folder)

    assert result.output == ("ok    errors: two minutes of errors\n1 of 1 cases passed\n")
    assert result.exit_code == 0


@pytest.mark.parametrize("level", ["error", "err", "50"])
def test_a_level_of_a_case_has_the_name_that_is_stored(folder: Path, level: str) -> None:
    """A case may call a level as the application does; the shipper stores one name."""
    (folder / "tests/errors.yml").write_text(CASE.replace("level: ERROR", f"level: {level}"))

    assert run_tests(folder).exit_code == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("at: 4m", "at: 5m"),
        ("change: fired", "change: resolved"),
        ("server-1", "server-2"),
        ("12 errors", "13 errors"),
        ("      - {at: 6m, change: resolved}\n", ""),
        ("every: 10s", "every: 1m"),
    ],
)
def test_a_case_that_goes_otherwise_fails(folder: Path, old: str, new: str) -> None:
    """What was expected and what came stand beside each other; exit 1."""
    (folder / "tests/errors.yml").write_text(CASE.replace(old, new))

    result = run_tests(folder)

    assert result.exit_code == 1
    assert "FAIL  errors: two minutes of errors" in result.output
    assert "expected" in result.output
    assert "came" in result.output


def test_pending_incidents_are_looked_at_if_one_is_named(folder: Path) -> None:
    """`opened` and `dropped` are told to nobody, so a case may leave them out."""
    (folder / "tests/errors.yml").write_text(
        CASE.replace("    expect:\n", "    expect:\n      - {at: 3m, change: opened}\n")
    )

    assert run_tests(folder).exit_code == 0


def test_all_faults_of_all_files_are_told_at_once(folder: Path) -> None:
    """A case can't be wrong in silence."""
    (folder / "tests/a.yml").write_text("rule: nope\n" + CASE)
    (folder / "tests/b.yml").write_text(
        CASE.replace("at: 4m", "at: soon").replace("until: 4m", "until: 1m")
    )

    result = run_tests(folder)

    assert result.exit_code == 2
    assert "a.yml:\n  rule: nope is not a rule with a query; use one of: errors" in result.output
    assert "cases[0].records[0].until (line 6): is not after from" in result.output
    assert 'cases[0].expect[0].at (line 8): "soon" is not a duration' in result.output


def test_a_folder_without_cases_is_told(folder: Path) -> None:
    """No cases at all are no success."""
    (folder / "tests/errors.yml").unlink()

    result = run_tests(folder)

    assert result.exit_code == 2
    assert "there are no test cases in" in result.output


def test_one_file_can_be_tested_alone(folder: Path) -> None:
    """By its path, wherever it lies."""
    other = folder / "other.txt"
    other.write_text("rule: errors\n" + CASE)

    assert "1 of 1" in run_tests(folder, str(other)).output


def test_fields_lie_where_the_store_has_them() -> None:
    """Known fields by their kind, unknown ones under `extra`."""
    document = nested({"status_code": "500", "queue_depth": "7", "host.name": "h", "message": "5"})

    assert document == {
        "status_code": 500, "extra": {"queue_depth": 7}, "host": {"name": "h"}, "message": "5",
    }  # fmt: skip


def test_records_are_spread_over_their_time(folder: Path) -> None:
    """From the first time to before the last, so many at each."""
    (folder / "tests/errors.yml").write_text(CASE.replace("every: 10s", "every: 1m, count: 3"))
    file = read_cases(folder / "tests/errors.yml")

    times = [
        time - documents(file, file.cases[0])[0][0] for time, _ in documents(file, file.cases[0])
    ]

    assert times == [0, 0, 0, 60_000, 60_000, 60_000]


def test_too_many_records_are_a_fault(folder: Path) -> None:
    """A mistyped step does not fill the disk."""
    (folder / "tests/errors.yml").write_text(
        CASE.replace("every: 10s", "every: 1ms, count: 100000")
    )

    with pytest.raises(ConfigError, match="makes more than 1,000,000 records"):
        read_cases(folder / "tests/errors.yml")
