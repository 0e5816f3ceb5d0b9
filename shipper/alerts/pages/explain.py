"""
What the records of a breach have in common, and how that differs from the window before.

Three requests: the values of some fields in the window of the breach and in the one before it, with
whether there are other hosts at all (one request), its first and its last record. A field that
tells nothing (one value, the same share as before) is left out; of the others the values come first
whose share has grown the most.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shipper.alerts.page import Example, Share
from shipper.alerts.verdict import Group, Window
from shipper.errors import QueryError, StoreUnavailable
from shipper.store.api import (
    AggregateAnswer,
    Buckets,
    Hit,
    Question,
    Selection,
    Sort,
    Store,
    Terms,
    buckets_of,
)
from shipper.store.hit_text import hit_text
from shipper.text import Paint, safe

HOST: Final = "host.name"
FIELDS: Final = ("error_type", "route", "workflow_id", "client_ip", HOST)
VALUES: Final = 200  # of a field, that are looked at
SHOWN: Final = 3  # of a field
SMALL: Final = 0.01  # a share that came from nothing counts as if it had come from this
TELLING: Final = 0.1  # a field of one value tells something if its share has changed by this


@dataclass(frozen=True, slots=True)
class Explained:
    """What was found out about a breach; `notes` say what was not."""

    shares: Sequence[Share] = ()
    examples: Sequence[Example] = ()
    notes: Sequence[str] = ()


def explain(store: Store | None, query: str, window: Window, group: Group) -> Explained:
    """Ask the store; where it can't be asked (None, too), say so instead."""
    if store is None:
        return Explained(notes=("The store cannot be queried now, so no details are shown.",))
    now = Selection(query, window.start, window.end)
    try:
        shares = tuple(_shares(store, now, {field for field, _ in group}))
        examples = tuple(_examples(store, now))
    except (StoreUnavailable, QueryError) as error:
        fault = str(error).splitlines()[0]
        return Explained(notes=(f"The store cannot be queried now: {fault}",))
    return Explained(shares, examples)


def narrowed_to(query: str, group: Group, *, typed: bool = False) -> str:
    """
    Return the query that asks for the records of one group.

    What is to be typed holds no character that cannot be: such a value is left out.
    """
    parts = [
        f'{field}:"{_quoted(value)}"' for field, value in group if not typed or value == safe(value)
    ]
    if query.strip() not in ("", "*"):
        parts.insert(0, f"({query})" if parts else query)
    return " AND ".join(parts) or "*"


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')


def _shares(store: Store, now: Selection, known: set[str]) -> Iterator[Share]:
    fields = [field for field in FIELDS if field not in known]
    wanted = {field: Terms(field, VALUES) for field in fields}
    assert now.since is not None
    assert now.until is not None
    before = Selection(now.query, 2 * now.since - now.until, now.since)
    everybody = Selection("*", now.since, now.until)
    found, earlier, all_records = store.ask(
        [
            Question(now, wanted),
            Question(before, wanted),
            Question(everybody, {HOST: Terms(HOST, 2)}),
        ]
    )
    is_alone = len(buckets_of(all_records, HOST).buckets) < 2
    if not found.total:
        return
    for field in fields:
        shares = _shares_of(field, found, earlier)
        if not _is_dull(field, shares, is_alone=is_alone):
            yield from shares[:SHOWN]


def _shares_of(field: str, found: AggregateAnswer, earlier: AggregateAnswer) -> list[Share]:
    once = buckets_of(earlier, field)
    shares = [
        Share(
            field,
            str(bucket.key),
            bucket.count / found.total,
            _share_before(bucket.key, once, earlier.total),
        )
        for bucket in buckets_of(found, field).buckets
    ]
    return sorted(shares, key=_lift, reverse=True)


def _share_before(key: str | float, once: Buckets, total: int) -> float | None:
    if not total:
        return None
    return next((bucket.count for bucket in once.buckets if bucket.key == key), 0) / total


def _lift(share: Share) -> float:
    """Rank by how much of the breach a value explains that was not so before."""
    before = share.now if share.before is None else share.before
    return share.now * (1 + math.log((share.now + SMALL) / (before + SMALL)))


def _is_dull(field: str, shares: Sequence[Share], *, is_alone: bool) -> bool:
    if len(shares) != 1:
        return not shares
    only = shares[0]
    if field == HOST:  # one of several is to blame, or there is no other
        return is_alone
    return only.before is not None and abs(only.now - only.before) < TELLING


def _examples(store: Store, now: Selection) -> Iterator[Example]:
    first = store.search(now, limit=1, sort=Sort.ASC)
    last = store.search(now, limit=1, sort=Sort.DESC) if first.total > 1 else first
    seen: set[str] = set()
    for hit in (*first.hits, *last.hits):
        if hit.id not in seen:
            seen.add(hit.id)
            yield _example(hit)


def _example(hit: Hit) -> Example:
    request = hit.source.get("request_id")
    text = " | ".join(map(str.strip, hit_text(hit, Paint(on=False)).splitlines()))
    return Example(hit.time, text, request if isinstance(request, str) else None)
