"""
The registry: durable positions. It may lag behind what was delivered, but never leads.

One SQLite file in the data folder (WAL, synchronous=FULL), written by one process about once a
second at most. One `save` is one transaction: positions, accepted numbers, and the commit of the
embedded store that accounts for them are saved together or not at all, and only after they were
acked. So after a crash at any point, the worst case is that records are read again and dropped as
duplicates.

A registry of an older layout is migrated in place, in one transaction. A new one is made under
another name and renamed when it is complete: other processes find no registry, or one with all its
tables (shipper/registry/tables.py).

A file that is not a registry, or that SQLite finds damaged, is rejected and never overwritten; the
error says how to set it aside. Without a registry, all files are read again and deduplicated.
"""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.errors import DataFolderError
from shipper.registry.owner import SaveCounter, owner_of
from shipper.registry.records import NEVER, Changes, FileRecord, SavedFiles, SeenRow, Tombstone
from shipper.registry.tables import (
    FILES,
    META,
    RECEIPTS,
    RETIRED,
    SEEN,
    STREAMS,
    TOMBSTONES,
    VERSION,
    check_version,
    create,
    migrate,
    read_files,
    row_of,
)
from shipper.transactions import transaction

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# Error codes that are about the disk or the folder, not about the content of the file.
ENVIRONMENT_CODES = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    )
)


class Registry:
    """
    The registry of one data folder; used by one thread. Every method raises DataFolderError.

    `is_copy`: this is not the file that was saved to last, but a copy or a restored backup. It is
    recognized by its inode; and, as a copy may get the inode of the file that it replaces, by the
    number of its saves, which is counted beside it as well (shipper/registry/owner.py).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._reported():
            if not path.exists() or not path.stat().st_size:
                create(path)
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            try:
                self._open()
                self._owner = owner_of(path.parent)
                self._counter = SaveCounter(path.parent)
                self._compare()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        """Check whose file this is before anything is written to it; migrate it."""
        version = check_version(self._db, self._path)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        if version != VERSION:
            with transaction(self._db):
                migrate(self._db, version)
        if not self._meta("number"):
            self._db.execute(META.upsert(), {"key": "number", "value": secrets.randbits(62)})

    def _compare(self) -> None:
        """Find out whether this is the file that was saved to last."""
        self._inode = _signed(self._path.stat().st_ino)
        saved, self._saves = self._meta("inode"), self._meta("saves")
        counted, is_changed = self._counter.read()
        is_as_it_was = saved == self._inode and counted <= self._saves and not is_changed
        self.is_copy = saved != 0 and not is_as_it_was
        self._saves = max(self._saves, counted)

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Raise errors of SQLite and of the system with the path and a remedy."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            # the low byte is the primary code: https://sqlite.org/rescode.html
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            remedy = (
                "free some space or correct the permissions of the folder"
                if code in ENVIRONMENT_CODES
                else "move the file away; all files are then read again and deduplicated"
            )
            raise DataFolderError(f"{self._path}: registry: {error}", remedy) from error
        except OSError as error:
            raise DataFolderError(
                f"{self._path}: registry: {error.strerror}", "correct the permissions of the folder"
            ) from error

    def _rows(self, statement: str) -> list[sqlite3.Row]:
        with self._reported():
            return self._db.execute(statement).fetchall()

    def files(self) -> list[FileRecord]:
        """Return all files, in the order in which they were first seen."""
        with self._reported():
            return read_files(self._db)

    def tombstones(self) -> list[Tombstone]:
        """Return what was dropped on purpose, in the order of time."""
        return [Tombstone(**row) for row in self._rows(TOMBSTONES.select(rest="ORDER BY at, file"))]

    def next_receipt(self) -> int:
        """Return the id of the next receipt."""
        (row,) = self._rows("SELECT ifnull(max(id), 0) + 1 AS next FROM receipts")
        return int(row["next"])

    def seen(self) -> list[SeenRow]:
        """Return all numbers that were accepted."""
        return [SeenRow(**row) for row in self._rows(SEEN.select(SeenRow._fields))]

    def seen_of(self, run: str) -> list[SeenRow]:
        """Return all numbers of a run that were accepted."""
        statement = SEEN.select(SeenRow._fields, rest="WHERE run = ?")
        with self._reported():
            return [SeenRow(**row) for row in self._db.execute(statement, (run,))]

    def streams(self) -> dict[str, int]:
        """Return the offset up to which the index holds the lines of each foreign stream."""
        return {row["stream"]: row["done"] for row in self._rows(STREAMS.select())}

    def saved_files(self) -> SavedFiles:
        """Return what is known of files."""
        retired = frozenset(row["stream"] for row in self._rows(RETIRED.select(("stream",))))
        return SavedFiles(tuple(self.files()), retired, self._owner, self._meta("number"))

    def begin(self, now: int) -> None:
        """
        Note the first use of this data folder (epoch ms), if that is now.

        It cannot lie ahead: if it does, the clock was set back since.
        """
        if self._meta("begun", NEVER) > now:
            with self._reported():
                self._db.execute(META.upsert(), {"key": "begun", "value": now})

    def begun(self) -> int:
        """Return when this data folder was first used (epoch ms), `NEVER` if it was not."""
        return self._meta("begun", NEVER)

    def accounted(self) -> int:
        """Return the last commit of the embedded store that the numbers and streams cover."""
        return self._meta("accounted")

    def watermark(self) -> int:
        """Return the last watermark that was acked, in epoch milliseconds; 0 if there was none."""
        return self._meta("watermark")

    def _meta(self, key: str, default: int = 0) -> int:
        values = {row["key"]: int(row["value"]) for row in self._rows(META.select())}
        return values.get(key, default)

    def save(self, changes: Changes, now: int) -> None:
        """
        Write all changes or none; `now` is in epoch milliseconds.

        Raises:
            DataFolderError: nothing was written; the same changes can be saved again later.

        """
        meta = {"accounted": changes.accounted, "watermark": changes.watermark}
        meta["begun"] = changes.begun
        meta |= {"inode": self._inode, "saves": self._saves + 1, "saved_at": now}
        with self._reported():
            with transaction(self._db):
                self._write(FILES.upsert(), map(row_of, changes.files.values()))
                dropped = ({"id": each} for each in changes.dropped)
                self._write("DELETE FROM files WHERE id = :id", dropped)
                self._write(TOMBSTONES.upsert(), map(asdict, changes.tombstones.values()))
                self._write_seen(changes, now)
                self._write(RECEIPTS.upsert(), map(asdict, changes.receipts.values()))
                self._write(
                    RETIRED.upsert(), ({"stream": each, "at": now} for each in changes.retired)
                )
                self._write(
                    STREAMS.upsert(),
                    ({"stream": each, "done": done} for each, done in changes.streams.items()),
                )
                self._write(
                    META.upsert(),
                    ({"key": k, "value": value} for k, value in meta.items() if value is not None),
                )
                crashpoints.reached(CrashPoint.SAVING)
            self._saves += 1
            self._counter.write(self._saves)
            crashpoints.reached(CrashPoint.SAVED)

    def _write(self, statement: str, rows: Iterator[Mapping[str, object]]) -> None:
        self._db.executemany(statement, rows)

    def _write_seen(self, changes: Changes, now: int) -> None:
        for row in sorted(changes.seen.values(), key=lambda row: row.low):
            values = {**row._asdict(), "saved_at": now}
            full = "DELETE FROM seen WHERE run = :run AND chunk BETWEEN 0 AND :low - 1"
            self._db.execute(full, values)
            self._db.execute(SEEN.upsert(), values)

    def forget(self, *, before: int) -> None:
        """
        Delete what is older than `before` (ms): runs, retired streams, tombstones, receipts.

        And how far the index holds a stream, where the position of its file says as much.
        """
        values = {"before": before}
        with self._reported():
            self._db.execute("DELETE FROM tombstones WHERE at < :before", values)
            self._db.execute("DELETE FROM receipts WHERE until < :before", values)
            self._db.execute(
                "DELETE FROM streams WHERE stream IN (SELECT stream FROM retired) OR EXISTS"
                " (SELECT 1 FROM files WHERE files.stream != ''"
                " AND streams.stream GLOB files.stream || '*'"
                ' AND files."offset" >= streams.done)'
            )
            self._db.execute("DELETE FROM retired WHERE at < :before", values)
            self._db.execute(
                "DELETE FROM seen WHERE run IN"
                " (SELECT run FROM seen GROUP BY run HAVING max(saved_at) < :before)",
                values,
            )

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._counter.close()
        self._db.close()


def _signed(number: int) -> int:
    """Return an unsigned 64-bit number as the signed one that SQLite stores."""
    return number - (1 << 64) if number >= 1 << 63 else number
