"""
Starts `shipper report due` for the alert job, when reports of `reports.schedule` are due.

They are made in a process of their own, one at a time, so neither their memory nor a fault of
theirs is one of the alert job. Which reports were sent is in the ledger: after a crash or a
downtime, the first look starts the process, and it sends what was missed, each report once. A
process that fails is logged and tried again; one that takes too long is ended.
"""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from shipper.config.reports import ReportOptions

log = logging.getLogger("shipper.alerts.job")

HOUR_MS: Final = 3_600_000
RETRY_MS: Final = 300_000  # after a failure
LONGEST_SECONDS: Final = 3600.0
STOP_SECONDS: Final = 5.0
STDERR: Final = 2  # standard output is for pages


@dataclass(frozen=True, slots=True)
class _Running:
    """A process, and when it began, by the monotonic clock."""

    process: subprocess.Popen[bytes]
    began: float

    def end(self) -> None:
        """End the process, by force if it does not in time."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class DueReports:
    """Starts a command when reports may be due; used by one thread."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = [*command]
        self._running: _Running | None = None
        self._next_at = 0

    def attend(self, reports: ReportOptions, now: int) -> None:
        """Look after the process; start one if it is time. Never waits for one that runs well."""
        self._next_at = min(self._next_at, now + HOUR_MS)  # the clock may have been set back
        if self._running is not None:
            self._look_after(self._running, reports, now)
        elif reports.schedule and now >= self._next_at:
            self._begin(now)

    def close(self) -> None:
        """End the process; what it has not sent is sent at the next start."""
        if self._running is not None:
            self._running.end()
            self._running = None

    def _begin(self, now: int) -> None:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own command
                self._command, stdin=subprocess.DEVNULL, stdout=STDERR
            )
        except OSError as error:
            log.warning("cannot start `shipper report due`: %s; it is tried again", error)
            self._next_at = now + RETRY_MS
            return
        self._running = _Running(process, time.monotonic())

    def _look_after(self, running: _Running, reports: ReportOptions, now: int) -> None:
        code = running.process.poll()
        if code is None and time.monotonic() - running.began < LONGEST_SECONDS:
            return
        if code is None:
            running.end()
            log.warning("`shipper report due` was ended: it took more than an hour")
        elif code != 0:
            log.warning(
                "`shipper report due` failed (exit code %d, see its message); it is tried again",
                code,
            )
        self._running = None
        self._next_at = next_look(reports, now) if code == 0 else now + RETRY_MS


def next_look(reports: ReportOptions, now: int) -> int:
    """Return when to look next: at the next time of the schedule, or in an hour."""
    today = datetime.fromtimestamp(now / 1000, reports.zone).date()
    days = (today, today + timedelta(days=1))
    times = (
        round(datetime.combine(day, each.at, reports.zone).timestamp() * 1000)
        for each in reports.schedule
        for day in days
    )
    return min((at for at in times if now < at < now + HOUR_MS), default=now + HOUR_MS)
