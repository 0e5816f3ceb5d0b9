"""
What receipts, holds, heartbeats and metrics cost together: the same way with and without them.

    python -m bench.overhead [LINES]

The runs alternate; the figure is the ratio of the medians of their CPU times. With them on, the
metrics are asked for once a second. Heartbeats are on where the output takes them: so a second pair
of runs ships to the sink of `bench.null_bulk` over HTTP, with a heartbeat a second.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import urllib.request
from contextlib import suppress
from pathlib import Path

from bench import corpus
from bench.elasticsearch import sink
from bench.pipeline import OUTPUTS, site

OFF = "holds: {enabled: false}\nheartbeat: {enabled: false}\n"


def cpu_seconds(folder: Path, log: Path, output: str, *, bare: bool) -> float:
    """Ship the corpus once, with everything or without."""
    site(folder, output)
    port = free_port()
    on = f"metrics: {{listen: '127.0.0.1:{port}'}}\nheartbeat: {{every: 1s}}\n"
    config = folder / "shipper.yml"
    config.write_text(config.read_text() + (OFF if bare else on))
    (folder / "logs" / "app.log").hardlink_to(log)
    module = "bench.bare" if bare else "shipper"
    command = [sys.executable, "-m", module, "--config", "shipper.yml", "run", "--once"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL)
    ended = threading.Event()
    if not bare:
        threading.Thread(target=scrape, args=[port, ended], daemon=True).start()
    _pid, status, usage = os.wait4(process.pid, 0)
    ended.set()
    if status:
        raise RuntimeError(f"{' '.join(command)} ended with {status}")
    return of(usage)


def of(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def scrape(port: int, ended: threading.Event) -> None:
    """Ask for the metrics once a second, as a server of metrics does."""
    while not ended.wait(1.0):
        with (
            suppress(OSError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer,
        ):
            answer.read()


def compare(name: str, log: Path, output: str, lines: int, rounds: int) -> None:
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(rounds):
        for bare in (True, False):
            place = log.parent / f"{len(name)}-{number}-{bare}"
            seconds[bare].append(cpu_seconds(place, log, output, bare=bare))
    without, everything = (statistics.median(seconds[bare]) / lines * 1e6 for bare in (True, False))
    share = (everything / without - 1) * 100
    print(f"{name:28}{without:10.2f}{everything:10.2f}{share:+10.1f} %")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("lines", type=int, nargs="?", default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    lines, rounds = options.lines, options.rounds
    with tempfile.TemporaryDirectory() as name, sink() as url:
        log = Path(name) / "corpus.log"
        corpus.write(log, lines)
        outputs = {
            "file → null `_bulk` body": OUTPUTS["file → null `_bulk` body"],
            "file → null sink over HTTP": f"elasticsearch: {{hosts: ['{url}']}}",
        }
        print("CPU s / million lines          without      with")
        for title, output in outputs.items():
            compare(title, log, output, lines, rounds)


if __name__ == "__main__":
    main()
