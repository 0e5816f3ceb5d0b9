"""
How long a line takes from its write to its arrival, at a steady rate, and what that costs.

    python -m bench.latency [SECONDS]

One process writes 1,000 lines a second, each with the time of its write; the output is a pipe,
whose reader notes when each line comes. Time on a busy machine says little, so the runs with
another `delivery.linger_seconds` alternate.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.pipeline import CONFIG, cpu_of

RATE = 1000
TICK_SECONDS = 0.01
MARK = re.compile(rb"written (\d+)")
LINE = (
    '{{"timestamp":"2026-02-05T14:30:45.123Z","level":"INFO",'
    '"message":"written {}","run":"{}","seq":{}}}\n'
)
RUN = "01JKABCDEFGHJKMNPQRSTVWXYZ"


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of the lines in order, and the CPU of the shipper in percent of a core."""

    milliseconds: Sequence[float]
    percent: float

    def quantile(self, share: float) -> float:
        return self.milliseconds[
            min(int(len(self.milliseconds) * share), len(self.milliseconds) - 1)
        ]


def write(path: Path, seconds: float) -> None:
    """Write at a steady rate; every line says when."""
    count, started = 0, time.monotonic()
    with path.open("ab", buffering=0) as file:
        while time.monotonic() - started < seconds:
            due = int((time.monotonic() - started) * RATE) - count
            now = time.monotonic_ns()
            lines = (LINE.format(now, RUN, count + number) for number in range(due))
            file.write("".join(lines).encode())
            count += due
            time.sleep(TICK_SECONDS)


def measure(folder: Path, settings: str, seconds: float) -> Latency:
    """Ship to a pipe while lines are written."""
    folder.mkdir()
    (folder / "logs").mkdir()
    (folder / "logs/app.log").touch()
    text = CONFIG.format(output="console: {format: json}") + settings
    (folder / "shipper.yml").write_text(text)
    command = [sys.executable, "-m", "shipper", "--config", "shipper.yml", "run"]
    with (folder / "stderr").open("wb") as log:
        shipper = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log)
    assert shipper.stdout is not None
    found: list[float] = []
    reader = threading.Thread(target=note, args=[shipper.stdout.fileno(), found])
    reader.start()
    while b"shipping as" not in (folder / "stderr").read_bytes():
        time.sleep(TICK_SECONDS)
    time.sleep(1.0)
    before = cpu_of(shipper.pid)
    write(folder / "logs/app.log", seconds)
    time.sleep(1.0)
    percent = (cpu_of(shipper.pid) - before) / seconds * 100
    shipper.terminate()
    reader.join()
    shipper.wait()
    return Latency(sorted(found), percent)


def note(fd: int, found: list[float]) -> None:
    """Note of every line how long it took."""
    while data := os.read(fd, 1 << 20):
        now = time.monotonic_ns()
        found += [(now - int(mark)) / 1e6 for mark in MARK.findall(data)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("seconds", type=float, nargs="?", default=10.0)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    runs: dict[str, list[Latency]] = {"as it is": [], "linger 20ms": [], "linger 0s": []}
    with tempfile.TemporaryDirectory() as name:
        for number in range(options.rounds):
            for label, measured in runs.items():
                linger = label.removeprefix("linger ")
                settings = f"delivery: {{linger_seconds: {linger}}}\n" if linger != label else ""
                folder = Path(name) / f"{number}-{linger.replace(' ', '-')}"
                measured.append(measure(folder, settings, options.seconds))
    print(f"{RATE:,} lines/s, written → arrived, ms     p50     p99     max   % of a core")
    for label, each in runs.items():
        middle = [
            statistics.median(run.quantile(share) for run in each) for share in (0.5, 0.99, 1)
        ]
        percent = statistics.median(run.percent for run in each)
        print(f"{label:36}" + "".join(f"{value:8.1f}" for value in middle) + f"{percent:10.1f}")


if __name__ == "__main__":
    main()
