"""
The embedded store, readable from any process.

Every question lists the folder anew, so a record is found as soon as its commit is done.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from shipper.errors import QueryError
from shipper.store.answers import check_limit
from shipper.store.api import AggregateAnswer, Hits, Question, Selection, Sort
from shipper.store.embedded import layout
from shipper.store.embedded.asking import answers
from shipper.store.embedded.columns import ORDER_BITS
from shipper.store.embedded.compile import Compiler
from shipper.store.embedded.first import first_hits
from shipper.store.embedded.hits import CHOSEN, EAGER, StoredHits, hit_of
from shipper.store.embedded.view import Views
from shipper.text import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from shipper.store.api import Hit
    from shipper.store.embedded.view import View
    from shipper.store.opening import ReadLimits
    from shipper.store.origins import OriginRange

PORTION: Final = 10_000  # records of one step of `follow`


class EmbeddedStore:
    """
    The store at `path`, with the records of all writers; retention is that of one writer.

    Raises:
        StoreUnavailable: there is no store.
    """

    def __init__(self, path: Path, limits: ReadLimits, writer: str) -> None:
        self._path = path
        self._writer = writer
        layout.list_store(path)
        self._views = Views(path, limits)
        self._views.current()

    def search(
        self, selection: Selection, *, limit: int, sort: Sort = Sort.DESC, counted: bool = True
    ) -> Hits:
        """Return the first `limit` records of the selection in that order; at most a million."""
        check_limit(limit)

        def ask(view: View) -> Hits:
            if not limit:
                return Hits([], self._count(view, selection))
            if limit > EAGER:
                return self._search_many(view, selection, limit, sort)
            hits = first_hits(self._views, view, selection, limit=limit, sort=sort)
            if len(hits) < limit or not counted:
                return Hits(hits, len(hits))
            return Hits(hits, self._count(view, selection))

        return self._views.answer(ask)

    def _count(self, view: View, selection: Selection) -> int:
        compiler = Compiler(odd=view.is_odd(selection))
        where = compiler.selection(selection)
        sql = f"SELECT count(*) FROM ({view.source(selection)}) WHERE {where}"
        ((total,),) = self._views.rows(sql, compiler)
        return int(total)

    def _search_many(self, view: View, selection: Selection, limit: int, sort: Sort) -> Hits:
        """Return the places of many records, whose documents are read on access."""
        compiler = Compiler(odd=view.is_odd(selection))
        where = compiler.selection(selection)
        order = ", ".join(f"{each} {sort.value}" for each in ("_ms", "_order", "_writer"))
        rows = self._views.rows(
            f"SELECT count(*) OVER (), _writer, _order FROM ({view.source(selection)}) "
            f"WHERE {where} ORDER BY {order} LIMIT {limit:d}",
            compiler,
        )
        places = [row[1:] for row in rows]
        return Hits(StoredHits(places, self._views), rows[0][0] if rows else 0)

    def count(self, selection: Selection) -> int:
        """Return the number of records in the selection."""
        return self.search(selection, limit=0).total

    def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
        """Answer many questions on one state of the store."""

        def ask(view: View) -> list[AggregateAnswer]:
            with self._views.sharing(view, questions) as shared:
                return answers(questions, self._views, shared)

        return self._views.answer(ask)

    def follow(self, selection: Selection) -> Iterator[Sequence[Hit]]:
        """Yield the records that become searchable from now on; see `Store`."""
        return self._follow(selection, self._views.current().newest)

    def positions(self, ranges: Sequence[OriginRange]) -> Iterator[Sequence[int]]:
        """Yield the stored positions of each range; see `OriginStore`."""
        for each in ranges:
            yield self._positions(each)

    def retained_after(self) -> int:
        """Return the last commit of which retention dropped records; see `OriginStore`."""
        return layout.dropped_commits(self._path / self._writer)

    def remove_doubles(self, ids: Sequence[str]) -> int:
        """Remove nothing: only the writer of a store can."""
        raise QueryError(
            f"the store {self._path} has {counted(len(ids), 'record')} twice, as if a part of it "
            "had been copied",
            "move the copy away: the folder of the writer that was copied",
        )

    def cancel(self) -> None:
        """End what another thread is asking, and answer nothing from now on; see `Store`."""
        self._views.cancel()

    def close(self) -> None:
        """Close what is open; a second call does nothing."""
        self._views.close()

    def _positions(self, asked: OriginRange) -> list[int]:
        stream, position = ("run", "seq") if asked.own else ("_stream", "_position")
        compiler = Compiler()
        first, last = compiler.value(asked.first), compiler.value(asked.last)
        where = (
            f"{stream} = {compiler.value(asked.stream)} AND {position} BETWEEN {first} AND {last}"
        )
        rows = self._views.answer(
            lambda view: self._views.rows(
                f"SELECT {position} FROM ({view.source()}) WHERE {where} ORDER BY {position}",
                compiler,
            )
        )
        return [number for (number,) in rows]

    def _follow(self, selection: Selection, seen: dict[str, int]) -> Iterator[Sequence[Hit]]:
        while True:
            hits, seen = self._views.answer(partial(self._new, selection, seen))
            for start in range(0, max(len(hits), 1), PORTION):
                yield hits[start : start + PORTION]

    def _new(
        self, selection: Selection, seen: dict[str, int], view: View
    ) -> tuple[list[Hit], dict[str, int]]:
        hits: list[Hit] = []
        for writer, newest in view.newest.items():
            # A lower number is that of another store, which has replaced the one before.
            last = seen.get(writer, 0) if newest >= seen.get(writer, 0) else 0
            if newest > last:
                compiler = Compiler(odd=view.is_odd(selection))
                where = compiler.selection(selection)
                least, most = (last + 1) << ORDER_BITS, (newest + 1) << ORDER_BITS
                late = [each for each in view.chosen(selection) if each.last > last]
                rows = self._views.rows(
                    f"SELECT {CHOSEN} FROM ({view.only(late).source()}) WHERE {where} "
                    f"AND _writer = {compiler.value(writer)} "
                    f"AND _order >= {least:d} AND _order < {most:d} ORDER BY _order",
                    compiler,
                )
                hits += map(hit_of, rows)
        return hits, view.newest
