"""Hits: the documents of records, as they were stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, overload

import msgspec

from shipper.fields import FIELDS
from shipper.store.api import Hit
from shipper.store.embedded.columns import DOCUMENT
from shipper.store.embedded.compile import Compiler
from shipper.times import iso

if TYPE_CHECKING:
    from shipper.store.embedded.view import Views

CHOSEN: Final = f"_writer, _order, _ms, _stream, _position, run, seq, {DOCUMENT}"
EAGER: Final = 1000  # hits that are read with their documents at once
PORTION: Final = 1000  # hits read at a time by an iteration


@dataclass(frozen=True, slots=True)
class StoredHits(Sequence[Hit]):
    """
    Hits whose documents are read on access.

    Only their places (writer and order) are kept in memory.
    """

    places: Sequence[tuple[Any, ...]]
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

    def _read(self, places: Sequence[tuple[Any, ...]]) -> list[Hit]:
        orders = [order for _, order in places]
        compiler = Compiler()
        numbers = compiler.value(orders)
        within = f"_order BETWEEN {min(orders):d} AND {max(orders):d}"
        rows = self.views.answer(
            lambda view: self.views.rows(
                f"SELECT {CHOSEN} FROM ({view.source()}) WHERE {within} "
                f"AND list_contains({numbers}, _order)",
                compiler,
            )
        )
        found = {row[:2]: row for row in rows}
        return [hit_of(found[place]) for place in places if place in found]


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
