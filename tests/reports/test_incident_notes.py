"""The notes of incidents in reports."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date
from types import SimpleNamespace
from typing import Any

from shipper.reports.document import ReportTable
from shipper.reports.incident_tables import MOST_NOTES, incidents_section
from shipper.reports.periods import PeriodKind, period_of
from shipper.reports.sources import IncidentNote
from tests.alerts.verdicts import START, live_through


def notes_in_report(notes: list[IncidentNote]) -> list[tuple[str, ...]]:
    found, _ = live_through("b")
    assert found is not None
    incident = replace(found, id="shown")
    sources: Any = SimpleNamespace(
        incidents=[incident],
        judged_up_to=None,
        notes=notes,
        now=START,
        opened_in=lambda _period: [incident],
        local=str,
    )
    period = period_of(PeriodKind.MONTH, date(2026, 5, 1), UTC)
    section = incidents_section(sources, period)
    tables = [each for each in section.blocks if isinstance(each, ReportTable)]
    return [row for table in tables[1:] for row in table.rows]


def test_a_report_has_the_notes_of_its_incidents() -> None:
    """Who wrote what and when, on one line each; notes of other incidents are left out."""
    notes = [
        IncidentNote("shown", 1, "oncall", "it was\nthe pool"),
        IncidentNote("other", 2, "oncall", "elsewhere"),
    ]

    assert notes_in_report(notes) == [("shown", "1", "oncall", "it was the pool")]


def test_without_notes_there_is_no_table() -> None:
    """Nothing is said about notes that are not there."""
    assert notes_in_report([]) == []


def test_the_newest_notes_are_shown() -> None:
    """A report is read to its end: so many are shown."""
    notes = [IncidentNote("shown", at, "oncall", f"note {at}") for at in range(MOST_NOTES + 5)]

    rows = notes_in_report(notes)

    assert len(rows) == MOST_NOTES
    assert rows[-1][-1] == f"note {MOST_NOTES + 4}"
