"""
What a store has dropped since a period was counted: sections that ask the store have to say so.

The metrics files keep the counts of days whose records retention has dropped. What is asked of the
store (errors by type, the audit, back-tests, processes) is about those records only that are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from shipper.reports.document import ReportSection, ReportText, State
from shipper.reports.metrics import PeriodMetrics
from shipper.reports.periods import Period
from shipper.store.api import Selection, Store

OF_THE_STORE: Final = frozenset(
    {"Errors", "Resources", "Alert thresholds", "Security audit of access logs"}
)


def with_what_is_gone(
    store: Store, period: Period, metrics: PeriodMetrics, sections: Sequence[ReportSection]
) -> list[ReportSection]:
    """Return the sections; those made of the store say how many records of the period it lacks."""
    left = store.count(Selection("", period.since, period.until))
    if left >= metrics.records:
        return [*sections]
    text = (
        f"The store has dropped {metrics.records - left:,} of {metrics.records:,} records of this "
        "time (retention), so this is about the rest only."
    )
    gone = ReportText(text=text, state=State.ATTENTION)
    return [
        replace(each, blocks=(gone, *each.blocks)) if each.title in OF_THE_STORE else each
        for each in sections
    ]
