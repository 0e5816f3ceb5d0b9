"""The state of the shipper: a table of files, what became of the events, how fresh the index is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from shipper.text import Paint, duration, instant, safe, safe_json, size, table

if TYPE_CHECKING:
    from shipper.agent.status import Counters, FileStatus, Holding, Status


def status_json(status: Status) -> str:
    """Write everything as one JSON object; times are epoch milliseconds."""
    return safe_json(asdict(status))


def status_text(status: Status, now: int, paint: Paint) -> list[str]:
    """Show everything; ages are told against `now` (epoch ms)."""
    lines = [_headline(status), *_files(status, now, paint)]
    lines += _holds(status.holds)
    if status.running or status.counters.read_bytes:
        lines += ["", _totals(status.counters)]
    if status.running:
        lines.append(_rates(status))
    if status.watermark is not None:
        lines.append(f"searchable up to {_when(status.watermark, now)}")
    if status.last_error:
        lines.append(paint.level(f"last error: {safe(status.last_error)}", "ERROR"))
    return lines


def _headline(status: Status) -> str:
    if not status.running:
        return "no shipper is running"
    since = f" since {instant(status.started, unit_ms=1000)}" if status.started else ""
    return f"running{since}, process {status.pid}"


def _files(status: Status, now: int, paint: Paint) -> list[str]:
    if not status.files:
        return ["no file was found yet"]
    head = ["file", "size", "offset", "behind", "oldest unacked", "state"]
    rows = [_row(file, now) for file in status.files]
    heading, *lines = table([head, *rows], right={1, 2, 3})
    return ["", paint.strong(heading), *lines]


def _row(file: FileStatus, now: int) -> list[str]:
    oldest = "-" if file.oldest_unacked is None else _when(file.oldest_unacked, now)
    return [
        safe(file.path),
        size(file.size),
        size(file.offset),
        size(file.behind),
        oldest,
        file.state,
    ]


def _holds(holds: Holding) -> list[str]:
    """Tell what only the holds keep, and what was lost because that was too much."""
    lines = []
    if holds.nameless:
        lines.append(f"held until delivered: {holds.nameless} files, {size(holds.nameless_bytes)}")
    if holds.given_up_bytes:
        lines.append(f"given up, as more was held than may be: {size(holds.given_up_bytes)}")
    return ["", *lines] if lines else []


def _totals(counters: Counters) -> str:
    shown = [
        f"{counters.events:,} events read ({size(counters.read_bytes)})",
        f"{counters.acked:,} acked",
        f"{counters.duplicates:,} duplicates left out",
    ]
    rare = {
        "tagged as odd": counters.tagged,
        "wrapped": counters.wrapped,
        "dead letters": counters.dead_letters,
        "retries": counters.retries,
    }
    return ", ".join([*shown, *(f"{count:,} {name}" for name, count in rare.items() if count)])


def _rates(status: Status) -> str:
    return f"{status.events_per_second:,.1f} events/s, {size(round(status.bytes_per_second))}/s"


def _when(time: int, now: int) -> str:
    return f"{instant(time)} ({duration(max(0, now - time) / 1000)} ago)"
