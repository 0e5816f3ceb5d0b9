"""The log files of the inputs: their sizes, and whether they are rotated."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Final

from shipper.config.inputs import InputOptions
from shipper.reports.document import (
    ReportBlock,
    ReportSection,
    ReportTable,
    ReportText,
    State,
    cut,
)
from shipper.reports.glance import named
from shipper.tail.discovery import FoundFile, Patterns, family
from shipper.text import duration, size

MOST_FILES: Final = 10_000  # that are looked at
MOST_ROWS: Final = 20


def log_files_section(inputs: Sequence[InputOptions], most_bytes: int, now: int) -> ReportSection:
    """Return the log files with their rotated ones; one larger than `most_bytes` needs rotation."""
    logs = found_logs(inputs)
    ordered = sorted(logs.items(), key=lambda pair: -sum(f.stat.st_size for f in pair[1]))
    states = tuple(
        State.ATTENTION if is_too_large(files, most_bytes) else State.GOOD
        for _, files in ordered[:MOST_ROWS]
    )
    table = ReportTable(
        columns=("log", "size", "rotated files", "their size", "last rotated"),
        rows=tuple(_row(path, files, now) for path, files in ordered[:MOST_ROWS]),
        right=frozenset({1, 2, 3, 4}),
        states=states,
    )
    blocks: list[ReportBlock] = [table]
    if not logs:
        text = "No log file of the inputs is on this machine, so none was looked at."
        blocks = [ReportText(text=text, state=State.ATTENTION)]
    large = [cut(_shown(path)) for path, files in ordered if is_too_large(files, most_bytes)]
    text = f"Log files above {size(most_bytes)} that need rotation: {named(large)}."
    lines = (ReportText(text=text, state=State.ATTENTION),) if large else ()
    return ReportSection(title="Log files", blocks=tuple(blocks), headlines=lines)


def _shown(path: str) -> str:
    """Return a path whose bytes may be no UTF-8 as a text."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def found_logs(inputs: Sequence[InputOptions]) -> dict[str, list[FoundFile]]:
    """Return the files of each log, by the path of the log."""
    logs: dict[str, list[FoundFile]] = {}
    for source in inputs:
        for found in islice(Patterns(source.paths, source.exclude).find(), MOST_FILES):
            logs.setdefault(family(found.path), []).append(found)
    return logs


def is_too_large(files: Sequence[FoundFile], most_bytes: int) -> bool:
    """Return whether a file that is not rotated is too large."""
    return any(not file.rotated and file.stat.st_size > most_bytes for file in files)


def _row(path: str, files: Sequence[FoundFile], now: int) -> tuple[str, ...]:
    rotated = [file for file in files if file.rotated]
    current = sum(file.stat.st_size for file in files if not file.rotated)
    newest = max((file.stat.st_mtime for file in rotated), default=None)
    ago = "never" if newest is None else f"{duration(max(now / 1000 - newest, 0))} ago"
    sizes = size(sum(file.stat.st_size for file in rotated))
    return (cut(_shown(path)), size(current), f"{len(rotated):,}", sizes, ago)
