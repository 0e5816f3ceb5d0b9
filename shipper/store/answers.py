"""What makes the answers of all stores the same: order, slots, ranks, and how much can be asked."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from shipper.errors import QueryError
from shipper.store.api import DateHistogram, Selection

Key = str | int | float

MAX_HITS: Final = 1_000_000
MAX_SLOTS: Final = 100_000
MAX_VALUES: Final = 65_000


def check_limit(limit: int) -> None:
    """Raise `QueryError` for a number of hits that makes no sense, or would take all memory."""
    if not 0 <= limit <= MAX_HITS:
        raise QueryError(f"the limit {limit} is not between 0 and {MAX_HITS}")


def by_frequency(counts: Mapping[Key, int]) -> list[tuple[Key, int]]:
    """Sort values by their counts, the highest first; equal counts by value, numbers first."""
    return sorted(counts.items(), key=lambda kc: (-kc[1], isinstance(kc[0], str), kc[0]))


def slots_of(
    histogram: DateHistogram, times: Collection[int], selection: Selection
) -> Sequence[int]:
    """
    Give the beginnings of all slots of a histogram, with the empty ones if it is to be filled.

    They reach from the first to the last of `times`, those that are not empty, or over the bounds
    of the selection where it has both.
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
            f"a histogram of {len(slots)} slots is too long ({MAX_SLOTS} are the most); "
            "take longer slots or a shorter time"
        )
    return slots


def rank_of(percent: float, total: int) -> int:
    """Give the rank, from 1, of a percentile among `total` sorted numbers."""
    return max(1, math.ceil(percent / 100 * total))


def percentile(counts: Mapping[float, int], percent: float) -> float | None:
    """
    Give the smallest number that at least `percent` % of the counted are not larger than.

    `counts` are per number; None where nothing was counted.
    """
    rank = rank_of(percent, sum(counts.values()))
    for number in sorted(counts):
        rank -= counts[number]
        if rank <= 0:
            return number
    return None


def too_many_values(field: str, most: int = MAX_VALUES) -> QueryError:
    """Make the error for a field that can't be counted exactly."""
    return QueryError(
        f"{field} has more than {most} values in this selection, too many to count "
        "exactly; narrow the query or the time"
    )
