"""
The page of similar messages: the newest records of a query, by the pattern of their message.

A pattern is marked new if no record of the time before has it. Where there are more of them than
are looked at, those with words of the pattern are compared, too; if these are too many, the pattern
is not marked.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import accumulate, islice
from typing import TYPE_CHECKING, Final

from shipper.errors import QueryError
from shipper.store.api import Filters, Question, buckets_of
from shipper.store.patterns import cluster, query_of
from shipper.text import safe
from shipper.web.place import PagePlace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shipper.store.api import Hits, Store
    from shipper.store.patterns import MessagePattern

LOOKED_AT: Final = 5000
SHOWN: Final = 50
LINE_CHARS: Final = 300
MOST_ASKED: Final = 10  # patterns, for a look at all records of the time before
MOST_BEFORE: Final = 1_000_000  # of these records


@dataclass(frozen=True, slots=True)
class PatternRow:
    """A pattern of messages: how often it is among those looked at, and one of them."""

    template: str
    count: int
    example: str
    share: str
    is_new: bool


@dataclass(frozen=True, slots=True)
class SimilarPage:
    """The patterns, of how many records of how many; `before` is the page of the time before."""

    rows: Sequence[PatternRow]
    looked_at: int
    total: int
    before: PagePlace
    total_before: int
    is_compared: bool


def similar_page(store: Store, place: PagePlace) -> SimilarPage:
    """
    Ask for the newest records, and those of as long a time before, and cluster their messages.

    Raises:
        QueryError: the query is wrong.
        StoreUnavailable: the store cannot be read now.
    """
    found = store.search(place.selection, limit=LOOKED_AT)
    before = place.narrowed(2 * place.since - place.until, place.since)
    earlier = store.search(before.selection, limit=LOOKED_AT if found.total else 0)
    messages, old = _messages_of(found), _messages_of(earlier)
    patterns = cluster(messages, SHOWN, old)
    is_compared = earlier.total <= MOST_BEFORE
    if len(old) < earlier.total:
        new = [n for n, each in enumerate(patterns) if each.is_new and is_compared]
        sure, more = _looked_up(store, before, {n: patterns[n] for n in new})
        patterns = [
            replace(each, is_new=each.is_new and n in sure)
            for n, each in enumerate(cluster(messages, SHOWN, [*old, *more]))
        ]
    rows = [
        PatternRow(
            safe(each.template)[:LINE_CHARS],
            each.count,
            safe(each.example)[:LINE_CHARS],
            f"{each.count / len(messages):.1%}",
            each.is_new and earlier.total > 0,  # else everything would be
        )
        for each in patterns
    ]
    return SimilarPage(rows, len(messages), found.total, before, earlier.total, is_compared)


def _messages_of(found: Hits) -> list[str]:
    return [str(hit.source.get("message", "")) for hit in found.hits]


def _looked_up(
    store: Store, before: PagePlace, patterns: Mapping[int, MessagePattern]
) -> tuple[set[int], list[str]]:
    """Return of which patterns every message before that may be like them is known, and these."""
    queries = {str(n): query for n, each in patterns.items() if (query := query_of(each))}
    asked = dict(islice(queries.items(), MOST_ASKED))
    if not asked:
        return set(), []
    (answer,) = store.ask([Question(before.selection, {"patterns": Filters(asked)})])
    buckets = sorted(buckets_of(answer, "patterns").buckets, key=lambda each: each.count)
    totals = accumulate(bucket.count for bucket in buckets)
    sure = [bucket for bucket, total in zip(buckets, totals, strict=True) if total <= LOOKED_AT]
    either = " OR ".join(f"({asked[str(bucket.key)]})" for bucket in sure if bucket.count)
    numbers = {int(bucket.key) for bucket in sure}
    if not either:
        return numbers, []
    try:
        found = store.search(before.about(before.query, either), limit=LOOKED_AT)
    except QueryError:  # that of the page is as long as one can be
        return set(), []
    return numbers, _messages_of(found)
