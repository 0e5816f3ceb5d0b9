"""
What a line costs on its way to Elasticsearch: to a sink that takes everything, and to a real node.

    python -m bench.elasticsearch 1000000

`shipper run --once` in a process of its own, with everything on: compression, registry, acks. CPU
time is user and system time of all threads, start and end included. The second table is the real
node (a fifth of the lines), with its own CPU time beside: it is the node that sets the pace.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import corpus
from bench.harness import Result, table
from tests.servers.elasticsearch import LocalNode, NoServerError, require_tools

TICKS = os.sysconf("SC_CLK_TCK")
NODE_SHARE = 5  # the node gets one line in so many

CONFIG = """\
service: {{name: automation-orchestrator, environment: production, version: 1.0.0}}
namespace: production
data_dir: shipper
inputs:
  - paths: [logs/*.log]
output:
  elasticsearch: {{hosts: ["{url}"]}}
"""


def shipper(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "shipper", "--config", str(folder / "shipper.yml"), *arguments]


def ship(name: str, lines: int, url: str, folder: Path) -> Result:
    """Ship a new corpus once; CPU and peak memory as the kernel counts them at the end."""
    (folder / "logs").mkdir(parents=True)
    corpus.write(folder / "logs" / "app.log", lines)
    (folder / "shipper.yml").write_text(CONFIG.format(url=url))
    started = time.monotonic()
    process = subprocess.Popen(shipper(folder, "run", "--once"), cwd=folder, stderr=subprocess.PIPE)
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if status:
        assert process.stderr is not None
        raise RuntimeError(process.stderr.read().decode())
    cpu = usage.ru_utime + usage.ru_stime
    return Result(name, lines, cpu, seconds, usage.ru_maxrss * 1024)


@contextmanager
def sink() -> Iterator[str]:
    """Run the null sink."""
    command = [sys.executable, "-m", "bench.null_bulk"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def number(url: str, key: str) -> int:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return int(json.load(answer)[key])


def to_sink(lines: int, folder: Path) -> Result:
    with sink() as url:
        result = ship("file → null `_bulk` sink", lines, url, folder)
        arrived = number(url, "events")
    if arrived < lines:  # heartbeats come on top
        raise RuntimeError(f"{arrived:,} of {lines:,} events arrived")
    return result


def to_node(lines: int, folder: Path) -> list[Result]:
    """Ship to a real node; the second row is what the node took for it."""
    require_tools()
    node = LocalNode(folder / "node", full_speed=True)
    node.start()
    try:
        site = folder / "site"
        site.mkdir()
        (site / "logs").mkdir()
        (site / "shipper.yml").write_text(CONFIG.format(url=node.url))
        subprocess.run(shipper(site, "setup"), cwd=site, check=True, stdout=subprocess.DEVNULL)
        before = _cpu_seconds(node.pid)
        result = ship("file → real node", lines, node.url, folder / "shipped")
        taken = _cpu_seconds(node.pid) - before
        streams = f"{node.url}/logs-orchestrator.*-production"
        with urllib.request.urlopen(f"{streams}/_refresh", timeout=60):
            arrived = number(f"{streams}/_count", "count")
    finally:
        node.stop()
    if arrived < lines:  # heartbeats come on top
        raise RuntimeError(f"{arrived:,} of {lines:,} records are stored")
    return [result, Result("  and the node itself", lines, taken, result.seconds, 0)]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("lines", type=int, nargs="?", default=1_000_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as name:
        print(table([to_sink(lines, Path(name) / "sink")]), "\n")
        try:
            results = to_node(max(lines // NODE_SHARE, 1), Path(name))
        except NoServerError as error:
            print(f"no real node: {error}")
        else:
            print(table(results))


if __name__ == "__main__":
    main()
