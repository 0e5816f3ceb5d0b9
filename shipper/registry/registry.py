"""
The registry: durable positions. It may always lag behind what was delivered, never lead.

One SQLite file in the data folder (WAL, synchronous=FULL), written by one process, at most about
once a second. One `save` is one transaction: positions, the numbers that were taken, and the
commit of the embedded index that accounts for them go together or not at all; what it writes has
been acked before. So after a crash at any point the worst is that records are read again, and
their origins absorb it.

    files     one row per file: identity, fingerprints of its head and of the last bytes before
              the acked offset, stream of its foreign lines, acked offset, forced split
    seen      one row per chunk of numbers of a run (format: shipper/registry/seen.py)
    streams   foreign stream → offset up to which the index is known to hold its lines
    retired   streams of files that are over: no other file may get such a name
    receipts  ranges of origins that were read and answered for (shipper/registry/receipts.py)
    tombstones   bytes that were given up unshipped on purpose; written with the drop of the file
    meta      version of this layout; `accounted`: commit of the embedded index; `begun`: when this
              data folder was used first; `watermark`: the last that was acked (both epoch ms),
              not worth a transaction of its own; `device`, `inode`, `saved_at`: the file in
              which this was saved last, and when; `device` and
              `inode` of the file in which it was saved last: a copy is told by them

A registry of an older layout is brought to this one where it lies, in one transaction. A new one
is made under another name and renamed when it is whole: whoever looks beside the running shipper
finds none, or one with all its tables.

A file that is not a registry, or one that SQLite finds damaged, is refused and never replaced:
the message says how to set it aside. Without a registry everything is read again, and stored
once all the same.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import astuple
from typing import TYPE_CHECKING, Any

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.errors import DataFolderError
from shipper.registry.identity import FileIdentity, Fingerprint
from shipper.registry.records import NEVER, Changes, FileRecord, Memory, SeenRow, Tombstone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VERSION = 2


# From the last save until SQLite has moved it into the file itself.
CLOSED_WITHIN_MS = 5000

# Faults of the disk or the folder, not of the file.
OUTSIDE = frozenset(
    (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    )
)

LAYOUT = """
CREATE TABLE files (
  id INTEGER PRIMARY KEY, device TEXT NOT NULL, inode TEXT NOT NULL,
  head_length INTEGER NOT NULL, head_digest TEXT NOT NULL,
  path TEXT NOT NULL, stream TEXT NOT NULL, generation INTEGER NOT NULL,
  offset INTEGER NOT NULL, seen_at INTEGER NOT NULL,
  last_length INTEGER NOT NULL DEFAULT 0, last_digest TEXT NOT NULL DEFAULT '',
  split INTEGER NOT NULL DEFAULT 0, again INTEGER NOT NULL DEFAULT 0,
  done INTEGER NOT NULL DEFAULT 0);
CREATE TABLE seen (
  run TEXT NOT NULL, chunk INTEGER NOT NULL, low INTEGER NOT NULL, data BLOB NOT NULL,
  saved_at INTEGER NOT NULL, PRIMARY KEY (run, chunk)) WITHOUT ROWID;
CREATE TABLE streams (stream TEXT PRIMARY KEY, done INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE retired (stream TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""

TOMBSTONES = """
CREATE TABLE tombstones (
  file INTEGER PRIMARY KEY, path TEXT NOT NULL, stream TEXT NOT NULL,
  "start" INTEGER NOT NULL, "end" INTEGER NOT NULL, lines INTEGER,
  at INTEGER NOT NULL, reason TEXT NOT NULL);
"""

RECEIPTS = """
CREATE TABLE receipts (
  id INTEGER PRIMARY KEY, file INTEGER NOT NULL, path TEXT NOT NULL, stream TEXT NOT NULL,
  "first" INTEGER NOT NULL, "last" INTEGER NOT NULL, count INTEGER NOT NULL,
  "start" INTEGER NOT NULL, "end" INTEGER NOT NULL,
  since INTEGER NOT NULL, until INTEGER NOT NULL, done INTEGER NOT NULL);
"""

LAYOUT += TOMBSTONES + RECEIPTS

# What brings a registry of one version to the next.
MIGRATIONS = {
    1: """
ALTER TABLE files ADD COLUMN last_length INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN last_digest TEXT NOT NULL DEFAULT '';
ALTER TABLE files ADD COLUMN split INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN again INTEGER NOT NULL DEFAULT 0;
ALTER TABLE files ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
"""
    + TOMBSTONES
    + RECEIPTS,
}


ALL_FILES = (
    "SELECT id, device, inode, head_length, head_digest, path, stream, generation,"
    " offset, seen_at, last_length, last_digest, split, again, done FROM files ORDER BY id"
)


class Registry:
    """
    The registry of one data folder; used by one thread.

    `is_copy` tells that it is not in the file in which it was saved last: somebody copied it, or
    restored it from a backup. A file system may give a copy the inode of the file that it replaces;
    then the copy is known by having been written after it was saved last.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._place():
            if not path.exists() or not path.stat().st_size:
                _create(path)
            self._db = sqlite3.connect(path, isolation_level=None)
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise

    def _open(self) -> None:
        """Look whose file it is before anything is written to it."""
        db = self._db
        self._check_version([name for (name,) in db.execute("SELECT name FROM sqlite_master")])
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        self._migrate()
        stat = self._path.stat()
        self._place_now = {"device": _signed(stat.st_dev), "inode": _signed(stat.st_ino)}
        placed = {key: self._meta(key) for key in self._place_now}
        late = stat.st_ctime_ns // 1_000_000 - self._meta("saved_at")
        self.is_copy = placed["inode"] != 0 and (
            placed != self._place_now or late > CLOSED_WITHIN_MS
        )

    def _version(self) -> int | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = 'version'").fetchone()
        return int(row[0]) if row else None

    def _migrate(self) -> None:
        """Bring the layout to this version: all steps in one transaction, or none."""
        version = self._version() or VERSION
        if version == VERSION:
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for step in range(version, VERSION):
                for statement in MIGRATIONS[step].split(";"):
                    self._db.execute(statement)
            self._db.execute("UPDATE meta SET value = ? WHERE key = 'version'", (VERSION,))
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _check_version(self, tables: list[str]) -> None:
        if not {"files", "meta"} <= {*tables}:
            raise DataFolderError(
                f"{self._path}: is a database, but no registry; move the file away, or set another"
                " data_dir"
            )
        version = self._version()
        if version != VERSION and version not in MIGRATIONS:
            raise DataFolderError(
                f"{self._path}: a registry of version {version}, this shipper"
                f" writes version {VERSION}; run the shipper that made it, or move the file away"
                " (everything is then read again, and stored once all the same)"
            )

    @contextmanager
    def _place(self) -> Iterator[None]:
        """Say which file it is about, and what to do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            # the low byte is the primary code: https://sqlite.org/rescode.html
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            remedy = (
                "free some space or mend the permissions of the folder"
                if code in OUTSIDE
                else "move the file away: everything is then read again, and stored once all the"
                " same"
            )
            raise DataFolderError(f"{self._path}: registry: {error}; {remedy}") from error
        except OSError as error:
            raise DataFolderError(
                f"{self._path}: registry: {error.strerror}; mend the permissions of the folder"
            ) from error

    def files(self) -> list[FileRecord]:
        """Return all files, in the order in which they were first seen."""
        with self._place():
            return [record_of(row) for row in self._db.execute(ALL_FILES)]

    def tombstones(self) -> list[Tombstone]:
        """Return what was given up on purpose, in the order of time."""
        with self._place():
            rows = self._db.execute(
                'SELECT file, path, stream, "start", "end", lines, at, reason FROM tombstones'
                " ORDER BY at, file"
            ).fetchall()
        return [Tombstone(*row) for row in rows]

    def next_receipt(self) -> int:
        """Return the id of the next receipt."""
        with self._place():
            return int(
                self._db.execute("SELECT ifnull(max(id), 0) + 1 FROM receipts").fetchone()[0]
            )

    def seen(self) -> list[SeenRow]:
        """Return all numbers that were taken."""
        with self._place():
            return [
                SeenRow(*row) for row in self._db.execute("SELECT run, low, chunk, data FROM seen")
            ]

    def streams(self) -> dict[str, int]:
        """Return the offset up to which the index holds the lines of each foreign stream."""
        with self._place():
            return dict(self._db.execute("SELECT stream, done FROM streams"))

    def retired(self) -> set[str]:
        """Return the streams of files that are over."""
        with self._place():
            return {stream for (stream,) in self._db.execute("SELECT stream FROM retired")}

    def memory(self) -> Memory:
        """Return what is known of files."""
        return Memory(tuple(self.files()), frozenset(self.retired()))

    def begin(self, now: int) -> None:
        """Note when this data folder was used first (epoch ms), if that is now."""
        with self._place():
            self._db.execute("INSERT OR IGNORE INTO meta VALUES ('begun', ?)", (now,))

    def begun(self) -> int:
        """Return when this data folder was used first (epoch ms); far ahead where it never was."""
        with self._place():
            row = self._db.execute("SELECT value FROM meta WHERE key = 'begun'").fetchone()
        return int(row[0]) if row else NEVER

    def accounted(self) -> int:
        """Return the last commit of the embedded index that the numbers and streams cover."""
        return self._meta("accounted")

    def watermark(self) -> int:
        """Return the last watermark that was acked, in epoch milliseconds; 0 if there was none."""
        return self._meta("watermark")

    def _meta(self, key: str) -> int:
        with self._place():
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else 0

    def save(self, changes: Changes, now: int) -> None:
        """
        Write what has changed, all or nothing; `now` is in epoch milliseconds.

        Raises:
            DataFolderError: nothing was written; the same can be saved again later.

        """
        with self._place():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._write_files(changes)
                self._write_tombstones(changes)
                self._write_seen(changes, now)
                self._write_receipts(changes)
                self._write_streams(changes, now)
                crashpoints.reached(CrashPoint.SAVING)
                self._db.execute("COMMIT")
                crashpoints.reached(CrashPoint.SAVED)
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise

    def _write_files(self, changes: Changes) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                (
                    file.id,
                    str(file.file.device),  # text: both may use all of 64 bits
                    str(file.file.inode),
                    file.head.length,
                    file.head.digest,
                    file.path,
                    file.stream,
                    file.generation,
                    file.offset,
                    file.seen_at,
                    file.last.length,
                    file.last.digest,
                    file.split,
                    file.again,
                    file.done,
                )
                for file in changes.files.values()
            ),
        )
        self._db.executemany(
            "DELETE FROM files WHERE id = ?", ((file,) for file in changes.dropped)
        )

    def _write_tombstones(self, changes: Changes) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO tombstones VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            map(astuple, changes.tombstones.values()),
        )

    def _write_seen(self, changes: Changes, now: int) -> None:
        for run, low, chunk, data in sorted(changes.seen.values(), key=lambda row: row.low):
            self._db.execute(
                "DELETE FROM seen WHERE run = ? AND chunk BETWEEN 0 AND ?", (run, low - 1)
            )
            self._db.execute(
                "INSERT OR REPLACE INTO seen VALUES (?, ?, ?, ?, ?)", (run, chunk, low, data, now)
            )

    def _write_receipts(self, changes: Changes) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO receipts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            map(astuple, changes.receipts.values()),
        )

    def _write_streams(self, changes: Changes, now: int) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO retired VALUES (?, ?)",
            ((stream, now) for stream in changes.retired),
        )
        self._db.executemany(
            "INSERT OR REPLACE INTO streams VALUES (?, ?)", changes.streams.items()
        )
        meta = {"accounted": changes.accounted, "watermark": changes.watermark}
        meta |= {**self._place_now, "saved_at": now}
        self._db.executemany(
            "INSERT OR REPLACE INTO meta VALUES (?, ?)",
            [(key, value) for key, value in meta.items() if value is not None],
        )

    def forget(self, *, before: int) -> None:
        """Drop what is older than `before` (ms): runs, retired streams, tombstones, receipts."""
        with self._place():
            self._db.execute("DELETE FROM tombstones WHERE at < ?", (before,))
            self._db.execute("DELETE FROM receipts WHERE until < ?", (before,))
            self._db.execute("DELETE FROM retired WHERE at < ?", (before,))
            self._db.execute(
                "DELETE FROM seen WHERE run IN"
                " (SELECT run FROM seen GROUP BY run HAVING max(saved_at) < ?)",
                (before,),
            )

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        self._db.close()


def record_of(row: tuple[Any, ...]) -> FileRecord:
    """Make a record of a row of `ALL_FILES`."""
    number, device, inode, head_length, head_digest, *plain = row[:10]
    last_length, last_digest, split, again, done = row[10:]
    head, last = Fingerprint(head_length, head_digest), Fingerprint(last_length, last_digest)
    path, stream, generation, offset, seen_at = plain
    file, ends = FileIdentity(int(device), int(inode)), (split, again, done)
    return FileRecord(number, file, head, path, stream, generation, offset, seen_at, last, *ends)


def _signed(number: int) -> int:
    """Return 64 bits as SQLite takes them."""
    return number - (1 << 64) if number >= 1 << 63 else number


def files_beside(path: Path) -> list[FileRecord]:
    """
    Read what a registry knows of the files, while another process may write it.

    Raises:
        DataFolderError: it cannot be read, or is of another version.

    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return [record_of(row) for row in db.execute(ALL_FILES)]
    except sqlite3.Error as error:
        raise DataFolderError(f"{path}: registry: {error}; see shipper check") from error


def _create(path: Path) -> None:
    """Make an empty registry; it has its name when it is whole."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)  # a crash left it half made
    new.touch(mode=0o600)
    with closing(sqlite3.connect(new, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.executescript("BEGIN;" + LAYOUT)
        db.execute("INSERT INTO meta VALUES ('version', ?)", (VERSION,))
        db.execute("COMMIT")
    new.rename(path)
