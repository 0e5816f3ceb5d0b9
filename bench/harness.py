"""What every benchmark measures of a process, and the table that it prints."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
POLL_SECONDS = 0.05
LIMIT_SECONDS = 30.0  # to start with, and
LIMIT_SECONDS_PER_LINE = 1e-3  # far beyond the slowest


@dataclass(frozen=True, slots=True)
class Result:
    """What `lines` lines cost: CPU and wall clock seconds, peak resident bytes."""

    name: str
    lines: int
    cpu_seconds: float
    seconds: float
    peak_bytes: int

    def row(self) -> tuple[str, ...]:
        per_million = self.cpu_seconds / self.lines * 1e6
        rate = self.lines / self.seconds
        return self.name, f"{per_million:.2f}", f"{rate:,.0f}", f"{self.peak_bytes / 2**20:.0f}"


def table(results: Sequence[Result]) -> str:
    """Write results as a Markdown table, as it stands in README.md."""
    head = ("", "CPU s / million lines", "lines/s", "peak RSS, MiB")
    rows = [head, *(result.row() for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    marks = ["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])]
    lines.insert(1, f"|{'|'.join(marks)}|")
    return "\n".join(lines)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = [row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]
    return "| " + " | ".join(cells) + " |"


def measure(
    name: str,
    command: Sequence[str],
    *,
    lines: int,
    is_done: Callable[[], bool],
    folder: Path,
) -> Result:
    """
    Run a command until `is_done`, then stop it; its output is kept in `folder`/stderr.

    Raises:
        RuntimeError: it ended early, or not within the limit.
    """
    started = time.monotonic()
    limit = started + LIMIT_SECONDS + lines * LIMIT_SECONDS_PER_LINE
    with (folder / "stderr").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        while not is_done():
            if process.poll() is not None or time.monotonic() > limit:
                tail = (folder / "stderr").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{name} did not get through the corpus:\n{tail}")
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - started
        return Result(name, lines, _cpu_seconds(process.pid), seconds, _peak_bytes(process.pid))
    finally:
        process.kill()
        process.wait()


def _cpu_seconds(pid: int) -> float:
    """Read user and system time of a process with all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
