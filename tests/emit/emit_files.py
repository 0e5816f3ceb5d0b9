"""What the tests of emit share: loggers that end in a folder, and reading what is in it."""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shipper.emit import JsonFormatter, ProcessSafeRotatingFileHandler, losses

LOGGERS = (
    "",
    "automation_orchestrator",
    "automation_orchestrator.access",
    "automation_orchestrator.slow_queries",
    "automation_orchestrator.worker",
    "automation_orchestrator.workflows",
    "uvicorn",
    "uvicorn.access",
    "uvicorn.error",
)


@contextmanager
def logging_put_back() -> Iterator[None]:
    """Put the loggers back as they were, whatever a test configures."""
    # Those too that exist by chance: a config may disable them.
    existing = [*logging.root.manager.loggerDict]
    loggers = [logging.getLogger(name) for name in {*LOGGERS, *existing}]
    before = [
        (one, one.level, one.propagate, one.disabled, one.handlers[:], one.filters[:])
        for one in loggers
    ]
    try:
        yield
    finally:
        for one, level, propagate, disabled, handlers, filters in before:
            for handler in one.handlers:
                if handler not in handlers:
                    handler.close()
            one.setLevel(level)
            one.propagate, one.disabled = propagate, disabled
            one.handlers[:], one.filters[:] = handlers, filters


def count_from_zero() -> None:
    """Forget the failures that other tests brought about."""
    with losses._losses.lock:
        losses._losses.counts.clear()


def handler_for(
    path: Path, *, max_bytes: int = 0, backup_count: int = 0
) -> ProcessSafeRotatingFileHandler:
    """Make a handler with our formatter."""
    handler = ProcessSafeRotatingFileHandler(path, maxBytes=max_bytes, backupCount=backup_count)
    handler.setFormatter(JsonFormatter())
    return handler


def record_of(message: object = "Workflow started", /, **extra: Any) -> logging.LogRecord:
    """Make a record as a logger makes it."""
    logger = logging.getLogger("automation_orchestrator.workflows")
    return logger.makeRecord(logger.name, logging.INFO, __file__, 1, message, (), None, "f", extra)


def read(path: Path) -> list[dict[str, Any]]:
    """Read the records of a file; a line that is neither empty nor a JSON object fails."""
    records = [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
    assert all(isinstance(record, dict) for record in records)
    return records


def family(path: Path) -> list[Path]:
    """Find a file and its rotated ones."""
    return sorted(path.parent.glob(f"{path.name}*"))


def origins(path: Path) -> Counter[tuple[str, int]]:
    """Count how often each (run, seq) is in a file and its rotated ones."""
    return Counter((record["run"], record["seq"]) for one in family(path) for record in read(one))
