"""
The outbox of the ledger: who is still to be notified of what, and what became of it.

    waiting ──trying──► (the alerter tells) ──► sent
       ▲                       │
       └──── again ◄───────────┤ it is not known to have been sent
                               └──► handed_over (to another alerter), given_up

The head of `ledger.py` says in which order these are written, and what a crash costs. A row that is
`trying` when nobody is at work was cut short: it is tried again under the same key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shipper import crashpoints
from shipper.alerts.incident import Change, Transition
from shipper.alerts.ledger.ledger import Ledger, read_transition
from shipper.crashpoints import CrashPoint


@dataclass(frozen=True, slots=True)
class DueNotification:
    """
    A transition that an alerter is to be notified of, since when, and what was tried.

    `digest` is the key of the digest in which it was tried last, None if it was by itself.
    """

    key: str
    alerter: str
    transition: Transition
    since: int
    next_at: int
    tries: int
    failing_since: int | None
    state: str
    digest: str | None


@dataclass(frozen=True, slots=True)
class NotificationState:
    """The state of one notification: a transition and an alerter."""

    alerter: str
    change: Change
    state: str
    sent_at: int | None
    fault: str | None


class Outbox:
    """The errands of a ledger; used by one thread at a time."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def errands(self, alerter: str | None = None) -> list[DueNotification]:
        """Return what is still to be sent, in the order in which it was decided."""
        found = self._ledger.rows(
            "SELECT o.key, o.alerter, t.body, o.since, o.next_at, o.tries, o.failing_since,"
            " o.state, o.digest FROM outbox o JOIN transitions t USING (key)"
            " WHERE o.state IN ('waiting', 'trying') AND o.alerter = ifnull(?, o.alerter)"
            " ORDER BY t.seq",
            alerter,
        )
        return [DueNotification(row[0], row[1], read_transition(row[2]), *row[3:]) for row in found]

    def trying(self, keys: Sequence[str], alerter: str, digest: str | None = None) -> None:
        """Keep that an alerter is about to be notified."""
        with self._ledger.deciding():
            self._ledger.run(
                "UPDATE outbox SET state = 'trying', tries = tries + 1, digest = ?"
                " WHERE key = ? AND alerter = ?",
                [(digest, key, alerter) for key in keys],
            )
        crashpoints.reached(CrashPoint.ALERT_TRYING)

    def sent(self, keys: Sequence[str], alerter: str, reference: str | None, now: int) -> None:
        """Keep that an alerter was notified."""
        crashpoints.reached(CrashPoint.ALERT_TOLD)
        with self._ledger.deciding():
            self._ledger.run(
                "UPDATE outbox SET state = 'sent', sent_at = ?, reference = ?, fault = NULL"
                " WHERE key = ? AND alerter = ?",
                [(now, reference, key, alerter) for key in keys],
            )
            self._ledger.run("DELETE FROM failing WHERE alerter = ?", [(alerter,)])

    def again(self, keys: Sequence[str], alerter: str, at: int, fault: str, now: int) -> None:
        """Keep that an alerter could not be notified, and when it is tried next."""
        with self._ledger.deciding():
            self._ledger.run(
                "UPDATE outbox SET state = 'waiting', next_at = ?, fault = ?,"
                " failing_since = ifnull(failing_since, ?) WHERE key = ? AND alerter = ?",
                [(at, fault, now, key, alerter) for key in keys],
            )

    def end(self, keys: Sequence[str], alerter: str, fault: str, to: str | None, now: int) -> None:
        """Keep that an alerter will not be notified; `to` is who is notified in its place."""
        with self._ledger.deciding():
            self._ledger.run(
                "UPDATE outbox SET state = ?, fault = ? WHERE key = ? AND alerter = ?",
                [("handed_over" if to else "given_up", fault, key, alerter) for key in keys],
            )
            self._ledger.run(
                "INSERT OR IGNORE INTO outbox (key, alerter, incident, state, since, next_at)"
                " SELECT key, ?, incident, 'waiting', ?, ? FROM transitions WHERE key = ?",
                [(to, now, now, key) for key in keys if to],
            )
            self._ledger.run(
                "INSERT OR REPLACE INTO failing VALUES (?, ?, ?)", [(alerter, now, fault)]
            )

    def give_up_without(self, alerters: Sequence[str], now: int) -> None:
        """Drop what waits for alerters that are not configured any more."""
        for each in {errand.alerter for errand in self.errands()} - {*alerters}:
            keys = [errand.key for errand in self.errands(each)]
            self.end(keys, each, "the alerter was removed from the settings", None, now)
        gone = {name for (name,) in self._ledger.rows("SELECT alerter FROM failing")} - {*alerters}
        with self._ledger.deciding():
            self._ledger.run("DELETE FROM failing WHERE alerter = ?", [(name,) for name in gone])

    def reference(self, incident: str, alerter: str) -> str | None:
        """Return what the service gave back when it was notified of an incident last."""
        found = self._ledger.rows(
            "SELECT reference FROM outbox WHERE incident = ? AND alerter = ? AND digest IS NULL"
            " AND state = 'sent' AND reference IS NOT NULL ORDER BY sent_at DESC LIMIT 1",
            *(incident, alerter),
        )
        return found[0][0] if found else None

    def alerters_of(self, key: str) -> set[str]:
        """Return the alerters that a transition was meant for, whatever came of it."""
        found = self._ledger.rows("SELECT alerter FROM outbox WHERE key = ?", key)
        return {alerter for (alerter,) in found}

    def sent_since(self, alerter: str, since: int) -> list[tuple[int, bool]]:
        """Return when an alerter was notified since a time, and whether that was a digest."""
        found = self._ledger.rows(
            "SELECT DISTINCT sent_at, digest IS NOT NULL, ifnull(digest, key) FROM outbox"
            " WHERE alerter = ? AND state = 'sent' AND sent_at > ?",
            *(alerter, since),
        )
        return [(at, bool(digest)) for at, digest, _ in found]

    def notifications(self, incident: str) -> list[NotificationState]:
        """Return the states of the notifications of an incident."""
        found = self._ledger.rows(
            "SELECT o.alerter, t.change, o.state, o.sent_at, o.fault FROM outbox o"
            " JOIN transitions t USING (key) WHERE o.incident = ? ORDER BY t.seq, o.alerter",
            incident,
        )
        return [NotificationState(r[0], Change(r[1]), *r[2:]) for r in found]
