"""The options of the sections `kpis` and `reports`: targets, metrics files and reports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time, tzinfo
from pathlib import Path
from typing import Final

from shipper.config.alerts import CLOCK, ZONE
from shipper.config.options import (
    COUNT,
    DURATION,
    PATH,
    PATH_TEXT,
    SECONDS,
    SIZE,
    TEXT,
    Faults,
    InvalidValueError,
    ListOf,
    Scalar,
    Section,
    one_word_of,
    option,
    optional,
    text_matching,
)


def _parse_share(text: str) -> float:
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?) ?%", text.strip(), re.ASCII)
    if found is None or float(found[1]) > 100:
        raise InvalidValueError(f'"{text}" is not a share', "use 0% to 100%, such as 99.5%")
    return float(found[1]) / 100


SHARE: Final = Scalar("a share, such as 99.5%", _parse_share)


@dataclass(frozen=True, slots=True)
class KpiOptions:
    """Targets of the key performance indicators; the defaults are those of the monitoring guide."""

    response_time_seconds: float = option(
        SECONDS.between("1ms", "1h"),
        "Target of the mean response time.",
        default="200ms",
        key="response_time",
    )
    response_time_alert_seconds: float = option(
        SECONDS.between("1ms", "1h"),
        "Mean response time from which on attention is needed.",
        default="500ms",
        key="response_time_alert",
    )
    success_rate: float = option(
        SHARE, "Target of the share of requests without a server error (5xx).", default="98%"
    )
    success_rate_alert: float = option(
        SHARE, "Success rate below which attention is needed.", default="95%"
    )
    error_rate: float = option(
        SHARE, "Target of the share of requests with a server error.", default="2%"
    )
    workflow_failures: float = option(
        SHARE, "Target of the share of workflow executions that fail.", default="5%"
    )
    uptime: float = option(
        SHARE, "Target of the share of time in which health polls succeed.", default="99.5%"
    )
    queue_seconds: float = option(
        SECONDS.between("1s", "1d"),
        "Time within which an execution has to be complete.",
        default="5m",
        key="queue_time",
    )
    queue_share: float = option(
        SHARE, "Target of the share of executions complete within `queue_time`.", default="100%"
    )
    queue_pending: int = option(
        COUNT.between("1", "100000000"),
        "Number of waiting executions above which attention is needed.",
        default="100",
    )


@dataclass(frozen=True, slots=True)
class BackupOptions:
    """A backup that the weekly report verifies: by the age of a file, or by a command."""

    name: str = option(TEXT, "Name of the backup in reports.")
    file: str | None = optional(
        PATH_TEXT, "Path with `*` and `?` as wildcards: the newest file is looked at."
    )
    max_age_seconds: int = option(
        DURATION.between("1m", "400d"),
        "A newest file older than this needs attention.",
        default="26h",
        key="max_age",
    )
    min_size: int = option(
        SIZE.between("0 B", "1024 TiB"),
        "A newest file smaller than this needs attention.",
        default="1 B",
    )
    command: tuple[str, ...] = option(
        ListOf(TEXT),
        "Command and arguments, run without a shell for a minute at most. Exit code 0: the backup "
        "is good; the first line that it prints is shown.",
        default="[]",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if (self.file is None) == (not self.command):
            yield "file", "is needed, or a command, but not both", "use one of them"


@dataclass(frozen=True, slots=True)
class ScheduledReport:
    """A report that `shipper report due` makes and sends: once per period and alerter."""

    report: str = option(
        one_word_of("daily", "weekly", "monthly"),
        "The report: of the day before, of the week before (on Mondays), or of the month before "
        "(on the first).",
    )
    at: time = option(CLOCK, "When, in the zone `reports.zone`.", default="06:00")
    to: tuple[str, ...] = option(
        ListOf(TEXT),
        "Alerters of the file `alerts.settings`, of the kinds `email` and `slack`; empty: those of "
        "`reports.to`.",
        default="[]",
    )


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """Metrics files and reports."""

    zone: tzinfo = option(
        ZONE,
        "Time zone of days, weeks and months in metrics files and reports. The file "
        "`daily_summary_DATE.json` is always in UTC.",
        default="UTC",
    )
    metrics: Path = option(
        PATH,
        "Folder of the metrics files, one per day, and per month in `monthly/`.",
        default="metrics",
    )
    folder: Path = option(PATH, "Folder of the reports.", default="reports")
    to: tuple[str, ...] = option(
        ListOf(TEXT),
        "Alerters of the file `alerts.settings` that reports are sent to, of the kinds `email` and "
        "`slack`; empty: all of the kind `email`.",
        default="[]",
    )
    schedule: tuple[ScheduledReport, ...] = option(
        ListOf(Section(ScheduledReport)),
        "Reports that `shipper report due` makes and sends.",
        default="[]",
    )
    log_file_most: int = option(
        SIZE.between("64 KiB", "1024 TiB"),
        "A log file larger than this needs rotation, says the weekly report.",
        default="100 MiB",
    )
    backups: tuple[BackupOptions, ...] = option(
        ListOf(Section(BackupOptions)), "Backups that the weekly report verifies.", default="[]"
    )
    free_gb_least: int = option(
        COUNT.between("0", "1000000"),
        "Free space of the disk of the logs, in GB, at which the capacity plan calls it full.",
        default="5",
    )
    requests_per_second_most: int | None = optional(
        COUNT.between("1", "100000000"),
        "Requests per second, in the mean of an hour, that the application can answer.",
        default="none: the capacity plan knows no limit",
    )
    sensitive_paths: tuple[str, ...] = option(
        ListOf(text_matching(r"[^\s\x00-\x1f\x7f\"\\\\]{1,200}", "a path, with * as a wildcard")),
        "Paths on which the security audit looks for new clients.",
        default="[/login*, /api/login*, /auth*, /api/auth*, /admin*, /api/admin*]",
    )
