"""An index of known records and a config that leads to it, for the tests of the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shipper.store.embedded.writer import EmbeddedWriter

RUN = "01KGQ70000ABCDEFGHJKMNPQRS"
START = 1_770_249_600_000  # 2026-02-05T00:00:00.000Z
MINUTE = 60_000

CONFIG = """\
service: {{name: automation-orchestrator}}
data_dir: {folder}/data
inputs:
  - paths: [{folder}/logs/*.log]
output:
  embedded: {{path: {folder}/index}}
reports: {{metrics: {folder}/metrics, folder: {folder}/reports}}
"""


def config_in(folder: Path) -> Path:
    """Write a config whose index, data and logs are in the folder."""
    path = folder / "shipper.yml"
    path.write_text(CONFIG.format(folder=folder))
    return path


def store_records(folder: Path, records: Sequence[dict[str, Any]], *, first: int = 0) -> list[str]:
    """
    Store records as enrichment makes them; return their ids.

    A record has its time under `at`, in epoch milliseconds.
    """
    writer = EmbeddedWriter(folder / "index", keep_seconds=10**9, max_bytes=10**9)
    ids = [f"{RUN}-{first + number}" for number in range(len(records))]
    docs = [
        json.dumps({key: value for key, value in record.items() if key != "at"}).encode()
        for record in records
    ]
    try:
        assert writer.write(ids, docs, [record["at"] for record in records]) == []
    finally:
        writer.close()
    return ids


def access(at: int, status_code: int, duration_ms: float) -> dict[str, Any]:
    """Make an access record."""
    return {
        "at": at,
        "level": "INFO",
        "logger": "automation_orchestrator.access",
        "message": f"GET /api/workflows {status_code}",
        "status_code": status_code,
        "duration_ms": duration_ms,
        "event": {"dataset": "orchestrator.access"},
    }


def record(at: int, level: str, message: str, **fields: Any) -> dict[str, Any]:
    """Make a record of the application."""
    return {
        "at": at,
        "level": level,
        "logger": "automation_orchestrator.worker",
        "message": message,
        "event": {"dataset": "orchestrator.app"},
        **fields,
    }
