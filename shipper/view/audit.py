"""The result of an audit: the sum, what is lost or doubled, and what a repair did."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from shipper.text import Paint, counted, safe, safe_json, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from shipper.audit.result import AuditResult, DeepResult

MOST = 10  # lines of each kind


def audit_json(result: AuditResult, notes: Sequence[str]) -> str:
    """Return the result and the notes of a repair as one JSON object."""
    document = asdict(result) | {
        "written": result.written,
        "lost_count": result.lost_count,
        "closes": result.closes,
        "repair": [*notes],
    }
    return safe_json(document)


def audit_text(result: AuditResult, notes: Sequence[str], paint: Paint) -> list[str]:
    """Return the sum, then lost, doubled and missing records, dropped files, and the notes."""
    parts = [
        (result.indexed, "indexed once"),
        (result.wrapped, "stored as text"),
        (result.dead_letters, "dead letters"),
        (result.waiting, "waiting"),
        (result.given_up, "dropped on purpose"),
        (result.dropped, "dropped by processors"),
    ]
    shown = [f"{count:,} {name}" for count, name in parts if count] or ["0 indexed once"]
    lost, doubled = f"{result.lost_count:,} lost", f"{len(result.doubled):,} doubled"
    sum_ = f"{result.written:,} written = {' + '.join(shown)}; {lost}; {doubled}"
    lines = [sum_ if result.closes else paint.level(sum_, "ERROR")]
    lines += _some(_lost_lines(result), len(result.lost))
    lines += _some((f"doubled: {safe(each)}" for each in result.doubled), len(result.doubled))
    gaps = (
        f"missing (never written, or lost before reading): {_range(g.run, g.first, g.last)}"
        for g in result.gaps
    )
    lines += _some(gaps, len(result.gaps))
    for each in result.given_up_files:
        lines.append(f"dropped: {size(each.size)} of {safe(each.path)}: {safe(each.reason)}")
    if result.expired:
        expired = counted(result.expired, "record")
        lines.append(f"not checked: {expired} older than the retention of the index")
    lines += _deep_lines(result.deep) if result.deep else []
    return lines + [safe(note) for note in notes]


def _deep_lines(deep: DeepResult) -> list[str]:
    """Return what the files say."""
    read = f"{counted(deep.lines, 'line')} of {counted(deep.files, 'file')}"
    lines = [f"{read} compared: {deep.missing_count:,} not stored"]
    missing = (
        f"not stored: {counted(each.count, 'line')} of {safe(each.path)}, from byte {each.start}"
        for each in deep.missing
    )
    lines += _some(missing, len(deep.missing))
    conflicts = (
        f"different records are {safe(each)}; not all are stored" for each in deep.conflicts
    )
    lines += _some(conflicts, len(deep.conflicts))
    unjudged = (f"not compared: {safe(each)}" for each in deep.unjudged)
    return lines + _some(unjudged, len(deep.unjudged))


def _lost_lines(result: AuditResult) -> Iterable[str]:
    for each in result.lost:
        few = each.count < each.last - each.first + 1
        what = (
            f"{each.count:,} of {_range(each.stream, each.first, each.last)}"
            if few
            else (_range(each.stream, each.first, each.last))
        )
        yield f"lost: {what}, read from {safe(each.path)}"


def _range(stream: str, first: int, last: int) -> str:
    return f"{safe(stream)}-{first}" if first == last else f"{safe(stream)}-{first} to {last}"


def _some(lines: Iterable[str], count: int) -> list[str]:
    """Return the first lines, and how many more there are."""
    chosen = [line for line, _ in zip(lines, range(MOST), strict=False)]
    return [*chosen, f"… and {count - MOST:,} more"] if count > MOST else chosen
