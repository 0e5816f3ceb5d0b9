"""
The file of the ledger: its tables, and one transaction for what belongs together.

shipper/alerts/ledger/ledger.py says what the tables are for, and in which order they are written.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from shipper.errors import DataFolderError
from shipper.files import keep_owner, make_folder
from shipper.transactions import transaction

LAYOUT: Final = 2
BUSY_SECONDS: Final = 30.0

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
CREATE INDEX IF NOT EXISTS by_sent ON outbox (alerter, sent_at);
CREATE TABLE IF NOT EXISTS incidents (
    id TEXT PRIMARY KEY, rule TEXT NOT NULL, phase TEXT NOT NULL, opened_at INTEGER NOT NULL,
    body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_phase ON incidents (phase, opened_at);
CREATE TABLE IF NOT EXISTS standing (
    rule TEXT NOT NULL, grp TEXT NOT NULL, track TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (rule, grp, track)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS standing_by_id ON standing (id);
CREATE TABLE IF NOT EXISTS silences (
    id TEXT PRIMARY KEY, until INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS acts (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, incident TEXT NOT NULL, at INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS acts_by_incident ON acts (incident, at);
CREATE TABLE IF NOT EXISTS judged (rule TEXT PRIMARY KEY, up_to INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS failing (
    alerter TEXT PRIMARY KEY, since INTEGER NOT NULL, fault TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reports (
    report TEXT NOT NULL, period TEXT NOT NULL, alerter TEXT NOT NULL, state TEXT NOT NULL,
    since INTEGER NOT NULL, next_at INTEGER NOT NULL, tries INTEGER NOT NULL DEFAULT 0,
    sent_at INTEGER, fault TEXT, PRIMARY KEY (report, period, alerter)
);
CREATE TABLE IF NOT EXISTS late (
    rule TEXT NOT NULL, host TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    PRIMARY KEY (rule, host)
) WITHOUT ROWID;
"""

# What leads from one layout to the next. 2: a standing incident is kept once, in `incidents`.
_MIGRATIONS: Final = {
    1: """
INSERT OR IGNORE INTO incidents SELECT id, rule, json_extract(CAST(body AS TEXT), '$.phase'),
    json_extract(CAST(body AS TEXT), '$.opened_at'), body FROM standing;
ALTER TABLE standing RENAME TO standing_1;
CREATE TABLE standing (
    rule TEXT NOT NULL, grp TEXT NOT NULL, track TEXT NOT NULL, id TEXT NOT NULL,
    PRIMARY KEY (rule, grp, track)
) WITHOUT ROWID;
INSERT INTO standing SELECT rule, grp, track, id FROM standing_1;
DROP TABLE standing_1;
""",
}


class LedgerFile:
    """One process's access to the file; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """
        Open the ledger, make it if there is none.

        Raises:
            DataFolderError: it cannot be used.
        """
        self._path = path
        try:
            make_folder(path.parent)
            _make(path)
            self._db = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            try:
                with self._explained():
                    self._db.execute("PRAGMA journal_mode=WAL")
                    self._db.execute("PRAGMA synchronous=FULL")
                    self._prepare()
            except BaseException:
                self._db.close()
                raise
        except OSError as error:
            raise DataFolderError(
                f"cannot use {path}: {error.strerror}",
                "correct its permissions or set another data_dir",
            ) from error

    def _prepare(self) -> None:
        """Make what is missing; a file of another layout is led to this one, or left untouched."""
        with self.deciding():
            has_meta = self.rows("SELECT 1 FROM sqlite_master WHERE name = 'meta'")
            layout = (self.meta("layout") if has_meta else None) or str(LAYOUT)
            if layout not in {str(known) for known in (*_MIGRATIONS, LAYOUT)}:
                raise DataFolderError(
                    f"{self._path} has the layout {layout} and this version knows {LAYOUT}",
                    "use the version that wrote it, or move the file away",
                )
            steps = [_MIGRATIONS[step] for step in range(int(layout), LAYOUT)]
            for statement in ";".join([*steps, _TABLES]).split(";"):
                self._db.execute(statement)
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('layout', ?)", (str(LAYOUT),))

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn the errors of SQLite into ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise DataFolderError(
                f"cannot use {self._path}: {error}", "free some space, or move the file away"
            ) from error

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Make one transaction of what is in the block: all of it is durable, or nothing."""
        with self._explained(), transaction(self._db):
            yield

    def run(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """Change something, row by row, within `deciding`."""
        self._db.executemany(statement, rows)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Change something within `deciding`; return how many rows it met."""
        return self._db.execute(statement, values).rowcount

    def rows(self, statement: str, *values: Any) -> list[Any]:
        """Return what a SELECT finds."""
        with self._explained():
            return self._db.execute(statement, values).fetchall()

    def meta(self, name: str) -> str | None:
        """Return a value that was kept by name."""
        found = self.rows("SELECT value FROM meta WHERE name = ?", name)
        return str(found[0][0]) if found else None

    def set_meta(self, name: str, value: str) -> None:
        """Keep a value by name."""
        with self._explained():
            self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, value))


def _make(path: Path) -> None:
    """
    Make the file, for its owner alone, if it is not there.

    One that is there is not opened: to close it again would take away the locks that another
    connection of this process holds on it (https://www.sqlite.org/howtocorrupt.html, 2.2).
    """
    if not path.exists():
        with suppress(FileExistsError):
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            keep_owner(fd, path.parent)
            os.close(fd)
