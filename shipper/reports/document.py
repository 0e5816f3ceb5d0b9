"""
A report as a document: sections of figures, tables, charts and texts, in no format yet.

`html.py`, `markdown.py` and `mail.py` write it, and its JSON is the document itself. Everything in
it may come from a log line, so every text is escaped by the one who writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

import msgspec

LONGEST: Final = 300  # characters of a text out of a record
MOST_ROWS: Final = 100  # of a table


class State(StrEnum):
    """How good something is, from the best to the worst; NONE where nothing is judged."""

    NONE = "none"
    GOOD = "good"
    ATTENTION = "attention"
    BAD = "bad"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigure:
    """One number: its label, value, target and details, what it was before, and how good."""

    label: str
    value: str
    target: str = ""
    before: str = ""
    detail: str = ""
    arrow: str = ""  # ▲ ▼ ▬: against `before`
    state: State = State.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFigures:
    """Numbers beside each other."""

    figures: tuple[ReportFigure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportTable:
    """A table; `right` are the columns of numbers, `states` how good each row is, if any."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
    states: tuple[State, ...] = ()
    empty: str = "none"  # what is said if it has no rows


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportChart:
    """A series over time: (epoch ms, number or None where there is none), and a limit."""

    title: str
    points: tuple[tuple[int, float | None], ...]
    unit: str = ""
    limit: float | None = None
    bars: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportText:
    """A sentence, or a command that shows more (`code`); `link` is the same in Kibana, if known."""

    text: str
    state: State = State.NONE
    code: bool = False
    link: str = ""


ReportBlock = ReportFigures | ReportTable | ReportChart | ReportText


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """A chapter of a report; `headlines` are what stands of it at the top of the report."""

    title: str
    blocks: tuple[ReportBlock, ...]
    headlines: tuple[ReportText, ...] = ()

    @property
    def state(self) -> State:
        """The worst state of all that is in it."""
        return worst(state for block in self.blocks for state in _states(block))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportDocument:
    """A report; `note` says why it is not complete, `facts` are the numbers it was made of."""

    kind: str
    name: str
    title: str
    subtitle: str
    note: str | None
    sections: tuple[ReportSection, ...]
    facts: Any = None


def _states(block: ReportBlock) -> Iterator[State]:
    match block:
        case ReportFigures(figures=figures):
            yield from (figure.state for figure in figures)
        case ReportTable(states=states):
            yield from states
        case ReportText(state=state):
            yield state
        case ReportChart():
            return


def worst(states: Iterable[State]) -> State:
    """Return the worst of some states."""
    order = list(State)
    return max(states, key=order.index, default=State.NONE)


def limited(section: ReportSection) -> ReportSection:
    """Return a section whose tables have `MOST_ROWS` rows, the worst ones, and say what is left."""
    blocks: list[ReportBlock] = []
    for block in section.blocks:
        if isinstance(block, ReportTable) and len(block.rows) > MOST_ROWS:
            text = f"{len(block.rows) - MOST_ROWS:,} more rows are not shown."
            blocks += [_worst_rows(block), ReportText(text=text)]
        else:
            blocks.append(block)
    return replace(section, blocks=tuple(blocks))


def _worst_rows(table: ReportTable) -> ReportTable:
    order = list(State)
    states = table.states or (State.NONE,) * len(table.rows)
    numbers = sorted(range(len(table.rows)), key=lambda n: -order.index(states[n]))
    kept = sorted(numbers[:MOST_ROWS])
    return replace(
        table,
        rows=tuple(table.rows[n] for n in kept),
        states=tuple(states[n] for n in kept),
    )


def cut(text: str) -> str:
    """Return a text out of a record, on one line and not too long."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"


def as_json(document: ReportDocument) -> bytes:
    """Return a report as JSON: kind, name, facts, and the sections with their blocks."""
    sections = [
        {
            "title": section.title,
            "state": section.state,
            "blocks": [{"type": _TYPES[type(block)], **_fields(block)} for block in section.blocks],
        }
        for section in document.sections
    ]
    written = {
        "report": document.kind,
        "name": document.name,
        "title": document.title,
        "subtitle": document.subtitle,
        "complete": document.note is None,
        "reason": document.note,
        "sections": sections,
        "facts": document.facts,
    }
    return msgspec.json.format(msgspec.json.encode(written), indent=2) + b"\n"


_TYPES: Final[Mapping[type, str]] = {
    ReportFigures: "figures",
    ReportTable: "table",
    ReportChart: "chart",
    ReportText: "text",
}


def _fields(block: ReportBlock) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(block)
    if isinstance(block, ReportTable):
        fields["right"] = sorted(block.right)
    return fields
