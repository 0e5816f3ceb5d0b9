"""
The tables of the registry, each described once; its statements follow from the description.

    files       one row per file: identity, fingerprints of its head and of the last bytes before
                the acked offset, stream of its foreign lines, acked offset, forced split,
                format it was taken for
    seen        one row per chunk of numbers of a run (format: shipper/registry/seen.py); under its
                name with `#dropped`, those that processors dropped
    streams     foreign stream → offset up to which the index is known to hold its lines
    retired     streams of files that were dropped: no other file may get such a name
    receipts    ranges of origins that were read and answered for (shipper/registry/receipts.py)
    tombstones  bytes dropped undelivered on purpose, saved together with the removal of the file
    meta        `version` of this layout; `accounted`: commit of the embedded store; `begun`: first
                use of this data folder; `watermark`: the last that was acked, not worth a
                transaction of its own; `inode`, `saves`, `saved_at`: the file that was saved to
                last, how often, and when; `number`: drawn for this registry, part of the names of
                streams (shipper/tail/streams.py). Times are in epoch milliseconds.

Rows are read and written by the names of their columns, never by position.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from shipper.errors import DataFolderError
from shipper.files import keep_owner
from shipper.fingerprint import Fingerprint
from shipper.registry.identity import FileIdentity
from shipper.registry.records import FileRecord

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

VERSION = 5

TEXT = "TEXT NOT NULL"
INTEGER = "INTEGER NOT NULL"


@dataclass(frozen=True, slots=True)
class Table:
    """A table: columns and their types, and the `key` if it is one of several columns."""

    name: str
    columns: Mapping[str, str]
    key: str = ""
    rowid: bool = False

    def create(self) -> str:
        """Return the statement that makes the table."""
        parts = [f'"{name}" {kind}' for name, kind in self.columns.items()]
        if self.key:
            parts.append(f"PRIMARY KEY ({self.key})")
        end = "" if self.rowid else " WITHOUT ROWID"
        return f"CREATE TABLE {self.name} ({', '.join(parts)}){end}"

    def add(self, *columns: str) -> list[str]:
        """Return the statements that add columns to a table of an older layout."""
        return [
            f'ALTER TABLE {self.name} ADD COLUMN "{name}" {self.columns[name]}' for name in columns
        ]

    def select(self, columns: tuple[str, ...] = (), *, rest: str = "") -> str:
        """Return the statement that reads these columns (all if none); `rest` follows FROM."""
        names = ", ".join(f'"{name}"' for name in columns or self.columns)
        return f"SELECT {names} FROM {self.name} {rest}"  # noqa: S608 -- names in the code

    def upsert(self) -> str:
        """Return the statement that writes a row, given as a mapping of all columns."""
        names = ", ".join(f'"{name}"' for name in self.columns)
        values = ", ".join(f":{name}" for name in self.columns)
        return f"INSERT OR REPLACE INTO {self.name} ({names}) VALUES ({values})"  # noqa: S608


FILES = Table(
    "files",
    {
        "id": "INTEGER PRIMARY KEY",
        "device": TEXT,  # text: device and inode may use all of 64 bits
        "inode": TEXT,
        "head_length": INTEGER,
        "head_digest": TEXT,
        "path": TEXT,
        "stream": TEXT,
        "generation": INTEGER,
        "offset": INTEGER,
        "seen_at": INTEGER,
        "last_length": f"{INTEGER} DEFAULT 0",
        "last_digest": f"{TEXT} DEFAULT ''",
        "split": f"{INTEGER} DEFAULT 0",
        "again": f"{INTEGER} DEFAULT 0",
        "done": f"{INTEGER} DEFAULT 0",
        "changed": f"{INTEGER} DEFAULT 0",
        "format": f"{TEXT} DEFAULT ''",
        "skips": f"{TEXT} DEFAULT ''",  # start-end,start-end,…
    },
    rowid=True,
)
SEEN = Table(
    "seen",
    {"run": TEXT, "chunk": INTEGER, "low": INTEGER, "data": "BLOB NOT NULL", "saved_at": INTEGER},
    key="run, chunk",
)
STREAMS = Table("streams", {"stream": "TEXT PRIMARY KEY", "done": INTEGER})
RETIRED = Table("retired", {"stream": "TEXT PRIMARY KEY", "at": INTEGER})
META = Table("meta", {"key": "TEXT PRIMARY KEY", "value": INTEGER})
TOMBSTONES = Table(
    "tombstones",
    {
        "file": "INTEGER PRIMARY KEY",
        "path": TEXT,
        "stream": TEXT,
        "start": INTEGER,
        "end": INTEGER,
        "lines": "INTEGER",
        "at": INTEGER,
        "reason": TEXT,
    },
    rowid=True,
)
RECEIPTS = Table(
    "receipts",
    {
        "id": "INTEGER PRIMARY KEY",
        "file": INTEGER,
        "path": TEXT,
        "stream": TEXT,
        "first": INTEGER,
        "last": INTEGER,
        "count": INTEGER,
        "start": INTEGER,
        "end": INTEGER,
        "since": INTEGER,
        "until": INTEGER,
        "done": INTEGER,
    },
    rowid=True,
)
TABLES = (FILES, SEEN, STREAMS, RETIRED, META, TOMBSTONES, RECEIPTS)

# The statements that bring a registry of one version to the next.
MIGRATIONS = {
    1: (
        *FILES.add("last_length", "last_digest", "split", "again", "done"),
        TOMBSTONES.create(),
        RECEIPTS.create(),
    ),
    2: FILES.add("changed"),
    3: FILES.add("format"),
    4: FILES.add("skips"),
}

# The columns of a file that its record has under the same name; the others are in parts of it.
_AS_IS = tuple(
    field.name
    for field in fields(FileRecord)
    if field.name in FILES.columns and field.name != "skips"
)


def row_of(file: FileRecord) -> dict[str, Any]:
    """Return the row of a file."""
    return {name: getattr(file, name) for name in _AS_IS} | {
        "device": str(file.file.device),
        "inode": str(file.file.inode),
        "head_length": file.head.length,
        "head_digest": file.head.digest,
        "last_length": file.last.length,
        "last_digest": file.last.digest,
        "skips": ",".join(f"{start}-{end}" for start, end in file.skips),
    }


def read_files(db: sqlite3.Connection) -> list[FileRecord]:
    """
    Return the records of all files in the order in which they were first seen.

    A registry of an older layout is read too: what it lacks has the value of a new file.
    """
    present = {column["name"] for column in db.execute(f"PRAGMA table_info({FILES.name})")}
    columns = tuple(name for name in FILES.columns if name in present)
    return [_file_of(dict(row)) for row in db.execute(FILES.select(columns, rest="ORDER BY id"))]


def _file_of(row: Mapping[str, Any]) -> FileRecord:
    return FileRecord(
        file=FileIdentity(int(row["device"]), int(row["inode"])),
        head=Fingerprint(row["head_length"], row["head_digest"]),
        last=Fingerprint(row.get("last_length", 0), row.get("last_digest", "")),
        skips=tuple(_range(each) for each in row.get("skips", "").split(",") if each),
        **{name: row[name] for name in _AS_IS if name in row},
    )


def _range(text: str) -> tuple[int, int]:
    start, _, end = text.partition("-")
    return int(start), int(end)


def create(path: Path) -> None:
    """Make an empty registry under another name, and rename it once it is complete."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)  # left by a crash
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    keep_owner(fd, path.parent)
    os.close(fd)
    with closing(sqlite3.connect(new, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("BEGIN")
        for table in TABLES:
            db.execute(table.create())
        db.execute(META.upsert(), {"key": "version", "value": VERSION})
        db.execute("COMMIT")
    new.rename(path)


def check_version(db: sqlite3.Connection, path: Path) -> int:
    """
    Return the version of a registry that can be used or migrated; write nothing.

    Raises:
        DataFolderError: the database is not a registry, or of a version that is not known.

    """
    tables = {row["name"] for row in db.execute("SELECT name FROM sqlite_master")}
    if not {FILES.name, META.name} <= tables:
        raise DataFolderError(
            f"{path}: is a database but not a registry",
            "move the file away, or set another data_dir",
        )
    row = db.execute(META.select(rest="WHERE key = 'version'")).fetchone()
    version = row["value"] if row else None
    if version != VERSION and version not in MIGRATIONS:
        raise DataFolderError(
            f"{path}: has registry version {version}, but this shipper uses version {VERSION}",
            "run the shipper version that wrote it, or move the file away (all files are then"
            " read again and their lines deduplicated)",
        )
    return int(version)


def migrate(db: sqlite3.Connection, version: int) -> None:
    """Bring the tables of a version to `VERSION`, in the transaction that is open."""
    for step in range(version, VERSION):
        for statement in MIGRATIONS[step]:
            db.execute(statement)
    db.execute(META.upsert(), {"key": "version", "value": VERSION})
