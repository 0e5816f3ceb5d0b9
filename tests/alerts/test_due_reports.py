"""Tests of the process that makes reports: when it starts, its faults, its end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from datetime import time as time_of_day
from pathlib import Path

import pytest

from shipper.alerts.due_reports import HOUR_MS, RETRY_MS, DueReports, next_look
from shipper.config.reports import ReportOptions, ScheduledReport

NOW = round(datetime(2026, 2, 6, 5, 30, tzinfo=UTC).timestamp() * 1000)
SIX = NOW + HOUR_MS // 2
DAILY = ReportOptions(schedule=(ScheduledReport(report="daily", at=time_of_day(6)),))
PATIENCE = 60.0


class World:
    """A job whose process notes its start, waits for a file, and exits with a code."""

    def __init__(self, folder: Path) -> None:
        self.starts, self.go, self.code = folder / "starts", folder / "go", folder / "code"
        self.starts.touch()
        self.go.touch()
        self.code.write_text("0")
        self.job = DueReports([sys.executable, "-c", _PROGRAM, str(folder)])

    def count(self) -> int:
        """Return how many processes have begun."""
        return self.starts.stat().st_size

    def until(self, is_so: Callable[[], bool], now: int) -> None:
        """Attend at a time until something is so."""
        end = time.monotonic() + PATIENCE
        while not is_so():
            assert time.monotonic() < end
            self.job.attend(DAILY, now)
            time.sleep(0.01)

    def run(self, now: int) -> None:
        """Have one process start and end."""
        wanted = self.count() + 1
        self.until(lambda: self.count() == wanted, now)
        self.until(lambda: self.job._running is None, now)


_PROGRAM = """
import pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
with open(folder / "starts", "a") as file:
    file.write("x")
while not (folder / "go").exists():
    time.sleep(0.01)
sys.exit(int((folder / "code").read_text()))
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A job without a process."""
    found = World(tmp_path)
    with closing(found.job):
        yield found


def test_the_process_starts_at_once_and_again_when_a_report_is_due(world: World) -> None:
    """What was missed is made up for at the start; then nothing until six."""
    world.run(NOW)
    world.job.attend(DAILY, SIX - 1)
    assert world.job._running is None

    world.run(SIX)

    assert world.count() == 2


def test_without_a_schedule_nothing_starts(world: World) -> None:
    """Whoever schedules nothing has no process."""
    world.job.attend(ReportOptions(), NOW)

    assert world.job._running is None


def test_there_is_one_process_at_a_time(world: World) -> None:
    """One that takes longer than until the next time is not joined by another."""
    world.go.unlink()
    world.until(lambda: world.count() == 1, NOW)

    for minutes in range(0, 600, 10):
        world.job.attend(DAILY, NOW + minutes * 60_000)

    world.go.touch()
    world.until(lambda: world.job._running is None, SIX)
    assert world.count() == 1


def test_a_failure_is_logged_and_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The job goes on; five minutes later the process starts again."""
    world.code.write_text("3")
    world.run(NOW)
    assert "failed (exit code 3" in caplog.text

    world.job.attend(DAILY, NOW + RETRY_MS - 1)
    assert world.job._running is None
    world.run(NOW + RETRY_MS)

    assert world.count() == 2


def test_a_command_that_is_not_there_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is raised."""
    job = DueReports(["/nowhere/shipper"])

    job.attend(DAILY, NOW)

    assert "cannot start `shipper report due`" in caplog.text


def test_a_process_that_takes_too_long_is_ended(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one is not held up for ever."""
    world.go.unlink()
    world.until(lambda: world.count() == 1, NOW)
    monkeypatch.setattr("shipper.alerts.due_reports.LONGEST_SECONDS", 0.0)

    world.job.attend(DAILY, NOW)

    assert world.job._running is None
    assert "took more than an hour" in caplog.text


def test_the_end_of_the_job_ends_the_process(world: World) -> None:
    """No process is left behind."""
    world.go.unlink()
    world.until(lambda: world.count() == 1, NOW)
    assert world.job._running is not None
    process = world.job._running.process

    world.job.close()

    assert process.returncode is not None


def test_a_clock_set_back_holds_nothing_up_for_long(world: World) -> None:
    """An hour later at the latest it is looked again."""
    world.run(NOW)
    yesterday = NOW - 24 * HOUR_MS
    world.job.attend(DAILY, yesterday)

    world.run(yesterday + HOUR_MS)

    assert world.count() == 2


def test_the_next_look_is_at_the_time_of_the_schedule_or_in_an_hour() -> None:
    """Over midnight, too."""
    assert next_look(DAILY, NOW) == SIX
    assert next_look(DAILY, SIX) == SIX + HOUR_MS
    early = ReportOptions(schedule=(ScheduledReport(report="daily", at=time_of_day(0, 15)),))
    late = round(datetime(2026, 2, 6, 23, 30, tzinfo=UTC).timestamp() * 1000)
    assert next_look(early, late) == late + 45 * 60_000
