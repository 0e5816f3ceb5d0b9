"""
What a report begins with: what happened and what needs somebody, each in a sentence.

A section names its own headlines; for what it does not know, its text says why. The worst is first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from shipper.reports.document import ReportSection, ReportText, State

TITLE: Final = "At a glance"
MOST: Final = 20  # headlines
_ORDER: Final = (State.BAD, State.ATTENTION, State.NONE, State.GOOD)


def glance_section(sections: Sequence[ReportSection], note: str | None) -> ReportSection:
    """Return the headlines of all sections; `note` says why the report is not complete."""
    found = [*dict.fromkeys(line for section in sections for line in _headlines(section))]
    found.sort(key=lambda line: _ORDER.index(line.state))
    if not any(line.state in {State.BAD, State.ATTENTION} for line in found):
        end = ", so far." if note else "."
        found.insert(0, ReportText(text=f"Nothing needs attention{end}", state=State.GOOD))
    if len(found) > MOST:
        more = f"{len(found) - MOST} more are below."
        found[MOST:] = [ReportText(text=more)]
    return ReportSection(title=TITLE, blocks=tuple(found))


def _headlines(section: ReportSection) -> Iterator[ReportText]:
    yield from section.headlines
    for block in section.blocks:
        if isinstance(block, ReportText) and block.state is State.ATTENTION:
            yield ReportText(text=f"{section.title}: {block.text}", state=State.ATTENTION)


def named(names: Sequence[str], most: int = 3) -> str:
    """Return some names in a sentence, with how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    between = "; " if any(", " in name for name in names) else ", "
    return f"{between.join(names[:most])}{more}"
