"""
The ledger: what was decided about incidents, and who has been told of it. SQLite, one file.

Order of operations, and what a crash between any two of them costs:

    1  windows are judged             nothing: they are judged again, with the same result
    2  ONE transaction                it is there whole or not at all:
         the transitions                appended, never changed
         a row of the outbox            per transition and alerter, its state `waiting`
         incidents as they stand        what the transitions amount to
         how far each rule is judged    so the same window is not decided twice
    3  a row is marked `trying`       nothing: it is known to be under way, and is tried again
    4  the alerter tells              told, and not yet marked: told again under the same key. A
                                      service that dedupes (PagerDuty, mail) shows it once; one that
                                      cannot shows it twice, for each such crash once
    5  the row is marked `sent`       nothing; the reference of the service is kept with it

So each transition reaches each of its alerters once, at most once more where the service cannot
dedupe and the process died between 4 and 5, and never not at all. Step 2 is durable before step 3
begins (write-ahead log, synchronous=FULL).

A transition's key is made of its incident (whose id is made of rule, group and beginning) and of
what happened; where something can happen more than once, the time belongs to it. A key that is
there already is not recorded again: two jobs that judge the same records decide the same.

    transitions   seq (1, 2, …), key, time of the deciding, the transition with its incident
    outbox        key, alerter, state (waiting, trying, sent, handed_over, given_up), tries, times
    unrouted      keys of what people did, until the job decides who is told of it
    incidents     per id: as it stands; can be made anew from `transitions`
    standing      per rule, group and track: the incident that the next verdict is held against
    silences      what people do not want to hear of
    judged        per rule: the end of the last window that was judged
    failing       per alerter: since when it could not tell people, and why
    late          per rule and host: windows judged without that host, from and up to (both ends)
    meta          version of the layout; the run that the records of the log carry

Several processes use the file at once: the job, and the commands by which people acknowledge,
resolve and silence. Each deciding is one transaction that reads what it decides on (BEGIN
IMMEDIATE). Times are epoch milliseconds.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.incidents.muting import Silence
from shipper.alerts.verdict import Group
from shipper.errors import DataFolderError

LAYOUT: Final = 1
BUSY_SECONDS: Final = 30.0
REPEATED: Final = frozenset({Change.REMINDED, Change.UNMUTED})

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS transitions (
    seq INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, incident TEXT NOT NULL,
    change TEXT NOT NULL, decided_at INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS by_incident ON transitions (incident, seq);
CREATE INDEX IF NOT EXISTS by_change ON transitions (change, decided_at);
CREATE TABLE IF NOT EXISTS outbox (
    key TEXT NOT NULL, alerter TEXT NOT NULL, incident TEXT NOT NULL, state TEXT NOT NULL,
    since INTEGER NOT NULL, next_at INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    failing_since INTEGER, sent_at INTEGER, digest TEXT,
    reference TEXT, fault TEXT, PRIMARY KEY (key, alerter)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS unrouted (key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unsent ON outbox (state, next_at);
CREATE INDEX IF NOT EXISTS by_thread ON outbox (incident, alerter);
CREATE TABLE IF NOT EXISTS incidents (
    id TEXT PRIMARY KEY, rule TEXT NOT NULL, phase TEXT NOT NULL, opened_at INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_phase ON incidents (phase, opened_at);
CREATE TABLE IF NOT EXISTS standing (
    rule TEXT NOT NULL, grp TEXT NOT NULL, track TEXT NOT NULL, id TEXT NOT NULL,
    body BLOB NOT NULL, PRIMARY KEY (rule, grp, track)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS silences (
    id TEXT PRIMARY KEY, until INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS judged (rule TEXT PRIMARY KEY, up_to INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failing (
    alerter TEXT PRIMARY KEY, since INTEGER NOT NULL, fault TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS late (
    rule TEXT NOT NULL, host TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (rule, host)
) WITHOUT ROWID;
"""

_encode = msgspec.json.Encoder().encode
_incident = msgspec.json.Decoder(Incident).decode
read_transition = msgspec.json.Decoder(Transition).decode
_silence = msgspec.json.Decoder(Silence).decode


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


class Ledger:
    """One process's access to the ledger; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """
        Open the ledger, make it if there is none.

        Raises:
            DataFolderError: it cannot be used.
        """
        self._path = path
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(path)
            self._db = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            with self._explained():
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=FULL")
                self._prepare()
        except OSError as error:
            told = f"cannot use {path}: {error.strerror}; mend its rights or set another data_dir"
            raise DataFolderError(told) from error

    def _prepare(self) -> None:
        with self.deciding():
            for statement in _TABLES.split(";"):
                self._db.execute(statement)
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('layout', ?)", (str(LAYOUT),))
        layout = self.meta("layout")
        if layout != str(LAYOUT):
            told = f"{self._path} has the layout {layout} and this version knows {LAYOUT}"
            raise DataFolderError(f"{told}; use the version that wrote it, or move the file away")

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the errors of SQLite into ours."""
        try:
            yield
        except sqlite3.Error as error:
            told = f"cannot use {self._path}: {error}; free some space, or move the file away"
            raise DataFolderError(told) from error

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Make one transaction of what is in the block: all of it is durable, or nothing."""
        with self._explained():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._db.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def run(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Change something, row by row, within `deciding`."""
        self._db.executemany(statement, rows)

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """Return what a SELECT finds."""
        with self._explained():
            return self._db.execute(statement, values).fetchall()

    # -- deciding ---------------------------------------------------------------------------------

    def standing(self, rule: str, group: Group, track: str = "") -> Incident | None:
        """Return the incident that the next verdict of a rule and group is held against."""
        found = self.rows(
            "SELECT body FROM standing WHERE rule = ? AND grp = ? AND track = ?",
            *(rule, _text(group), track),
        )
        return _incident(found[0][0]) if found else None

    def standings(self, rule: str) -> dict[tuple[Group, str], Incident]:
        """Return all incidents that verdicts of a rule are held against, by group and track."""
        found = self.rows("SELECT track, body FROM standing WHERE rule = ?", rule)
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
            "INSERT OR REPLACE INTO standing VALUES (?, ?, ?, ?, ?)",
            (*where, incident.id, _encode(incident)),
        )
        self._keep(incident)

    def update(self, incident: Incident) -> None:
        """Keep an incident as it stands, wherever it is."""
        self._db.execute(
            "UPDATE standing SET body = ? WHERE id = ?", (_encode(incident), incident.id)
        )
        self._keep(incident)

    def _keep(self, incident: Incident) -> None:
        self._db.execute(
            "INSERT OR REPLACE INTO incidents VALUES (?, ?, ?, ?, ?)",
            (
                *(incident.id, incident.rule, incident.phase.value, incident.opened_at),
                _encode(incident),
            ),
        )

    def record(self, transition: Transition, alerters: Sequence[str] | None, now: int) -> bool:
        """
        Append a transition and who is to be told of it; False if it was there already.

        Without alerters (None), the job decides later who is told.
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
            self._keep(incident)
        if alerters is None:
            self._db.execute("INSERT INTO unrouted VALUES (?)", (key,))
        else:
            self.route(key, alerters, now)
        return True

    def route(self, key: str, alerters: Sequence[str], now: int) -> None:
        """Put into the outbox who is to be told of a transition."""
        self._db.execute("DELETE FROM unrouted WHERE key = ?", (key,))
        self._db.executemany(
            "INSERT OR IGNORE INTO outbox (key, alerter, incident, state, since, next_at)"
            " SELECT key, ?, incident, 'waiting', ?, ? FROM transitions WHERE key = ?",
            [(alerter, now, now, key) for alerter in alerters],
        )

    def unrouted(self) -> list[Recorded]:
        """Return what was recorded and nobody has decided who is told, in order."""
        found = self.rows(
            "SELECT seq, key, decided_at, body FROM transitions JOIN unrouted USING (key)"
            " ORDER BY seq"
        )
        return [Recorded(seq, key, at, read_transition(body)) for seq, key, at, body in found]

    def judged(self) -> dict[str, int]:
        """Return the end of the last window that was judged, by rule."""
        return dict(self.rows("SELECT rule, up_to FROM judged"))

    def set_judged(self, rule: str, up_to: int) -> None:
        """Keep how far a rule is judged."""
        self._db.execute("INSERT OR REPLACE INTO judged VALUES (?, ?)", (rule, up_to))

    def late(self) -> dict[tuple[str, str], tuple[int, int]]:
        """Return, by rule and host, the first and last end of the windows judged without it."""
        found = self.rows("SELECT rule, host, first, last FROM late")
        return {(rule, host): (first, last) for rule, host, first, last in found}

    def set_progress(
        self, rule: str, judged: int | None, late: Mapping[str, tuple[int, int]]
    ) -> None:
        """Keep how far a rule is judged, and which windows its hosts owe."""
        if judged is not None and self.judged_up_to(rule) != judged:
            self.set_judged(rule, judged)
        found = self.rows("SELECT host, first, last FROM late WHERE rule = ?", rule)
        before = {host: (first, last) for host, first, last in found}
        for host in {*before, *late}:
            if before.get(host) != late.get(host):
                self.set_late(rule, host, late.get(host))

    def judged_up_to(self, rule: str) -> int | None:
        """Return the end of the last window of a rule that was judged."""
        found = self.rows("SELECT up_to FROM judged WHERE rule = ?", rule)
        return int(found[0][0]) if found else None

    def failing(self) -> dict[Group, str]:
        """Return the alerters whose last notification failed, each with the fault."""
        found = self.rows("SELECT alerter, fault FROM failing ORDER BY alerter")
        return {(("alerter", alerter),): f"{alerter}: {fault}" for alerter, fault in found}

    def set_late(self, rule: str, host: str, ends: tuple[int, int] | None) -> None:
        """Keep which windows still lack a host; None for none."""
        if ends is None:
            self._db.execute("DELETE FROM late WHERE rule = ? AND host = ?", (rule, host))
        else:
            self._db.execute("INSERT OR REPLACE INTO late VALUES (?, ?, ?, ?)", (rule, host, *ends))

    def forget_rule(self, rule: str) -> None:
        """Forget how far a rule is judged, as if it had never been there."""
        for table in ("judged", "late", "standing"):
            self._db.execute(f"DELETE FROM {table} WHERE rule = ?", (rule,))  # noqa: S608 - ours

    # -- looking ----------------------------------------------------------------------------------

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

    def meta(self, name: str) -> str | None:
        """Return a value that was kept by name."""
        found = self.rows("SELECT value FROM meta WHERE name = ?", name)
        return str(found[0][0]) if found else None

    def set_meta(self, name: str, value: str) -> None:
        """Keep a value by name."""
        with self._explained():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))

    def rebuild(self) -> None:
        """Make `incidents` anew from the transitions; the verdicts of breaches since are lost."""
        with self.deciding():
            self._db.execute("DELETE FROM incidents")
            for (body,) in self._db.execute("SELECT body FROM transitions ORDER BY seq").fetchall():
                transition = read_transition(body)
                if transition.change is Change.DROPPED:
                    self._db.execute(
                        "DELETE FROM incidents WHERE id = ?", (transition.incident.id,)
                    )
                else:
                    self._keep(transition.incident)

    # -- silences ---------------------------------------------------------------------------------

    def silence(self, silence: Silence) -> None:
        """Keep a silence, in place of one with the same id."""
        with self._explained():
            self._db.execute(
                "INSERT OR REPLACE INTO silences VALUES (?, ?, ?)",
                (silence.id, silence.end, _encode(silence)),
            )

    def silences(self, *, now: int) -> tuple[Silence, ...]:
        """Return the silences that have not ended."""
        found = self.rows("SELECT body FROM silences WHERE until > ? ORDER BY until, id", now)
        return tuple(_silence(body) for (body,) in found)

    def end_silence(self, prefix: str, now: int) -> list[Silence]:
        """End the silences whose id begins so, and give them."""
        ended = [each for each in self.silences(now=now) if each.id.startswith(prefix)]
        for each in ended:
            self.silence(replace(each, end=now))
        return ended


def _make(path: Path) -> None:
    """
    Make the file, for its owner alone, if it is not there.

    One that is there is not opened: to close it again would take away the locks that another
    connection of this process holds on it (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    if not path.exists():
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _text(group: Group) -> str:
    return _encode(group).decode()
