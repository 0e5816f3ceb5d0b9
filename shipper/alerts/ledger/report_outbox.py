"""
The outbox of reports, in the file of the ledger: which report was sent to whom.

    waiting ──trying──► (the alerter sends) ──► sent
       ▲                       │
       └──── again ◄───────────┴──► given_up

A report of a period is sent to an alerter once. What is `trying` when nobody is at work was cut
short: it is sent again under the same key, by which mail systems drop the second copy.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from shipper.alerts.ledger.ledger import Ledger

MOST_KEPT = 5000  # rows, of which the oldest are removed


@dataclass(frozen=True, slots=True)
class DueReport:
    """A report of a period that an alerter is to be sent, and how often that was tried."""

    report: str
    period: str
    alerter: str
    tries: int

    @property
    def key(self) -> str:
        """Its name for ever."""
        return f"report.{self.report}.{self.period}.{self.alerter}"


class ReportOutbox:
    """The reports of a ledger; used by one thread at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def oldest(self, report: str, alerter: str) -> str | None:
        """Return the first period of which an alerter was to be sent a report."""
        found = self._ledger.rows(
            "SELECT MIN(period) FROM reports WHERE report = ? AND alerter = ?", report, alerter
        )
        return found[0][0] if found else None

    def add(self, report: str, period: str, alerters: Iterable[str], now: int) -> None:
        """Keep that alerters are to be sent a report, unless they were."""
        with self._ledger.deciding():
            self._ledger.run(
                "INSERT OR IGNORE INTO reports (report, period, alerter, state, since, next_at)"
                " VALUES (?, ?, ?, 'waiting', ?, ?)",
                [(report, period, alerter, now, now) for alerter in alerters],
            )
            self._ledger.run(
                "DELETE FROM reports WHERE rowid NOT IN"
                " (SELECT rowid FROM reports ORDER BY since DESC LIMIT ?)",
                [(MOST_KEPT,)],
            )

    def due(self, now: int) -> list[DueReport]:
        """Return what is to be sent now, the oldest first."""
        found = self._ledger.rows(
            "SELECT report, period, alerter, tries FROM reports"
            " WHERE state IN ('waiting', 'trying') AND next_at <= ? ORDER BY since, period",
            now,
        )
        return [DueReport(*row) for row in found]

    def trying(self, due: DueReport) -> None:
        """Keep that it is about to be sent."""
        self._set(due, "state = 'trying', tries = tries + 1")

    def sent(self, due: DueReport, now: int) -> None:
        """Keep that it was sent."""
        self._set(due, "state = 'sent', sent_at = ?, fault = NULL", now)

    def again(self, due: DueReport, at: int, fault: str) -> None:
        """Keep that it could not be sent, and when it is tried next."""
        self._set(due, "state = 'waiting', next_at = ?, fault = ?", at, fault)

    def give_up(self, due: DueReport, fault: str) -> None:
        """Keep that it will not be sent."""
        self._set(due, "state = 'given_up', fault = ?", fault)

    def _set(self, due: DueReport, change: str, *values: object) -> None:
        with self._ledger.deciding():
            self._ledger.execute(
                f"UPDATE reports SET {change} WHERE report = ? AND period = ? AND alerter = ?",  # noqa: S608 - ours
                [*values, due.report, due.period, due.alerter],
            )
