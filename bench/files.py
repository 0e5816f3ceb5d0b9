"""
What many files cost: one busy file alone, and the same beside 999 that are quiet.

    python -m bench.files 300000

Each run is `shipper run` in a process of its own, to a null `_bulk` body: the shipper is at rest on
its files, then the lines are appended at a steady rate, until all are published. The CPU time is
user and system time of all threads from the first line to the last; the runs take turns, so that
what else the machine does falls on both.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench import corpus
from bench.pipeline import OUTPUTS, cpu_of, shipper, site
from shipper.process.data_folder import REGISTRY
from shipper.registry.snapshot import read_known_files

ROUNDS = 3
QUIET = 999
RATE = 30_000  # lines a second
TICK = 0.05  # seconds between two writes
REST_SECONDS = 3.0  # until files that were opened are not looked at between scans any more
LIMIT_SECONDS = 120.0


def busy(folder: Path, lines: list[bytes], quiet: int) -> float:
    """Ship lines that are written to one file beside quiet ones; CPU seconds."""
    site(folder, OUTPUTS["file → null `_bulk` body"])
    for number in range(quiet):
        (folder / "logs" / f"quiet-{number}.log").write_bytes(lines[0])
    log = folder / "logs" / "app.log"
    log.write_bytes(lines[0])
    process = subprocess.Popen(shipper(folder, "run"), cwd=folder, stderr=subprocess.DEVNULL)
    try:
        _wait_until_read(folder, quiet + 1)
        time.sleep(REST_SECONDS)
        before = cpu_of(process.pid)
        step = int(RATE * TICK)
        with log.open("ab", buffering=0) as file:
            for start in range(0, len(lines), step):
                file.write(b"".join(lines[start : start + step]))
                time.sleep(TICK)
        _wait_until_read(folder, quiet + 1)
        return cpu_of(process.pid) - before
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_read(folder: Path, files: int) -> None:
    """Wait until the registry says that every byte is acked, and nothing is left to do."""
    limit = time.monotonic() + LIMIT_SECONDS
    registry = folder / "shipper" / REGISTRY
    while time.monotonic() < limit:
        time.sleep(1.5)  # positions are saved once a second
        sizes = [path.stat().st_size for path in (folder / "logs").iterdir()]
        records = read_known_files(registry) if registry.exists() else []
        if len(records) >= files and sum(each.offset for each in records) == sum(sizes):
            return
    raise RuntimeError("not everything was read within the limit")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("lines", type=int, nargs="?", default=300_000)
    count = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        corpus.write(folder / "corpus.log", count)
        lines = (folder / "corpus.log").read_bytes().splitlines(keepends=True)
        alone, beside = [], []
        for number in range(ROUNDS):
            alone.append(busy(folder / f"alone-{number}", lines, 0))
            beside.append(busy(folder / f"beside-{number}", lines, QUIET))
    one, many = statistics.median(alone), statistics.median(beside)
    print(f"{count:,} lines at {RATE:,} a second, CPU seconds, median of {ROUNDS}\n")
    print(f"one file                 {one:6.2f}")
    print(f"beside {QUIET} quiet files   {many:6.2f}")
    print(f"ratio                    {many / one:6.2f}")


if __name__ == "__main__":
    main()
