"""Errors of a time by their type: how many, the first and the last, an example, and whether new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote
from typing import Final

from shipper.reports.measure import ERRORS
from shipper.reports.periods import Period
from shipper.store.api import Question, Selection, Sort, Store, Terms, buckets_of
from shipper.times import iso

MOST_GROUPS: Final = 12
NEW_AFTER_MS: Final = 14 * 86_400_000  # as the rule new_error_type
UNTYPED: Final = "(without a type)"


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Errors of one type; times in epoch milliseconds; `query` finds them."""

    kind: str
    count: int
    critical: int
    first: int
    last: int
    example: str
    is_new: bool
    query: str


def error_groups(store: Store, period: Period) -> list[ErrorGroup]:
    """
    Return the types of errors of a period, those with critical ones first, then by frequency.

    None is new where nothing is stored of the time before.
    """
    before = Selection(ERRORS, period.since - NEW_AFTER_MS, period.since)
    kinds = {"types": Terms("error_type", 1000)}
    within, earlier, critical, past = store.ask(
        [
            Question(Selection(ERRORS, period.since, period.until), kinds),
            Question(before, kinds),
            Question(Selection("level:CRITICAL", period.since, period.until), kinds),
            Question(Selection("", before.since, before.until)),
        ]
    )
    known = {str(bucket.key) for bucket in buckets_of(earlier, "types").buckets}
    severe = {str(bucket.key): bucket.count for bucket in buckets_of(critical, "types").buckets}
    types = buckets_of(within, "types")
    counts = [(str(bucket.key), bucket.count) for bucket in types.buckets]
    untyped = within.total - types.others - sum(count for _, count in counts)
    severe_untyped = critical.total - sum(severe.values())
    ordered = sorted(counts, key=lambda pair: (-severe.get(pair[0], 0), -pair[1], pair[0]))
    groups = [
        _group(
            store,
            period,
            kind,
            (count, severe.get(kind, 0)),
            is_new=past.total > 0 and kind not in known,
        )
        for kind, count in ordered[:MOST_GROUPS]
    ]
    if untyped:
        counted = (untyped, severe_untyped)
        groups.append(_group(store, period, None, counted, is_new=False))
    return [group for group in groups if group is not None]


def _group(
    store: Store, period: Period, kind: str | None, counts: tuple[int, int], *, is_new: bool
) -> ErrorGroup | None:
    among = "NOT error_type:*" if kind is None else f"error_type:{quoted(kind)}"
    query = f"{ERRORS} AND {among}"
    selection = Selection(query, period.since, period.until)
    first = store.search(selection, limit=1, sort=Sort.ASC).hits
    last = store.search(selection, limit=1).hits
    if not first or not last:
        return None  # dropped since it was counted
    return ErrorGroup(
        kind or UNTYPED,
        *counts,
        first[0].time,
        last[0].time,
        str(last[0].source.get("message", "")),
        is_new,
        query,
    )


def quoted(value: str) -> str:
    """Return a value as the query language has it."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def search_command(query: str, period: Period, names: Sequence[str] = ()) -> str:
    """Return the command that shows what a query finds in a period."""
    more = "".join(f" --by {name}" for name in names)
    since, until = iso(period.since), iso(period.until)
    return f"shipper search {quote(query)} --since {since} --until {until}{more}"
