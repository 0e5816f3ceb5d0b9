"""What a registry says for the audit, all of it of one moment, while its shipper may write it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.errors import DataFolderError
from shipper.registry.records import Receipt, SeenRow, Tombstone
from shipper.registry.registry import ALL_FILES, record_of

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.registry.records import FileRecord


@dataclass(frozen=True, slots=True)
class RegistrySnapshot:
    """Files, receipts since some time, the numbers of the runs that these name, tombstones."""

    files: list[FileRecord]
    receipts: list[Receipt]
    seen: list[SeenRow]
    tombstones: list[Tombstone]


def evidence_beside(path: Path, since: int) -> RegistrySnapshot:
    """
    Read what was answered for since a time (epoch ms).

    Raises:
        DataFolderError: there is no registry, it cannot be read, or is of another version.

    """
    if not path.exists():
        raise DataFolderError(f"no registry at {path}; is data_dir right, and did the shipper run?")
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
        ) as db:
            db.execute("BEGIN")  # all that follows is read of one moment
            receipts = [
                Receipt(*row)
                for row in db.execute(
                    "SELECT * FROM receipts WHERE until >= ? ORDER BY id", (since,)
                )
            ]
            seen = db.execute(
                "SELECT run, low, chunk, data FROM seen WHERE run IN"
                " (SELECT stream FROM receipts WHERE until >= ?)",
                (since,),
            )
            tombstones = db.execute(
                'SELECT file, path, stream, "start", "end", lines, at, reason FROM tombstones'
                " WHERE at >= ? ORDER BY at, file",
                (since,),
            )
            return RegistrySnapshot(
                [record_of(row) for row in db.execute(ALL_FILES)],
                receipts,
                [SeenRow(*row) for row in seen],
                [Tombstone(*row) for row in tombstones],
            )
    except sqlite3.Error as error:
        raise DataFolderError(f"{path}: registry: {error}; see shipper check") from error
