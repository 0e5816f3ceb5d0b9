"""The options of the sections `kpis` and `reports`: targets, metrics files and reports."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import tzinfo
from pathlib import Path
from typing import Final

from shipper.config.alerts import ZONE
from shipper.config.options import (
    COUNT,
    PATH,
    SECONDS,
    InvalidValueError,
    Scalar,
    option,
)


def _parse_share(text: str) -> float:
    found = re.fullmatch(r"(\d{1,3}(?:\.\d{1,6})?) ?%", text.strip(), re.ASCII)
    if found is None or float(found[1]) > 100:
        raise InvalidValueError(f'"{text}" is not a share', "use 0% to 100%, such as 99.5%")
    return float(found[1]) / 100


SHARE: Final = Scalar("a share, such as 99.5%", _parse_share)


@dataclass(frozen=True, slots=True)
class KpiOptions:
    """Targets of the key performance indicators; the defaults are those of the guide."""

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
