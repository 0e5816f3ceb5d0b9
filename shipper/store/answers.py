"""Rules that make the answers of all stores equal: order, slots, ranks and limits."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from shipper.errors import QueryError, StoreUnavailable
from shipper.store.api import DateHistogram, Selection

Key = str | int | float

MAX_HITS: Final = 1_000_000
MAX_SLOTS: Final = 100_000
MAX_VALUES: Final = 65_000


def check_limit(limit: int) -> None:
    """Raise `QueryError` for a negative number of hits, or one that would not fit into memory."""
    if not 0 <= limit <= MAX_HITS:
        raise QueryError(f"the limit {limit:,} is out of range", f"use 0 to {MAX_HITS:,}")


def by_frequency(counts: Mapping[Key, int]) -> list[tuple[Key, int]]:
    """Return values and counts, most frequent first; equal counts by value, numbers first."""
    return sorted(counts.items(), key=lambda kc: (-kc[1], isinstance(kc[0], str), kc[0]))


def slots_of(
    histogram: DateHistogram, times: Collection[int], selection: Selection
) -> Sequence[int]:
    """
    Return the start of every slot of a histogram, with the empty ones if it is `filled`.

    `times` are the slots that are not empty. The slots reach from the first to the last of them,
    or over the bounds of the selection if it has both.

    Raises:
        QueryError: there would be too many.
    """
    if not histogram.filled:
        return sorted(times)
    interval = histogram.interval_ms
    if selection.since is not None and selection.until is not None:
        first, last = selection.since, selection.until - 1
        if first > last:
            return range(0)
    elif times:
        first, last = min(times), max(times)
    else:
        return range(0)
    slots = range(first // interval * interval, last + 1, interval)
    if len(slots) > MAX_SLOTS:
        raise QueryError(
            f"the histogram would have {len(slots):,} slots, more than {MAX_SLOTS:,}",
            "use longer slots or a shorter time",
        )
    return slots


def rank_of(percent: float, total: int) -> int:
    """Return the nearest rank, from 1, of a percentile among `total` sorted numbers."""
    return max(1, math.ceil(percent / 100 * total))


def percentile(counts: Mapping[float, int], percent: float) -> float | None:
    """
    Return the nearest-rank percentile of numbers with their counts; None without numbers.

    It is the smallest number such that at least `percent` % of all are not larger.
    """
    rank = rank_of(percent, sum(counts.values()))
    for number in sorted(counts):
        rank -= counts[number]
        if rank <= 0:
            return number
    return None


def too_many_values(field: str, most: int = MAX_VALUES) -> QueryError:
    """Return the error for a field with too many values to count exactly."""
    return QueryError(
        f"{field} has more than {most:,} values in this selection, too many to count exactly",
        "narrow the query or the time",
    )


def cancelled() -> StoreUnavailable:
    """Return the error of a question that nobody waits for any more."""
    return StoreUnavailable("the question was cancelled", "ask again")
