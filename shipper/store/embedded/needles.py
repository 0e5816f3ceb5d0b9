"""
A small file beside each piece says which ids are in it, so a search for one reads few pieces.

    SHIPIDS1                         8 bytes
    number                           32 bits each, little-endian, ascending: CRC-32 of field and id
    CRC-32 of all of that            32 bits

It is written before its piece is published and removed behind it; it may be missing, and then the
piece is read. One that is damaged, or belongs to no piece, is as good as none.
"""

from __future__ import annotations

import sys
import zlib
from array import array
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from shipper.files import write_whole
from shipper.store.embedded.columns import paths_list, quoted
from shipper.store.embedded.layout import IDS
from shipper.store.query import tree

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

FIELDS: Final = ("request_id", "workflow_id")
PORTION: Final = 10_000
_BEGIN: Final = b"SHIPIDS1"
_CRC_BYTES: Final = 4


def write_ids(connection: duckdb.DuckDBPyConnection, written: Path, piece: Path) -> None:
    """Write the file of a piece that is about to be published; raise OSError if that fails."""
    numbers: set[int] = set()
    for field in FIELDS:
        sql = f"SELECT DISTINCT {quoted(field)} FROM read_parquet({paths_list([written])})"
        rows = connection.execute(f"{sql} WHERE {quoted(field)} IS NOT NULL")
        while portion := rows.fetchmany(PORTION):
            numbers.update(_number(field, value) for (value,) in portion)
    content = _BEGIN + _little_endian(array("I", sorted(numbers))).tobytes()
    crc = zlib.crc32(content).to_bytes(_CRC_BYTES, "little")
    write_whole(piece.with_suffix(IDS), content + crc, durable=False)


def remove_with_ids(path: Path) -> None:
    """Remove a file of the store, and what says which ids it has."""
    path.unlink(missing_ok=True)
    path.with_suffix(IDS).unlink(missing_ok=True)


def asks_for_ids(node: tree.Node) -> bool:
    """Return whether a query names an id, so that pieces can be left out."""
    match node:
        case tree.And(items) | tree.Or(items):
            return any(map(asks_for_ids, items))
        case tree.Match(field=field):
            return field in FIELDS
    return False


def may_match(node: tree.Node, piece: Path) -> bool:
    """Return whether a piece may have records of a query; False only if it has none."""
    numbers = _read(piece.with_suffix(IDS))
    return numbers is None or _may_match(node, numbers)


def _may_match(node: tree.Node, numbers: array[int]) -> bool:
    match node:
        case tree.And(items):
            return all(_may_match(item, numbers) for item in items)
        case tree.Or(items):
            return any(_may_match(item, numbers) for item in items)
        case tree.Match(field=field, value=value) if field in FIELDS:
            number = _number(field, str(value))
            at = bisect_left(numbers, number)
            return at < len(numbers) and numbers[at] == number
    return True


def _read(path: Path) -> array[int] | None:
    """Return the numbers of a file; None if it is missing or damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    body, crc = content[:-_CRC_BYTES], content[-_CRC_BYTES:]
    whole = body.startswith(_BEGIN) and zlib.crc32(body).to_bytes(_CRC_BYTES, "little") == crc
    if not whole or (len(body) - len(_BEGIN)) % 4:
        return None
    return _little_endian(array("I", body[len(_BEGIN) :]))


def _number(field: str, value: str) -> int:
    return zlib.crc32(f"{field}\0{value}".encode(errors="surrogatepass"))


def _little_endian(numbers: array[int]) -> array[int]:
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
