"""
The daily summary: a JSON file with the keys of the guide.

    total_requests      access records
    errors, warnings    records of level ERROR or CRITICAL, and of level WARNING; each counts once,
                        in however many files the application wrote it
    success_rate        share (0 to 1) of the requests not answered with 5xx: a 4xx is the client's
                        error
    avg_response_time   mean `duration_ms` of the requests, in milliseconds
    top_errors          error_type → count, most frequent first; the counts add up to `errors`

Days are in UTC. A day without requests has a success_rate of 0.0 and an avg_response_time of 0. The
file is replaced atomically.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from shipper.files import make_folder, write_whole
from shipper.reports.metrics import bounded
from shipper.store.api import Average, Filters, Number, Question, Selection, Terms, buckets_of

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.store.api import AggregateAnswer, Store

REQUESTS = "event.dataset:orchestrator.access"
ERRORS = "level:ERROR OR level:CRITICAL"
WARNINGS = "level:WARNING"
FAILED = "status_code:[500 TO 599]"

NO_TYPE = "unknown"
_DAY_MS = 86_400_000
_MOST_TYPES = 1000  # error types of a day; a bound, as the application chooses them


@dataclass(frozen=True, slots=True)
class DailySummary:
    """The summary of one day; the fields are the keys of the file, in this order."""

    date: str
    total_requests: int
    errors: int
    warnings: int
    success_rate: float
    avg_response_time: float
    top_errors: dict[str, int]

    def __str__(self) -> str:
        """Return the one line that the guide's script prints."""
        return f"Daily Summary: {self.total_requests} requests, {self.errors} errors"


def summarize(store: Store, day: date) -> DailySummary:
    """Return the summary of a day, from one request to the store."""
    since = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000

    def asked(query: str) -> Selection:
        return Selection(query, since, since + _DAY_MS)

    requests, errors, warnings = store.ask(
        [
            Question(
                asked(REQUESTS),
                {"failed": Filters({"5xx": FAILED}), "mean": Average("duration_ms")},
            ),
            Question(asked(ERRORS), {"types": Terms("error_type", size=_MOST_TYPES)}),
            Question(asked(WARNINGS)),
        ]
    )
    failed = sum(bucket.count for bucket in buckets_of(requests, "failed").buckets)
    return DailySummary(
        date=day.isoformat(),
        total_requests=requests.total,
        errors=errors.total,
        warnings=warnings.total,
        success_rate=round(1 - failed / requests.total, 6) if requests.total else 0.0,
        avg_response_time=_mean(requests),
        top_errors=_top_errors(errors),
    )


def write(summary: DailySummary, directory: Path) -> Path:
    """Write `daily_summary_DATE.json`; create the directory if needed; raise OSError on failure."""
    make_folder(directory, 0o777)
    path = directory / f"daily_summary_{summary.date}.json"
    text = json.dumps(asdict(summary), indent=2)
    write_whole(path, f"{text}\n".encode(), durable=True, mode=0o666)
    return path


def _mean(requests: AggregateAnswer) -> float:
    mean = requests.results["mean"]
    assert isinstance(mean, Number)
    found = bounded(mean.value)
    return round(found, 2) if found is not None else 0


def _top_errors(errors: AggregateAnswer) -> dict[str, int]:
    types = buckets_of(errors, "types")
    counts = {str(bucket.key): bucket.count for bucket in types.buckets}
    without = errors.total - types.others - sum(counts.values())
    if without > 0:
        counts[NO_TYPE] = counts.get(NO_TYPE, 0) + without
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
