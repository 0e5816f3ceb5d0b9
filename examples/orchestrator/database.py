"""
SQLite, one statement at a time.

Every call opens a connection of its own, so that it may come from any thread and meets a lost
database at once. Statements are atomic (autocommit); those that hand out work, to one of several
processes, are single `UPDATE … RETURNING` statements.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from examples.orchestrator.faults import Faults

SCHEMA = """
CREATE TABLE IF NOT EXISTS workflows (
    workflow_id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    definition TEXT NOT NULL,     -- JSON as in definitions.Workflow
    hook TEXT,                    -- of a webhook trigger
    every_seconds REAL,           -- of a schedule trigger
    next_run_at REAL              -- epoch seconds
);
CREATE TABLE IF NOT EXISTS executions (
    execution_id TEXT PRIMARY KEY,
    workflow_id TEXT NOT NULL,
    trigger TEXT NOT NULL,
    data TEXT NOT NULL,           -- JSON
    request_id TEXT,              -- of the HTTP request that asked for it
    status TEXT NOT NULL,         -- queued, running, success, failed
    changed_at REAL NOT NULL,     -- epoch seconds
    execution_time_ms REAL,
    error_type TEXT,
    queued_at REAL                -- epoch seconds
);
CREATE INDEX IF NOT EXISTS executions_by_status ON executions (status, changed_at);
CREATE TABLE IF NOT EXISTS records (
    execution_id TEXT NOT NULL,
    label TEXT NOT NULL,
    data TEXT NOT NULL,           -- JSON
    written_at REAL NOT NULL      -- epoch seconds
);
CREATE TABLE IF NOT EXISTS users (
    username TEXT PRIMARY KEY, salt BLOB NOT NULL, password BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (
    token TEXT PRIMARY KEY, username TEXT NOT NULL, created_at REAL NOT NULL
);
"""
# Columns that tables of earlier versions do not have, and what stands in them for their rows.
ADDED = (("executions", "queued_at REAL", "queued_at = changed_at"),)
LOCK_SECONDS = 5.0  # how long a statement waits for another process to finish its own
KEPT_SECONDS = 3600.0  # finished executions, written records and sessions

log = logging.getLogger("automation_orchestrator.database")
slow_log = logging.getLogger("automation_orchestrator.slow_queries")


class DatabaseUnavailableError(Exception):
    """The database cannot be reached or does not answer; it was logged."""


class Database:
    """The application's tables."""

    def __init__(self, path: Path, faults: Faults, *, slow_ms: float) -> None:
        self._path = path
        self._faults = faults
        self._slow_ms = slow_ms
        self._anchor: sqlite3.Connection | None = None

    def open(self) -> None:
        """
        Make the tables and columns that are missing.

        Raises:
            DatabaseUnavailableError: the file cannot be made, or is no database.

        """
        try:
            # Kept open: when its last connection closes, SQLite writes the whole log back.
            self._anchor = sqlite3.connect(self._path, timeout=LOCK_SECONDS)
            self._anchor.execute("PRAGMA journal_mode = WAL")
            self._anchor.executescript(SCHEMA)
            _add_columns(self._anchor)
        except sqlite3.Error as error:
            raise DatabaseUnavailableError(f"{self._path}: {error}") from error

    def close(self) -> None:
        """Let go of the file."""
        if self._anchor is not None:
            self._anchor.close()

    def run(self, statement: str, *values: str | bytes | float | None) -> list[sqlite3.Row]:
        """
        Run one statement and return its rows.

        Raises:
            DatabaseUnavailableError: no connection, or the statement could not be run.

        """
        started = time.perf_counter()
        try:
            with closing(self._connect()) as connection:
                if self._faults.strikes("slow_query"):
                    time.sleep(3 * self._slow_ms / 1000)
                rows = connection.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            log.critical("Database connection failed", exc_info=True)
            raise DatabaseUnavailableError(str(error)) from error
        self._note_if_slow(statement, (time.perf_counter() - started) * 1000, len(rows))
        return rows

    def ping(self) -> None:
        """
        Make the simplest query.

        Raises:
            DatabaseUnavailableError: the database does not answer.

        """
        self.run("SELECT 1")

    def forget(self) -> None:
        """Delete what is older than anybody asks for."""
        before = time.time() - KEPT_SECONDS
        self.run(
            "DELETE FROM executions WHERE status IN ('success', 'failed') AND changed_at < ?",
            before,
        )
        self.run("DELETE FROM records WHERE written_at < ?", before)
        self.run("DELETE FROM sessions WHERE created_at < ?", before)

    def _connect(self) -> sqlite3.Connection:
        gone = self._faults.strikes("database_gone")
        path = self._path.with_suffix(".gone") if gone else self._path
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=LOCK_SECONDS,
            isolation_level=None,
        )
        connection.row_factory = sqlite3.Row
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _note_if_slow(self, statement: str, query_ms: float, rows: int) -> None:
        if query_ms >= self._slow_ms:
            query = " ".join(statement.split())
            slow_log.warning(
                "Slow query", extra={"query": query, "query_ms": round(query_ms, 1), "rows": rows}
            )


def _add_columns(connection: sqlite3.Connection) -> None:
    """Add the columns that are missing; of several processes one does, and all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    with connection:
        for table, column, values in ADDED:
            known = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
            if column.partition(" ")[0] not in known:
                connection.execute(f"ALTER TABLE {table} ADD COLUMN {column}")
                connection.execute(f"UPDATE {table} SET {values}")
