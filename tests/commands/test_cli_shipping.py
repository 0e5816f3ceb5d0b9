"""Tests of `shipper run`, `status` and `check` as a user calls them."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shipper.commands.run import JournalFormatter
from tests.commands.cli_index import config_in

LINE = '{"timestamp":"2026-02-05T14:30:45.123Z","level":"INFO","message":"hello"}\n'


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/app.log").write_text(LINE * 3)
    config_in(tmp_path)
    return tmp_path


def shipper(site: Path, *args: str) -> list[str]:
    return [sys.executable, "-m", "shipper", "--config", str(site / "shipper.yml"), *args]


def run(site: Path, *args: str) -> tuple[int, str, str]:
    command = shipper(site, *args)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def test_ship_once_then_ask(site: Path) -> None:
    """The lines are shipped and searchable, and status shows that no shipper runs."""
    assert run(site, "run", "--once", "--timeout", "30s")[0] == 0
    assert run(site, "search", "hello", "--count")[:2] == (0, "3\n")

    code, text, _ = run(site, "status", "--json")

    status = json.loads(text)
    assert code == 1  # is it running? no
    assert status["running"] is False
    assert [file["behind"] for file in status["files"]] == [0]


def test_a_running_shipper_tells_what_it_does_and_ends_in_good_order(site: Path) -> None:
    """`run` logs to stderr only, `status` exits with 0 meanwhile, SIGTERM ends it with 0."""
    process = subprocess.Popen(
        shipper(site, "run"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 30
        while (state := run(site, "status"))[0] != 0:
            assert time.monotonic() < deadline, state
        second = run(site, "run", "--once")
    finally:
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)

    assert state[1].startswith("running")
    assert (process.returncode, output) == (0, "")
    assert " INFO shipping as " in errors
    assert second[0] == 3
    assert str(site / "data") in second[2]
    assert "Traceback" not in second[2]


def test_a_timeout_without_once_is_refused(site: Path) -> None:
    """--timeout needs --once; no option is silently ignored."""
    code, output, errors = run(site, "run", "--timeout", "60s")

    assert (code, output) == (2, "")
    assert "--timeout needs --once" in errors


def test_check_tells_good_from_bad(site: Path) -> None:
    """An error found by check exits with 1 and names the place."""
    good = run(site, "check")
    (site / "index").write_text("a file, not a folder")
    bad = run(site, "check")

    assert (good[0], good[2]) == (0, "")
    assert "data_dir: " in good[1]
    assert bad[0] == 1
    assert "error    output.embedded.path: " in bad[1]


def test_under_systemd_errors_have_priorities(site: Path) -> None:
    """The journal gets the priority of each line; any other stderr does not."""
    (site / "bad.yml").write_text("a: 1\n")
    command = shipper(site, "run", "--config", "bad.yml")
    with (site / "journal").open("ab") as journal:
        status = os.fstat(journal.fileno())
        told = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        subprocess.run(command, cwd=site, env=told, stderr=journal, timeout=60, check=False)
        plain = subprocess.run(
            command, cwd=site, env=told, capture_output=True, text=True, timeout=60, check=False
        )

    lines = (site / "journal").read_text().splitlines()
    assert lines[0] == "<3>shipper: cannot use bad.yml:"
    assert lines[1].startswith("<3>  a (line 1): unknown key")
    assert [f"<3>{line}" for line in plain.stderr.splitlines()] == lines


@pytest.mark.parametrize(
    ("level", "priority"), [(logging.DEBUG, 7), (logging.INFO, 6), (logging.ERROR, 3), (60, 2)]
)
def test_lines_for_the_journal(level: int, priority: int) -> None:
    """It has the time itself, and takes a priority for each line."""
    record = logging.LogRecord("shipper", level, "", 0, "a\n%s", ("b\x1b",), None)

    lines = JournalFormatter("%(levelname)s %(message)s").format(record).splitlines()

    name = logging.getLevelName(level)
    assert lines == [f"<{priority}>{name} a", f"<{priority}>b\\x1b"]
