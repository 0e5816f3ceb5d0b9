"""
Whether a series of numbers grows: by all pairs of it, not by its ends.

The Mann-Kendall test counts the pairs in which the later number is larger. `z` above 2.58 happens
by chance once in 200 series; a saw-tooth has nearly as many falls as rises. The slope of Theil and
Sen is the median of the slopes of all pairs, which a third of wild numbers cannot move.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Final, NamedTuple

SURE: Final = 2.58
FEWEST: Final = 10
MOST: Final = 120  # points; the pairs are their square


class SeriesTrend(NamedTuple):
    """Growth per second, its bounds (95 %), and how sure it is that there is one."""

    slope: float
    low: float
    high: float
    z: float

    @property
    def grows(self) -> bool:
        """Whether it grows, and not by chance."""
        return self.z > SURE and self.low > 0


def trend_of(points: Sequence[tuple[float, float]]) -> SeriesTrend | None:
    """Return the trend of (seconds, number) pairs in the order of time; None of too few."""
    points = thinned(points)
    if len(points) < FEWEST:
        return None
    slopes, rises = [], 0
    for index, (since, before) in enumerate(points):
        for until, after in points[index + 1 :]:
            rises += (after > before) - (after < before)
            if until > since:
                slopes.append((after - before) / (until - since))
    if not slopes:
        return None
    count = len(points)
    deviation = math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    slopes.sort()
    off = 1.96 * deviation
    low = slopes[max(0, int((len(slopes) - off) / 2))]
    high = slopes[min(len(slopes) - 1, int((len(slopes) + off) / 2))]
    return SeriesTrend(median(slopes), low, high, (rises - (rises > 0) + (rises < 0)) / deviation)


def thinned(points: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Return every so manieth point if there are too many, the last always."""
    step = -(-len(points) // MOST)
    return points if step <= 1 else points[::-1][::step][::-1]
