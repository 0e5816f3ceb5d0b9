"""Reads a registry while its shipper may be writing it; nothing here changes it."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.errors import DataFolderError, remedy_of
from shipper.registry.records import Receipt, SeenRow, Tombstone
from shipper.registry.tables import RECEIPTS, SEEN, TOMBSTONES, read_files

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from shipper.registry.records import FileRecord


@dataclass(frozen=True, slots=True)
class RegistrySnapshot:
    """Files, receipts since some time, numbers of the runs that these name, tombstones."""

    files: list[FileRecord]
    receipts: list[Receipt]
    seen: list[SeenRow]
    tombstones: list[Tombstone]


def read_snapshot(path: Path, since: int) -> RegistrySnapshot:
    """
    Return what was answered for since a time (epoch ms), all of it as of one moment.

    Raises:
        DataFolderError: there is no registry, it cannot be read, or it has another version.

    """
    window = {"since": since}
    with _reading(path) as db:
        db.execute("BEGIN")  # one moment for all that follows
        receipts = db.execute(RECEIPTS.select(rest="WHERE until >= :since ORDER BY id"), window)
        runs = "WHERE run IN (SELECT stream FROM receipts WHERE until >= :since)"
        seen = db.execute(SEEN.select(SeenRow._fields, rest=runs), window)
        since_then = "WHERE at >= :since ORDER BY at, file"
        tombstones = db.execute(TOMBSTONES.select(rest=since_then), window)
        return RegistrySnapshot(
            files=read_files(db),
            receipts=[Receipt(**row) for row in receipts],
            seen=[SeenRow(**row) for row in seen],
            tombstones=[Tombstone(**row) for row in tombstones],
        )


def read_known_files(path: Path) -> list[FileRecord]:
    """
    Return the records of all files.

    Raises:
        DataFolderError: there is no registry, or it cannot be read.

    """
    with _reading(path) as db:
        return read_files(db)


def read_dropped_bytes(path: Path) -> int:
    """
    Return how many bytes were dropped undelivered on purpose.

    Raises:
        DataFolderError: there is no registry, or it cannot be read.

    """
    with _reading(path) as db:
        if not db.execute("PRAGMA table_info(tombstones)").fetchall():
            return 0  # version 1, until a shipper starts on it
        row = db.execute('SELECT coalesce(sum("end" - "start"), 0) AS bytes FROM tombstones')
        return int(row.fetchone()["bytes"])


def is_there(path: Path) -> bool:
    """Return whether a file of the data folder exists; raise DataFolderError if none may know."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise DataFolderError(f"cannot read {path}: {error.strerror}", remedy_of(error)) from error
    return True


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    if not is_there(path):
        raise DataFolderError(
            f"there is no registry at {path}",
            "set data_dir to that of the shipper; a registry is made at its first start",
        )
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as db:
            db.row_factory = sqlite3.Row
            yield db
    except sqlite3.Error as error:
        raise DataFolderError(
            f"{path}: cannot read the registry: {error}", "see shipper check"
        ) from error
