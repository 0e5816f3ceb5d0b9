"""
The first records of a selection in an order of time, read from no more pieces than that takes.

The name of a piece has the times of its first and last record. So pieces are read from that end of
the time where the records are wanted, a few at first, then four times as many at a time, until no
piece is left that may have a record before those found. Documents are read of the found ones alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shipper.store.api import Hit, Selection, Sort
from shipper.store.embedded.compile import Compiler
from shipper.store.embedded.hits import read_hits

if TYPE_CHECKING:
    from shipper.store.embedded.layout import StoredFile
    from shipper.store.embedded.view import View, Views

PORTION: Final = 40_000  # records of the pieces that are read first
GROWTH: Final = 4

Place = tuple[int, int, str]  # time, order, writer: what hits are sorted by


def first_hits(
    views: Views, view: View, selection: Selection, *, limit: int, sort: Sort
) -> list[Hit]:
    """Return the first `limit` records of the selection in that order."""
    places = _first_places(views, view, selection, limit, sort)
    return read_hits(views, view, [(writer, order) for _, order, writer in places])


def _first_places(
    views: Views, view: View, selection: Selection, limit: int, sort: Sort
) -> list[Place]:
    compiler = Compiler(odd=view.is_odd(selection))
    where = compiler.selection(selection)
    order = ", ".join(f"{each} {sort.value}" for each in ("_ms", "_order", "_writer"))
    is_last_first = sort is Sort.DESC
    rest = sorted(view.chosen(selection), key=lambda piece: _edge(piece, sort))
    if not is_last_first:
        rest.reverse()
    found: list[Place] = []
    size = PORTION
    while True:
        portion = _take(rest, size)
        size *= GROWTH
        rows = views.rows(
            f"SELECT _ms, _order, _writer FROM ({view.only(portion).source()}) "
            f"WHERE {where} ORDER BY {order} LIMIT {limit:d}",
            compiler,
        )
        # Commits are in every portion, as they are in memory.
        found = sorted({*found, *map(_place, rows)}, reverse=is_last_first)[:limit]
        if len(found) == limit:
            last = found[-1][0]
            rest = [
                piece
                for piece in rest
                if (_edge(piece, sort) >= last if is_last_first else _edge(piece, sort) <= last)
            ]
            size = max(size, sum(piece.records for piece in rest))
        if not rest:
            return found


def _place(row: tuple[int, int, str]) -> Place:
    return row


def _edge(piece: StoredFile, sort: Sort) -> int:
    """Return the time of the record of a piece that comes first in an order."""
    earliest, latest = piece.times or (0, 0)
    return latest if sort is Sort.DESC else earliest


def _take(rest: list[StoredFile], records: int) -> list[StoredFile]:
    """Remove pieces from the end of a list until they have so many records; return them."""
    taken: list[StoredFile] = []
    while rest and records > 0:
        taken.append(rest.pop())
        records -= taken[-1].records
    return taken
