"""
What a line costs on its way: file to output with everything on, each stage alone, and idleness.

    python -m bench.pipeline 1000000

The whole way runs as `shipper run --once` in a process of its own; its CPU time is user and
system time of all threads, start and end included. The stages run here, one after another, over
the same blocks; each figure is the best of five.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import corpus
from bench.harness import Result, table
from shipper.deliver.bulk import BulkPreparer
from shipper.deliver.dedupe import Dedupe
from shipper.enrich.enricher import Enricher, RecordContext
from shipper.events import Block

BLOCK_BYTES = 1 << 18
STAGE_BLOCKS = 128  # what a stage runs over: more than the caches hold, little enough to keep
IDLE_SECONDS = 10.0

CONFIG = """\
service: {{name: automation-orchestrator, environment: production, version: 1.0.0}}
namespace: production
data_dir: shipper
inputs:
  - paths: [logs/*.log]
output:
  {output}
"""

OUTPUTS = {
    "file → null `_bulk` body": "console: {format: bulk, path: /dev/null}",
    "file → embedded store": "embedded: {path: index}",
}


def shipper(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "shipper", "--config", str(folder / "shipper.yml"), *arguments]


def site(folder: Path, output: str) -> None:
    """Lay out a config; the logs lie beside it."""
    folder.mkdir()
    (folder / "logs").mkdir()
    (folder / "shipper.yml").write_text(CONFIG.format(output=output))


def whole_way(name: str, log: Path, lines: int, folder: Path) -> Result:
    """
    Ship a corpus once; CPU and peak memory as the kernel counts them at the end.

    What the embedded store leaves for later, pieces and merges, is done by a second process, and
    its CPU is counted too.
    """
    site(folder, OUTPUTS[name])
    (folder / "logs" / "app.log").hardlink_to(log)
    started = time.monotonic()
    process = subprocess.Popen(shipper(folder, "run", "--once"), cwd=folder, stderr=subprocess.PIPE)
    _pid, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    if status:
        assert process.stderr is not None
        raise RuntimeError(process.stderr.read().decode())
    cpu = _cpu(usage)
    if (folder / "index").exists():
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            shipper(folder, "store", "compact"), cwd=folder, check=True, stdout=subprocess.PIPE
        )
        cpu += _cpu(resource.getrusage(resource.RUSAGE_CHILDREN)) - _cpu(before)
    return Result(name, lines, cpu, seconds, usage.ru_maxrss * 1024)


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def blocks_of(log: Path) -> list[Block]:
    with log.open("rb") as file:
        data = file.read(STAGE_BLOCKS * BLOCK_BYTES)
    data = data[: data.rfind(b"\n") + 1]
    blocks, start = [], 0
    while start < len(data):
        end = data.rfind(b"\n", start, start + BLOCK_BYTES) + 1
        blocks.append(
            Block(
                file=1,
                path=str(log),
                stream="0123456789abcdef0123",
                start=start,
                end=end,
                data=data[start:end],
                read_at=1_770_000_000_000,
                limit=1 << 20,
            )
        )
        start = end
    return blocks


def stages(log: Path) -> Sequence[tuple[str, float]]:
    """Time the stages of a line one after another; CPU seconds per million lines each."""
    around = RecordContext("host", "automation-orchestrator", "production", "1.0.0", "production")
    blocks = blocks_of(log)
    lines = sum(block.data.count(b"\n") for block in blocks)
    enricher = Enricher(around)
    events = [enricher.enrich(block) for block in blocks]

    def read() -> None:
        with log.open("rb", buffering=0) as file:
            for _ in blocks:
                file.read(BLOCK_BYTES)

    def enrich() -> None:
        for block in blocks:
            enricher.enrich(block)

    def dedupe() -> None:
        seen = Dedupe([], {})
        for block, made in zip(blocks, events, strict=True):
            seen.filter(block, made)
        for made in events:
            seen.ack(made.origins)

    def bulk() -> None:
        preparer = BulkPreparer("production")
        for made in events:
            made.prepared_by(preparer)

    named: dict[str, Callable[[], None]] = {
        "read": read,
        "split, decode, enrich": enrich,
        "dedupe and its ack": dedupe,
        "`_bulk` body": bulk,
    }
    return [(name, _best(stage) / lines * 1e6) for name, stage in named.items()]


def _best(stage: Callable[[], None]) -> float:
    times = []
    for _ in range(5):
        started = time.process_time()
        stage()
        times.append(time.process_time() - started)
    return min(times)


def idle(folder: Path, files: int = 100) -> float:
    """Watch files in which nothing happens; percent of a core."""
    site(folder, OUTPUTS["file → embedded store"])
    for number in range(files):
        (folder / "logs" / f"{number}.log").write_text("a line\n")
    process = subprocess.Popen(shipper(folder, "run"), cwd=folder, stderr=subprocess.DEVNULL)
    try:
        time.sleep(4.0)  # start, first scan, last commit
        before = cpu_of(process.pid)
        time.sleep(IDLE_SECONDS)
        return (cpu_of(process.pid) - before) / IDLE_SECONDS * 100
    finally:
        process.terminate()
        process.wait(30)


def cpu_of(pid: int) -> float:
    """Read the CPU seconds of a process to the nanosecond: all threads, /proc/…/schedstat."""
    tasks = Path(f"/proc/{pid}/task")
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9


def help_milliseconds() -> float:
    """Time `shipper --help` from start to end; median of seven."""
    times = []
    for _ in range(7):
        started = time.monotonic()
        command = [sys.executable, "-m", "shipper", "--help"]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        times.append((time.monotonic() - started) * 1000)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("lines", type=int, nargs="?", default=1_000_000)
    lines = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        log = folder / "corpus.log"
        size = corpus.write(log, lines)
        print(f"{lines:,} lines, {size / lines:.0f} bytes in the mean\n")
        results = [
            whole_way(output, log, lines, folder / str(number))
            for number, output in enumerate(OUTPUTS)
        ]
        print(table(results), "\n")
        for stage, seconds in stages(log):
            print(f"{stage:24} {seconds:6.2f} CPU s / million lines")
        print(f"\nidle on 100 files        {idle(folder / 'idle'):6.2f} % of a core")
        print(f"shipper --help           {help_milliseconds():6.0f} ms")


if __name__ == "__main__":
    main()
