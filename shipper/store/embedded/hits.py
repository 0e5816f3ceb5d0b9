"""Hits: the documents of records, as they were stored."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, overload

import msgspec

from shipper.fields import FIELDS
from shipper.store.api import Hit
from shipper.store.embedded.columns import DOCUMENT, ORDER_BITS
from shipper.store.embedded.compile import Compiler
from shipper.times import iso

if TYPE_CHECKING:
    from shipper.store.embedded.layout import StoredFile
    from shipper.store.embedded.view import View, Views

CHOSEN: Final = f"_writer, _order, _ms, _stream, _position, run, seq, {DOCUMENT}"
EAGER: Final = 1000  # hits that are read with their documents at once
PORTION: Final = 1000  # hits read at a time by an iteration


@dataclass(frozen=True, slots=True)
class StoredHits(Sequence[Hit]):
    """
    Hits whose documents are read on access.

    Only their places (writer and order) are kept in memory.
    """

    places: Sequence[tuple[str, int]]
    views: Views

    def __len__(self) -> int:
        return len(self.places)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | Sequence[Hit]:
        if isinstance(index, slice):
            return StoredHits(self.places[index], self.views)
        return self._read([self.places[index]])[0]

    def __iter__(self) -> Iterator[Hit]:
        for start in range(0, len(self.places), PORTION):
            yield from self._read(self.places[start : start + PORTION])

    def _read(self, places: Sequence[tuple[str, int]]) -> list[Hit]:
        return self.views.answer(lambda view: read_hits(self.views, view, places))


def read_hits(views: Views, view: View, places: Sequence[tuple[str, int]]) -> list[Hit]:
    """Return the hits at these places (writer and order), as far as they are still there."""
    commits = {(writer, order >> ORDER_BITS) for writer, order in places}
    pieces = [piece for piece in view.pieces if _has(piece, commits)]
    compiler = Compiler()
    writers = compiler.value([writer for writer, _ in places])
    orders = compiler.value([order for _, order in places])
    rows = views.rows(
        f"SELECT {CHOSEN} FROM ({view.only(pieces).source()}) JOIN "
        f"(SELECT unnest({writers}) AS _writer, unnest({orders}) AS _order) "
        "USING (_writer, _order)",
        compiler,
    )
    found = {row[:2]: row for row in rows}
    return [hit_of(found[place]) for place in places if place in found]


def _has(piece: StoredFile, commits: Collection[tuple[str, int]]) -> bool:
    return any(
        writer == piece.writer and piece.first <= number <= piece.last for writer, number in commits
    )


def hit_of(row: tuple[Any, ...]) -> Hit:
    """Return the hit of a row of CHOSEN."""
    _, _, ms, stream, position, run, seq, doc = row
    fields = msgspec.json.decode(doc)
    fields["@timestamp"] = fields["timestamp"] = iso(ms)
    origin = f"{run}-{seq}" if stream is None else f"{stream}-{position}"
    source = {
        name: fields[name]
        for name in ("timestamp", *FIELDS)
        if name in fields and fields[name] not in (None, [], {})
    }
    return Hit(origin, ms, source)
