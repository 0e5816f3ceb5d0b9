"""
What a log record costs the application: `python -m bench.emit`, some 15 seconds.

Compares the formatter, the handler and both together with python-json-logger on the standard
library's RotatingFileHandler, and with concurrent-log-handler where it is installed; then 4
processes write one set of files, and every record is looked for.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import logging
import logging.handlers
import multiprocessing
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pythonjsonlogger.json import JsonFormatter as PlainJsonFormatter
from pythonjsonlogger.msgspec import MsgspecFormatter

from shipper import emit

MIB = 1024 * 1024
LOGGER = "automation_orchestrator.workflows"
EXTRA = {
    "workflow_id": "workflow_123",
    "execution_time_ms": 245,
    "status": "success",
    "request_id": "req_abc123",
}
BUDGET = 1.5
ROUNDS = 5

MakeHandler = Callable[[Path, int], logging.Handler]


def ours(path: Path, max_bytes: int) -> logging.Handler:
    return emit.ProcessSafeRotatingFileHandler(path, maxBytes=max_bytes, backupCount=1000)


def standard(path: Path, max_bytes: int) -> logging.Handler:
    return logging.handlers.RotatingFileHandler(path, maxBytes=max_bytes, backupCount=1000)


def concurrent(path: Path, max_bytes: int) -> logging.Handler:
    module = importlib.import_module("concurrent_log_handler")
    handler = module.ConcurrentRotatingFileHandler(str(path), maxBytes=max_bytes, backupCount=1000)
    assert isinstance(handler, logging.Handler)
    return handler


def handlers() -> dict[str, MakeHandler]:
    """Name the handlers that can be compared here."""
    found: dict[str, MakeHandler] = {"ours": ours, "RotatingFileHandler": standard}
    if importlib.util.find_spec("concurrent_log_handler"):
        found["concurrent-log-handler"] = concurrent
    return found


def plain_formatter() -> logging.Formatter:
    return PlainJsonFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")


def msgspec_formatter() -> logging.Formatter:
    return MsgspecFormatter("%(asctime)s %(levelname)s %(name)s %(message)s")


def write(handler: logging.Handler, count: int) -> float:
    """Log through one handler; returns CPU seconds."""
    logger = logging.Logger(LOGGER)  # noqa: LOG001 - no other handler may have a share
    logger.addHandler(handler)
    start = time.process_time()
    for number in range(count):
        logger.info("Workflow %d executed successfully", number, extra=EXTRA)
    return time.process_time() - start


def microseconds(make: MakeHandler, formatter: logging.Formatter, count: int) -> float:
    """Measure what one record costs, best of some rounds, to files of 10 MiB in a fresh folder."""
    with tempfile.TemporaryDirectory() as folder:
        handler = make(Path(folder) / "app.log", 10 * MIB)
        handler.setFormatter(formatter)
        best = min(write(handler, count) for _ in range(ROUNDS))
        handler.close()
    return best / count * 1e6


def null(_path: Path, _max_bytes: int) -> logging.Handler:
    """Format and forget."""

    class Formatting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            self.format(record)

    return Formatting()


@dataclass(frozen=True, slots=True)
class Shared:
    """What became of the records of several processes."""

    lost: int
    doubled: int
    torn: int
    cpu: float  # microseconds a record
    wall: float  # seconds


def work(name: str, path: Path, count: int, spent: multiprocessing.Queue[float]) -> None:
    handler = handlers()[name](path, MIB)
    handler.setFormatter(emit.JsonFormatter())
    spent.put(write(handler, count))
    handler.close()


def share(name: str, processes: int, count: int) -> Shared:
    """Let processes write the same files of 1 MiB at once, and look for every record."""
    context = multiprocessing.get_context("fork")
    spent: multiprocessing.Queue[float] = context.Queue()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "app.log"
        workers = [
            context.Process(target=work, args=(name, path, count, spent)) for _ in range(processes)
        ]
        start = time.perf_counter()
        for worker in workers:
            worker.start()
        cpu = sum(spent.get() for _ in workers)
        wall = time.perf_counter() - start
        for worker in workers:
            worker.join()
        found, torn = look(Path(folder))
    total = processes * count
    doubled = sum(number > 1 for number in found.values())
    return Shared(total - len(found), doubled, torn, cpu / total * 1e6, wall)


def look(folder: Path) -> tuple[Counter[tuple[str, int]], int]:
    found: Counter[tuple[str, int]] = Counter()
    torn = 0
    for path in folder.glob("app.log*"):
        for line in path.read_bytes().splitlines():
            try:
                record = json.loads(line)
                found[record["run"], record["seq"]] += 1
            except ValueError:
                torn += 1
    return found, torn


def alone(count: int) -> float:
    """Print what one process pays for a record; returns our share of the plain formatter's."""
    plain = microseconds(standard, plain_formatter(), count)
    here = microseconds(ours, emit.JsonFormatter(), count)
    rows: list[tuple[str, str, float]] = [
        ("python-json-logger (json)", "none", microseconds(null, plain_formatter(), count)),
        ("python-json-logger (msgspec)", "none", microseconds(null, msgspec_formatter(), count)),
        ("emit.JsonFormatter", "none", microseconds(null, emit.JsonFormatter(), count)),
        ("python-json-logger (json)", "RotatingFileHandler", plain),
        ("python-json-logger (json)", "ours", microseconds(ours, plain_formatter(), count)),
        ("emit.JsonFormatter", "ours", here),
    ]
    if "concurrent-log-handler" in handlers():
        cost = microseconds(concurrent, emit.JsonFormatter(), count // 2)
        rows.append(("emit.JsonFormatter", "concurrent-log-handler", cost))
    print(f"{'formatter':30}{'handler':25}{'µs CPU a record':>16}")
    for formatter, handler, cost in rows:
        print(f"{formatter:30}{handler:25}{cost:16.1f}")
    return here / plain


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000, help="of one process (%(default)s)")
    parser.add_argument("--processes", type=int, default=4, help="(%(default)s)")
    options = parser.parse_args()

    ratio = alone(options.records)
    print(f"\nemit costs {ratio:.2f} of python-json-logger alone (budget {BUDGET})\n")
    total = options.processes * options.records
    print(f"{options.processes} processes, {total:,} records, files of 1 MiB")
    print(f"{'handler':25}{'lost':>8}{'doubled':>8}{'torn':>8}{'µs CPU a record':>17}{'s':>7}")
    for name in handlers():
        shared = share(name, options.processes, options.records)
        counts = f"{shared.lost:8}{shared.doubled:8}{shared.torn:8}"
        print(f"{name:25}{counts}{shared.cpu:17.1f}{shared.wall:7.1f}")


if __name__ == "__main__":
    main()
