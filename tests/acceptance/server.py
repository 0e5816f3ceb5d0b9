"""A server in a folder: an application's logs, a config, shippers as real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

SHIPPER = [sys.executable, "-m", "shipper.cli"]

CONFIG = """\
service: {name: automation-orchestrator, environment: test, version: 1.0.0}
namespace: test
data_dir: var/shipper
inputs:
  - paths: [logs/*.log]
tail: {scan_seconds: 0.2s}
delivery: {linger_seconds: 100ms}
output:
  embedded: {path: var/index}
"""

WRITER = """\
import logging, sys
from pathlib import Path
from shipper import emit
count, pause_every = int(sys.argv[1]), int(sys.argv[2])
emit.configure(config=Path("logging.json"))
log = logging.getLogger("automation_orchestrator.workflows")
import time
for number in range(count):
    level = logging.ERROR if number % 20 == 0 else logging.INFO
    log.log(level, "record %d of the test, long enough to look like one", number)
    if pause_every and number % pause_every == 0:
        time.sleep(0.01)
"""


class Site:
    """One server: everything in its own folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.logs = folder / "logs"
        self.logs.mkdir()
        self.config = folder / "shipper.yml"
        self.config.write_text(CONFIG)
        self._processes: list[subprocess.Popen[bytes]] = []

    def run(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run one command of the shipper to its end."""
        return subprocess.run(
            [*SHIPPER, "--config", str(self.config), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def run_at(self, years: int, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one command with a wall clock that is so many years off."""
        code = (
            "import sys, time\n"
            f"off = {years} * 365 * 86400\n"
            "seconds, nanoseconds = time.time, time.time_ns\n"
            "time.time = lambda: seconds() + off\n"
            "time.time_ns = lambda: nanoseconds() + off * 10**9\n"
            "from shipper.cli import main\n"
            "main(sys.argv[1:])\n"
        )
        return subprocess.run(
            [sys.executable, "-c", code, "--config", str(self.config), *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def start(self) -> subprocess.Popen[bytes]:
        """Start `shipper run`."""
        return self._start([*SHIPPER, "--config", str(self.config), "run"], "shipper.err")

    def _start(self, command: list[str], errors: str) -> subprocess.Popen[bytes]:
        with (self.folder / errors).open("ab") as err:
            process = subprocess.Popen(command, cwd=self.folder, stdout=err, stderr=err)
        self._processes.append(process)
        return process

    def log_through_emit(self, *, max_bytes: int, backups: int) -> None:
        """Write the logging config of the writers: app.log and error.log, both rotating."""
        handler = {
            "class": "logging.handlers.RotatingFileHandler",
            "formatter": "json",
            "maxBytes": max_bytes,
            "backupCount": backups,
        }
        config = {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "class": "pythonjsonlogger.jsonlogger.JsonFormatter",
                    "format": "%(timestamp)s %(level)s %(logger)s %(message)s",
                }
            },
            "handlers": {
                "file": {**handler, "filename": "logs/app.log", "level": "DEBUG"},
                "errors": {**handler, "filename": "logs/error.log", "level": "ERROR"},
            },
            "root": {"level": "INFO", "handlers": ["file", "errors"]},
        }
        (self.folder / "logging.json").write_text(json.dumps(config))

    def write(self, count: int, *, pause_every: int = 0) -> subprocess.Popen[bytes]:
        """Start an application process that logs `count` records."""
        command = [sys.executable, "-c", WRITER, str(count), str(pause_every)]
        return self._start(command, "writer.err")

    def count(self, query: str = "*") -> int:
        """Count what a search finds."""
        done = self.run("search", query, "--count")
        assert done.returncode in {0, 1}, done.stderr
        return int(done.stdout)

    def origins(self) -> Counter[tuple[str, int]]:
        """Return how often each (run, seq) is stored."""
        done = self.run("search", "--json", "--limit", "1000000")
        assert done.returncode in {0, 1}, done.stderr
        return Counter((doc["run"], doc["seq"]) for doc in documents(done.stdout))

    def written(self) -> set[tuple[str, int]]:
        """Return every (run, seq) that stands in the files."""
        found = set()
        for path in self.logs.iterdir():
            for line in path.read_bytes().splitlines():
                record = json.loads(line)
                found.add((record["run"], record["seq"]))
        return found

    def origins_of_runs(self) -> list[tuple[str, int]]:
        """Return (run, seq) of every stored record that has them, as often as it is stored."""
        done = self.run("search", "seq:*", "--json", "--limit", "1000000")
        return [(doc["run"], doc["seq"]) for doc in documents(done.stdout)]

    def written_by_emit(self) -> set[tuple[str, int]]:
        """Return every (run, seq) of the files; other lines are left out."""
        lines = [line for path in self.logs.iterdir() for line in path.read_bytes().splitlines()]
        records = [json.loads(line) for line in lines if line.startswith(b"{")]
        return {(record["run"], record["seq"]) for record in records}

    def close(self) -> None:
        """End what this site started."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()


def documents(text: str) -> Iterable[dict[str, Any]]:
    """Read one document a line."""
    return (json.loads(line) for line in text.splitlines())


def wait_until(condition: Callable[[], bool], *, seconds: float = 20) -> None:
    """Wait for a condition, up to a limit."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited for too long"
        time.sleep(0.02)


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process as a power cut would."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
