"""
A long run, and what it takes: memory, descriptors, CPU and tables have to stay flat.

    python -m bench.soak 1800

A hundred files are written to, rotated and deleted; 200 runs a minute begin and end, each in two
files; among their lines are broken, doubled, endless and binary ones. Two shippers read all of it:
one into an embedded store, one to an Elasticsearch that is down half of the time. Samples are
printed as they are taken. Then the last third of the run is held against the third before it, which
is past all warming up: what has grown by more than `MAY_GROW` is named, and the exit code is 1. A
run of less than ten minutes shows that all of this works; only descriptors and threads are judged.

What a run leaves in the registry (a row, so that copies of its records are known for 90 days) grows
with the number of runs, not of records; it is judged per run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from bench.null_bulk import Sink
from bench.pipeline import cpu_of, shipper, site
from shipper.emit.ulid import ulid
from shipper.registry.tables import TABLES

FILES: Final = 100
BACKUPS: Final = 2
ROTATE_BYTES: Final = 64 * 1024
LINES_A_SECOND: Final = 200
RUNS_A_MINUTE: Final = 200
SAMPLES: Final = 30
DOWN_SECONDS: Final = 20.0  # the Elasticsearch is up for as long
JUDGED_SECONDS: Final = 600.0
STOP_SECONDS: Final = 120.0
MAY_GROW: Final = 1.25
SLACK: Final = {"rss_mib": 16.0, "descriptors": 40.0, "threads": 6.0, "cpu_percent": 3.0}
ROW_BYTES: Final = 400  # of the registry, per run
ODD: Final = (
    b'{"timestamp":"x","run":"%b","seq":0,"timestamp":"2026-02-05T14:30:45Z"}\n',
    b'{"timestamp":"2026-02-05T14:30:45Z","level":"ERROR","message":"\xff\xfe"}\n',
    b'{"a":' * 200 + b"\n",
    b"plain text\n",
    b"\0" * 300 + b"\n",
    b"x" * 300_000 + b"\n",
    b'{"time":1770301845123,"level":50,"msg":"another logger"}\n',
)


class Flaky(Sink):
    """The sink, which is down at times."""

    is_down = False

    def do_GET(self) -> None:  # noqa: N802
        if not self._is_refused():
            super().do_GET()

    def do_POST(self) -> None:  # noqa: N802
        if not self._is_refused():
            super().do_POST()

    def _is_refused(self) -> bool:
        if Flaky.is_down:
            self.close_connection = True
        return Flaky.is_down


class Writers:
    """What applications write: files of many runs, rotated by renaming."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder = folder
        self._rng = random.Random(seed)
        self._runs: list[tuple[str, int]] = []  # a run, and its next number
        self._owed = 0.0
        self.runs = self.lines = 0

    def write(self, seconds: float) -> None:
        """Write what this time brings."""
        self._owed += seconds * RUNS_A_MINUTE / 60
        while self._owed >= 1:
            self._owed -= 1
            self._runs.append((ulid(time.time_ns() // 1_000_000, os.urandom(10)), 0))
            self.runs += 1
        count = max(1, round(seconds * LINES_A_SECOND / 2))
        for _ in range(count):
            place = self._rng.randrange(len(self._runs)) if self._runs else -1
            if place < 0 or self._rng.random() < 0.05:
                run = self._runs[place][0] if place >= 0 else "none"
                odd = self._rng.choice(ODD)
                self._append(odd.replace(b"%b", run.encode()), self._rng.randrange(FILES))
                continue
            run, seq = self._runs[place]
            self._runs[place] = run, seq + 1
            line = self._line(run, seq)
            first = int.from_bytes(run.encode()) % FILES
            self._append(line, first)
            self._append(line, (first + 1) % FILES)  # as an error is, that goes to two files
        while len(self._runs) > 50:
            self._runs.pop(0)

    def _line(self, run: str, seq: int) -> bytes:
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"
        record: dict[str, Any] = {"timestamp": now, "level": "INFO", "logger": "soak"}
        record |= {"message": f"record {seq}", "run": run, "seq": seq}
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"

    def _append(self, line: bytes, file_number: int) -> None:
        path = self._folder / f"app-{file_number}.log"
        with path.open("ab") as file:
            file.write(line)
            size = file.tell()
        self.lines += 1
        if size > ROTATE_BYTES:
            for number in range(BACKUPS, 0, -1):
                old = path.with_name(f"{path.name}.{number - 1}") if number > 1 else path
                if old.exists():
                    old.rename(path.with_name(f"{path.name}.{number}"))


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a shipper."""

    seconds: float
    runs: int
    rss_mib: float
    descriptors: float
    threads: float
    cpu_percent: float
    registry_kib: float
    rows: str
    store: str


class Victim:
    """A shipper that runs for the whole time."""

    def __init__(self, name: str, folder: Path, output: str) -> None:
        self.name = name
        self.folder = folder
        site(folder, output)
        (folder / "logs").rmdir()
        (folder / "logs").symlink_to(folder.parent / "logs")
        self._log = (folder / "stderr").open("wb")
        self._process = subprocess.Popen(shipper(folder, "run"), cwd=folder, stderr=self._log)
        self._cpu = (time.monotonic(), 0.0)
        self.samples: list[Sample] = []

    def sample(self, seconds: float, runs: int) -> Sample:
        """Look at it once."""
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {(self.folder / 'stderr').read_text()[-2000:]}")
        pid, (before_at, before) = self._process.pid, self._cpu
        self._cpu = time.monotonic(), cpu_of(pid)
        spent = (self._cpu[1] - before) / max(self._cpu[0] - before_at, 0.001)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        taken = Sample(
            seconds,
            runs,
            pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
            len(os.listdir(f"/proc/{pid}/fd")),
            len(os.listdir(f"/proc/{pid}/task")),
            100 * spent,
            self._size("shipper/registry.db*") / 1024,
            self._rows(),
            f"{len([*self.folder.glob('index/*/*')])} files, "
            f"{self._size('index/*/*') / 2**20:.1f} MiB",
        )
        self.samples.append(taken)
        return taken

    def stop(self) -> None:
        """End it; it has to deliver what it has read."""
        self._process.terminate()
        code = self._process.wait(STOP_SECONDS)
        self._log.close()
        if code:
            raise RuntimeError(f"{self.name} ended with {code}")

    def kill(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.wait()

    def _size(self, pattern: str) -> int:
        total = 0
        for path in self.folder.glob(pattern):
            try:
                total += path.stat().st_size
            except FileNotFoundError:
                continue  # merged meanwhile
        return total

    def _rows(self) -> str:
        """Count the rows of the registry, as far as it is there."""
        path = self.folder / "shipper/registry.db"
        if not path.exists():
            return ""
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            counts = {
                each.name: db.execute(f"SELECT count(*) FROM {each.name}").fetchone()[0]
                for each in TABLES
            }
        return " ".join(f"{name} {count}" for name, count in counts.items() if name != "meta")


def grown(samples: Sequence[Sample], *, judged: bool) -> list[str]:
    """Name what the last third of the samples has more of than the third before it."""
    third = len(samples) // 3
    if third < 1:
        return []
    middle, last = samples[-2 * third : -third], samples[-third:]
    found = []
    for name, slack in SLACK.items():
        if not judged and name not in {"descriptors", "threads"}:
            continue
        before, after = (
            statistics.median(getattr(each, name) for each in part) for part in (middle, last)
        )
        if after > before * MAY_GROW + slack:
            found.append(f"{name}: {before:.1f}, then {after:.1f}")
    runs, kib = (getattr(samples[-1], each) for each in ("runs", "registry_kib"))
    if judged and kib * 1024 > ROW_BYTES * runs + 2**23:
        found.append(f"registry: {kib:.0f} KiB for {runs:,} runs")
    return found


def soak(folder: Path, seconds: float, seed: int) -> dict[str, list[str]]:
    """Run everything; return by shipper what has grown."""
    (folder / "logs").mkdir()
    writers = Writers(folder / "logs", seed)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Flaky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    node = f"elasticsearch: {{hosts: ['http://127.0.0.1:{server.server_address[1]}']}}"
    victims = [
        Victim("embedded", folder / "embedded", "embedded: {path: index, keep: 1d}"),
        Victim("elasticsearch", folder / "elasticsearch", node),
    ]
    begun = time.monotonic()
    sampled, written = begun, begun
    print("shipper        " + "  ".join(f"{each.name:>12}" for each in fields(Sample)))
    try:
        while (now := time.monotonic()) - begun < seconds:
            Flaky.is_down = (now - begun) % (2 * DOWN_SECONDS) >= DOWN_SECONDS
            writers.write(now - written)
            written = now
            if now - sampled >= seconds / SAMPLES:
                sampled = now
                for each in victims:
                    _show(each.name, each.sample(now - begun, writers.runs))
            time.sleep(0.1)
        Flaky.is_down = False
        for each in victims:
            each.stop()
    finally:
        for each in victims:
            each.kill()
        server.shutdown()
    print(f"\n{writers.lines:,} lines of {writers.runs:,} runs")
    return {each.name: grown(each.samples, judged=seconds >= JUDGED_SECONDS) for each in victims}


def _show(name: str, sample: Sample) -> None:
    cells = (f"{each:.1f}" if isinstance(each, float) else str(each) for each in astuple(sample))
    print(f"{name:14} " + "  ".join(f"{cell:>12}" for cell in cells), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("seconds", type=float, nargs="?", default=1800.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = soak(Path(name), chosen.seconds, chosen.seed)
    for shipper_name, faults in found.items():
        print(f"{shipper_name}: {'; '.join(faults) or 'flat'}")
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
