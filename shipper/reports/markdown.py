"""A report as Markdown: everything but the pictures, and nothing in it is taken as markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo
from typing import Final

from shipper.reports.document import (
    ReportBlock,
    ReportChart,
    ReportDocument,
    ReportFigures,
    ReportTable,
    ReportText,
    State,
)
from shipper.text import instant, safe

SIGNS: Final = {State.NONE: "", State.GOOD: "✓", State.ATTENTION: "▲", State.BAD: "✗"}
_MARKUP: Final = re.compile(r"([\\`*_{}\[\]<>()#+!|~&-])")


def as_markdown(document: ReportDocument, zone: tzinfo) -> str:
    """Return a report as Markdown."""
    lines = [f"# {plain(document.title)}", "", plain(document.subtitle), ""]
    if document.note:
        lines += [f"**Not complete: {plain(document.note)}**", ""]
    for section in document.sections:
        sign = SIGNS[section.state]
        lines += [f"## {plain(section.title)}{f' {sign}' if sign else ''}", ""]
        for block in section.blocks:
            lines += [*_block(block, zone), ""]
    return "\n".join(lines)


def plain(text: str) -> str:
    """Return a text that Markdown shows as it is."""
    return _MARKUP.sub(r"\\\1", safe(text))


def _block(block: ReportBlock, zone: tzinfo) -> Iterator[str]:
    match block:
        case ReportFigures(figures=figures):
            yield from _table(
                ("", "value", "target", "before", ""),
                [
                    (
                        f.label,
                        f.value,
                        f.target or f.detail,
                        f"{f.before} {f.arrow}".strip(),
                        SIGNS[f.state],
                    )
                    for f in figures
                ],
                frozenset({1, 2, 3}),
            )
        case ReportTable(rows=()):
            yield plain(block.empty)
        case ReportTable():
            states = block.states or (State.NONE,) * len(block.rows)
            rows = [(*row, SIGNS[s]) for row, s in zip(block.rows, states, strict=True)]
            yield from _table((*block.columns, ""), rows, block.right)
        case ReportChart():
            yield plain(chart_words(block, zone))
        case ReportText(code=True):
            yield f"    {safe(block.text)}"
            if block.link:
                yield from ("", f"[Show in Kibana](<{safe(block.link)}>)")
        case ReportText():
            yield f"{SIGNS[block.state]} {plain(block.text)}".strip()


def _table(
    columns: tuple[str, ...], rows: list[tuple[str, ...]], right: frozenset[int]
) -> Iterator[str]:
    yield _row(columns)
    yield _row(tuple("--:" if n in right else "---" for n in range(len(columns))), raw=True)
    yield from map(_row, rows)


def _row(cells: tuple[str, ...], *, raw: bool = False) -> str:
    return f"| {' | '.join(cell if raw else plain(cell) for cell in cells)} |"


def chart_words(chart: ReportChart, zone: tzinfo) -> str:
    """Return what a chart shows, in words."""
    known = [(at, value) for at, value in chart.points if value is not None]
    if not known:
        return f"{chart.title}: no data"
    at, most = max(known, key=lambda point: point[1])
    _, least = min(known, key=lambda point: point[1])
    unit = f" {chart.unit}" if chart.unit else ""
    peak = instant(at, unit_ms=60_000, zone=zone)
    return f"{chart.title}: {least:g} to {most:g}{unit}, most at {peak}"
