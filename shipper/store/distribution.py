"""
The scale of a `Distribution`: bins that grow by 2 %, the same in every store and for every time.

A number lies in one bin, whatever else is counted, so the counts of hours, days and hosts add up
exactly, and a percentile of the sum is as good as one of its parts. A bin stands for its geometric
middle, which differs from any number in it by less than 1 % (√1.02 = 1.00995).

    bin 0          below 0.099: less than a tenth of a millisecond, counted as 0.099
    bin n          from LEAST · 1.02^(n-1), to below LEAST · 1.02^n
    bin LAST       from about an hour on, counted as its bound

These are the bins of a DDSketch with an accuracy of 1 %, at fixed places. A library would have to
be given every number; here the store counts, and only the counts travel. No bound is a number of
few digits, so no store has to say on which side of a bound such a number lies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shipper.store.answers import rank_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

GROWTH: Final = 1.02
LEAST: Final = 0.1 / GROWTH**0.5
BINS: Final = 880  # between the first and the last: up to about an hour in milliseconds
BOUNDS: Final = tuple(LEAST * GROWTH**n for n in range(BINS + 1))
MOST: Final = BOUNDS[-1]
LAST: Final = BINS + 1


def value_of(bin_number: int) -> float:
    """Return the number that stands for a bin."""
    if bin_number <= 0:
        return LEAST
    return MOST if bin_number >= LAST else LEAST * GROWTH ** (bin_number - 0.5)


def merged(parts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Return the sums of the counts, by bin."""
    found: dict[int, int] = {}
    for counts in parts:
        for number, count in counts.items():
            found[number] = found.get(number, 0) + count
    return dict(sorted(found.items()))


def percentile_of(counts: Mapping[int, int], percent: float) -> float | None:
    """Return a nearest-rank percentile, within 1 % from 0.1 ms to an hour; None without numbers."""
    total = sum(counts.values())
    rank = rank_of(percent, total)
    for number in sorted(counts):
        rank -= counts[number]
        if rank <= 0:
            return value_of(number) if total else None
    return None
