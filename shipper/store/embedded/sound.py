"""Whether a file of the store is sound: it can be read, and has what its name says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from shipper.store.embedded.columns import read_any_pieces, read_commits
from shipper.store.embedded.layout import crc_of

if TYPE_CHECKING:
    from shipper.store.embedded.layout import StoredFile


def file_fault(connection: duckdb.DuckDBPyConnection, file: StoredFile) -> str | None:
    """Read a file whole, and compare it with its name; return what is wrong with it, or None."""
    paths = [file.path]
    try:
        source = read_any_pieces(paths) if file.is_piece else read_commits(paths)
        if file.is_piece and crc_of(file.path) != file.crc:
            return "its content has changed: the checksum differs"
        # Every column is read, so that every page is decompressed.
        row = connection.execute(
            f"SELECT count(*), min(_order >> 32), max(_order >> 32), min(_ms), max(_ms), "
            f"sum(hash(COLUMNS(*))) IS NULL FROM ({source})"
        ).fetchone()
    except (duckdb.Error, OSError) as error:
        return str(error).splitlines()[0]
    assert row is not None
    count, first, last, earliest, latest = row[:5]
    if count and not file.first <= first <= last <= file.last:
        return f"it holds the commits {first} to {last}"
    if file.is_piece and count and (count, (earliest, latest)) != (file.records, file.times):
        return f"it holds {count} records, and its name says {file.records}"
    return None
