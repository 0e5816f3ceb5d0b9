"""
The ledger: what was decided about incidents, and who has been notified of it. SQLite, one file.

Order of operations, and what a crash between any two of them costs:

    1  windows are judged             nothing: they are judged again, with the same result
    2  ONE transaction                it is there whole or not at all:
         the transitions                appended, never changed
         a row of the outbox            per transition and alerter, its state `waiting`
         incidents as they stand        what the transitions amount to
         how far each rule is judged    so the same window is not decided twice
    3  a row is marked `trying`       nothing: it is known to be under way, and is tried again
    4  the alerter notifies           sent, and not yet marked: sent again under the same key. A
                                      service that dedupes (PagerDuty, mail) shows it once; one that
                                      cannot shows it twice, for each such crash once
    5  the row is marked `sent`       nothing; the reference of the service is kept with it

So each transition reaches each of its alerters once, at most once more where the service cannot
dedupe and the process died between 4 and 5, and is never lost. Step 2 is durable before step 3
begins (write-ahead log, synchronous=FULL).

A transition's key is made of its incident (whose id is made of rule, group and beginning) and of
what happened; where something can happen more than once, the time belongs to it. A key that is
there already is not recorded again: two jobs that judge the same records decide the same.

    transitions   seq (1, 2, …), key, time of the deciding, the transition with its incident
    outbox        key, alerter, state (waiting, trying, sent, handed_over, given_up), tries, times
    unrouted      keys of what people did, until the job decides who is notified of it
    incidents     per id: as it stands
    standing      per rule, group and track: the id of the incident that the next verdict is held
                  against
    silences      what people do not want to hear of
    acts          seq (1, 2, …): silences made and ended, notes: who, when, about what
    judged        per rule: the end of the last window that was judged
    failing       per alerter: since when it could not notify people, and why
    reports       per report, period and alerter: whether it was sent (report_outbox.py)
    late          per rule and host: windows judged without that host, from and up to (both ends)
    meta          version of the layout; the runs that the records of the log carry

Several processes use the file at once: the job, and the commands by which people acknowledge,
resolve and silence. Each deciding is one transaction that reads what it decides on (BEGIN
IMMEDIATE). Times are epoch milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.ledger.acts import ActTable
from shipper.alerts.ledger.file import LedgerFile
from shipper.alerts.ledger.progress import RuleProgress
from shipper.alerts.ledger.silences import SilenceTable
from shipper.alerts.verdict import Group

REPEATED: Final = frozenset({Change.REMINDED, Change.RAISED, Change.UNMUTED})


_encode = msgspec.json.Encoder().encode
_read_incident = msgspec.json.Decoder(Incident).decode
_read_transition = msgspec.json.Decoder(Transition).decode
_OLD_CATCHING_UP: Final = "windows that were missed are being judged"  # was a reason in muted_by


def read_transition(body: bytes) -> Transition:
    """Read a transition that the ledger holds, in the form of an older version as well."""
    found = _read_transition(body)
    return replace(found, incident=_as_now(found.incident))


def _incident(body: bytes) -> Incident:
    return _as_now(_read_incident(body))


def _as_now(incident: Incident) -> Incident:
    if incident.muted_by != _OLD_CATCHING_UP:
        return incident
    return replace(incident, muted_by=None, catching_up=True)


def key_of(transition: Transition) -> str:
    """Name a transition for ever."""
    name = f"{transition.incident.id}.{transition.change}"
    return f"{name}.{transition.at}" if transition.change in REPEATED else name


@dataclass(frozen=True, slots=True)
class Recorded:
    """A transition as the ledger has it."""

    seq: int
    key: str
    decided_at: int
    transition: Transition


class Ledger(LedgerFile):
    """Incidents and transitions of one ledger; its rules' `progress`, `silences` and `acts`."""

    def __init__(self, path: Path) -> None:
        """
        Open the ledger, make it if there is none.

        Raises:
            DataFolderError: it cannot be used.
        """
        super().__init__(path)
        self.progress = RuleProgress(self)
        self.acts = ActTable(self)
        self.silences = SilenceTable(self, self.acts)

    def standings(self, rule: str) -> dict[tuple[Group, str], Incident]:
        """Return all incidents that verdicts of a rule are held against, by group and track."""
        found = self.rows(
            "SELECT s.track, i.body FROM standing s JOIN incidents i USING (id) WHERE s.rule = ?",
            rule,
        )
        incidents = [(track, _incident(body)) for track, body in found]
        return {(incident.group, track): incident for track, incident in incidents}

    def tracks(self, incident: str) -> list[str]:
        """Return the tracks on which an incident stands."""
        return [
            track for (track,) in self.rows("SELECT track FROM standing WHERE id = ?", incident)
        ]

    def place(self, rule: str, group: Group, track: str, incident: Incident | None) -> None:
        """Keep the incident that the next verdict is held against; None for none."""
        where = (rule, _text(group), track)
        if incident is None:
            self._db.execute("DELETE FROM standing WHERE rule = ? AND grp = ? AND track = ?", where)
            return
        self._db.execute(
            "INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?)", (*where, incident.id)
        )
        self.update(incident)

    def update(self, incident: Incident) -> None:
        """Keep an incident as it stands, wherever it is."""
        self._db.execute(
            "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?)",
            (
                *(incident.id, incident.rule, incident.phase.value, incident.opened_at),
                _encode(incident),
            ),
        )

    def record(self, transition: Transition, alerters: Sequence[str] | None, now: int) -> bool:
        """
        Append a transition and who is to be notified of it; False if it was there already.

        Without alerters (None), the job decides later who is notified.
        """
        key, incident = key_of(transition), transition.incident
        done = self._db.execute(
            "INSERT OR IGNORE INTO transitions (key, incident, change, decided_at, body)"
            " VALUES (?, ?, ?, ?, ?)",
            (key, incident.id, transition.change.value, now, _encode(transition)),
        )
        if not done.rowcount:
            return False
        if transition.change is Change.DROPPED:
            self._db.execute("DELETE FROM incidents WHERE id = ?", (incident.id,))
        elif transition.change is Change.RESOLVED or not self.find(incident.id):
            self.update(incident)
        if alerters is None:
            self._db.execute("INSERT INTO unrouted VALUES (?)", (key,))
        else:
            self.route(key, alerters, now)
        return True

    def route(self, key: str, alerters: Sequence[str], now: int) -> None:
        """Put into the outbox who is to be notified of a transition."""
        self._db.execute("DELETE FROM unrouted WHERE key = ?", (key,))
        self._db.executemany(
            "INSERT OR IGNORE INTO outbox (key, alerter, incident, state, since, next_at)"
            " SELECT key, ?, incident, 'waiting', ?, ? FROM transitions WHERE key = ?",
            [(alerter, now, now, key) for alerter in alerters],
        )

    def unrouted(self) -> list[Recorded]:
        """Return what was recorded and nobody has decided who is notified, in order."""
        found = self.rows(
            "SELECT seq, key, decided_at, body FROM transitions JOIN unrouted USING (key)"
            " ORDER BY seq"
        )
        return [Recorded(seq, key, at, read_transition(body)) for seq, key, at, body in found]

    def failing(self) -> dict[Group, str]:
        """Return the alerters whose last notification failed, each with the fault."""
        found = self.rows("SELECT alerter, fault FROM failing ORDER BY alerter")
        return {(("alerter", alerter),): f"{alerter}: {fault}" for alerter, fault in found}

    def incidents(self, phases: Sequence[Phase], *, since: int = 0) -> list[Incident]:
        """Return the incidents in these phases that were opened since a time, the oldest first."""
        marks = ", ".join("?" * len(phases))
        found = self.rows(
            f"SELECT body FROM incidents WHERE phase IN ({marks}) AND opened_at >= ?"  # noqa: S608
            " ORDER BY opened_at, id",
            *(phase.value for phase in phases),
            since,
        )
        return [_incident(body) for (body,) in found]

    def ended_since(self, since: int) -> list[Incident]:
        """Return the incidents that were resolved since a time."""
        found = self.rows(
            "SELECT i.body FROM transitions t JOIN incidents i ON i.id = t.incident"
            " WHERE t.change = ? AND t.decided_at >= ? ORDER BY t.seq",
            *(Change.RESOLVED.value, since),
        )
        return [_incident(body) for (body,) in found]

    def find(self, prefix: str) -> list[Incident]:
        """Return the incidents whose id begins so."""
        found = self.rows(
            "SELECT body FROM incidents WHERE id >= ? AND id < ? ORDER BY opened_at",
            *(prefix, f"{prefix}~"),
        )
        return [_incident(body) for (body,) in found]

    def history(self, incident: str) -> list[Recorded]:
        """Return all that happened to an incident, in order."""
        found = self.rows(
            "SELECT seq, key, decided_at, body FROM transitions WHERE incident = ? ORDER BY seq",
            incident,
        )
        return [Recorded(seq, key, at, read_transition(body)) for seq, key, at, body in found]

    def recorded_after(self, seq: int, limit: int = 1000) -> list[Recorded]:
        """Return what was recorded after a number, in order."""
        found = self.rows(
            "SELECT seq, key, decided_at, body FROM transitions WHERE seq > ? ORDER BY seq LIMIT ?",
            *(seq, limit),
        )
        return [Recorded(seq, key, at, read_transition(body)) for seq, key, at, body in found]

    def changes_of(self, incident: str) -> dict[Change, int]:
        """Return what happened to an incident, and when it was decided last."""
        found = self.rows(
            "SELECT change, MAX(decided_at) FROM transitions WHERE incident = ? GROUP BY change",
            incident,
        )
        return {Change(change): at for change, at in found}


def _text(group: Group) -> str:
    return _encode(group).decode()
