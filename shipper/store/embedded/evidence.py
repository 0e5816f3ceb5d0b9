"""Which positions of a stream the parts of an index hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tantivy import FieldType, Occur, Order, Query

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.store.embedded.view import View
    from shipper.store.origins import OriginRange

FOREIGN: Final = "_stream"


def positions(views: Sequence[View], span: OriginRange) -> list[int]:
    """Give the positions of a span that are stored, in order, each as often as it is."""
    field, column = ("run", "seq") if span.own else (FOREIGN, "_position")
    found: list[int] = []
    for view in views:
        if view.searcher.doc_freq(field, span.stream):
            query = _query(view, span, field, column)
            hits = view.first(query, column, view.count(query), Order.Asc)
            found += [position for position, _ in hits]
    return sorted(found)


def _query(view: View, span: OriginRange, field: str, column: str) -> Query:
    return Query.boolean_query(
        [
            (Occur.Must, Query.term_query(view.schema, field, span.stream)),
            (
                Occur.Must,
                Query.range_query(view.schema, column, FieldType.Integer, span.first, span.last),
            ),
        ]
    )
