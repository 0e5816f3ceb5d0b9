"""Tests of `shipper process`, and of what `shipper check` says of processors and redaction."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipper.cli import main
from tests.commands.cli_index import config_in


def run(config: Path, *args: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(config), *args])


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "app.log").write_text('{"message":"a","level":"DEBUG"}\nb token=zqx\nc\n')
    path = config_in(tmp_path)
    more = "processors: [{drop: {where: 'level:DEBUG'}}]\nredact: {}\n"
    path.write_text(path.read_text() + more)
    return path


def test_records_are_shown_before_and_after(config: Path) -> None:
    """What is dropped is said to be, and what is redacted is shown redacted."""
    result = run(config, "process", str(config.parent / "logs" / "app.log"), "--limit", "2")

    dropped, is_dropped, before, after = result.stdout.splitlines()
    assert json.loads(dropped.removeprefix("- "))["level"] == "DEBUG"
    assert is_dropped == "  dropped"
    assert json.loads(before.removeprefix("- "))["message"] == "b token=zqx"
    assert json.loads(after.removeprefix("+ "))["message"] == "b token=[redacted:password]"


def test_cases_pass_or_fail(config: Path) -> None:
    """Exit code 1 if a case fails; the fault stands below it."""
    cases = config.parent / "cases.yml"
    cases.write_text("- {name: noise, record: {level: DEBUG}, dropped: true}\n")
    good = run(config, "process", "--test", str(cases))
    assert (good.exit_code, good.stdout) == (0, "ok      noise\n1 case, 0 failed\n")

    cases.write_text("- {name: noise, record: {level: INFO}, dropped: true}\n")
    bad = run(config, "process", "--test", str(cases))
    assert bad.exit_code == 1
    assert bad.stdout.splitlines()[1].strip() == "it is not dropped"


def test_wrong_usage_is_refused(config: Path) -> None:
    """A file or cases, not both and not neither; the file has to be there."""
    assert run(config, "process").exit_code == 2
    assert run(config, "process", "x", "--test", "y").exit_code == 2
    assert run(config, "process", "/nowhere").exit_code == 2


def test_check_names_what_cannot_be_applied(config: Path) -> None:
    """Before the shipper is started with it."""
    assert "processors: can be applied" in run(config, "check").stdout.replace("  ", " ")

    config.write_text(config.read_text().replace("level:DEBUG", "level:("))
    assert "processors[0].drop.where" in run(config, "check").stdout
