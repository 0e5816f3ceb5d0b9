"""
Makes pieces: of commits, and of smaller pieces.

A piece is written under another name, synced, and renamed. What it replaces is removed by the
next call of `retain`: a reader that has just listed the folder can still read it (layout.py). The
order of records stays; nothing is sorted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.files import sync
from shipper.store.embedded.columns import literal, paths_list, read_commits
from shipper.store.embedded.layout import NEW, StoredFile, crc_of, piece_path, publish

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import duckdb

MERGED: Final = 8  # pieces of one tier that become one of the next
MAX_RECORDS: Final = 200_000  # a merge of so many takes a second, in which nothing is acked
FIRST_TIER: Final = 20_000
_FORM: Final = "FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 20480"


def make_piece(connection: duckdb.DuckDBPyConnection, files: Sequence[StoredFile]) -> Path | None:
    """Make one piece of adjoining files; return its path, None if they have no records."""
    folder = files[0].path.parent
    paths = [file.path for file in files]
    if files[0].is_piece:
        records = f"SELECT * FROM read_parquet({paths_list(paths)})"
    else:
        records = read_commits(paths)
    new = folder / f"{files[0].first:012d}-{files[-1].last:012d}.parquet{NEW}"
    connection.execute(f"COPY ({records}) TO {literal(new)} ({_FORM})")
    row = connection.execute(
        f"SELECT min(_ms), max(_ms), count(*) FROM read_parquet({paths_list([new])})"
    ).fetchone()
    assert row is not None
    sync(new)
    new.chmod(0o600)
    earliest, latest, count = row
    times = (earliest or 0, latest or 0)
    path = piece_path(folder, (files[0].first, files[-1].last), times, count, crc_of(new))
    crashpoints.reached(CrashPoint.PIECE_WRITTEN)
    publish(new, path)
    crashpoints.reached(CrashPoint.PIECE_PUBLISHED)
    return path


def next_merge(files: Sequence[StoredFile]) -> list[StoredFile]:
    """
    Return the adjoining pieces to merge next; none if there is nothing to do.

    They are of one tier and of one day, so that retention by age drops whole files.
    """
    run: list[StoredFile] = []
    for file in files:
        if not file.is_piece or file.day is None:
            run = []
            continue
        fits = run and file.day == run[0].day and _tier(file) == _tier(run[0])
        run = [*run, file] if fits else [file]
        if len(run) == MERGED and sum(each.records for each in run) <= MAX_RECORDS:
            return run
    return []


def _tier(file: StoredFile) -> int:
    tier, size = 0, FIRST_TIER * 2
    while file.records > size:
        tier, size = tier + 1, size * MERGED
    return tier
