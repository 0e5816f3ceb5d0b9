"""
What metrics files and a monthly report cost: CPU time and peak memory of the process.

    python -m bench.reports 1000000

The records are those of a month: requests, executions and health records. They are written first,
by a process of their own; `--store DIR` keeps them, and uses them again. The figures are those of a
report without any file of a day yet; where they are there, as they are made every night, it takes
the second of them and a look for missing ones.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from datetime import UTC, date, timedelta
from pathlib import Path

from shipper.alerts.incidents.sla import Sla
from shipper.alerts.rules.reading import load_rules
from shipper.config.reports import KpiOptions, ReportOptions
from shipper.reports.completeness import Delivered
from shipper.reports.html import as_html
from shipper.reports.measure import MeasureOptions
from shipper.reports.metrics_files import Files, MetricsBuilder
from shipper.reports.monthly_report import monthly_report
from shipper.reports.periods import PeriodKind, midnight, period_of
from shipper.reports.sources import ReportSources
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import open_embedded

MONTH = period_of(PeriodKind.MONTH, date(2026, 2, 1), UTC)
NOW = midnight(MONTH.last + timedelta(days=2), UTC)
BATCH = 10_000
RULES = Path(__file__).parents[1] / "config/rules"


def document(rng: random.Random) -> bytes:
    """Make a record: nine of ten are requests."""
    common = {"level": "INFO", "host": {"name": f"web-{rng.randrange(4)}"}}
    common["service"] = {"name": "orchestrator"}
    draw = rng.random()
    if draw < 0.9:
        code = 200 if rng.random() < 0.98 else rng.choice([401, 404, 429, 500, 503])
        client = f"10.0.{rng.randrange(8)}.{rng.randrange(250)}"
        made = {
            "logger": "automation_orchestrator.access",
            "message": f"GET /api/workflows {code}",
            "status_code": code,
            "duration_ms": round(rng.lognormvariate(4.5, 0.8), 3),
            "route": f"/api/{rng.randrange(30)}/{{id}}",
            "path": f"/api/{rng.randrange(30)}/{rng.randrange(1000)}",
            "client_ip": client,
            "user_agent": "Mozilla/5.0",
            "event": {"dataset": "orchestrator.access"},
        }
    elif draw < 0.98:
        made = {
            "logger": "automation_orchestrator.workflows",
            "message": "Workflow executed successfully",
            "status": "success" if rng.random() < 0.97 else "failed",
            "workflow_id": f"workflow_{rng.randrange(20)}",
            "execution_time_ms": round(rng.expovariate(1 / 900), 3),
            "event": {"dataset": "orchestrator.workflow"},
        }
    else:
        made = {
            "logger": "automation_orchestrator.health",
            "message": "healthy",
            "status": "healthy",
            "extra": {"queue_depth": rng.randrange(40), "storage": {"available_gb": 40.0}},
            "event": {"dataset": "orchestrator.health"},
        }
    return json.dumps(common | made).encode()


def write(path: Path, count: int) -> None:
    """Store the month."""
    rng = random.Random(1)
    writer = EmbeddedWriter(path, keep_seconds=10**9, max_bytes=100 << 30)
    step = (MONTH.until - MONTH.since) / count
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        docs = [document(rng) for _ in numbers]
        times = [MONTH.since + int(number * step) for number in numbers]
        refused = writer.write([f"01KGQ70000ABCDEFGHJKMNPQRS-{n}" for n in numbers], docs, times)
        assert refused == []
    writer.close()


def report(path: Path, folder: Path) -> None:
    """Make the files and the report, and print what that took."""
    started = time.process_time()
    with closing(open_embedded(path)) as store:
        builder = MetricsBuilder(
            store, Files(folder / "metrics", UTC), MeasureOptions(), Delivered((), NOW)
        )
        builder.build(None, MONTH.last)
        built = time.process_time()
        sources = ReportSources(builder, folder, KpiOptions(), Sla(), ())
        rules = load_rules(RULES).rules
        document = monthly_report(sources, MONTH, ReportOptions(), rules, None)
        page = as_html(document, UTC)
        reported = time.process_time()
        builder.build(None, MONTH.last)
    ended = time.process_time()
    print(f"metrics files of {len(MONTH.days())} days: {built - started:.1f} s CPU")
    print(f"monthly report, {len(page) / 1024:.0f} KiB: {reported - built:.1f} s CPU")
    print(f"both: {reported - started:.1f} s CPU")
    print(f"a look for missing files: {ended - reported:.1f} s CPU")
    print(f"peak RSS: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.reports")
    parser.add_argument("records", nargs="?", type=int, default=1_000_000)
    parser.add_argument("--store", type=Path, help="folder of the store, which is kept")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.write is not None:
        write(args.write, args.records)
        return
    with tempfile.TemporaryDirectory() as name:
        path = args.store or Path(name) / "index"
        if not path.exists():
            command = [sys.executable, "-m", "bench.reports", str(args.records)]
            subprocess.run([*command, "--write", str(path)], check=True)
        report(path, Path(name))


if __name__ == "__main__":
    main()
