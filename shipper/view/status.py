"""The state of a shipper: its files, its counters, and how current the index is."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from shipper.text import Paint, counted, duration, instant, safe, safe_json, size, table

if TYPE_CHECKING:
    from shipper.agent.status import Counters, FileStatus, HoldsStatus, Status


def status_json(status: Status) -> str:
    """Return the state as one JSON object; times are epoch milliseconds."""
    return safe_json(asdict(status))


def status_text(status: Status, now: int, paint: Paint) -> list[str]:
    """Return the state as lines of text; ages are relative to `now` (epoch ms)."""
    lines = [_headline(status), *_files(status, now, paint)]
    lines += _holds(status.holds)
    if status.running or status.counters.read_bytes:
        lines += ["", _totals(status.counters)]
    if status.counters.intake_messages or status.counters.intake_lost:
        lines.append(_intake(status.counters))
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
        return ["no input file found yet"]
    head = ["file", "size", "offset", "behind", "oldest unacked", "state"]
    rows = [_row(file, now) for file in status.files]
    if any(file.format for file in status.files):
        head.append("format")
        rows = [[*row, _format(file)] for row, file in zip(rows, status.files, strict=True)]
    heading, *lines = table([head, *rows], right={1, 2, 3})
    return ["", paint.strong(heading), *lines]


def _format(file: FileStatus) -> str:
    misfits = f", {counted(file.misfits, 'misfit')}" if file.misfits else ""
    return f"{file.format or '-'}{misfits}"


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


def _holds(holds: HoldsStatus) -> list[str]:
    """Return lines about deleted files that are held, and about those dropped at the limit."""
    lines = []
    if holds.nameless:
        files = counted(holds.nameless, "file")
        lines.append(f"deleted, held until delivered: {files}, {size(holds.nameless_bytes)}")
    if holds.not_held:
        files = counted(holds.not_held, "file")
        lines.append(f"not held, lost if deleted while no shipper runs: {files}; see shipper check")
    if holds.dropped_bytes:
        lines.append(
            f"dropped undelivered, as holds.max_bytes was exceeded: {size(holds.dropped_bytes)}"
        )
    return ["", *lines] if lines else []


def _totals(counters: Counters) -> str:
    shown = [
        f"{counted(counters.events, 'event')} read ({size(counters.read_bytes)})",
        f"{counters.acked:,} acked",
        f"{counted(counters.duplicates, 'duplicate')} dropped",
    ]
    rare = {
        f"{counters.tagged:,} tagged": counters.tagged,
        f"{counters.wrapped:,} stored as text": counters.wrapped,
        counted(counters.dead_letters, "dead letter"): counters.dead_letters,
        counted(counters.retries, "retry", "retries"): counters.retries,
    }
    return ", ".join([*shown, *(text for text, count in rare.items() if count)])


def _intake(counters: Counters) -> str:
    """Return what came in by standard input and syslog, and what did not."""
    rare = {
        f"{counters.intake_cut:,} cut": counters.intake_cut,
        f"{counted(counters.intake_lost, 'datagram')} lost": counters.intake_lost,
        f"{counted(counters.intake_refused, 'connection')} refused": counters.intake_refused,
    }
    received = f"{counted(counters.intake_messages, 'message')} received"
    return ", ".join([received, *(text for text, count in rare.items() if count)])


def _rates(status: Status) -> str:
    return f"{status.events_per_second:,.1f} events/s, {size(round(status.bytes_per_second))}/s"


def _when(time: int, now: int) -> str:
    return f"{instant(time)} ({duration(max(0, now - time) / 1000)} ago)"
