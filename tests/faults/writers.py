"""
Applications that log until they are told to stop, and note what they wrote.

    python -m tests.faults.writers emit|plain FILE MAX_BYTES BACKUPS LINES_PER_SECOND NOTE

`emit` writes with the handler for several processes, its errors to `error.log` as well; `plain`
with the handler of the standard library, for which each process needs a file of its own. At
SIGTERM it ends, and writes `run`, `count` and what it could not write to NOTE: the numbers 0 …
count - 1 of its run are what has to be stored. It counts its own calls, and knows of no file.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import random
import signal
import sys
import time
from pathlib import Path

from shipper import emit
from shipper.emit import numbering

TICK_SECONDS = 0.02


def handlers(kind: str, path: Path, max_bytes: int, backups: int) -> list[logging.Handler]:
    if kind == "plain":
        return [logging.handlers.RotatingFileHandler(path, maxBytes=max_bytes, backupCount=backups)]
    safe = emit.ProcessSafeRotatingFileHandler
    errors = safe(path.with_name("error.log"), maxBytes=max_bytes, backupCount=backups)
    errors.setLevel(logging.ERROR)
    return [safe(path, maxBytes=max_bytes, backupCount=backups), errors]


def log_until_stopped(rate: float) -> int:
    """Log so many lines a second, in bursts, until SIGTERM; tell how many."""
    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    log = logging.getLogger("automation_orchestrator.workflows")
    chance = random.Random(log.name)
    count, started = 0, time.monotonic()
    while not stopped:
        while count < (time.monotonic() - started) * rate and not stopped:
            level = logging.ERROR if count % 20 == 0 else logging.INFO
            log.log(level, "record %d %s", count, "x" * chance.randrange(200))
            count += 1
        time.sleep(TICK_SECONDS)
    return count


def main(kind: str, path: str, *rest: str) -> None:
    max_bytes, backups, rate, note = rest
    for handler in handlers(kind, Path(path), int(max_bytes), int(backups)):
        handler.setFormatter(emit.JsonFormatter())
        logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.INFO)
    count = log_until_stopped(float(rate))
    told = {"run": numbering._process.run.id, "count": count, "failures": emit.failures()}
    Path(note).write_text(json.dumps(told, default=str))


if __name__ == "__main__":
    main(*sys.argv[1:])
