"""The page of similar messages: the newest records of a query, by the pattern of their message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shipper.store.patterns import cluster
from shipper.text import safe
from shipper.web.place import PagePlace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shipper.store.api import Store

LOOKED_AT: Final = 5000
SHOWN: Final = 50
LINE_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class PatternRow:
    """A pattern of messages: how often it is among those looked at, and one of them."""

    template: str
    count: int
    example: str
    share: str


@dataclass(frozen=True, slots=True)
class SimilarPage:
    """The patterns, of how many records of how many."""

    rows: Sequence[PatternRow]
    looked_at: int
    total: int


def similar_page(store: Store, place: PagePlace) -> SimilarPage:
    """
    Ask for the newest records and cluster their messages.

    Raises:
        QueryError: the query is wrong.
        StoreUnavailable: the store cannot be read now.
    """
    found = store.search(place.selection, limit=LOOKED_AT)
    messages = [str(hit.source.get("message", "")) for hit in found.hits]
    rows = [
        PatternRow(
            safe(each.template)[:LINE_CHARS],
            each.count,
            safe(each.example)[:LINE_CHARS],
            f"{each.count / len(messages):.1%}",
        )
        for each in cluster(messages, SHOWN)
    ]
    return SimilarPage(rows, len(messages), found.total)
