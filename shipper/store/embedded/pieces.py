"""
Makes pieces: of commits, and of smaller pieces.

A piece is written under another name, synced, and renamed. What it replaces is removed later
(compactor.py). The order of records stays; nothing is sorted.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.files import keep_owner
from shipper.store.embedded.columns import (
    IS_ODD,
    literal,
    paths_list,
    read_any_pieces,
    read_commits,
)
from shipper.store.embedded.layout import NEW, StoredFile, crc_of, piece_path, publish
from shipper.store.embedded.needles import write_ids

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    import duckdb

MERGED: Final = 32  # pieces of one tier that become one of the next
LARGE: Final = 16_000  # records; a merge costs as much as the piece did, a file 0.2 ms a question
FIRST_TIER: Final = 500
_FORM: Final = (
    "FORMAT parquet, PARQUET_VERSION V2, COMPRESSION zstd, COMPRESSION_LEVEL 1, "
    "ROW_GROUP_SIZE 10240"
)


@dataclass(frozen=True, slots=True)
class MergeLimits:
    """The most bytes, and milliseconds from the first to the last record, of a merged piece."""

    size: int
    extent_ms: int


def make_piece(connection: duckdb.DuckDBPyConnection, files: Sequence[StoredFile]) -> Path:
    """Make one piece of adjoining files, and return its path."""
    folder = files[0].path.parent
    paths = [file.path for file in files]
    records = read_any_pieces(paths) if files[0].is_piece else read_commits(paths)
    new = folder / f"{files[0].first:012d}-{files[-1].last:012d}.parquet{NEW}"
    try:
        return _write(connection, records, new, (files[0].first, files[-1].last))
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def _write(
    connection: duckdb.DuckDBPyConnection, records: str, new: Path, commits: tuple[int, int]
) -> Path:
    connection.execute(f"COPY ({records}) TO {literal(new)} ({_FORM})")
    row = connection.execute(
        f"SELECT min(_ms), max(_ms), count(*), bool_or({IS_ODD}) "
        f"FROM read_parquet({paths_list([new])})"
    ).fetchone()
    assert row is not None
    _finish(new)
    earliest, latest, count, odd = row
    times = (earliest or 0, latest or 0)
    piece = StoredFile(new.parent.name, *commits, new, times, count, crc_of(new), bool(odd))
    path = piece_path(piece)
    write_ids(connection, new, path)
    crashpoints.reached(CrashPoint.PIECE_WRITTEN)
    publish(new, path)
    crashpoints.reached(CrashPoint.PIECE_PUBLISHED)
    return path


def _finish(new: Path) -> None:
    """Sync a file that DuckDB wrote; as every file of the store it is its owner's alone."""
    fd = os.open(new, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(fd, 0o600)
        keep_owner(fd, new.parent)
        os.fsync(fd)
    finally:
        os.close(fd)


def next_merge(
    files: Sequence[StoredFile], limits: MergeLimits, unfit: AbstractSet[Path]
) -> list[StoredFile]:
    """
    Return the adjoining pieces to merge next, none of `unfit`; none if there is nothing to do.

    They are of one tier, and of one day, so that retention by age drops whole files. Large ones
    stay.
    """
    run: list[StoredFile] = []
    for file in files:
        unmerged = not file.is_piece or file.day is None or file.records > LARGE
        if unmerged or file.path in unfit:
            run = []
            continue
        fits = run and file.day == run[0].day and _tier(file) == _tier(run[0])
        run = [*run, file] if fits else [file]
        if len(run) == MERGED:
            if _is_within(run, limits):
                return run
            run = run[1:]
    return []


def _is_within(files: Sequence[StoredFile], limits: MergeLimits) -> bool:
    times = [ms for file in files for ms in file.times or ()]
    return max(times) - min(times) <= limits.extent_ms and (
        sum(file.path.stat().st_size for file in files) <= limits.size
    )


def _tier(file: StoredFile) -> int:
    tier, most = 0, FIRST_TIER
    while file.records > most:
        tier, most = tier + 1, most * MERGED
    return tier
