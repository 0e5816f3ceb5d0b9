"""
The embedded index as a store, readable from any process.

Every question lists the folder anew, so a record is found as soon as its commit is done. The parts
are searched one after the other and their results combined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tantivy import Order

from shipper.errors import QueryError
from shipper.store.answers import check_limit
from shipper.store.api import AggregateAnswer, Hits, Question, Selection, Sort
from shipper.store.embedded import parts
from shipper.store.embedded.aggregate import answer
from shipper.store.embedded.compile import compile_selection, lies_outside
from shipper.store.embedded.evidence import positions
from shipper.store.embedded.hits import Place, StoredHits
from shipper.store.embedded.view import View, Views, both, readable
from shipper.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from tantivy import Query

    from shipper.store.api import Hit
    from shipper.store.origins import OriginRange

PORTION: Final = 10_000  # records of one step of `follow`


class EmbeddedStore:
    """
    The index at `path`.

    Raises:
        StoreUnavailable: there is no index.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._views = Views(path)
        self._views.current()

    def search(self, selection: Selection, *, limit: int, sort: Sort = Sort.DESC) -> Hits:
        """Return the first `limit` records of the selection in that order; at most a million."""
        check_limit(limit)
        found: list[tuple[int, int, Place]] = []
        total = 0
        sign = 1 if sort is Sort.ASC else -1
        with readable(self._path):
            for view in self._views.current():
                if lies_outside(view, selection):
                    continue
                query = compile_selection(selection, view)
                count = view.count(query)
                total += count
                if count and limit:
                    first = _first(view, query, min(limit, count), sort)
                    found += [(sign * ms, order, place) for ms, order, place in first]
        found.sort(key=lambda hit: hit[:2])
        return Hits(StoredHits([place for _, _, place in found[:limit]]), total)

    def count(self, selection: Selection) -> int:
        """Return the number of records in the selection."""
        with readable(self._path):
            views = self._views.current()
            return sum(
                view.count(compile_selection(selection, view))
                for view in views
                if not lies_outside(view, selection)
            )

    def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
        """Answer many questions on one state of the index."""
        with readable(self._path):
            views = self._views.current()
            return [answer(question, views) for question in questions]

    def follow(self, selection: Selection) -> Iterator[Sequence[Hit]]:
        """Yield the records that become searchable from now on; see `Store`."""
        with readable(self._path):
            seen = _newest(self._views.current())
        return self._follow(selection, seen)

    def positions(self, ranges: Sequence[OriginRange]) -> Iterator[Sequence[int]]:
        """Yield the stored positions of each range; see `OriginStore`."""
        with readable(self._path):
            views = self._views.current()
            for each in ranges:
                yield positions(views, each)

    def retained_after(self) -> int:
        """Return the last commit of which retention dropped records; see `OriginStore`."""
        return parts.dropped_commits(self._path)

    def remove_doubles(self, ids: Sequence[str]) -> int:
        """Remove nothing: only the writer of an index can."""
        raise QueryError(
            f"the index {self._path} has {counted(len(ids), 'record')} twice, as if a part of it "
            "had been copied",
            "move the copy away: the part with the higher number",
        )

    def close(self) -> None:
        """Close what is open; a second call does nothing."""
        self._views.close()

    def _follow(self, selection: Selection, seen: int) -> Iterator[Sequence[Hit]]:
        known: set[tuple[int, int]] = set()
        while True:
            with readable(self._path):
                views = self._views.current()
                parts = {view.identity for view in views}
                if parts != known and _newest(views) < seen:
                    seen = -1  # another index has replaced the one before
                known = parts
                newest = _newest(views, seen)
                places = _after(views, selection, seen, newest) if newest > seen else []
                seen = newest
            for start in range(0, max(len(places), 1), PORTION):
                yield list(StoredHits(places[start : start + PORTION]))


def _after(views: Sequence[View], selection: Selection, seen: int, newest: int) -> list[Place]:
    """Return the places of the records stored after `seen`, in that order."""
    places: list[Place] = []
    for view in views:
        after = view.between("_order", seen + 1, newest)
        new = both(compile_selection(selection, view), after)
        hits = view.first(new, "_order", view.count(new), Order.Asc)
        places += [(view, address) for _, address in hits]
    return places


def _first(view: View, query: Query, limit: int, sort: Sort) -> list[tuple[int, int, Place]]:
    """
    Return time, order and place of the first records of one part.

    tantivy orders equal times by where a merge has put a record. So if records of the last time
    did not fit, the records of that time are searched again, in the order they were stored.
    """
    order = Order.Asc if sort is Sort.ASC else Order.Desc
    hits = view.first(query, "_ms", limit, order)
    last = hits[-1][0]
    at_last = both(query, view.between("_ms", last, last))
    inside = [hit for hit in hits if hit[0] != last]
    if view.count(at_last) > len(hits) - len(inside):
        edge = view.first(at_last, "_order", limit - len(inside), Order.Asc)
        hits = [*inside, *((last, address) for _, address in edge)]
    addresses = [address for _, address in hits]
    orders = view.searcher.fast_field_values("_order", addresses)
    return [
        (ms, order, (view, address))
        for (ms, address), order in zip(hits, orders, strict=True)
        if isinstance(order, int)
    ]


def _newest(views: Sequence[View], seen: int = -1) -> int:
    """Return the highest `_order` of all parts; `seen` if there is none above it."""
    tops = (
        view.first(view.between("_order", seen + 1, None), "_order", 1, Order.Desc)
        for view in views
    )
    return max((top[0][0] for top in tops if top), default=seen)
