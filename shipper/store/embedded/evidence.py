"""Evidence for the audit: the positions of a stream that an index holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tantivy import FieldType, Occur, Order, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.store.embedded.view import View
    from shipper.store.origins import OriginRange

FOREIGN: Final = "_stream"


def positions(views: Sequence[View], asked: OriginRange) -> list[int]:
    """Return the stored positions of a range, in order, once for every copy."""
    field, column = ("run", "seq") if asked.own else (FOREIGN, "_position")
    found: list[int] = []
    for view in views:
        if view.searcher.doc_freq(field, asked.stream):
            query = _query(view, asked, field, column)
            hits = view.first(query, column, view.count(query), Order.Asc)
            found += [position for position, _ in hits]
    return sorted(found)


def _query(view: View, asked: OriginRange, field: str, column: str) -> Query:
    return Query.boolean_query(
        [
            (Occur.Must, Query.term_query(view.schema, field, asked.stream)),
            (
                Occur.Must,
                Query.range_query(view.schema, column, FieldType.Integer, asked.first, asked.last),
            ),
        ]
    )
