"""
The guide's checklists: each item done with its proof, needing attention, or a person's to do.

    done        the report proves it; the proof is the figure, table and file that say so
    attention   the report found something that somebody has to look at
    yours       no record says it, so a person has to look, with the command that helps

A person ticks an item once they have seen to it: then it is done, by that person, until the next
period. Ticks are lines of JSON, appended and synced, in `checklist.ndjson` of the data folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.files import open_locked, open_regular
from shipper.reports.document import (
    ReportDocument,
    ReportFigure,
    ReportFigures,
    ReportSection,
    ReportTable,
    ReportText,
    State,
)
from shipper.reports.kpis import NO_DATA
from shipper.text import counted

TICKS: Final = "checklist.ndjson"
MOST_BYTES: Final = 4 << 20  # of ticks that are read: the newest ones
MOST_NAMED: Final = 3  # rows of a table in a proof
LONGEST: Final = 500  # characters of a note or a name


class ItemState(StrEnum):
    """What is to be done about an item."""

    DONE = "done"
    ATTENTION = "attention"
    YOURS = "yours"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """A person saw to an item; `at` in epoch milliseconds."""

    checklist: str
    period: str
    item: str
    by: str
    at: int
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecklistItem:
    """An item of a checklist: the guide's words, its state, the proof, and what helps."""

    item: str
    text: str
    state: ItemState
    proof: str
    command: str
    ticked_by: str = ""
    ticked_at: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class _Task:
    """An item, the section of the report that proves it, and the command for a person."""

    item: str
    text: str
    section: str
    command: str


_HEALTH: Final = "curl http://localhost:8000/health"
TASKS: Final[dict[str, tuple[_Task, ...]]] = {
    "daily": (
        _Task("health", "Review health endpoint (up/down)", "Health", _HEALTH),
        _Task(
            *("errors", "Check error logs for critical issues", "Errors"),
            "shipper search level:CRITICAL --since yesterday",
        ),
        _Task(
            *("queue", "Verify queue is processing", "Queue"),
            "shipper search extra.queue_depth:* --since 1h",
        ),
        _Task("resources", "Monitor system resources", "Resources", "shipper status"),
    ),
    "weekly": (
        _Task("metrics", "Review performance metrics", "Key figures", "shipper report weekly"),
        _Task(
            *("errors", "Analyze error trends", "Error trends"),
            "shipper search 'level:IN [ERROR CRITICAL]' --since 7d --by error_type",
        ),
        _Task(
            *("log_files", "Check log file sizes (rotate if needed)", "Log files"),
            "shipper status",
        ),
        _Task("backups", "Verify backups completed", "Backups", "shipper report weekly"),
    ),
    "monthly": (
        _Task("report", "Generate performance report", "Key figures", "shipper report monthly"),
        _Task("sla", "Review SLA compliance", "SLA compliance", "shipper alerts history --sla"),
        _Task(
            *("thresholds", "Update alert thresholds if needed", "Alert thresholds"),
            "shipper alerts backtest --since 30d",
        ),
        _Task(
            *("capacity", "Plan capacity for next quarter", "Capacity for the next quarter"),
            "shipper report monthly",
        ),
        _Task(
            *("security", "Security audit of access logs", "Security audit of access logs"),
            "shipper report monthly",
        ),
    ),
}


def checklist_of(document: ReportDocument, ticks: Sequence[Tick]) -> list[ChecklistItem]:
    """Return the items of a report's checklist, as the report and the ticks have them."""
    sections = {section.title: section for section in document.sections}
    mine = {t.item: t for t in ticks if (t.checklist, t.period) == (document.kind, document.name)}
    return [
        _item(task, sections[task.section], mine.get(task.item), document.note)
        for task in TASKS[document.kind]
    ]


def _item(
    task: _Task, section: ReportSection, tick: Tick | None, note: str | None
) -> ChecklistItem:
    state, proof = _judged(section)
    if note is not None and state is ItemState.DONE:  # what is not there yet may say otherwise
        state, proof = ItemState.YOURS, f"{proof} (so far: {note})"
    return ChecklistItem(
        item=task.item,
        text=task.text,
        state=ItemState.DONE if tick else state,
        proof=proof,
        command=task.command,
        ticked_by=tick.by if tick else "",
        ticked_at=tick.at if tick else None,
        note=tick.note if tick else "",
    )


def _judged(section: ReportSection) -> tuple[ItemState, str]:
    """Return the state of a section, and its proof in words; what proves nothing is a person's."""
    texts = [block for block in section.blocks if isinstance(block, ReportText)]
    unknown = [block.text for block in texts if block.state is State.ATTENTION]
    judged = replace(section, blocks=tuple(b for b in section.blocks if b not in texts))
    found = "; ".join(each.text.rstrip(".") for each in section.headlines) or "; ".join(
        proofs(section)
    )
    if judged.state in {State.ATTENTION, State.BAD}:
        return ItemState.ATTENTION, found
    if unknown:  # nothing that is stored says it
        return ItemState.YOURS, unknown[0]
    if not found or all(block.value == NO_DATA for block in _figures(section)):
        return ItemState.YOURS, "no record says it"
    return ItemState.DONE, found


def _figures(section: ReportSection) -> list[ReportFigure]:
    return [
        figure
        for block in section.blocks
        if isinstance(block, ReportFigures)
        for figure in block.figures
    ] or [ReportFigure(label="", value="")]


def proofs(section: ReportSection) -> Iterator[str]:
    """Yield what each block of a section says, what needs attention first."""
    for block in section.blocks:
        if isinstance(block, ReportFigures):
            judged = [each for each in block.figures if each.state is not State.NONE]
            wrong = [each for each in judged if each.state is not State.GOOD]
            for each in wrong or judged or block.figures:
                yield f"{each.label}: {each.value}"
        elif isinstance(block, ReportTable) and block.columns:
            yield _rows_of(block)


def _rows_of(table: ReportTable) -> str:
    """Return the first cells of the rows that need attention, or how many rows there are."""
    states = table.states or (State.NONE,) * len(table.rows)
    pairs = zip(table.rows, states, strict=True)
    wrong = [row[0] for row, state in pairs if state in (State.ATTENTION, State.BAD)]
    name = table.columns[0]
    if wrong:
        more = f" and {len(wrong) - MOST_NAMED} more" if len(wrong) > MOST_NAMED else ""
        return f"{name} {', '.join(wrong[:MOST_NAMED])}{more}"
    if not table.rows:
        return table.empty
    plural = f"{name}es" if name.endswith("s") else ""
    return f"{counted(len(table.rows), name, plural)}, none needs attention"


def needs_attention(items: Sequence[ChecklistItem]) -> bool:
    """Return whether somebody has to look at an item."""
    return any(each.state is ItemState.ATTENTION for each in items)


def checklist_section(items: Sequence[ChecklistItem], when: dict[str, str]) -> ReportSection:
    """Return the checklist as a section of its report; `when` are the times of the ticks."""
    table = ReportTable(
        columns=("item", "state", "proof", "what helps", "ticked"),
        rows=tuple(
            (each.text, each.state, each.proof, each.command, _ticked(each, when)) for each in items
        ),
    )
    return ReportSection(title="Checklist", blocks=(table,))


def _ticked(item: ChecklistItem, when: dict[str, str]) -> str:
    if not item.ticked_by:
        return ""
    note = f": {item.note}" if item.note else ""
    return f"{item.ticked_by}, {when.get(item.item, '')}{note}"


def append_tick(folder: Path, tick: Tick) -> None:
    """Keep a tick durably; raise OSError if that fails."""
    fd = open_locked(folder / TICKS, os.O_RDWR | os.O_CREAT, wait=True)
    with open(fd, "r+b") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(end - 1, 0))
        is_cut_off = end > 0 and file.read(1) != b"\n"  # a writer was killed half-way
        file.seek(end)
        file.write((b"\n" if is_cut_off else b"") + msgspec.json.encode(tick) + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_ticks(folder: Path) -> list[Tick]:
    """Return the ticks, the oldest first; a line that is none is passed over."""
    try:
        fd = open_regular(folder / TICKS)
    except FileNotFoundError:
        return []
    with open(fd, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(size - MOST_BYTES, 0))
        lines = file.read(MOST_BYTES).splitlines()
    return [tick for line in lines if (tick := _tick(line)) is not None]


def _tick(line: bytes) -> Tick | None:
    try:
        return msgspec.json.decode(line, type=Tick)
    except UNDECODABLE:
        return None
