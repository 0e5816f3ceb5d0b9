"""
Straight lines through daily numbers, and how far they can be trusted.

Ordinary least squares, with the prediction interval of one further day: the range in which 19 of 20
such days lie if the line goes on as it was. It grows with the distance, and is wide where days
differ much. A line through few days, or over a much longer time than was seen, says nothing, so it
is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

LEAST_DAYS: Final = 10  # of numbers, before a line is drawn
FARTHEST: Final = 3.0  # times as far ahead as was seen, at most
NORMAL_95: Final = 1.959964


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through (day, number): `slope` a day; `spread` is the deviation of the numbers."""

    start: float
    slope: float
    days: int
    mean_day: float
    squares: float  # of the distances of the days from their mean
    spread: float
    last: float

    def at(self, day: float) -> float:
        """Return the number of the line on a day."""
        return self.start + self.slope * day

    def margin(self, day: float) -> float:
        """Return half of the prediction interval of 95 % on a day."""
        variance = 1 + 1 / self.days + (day - self.mean_day) ** 2 / self.squares
        return student_95(self.days - 2) * self.spread * math.sqrt(variance)

    @property
    def is_clear(self) -> bool:
        """Return whether the slope differs from none, by its 95 % confidence interval."""
        error = self.spread / math.sqrt(self.squares)
        return abs(self.slope) > student_95(self.days - 2) * error

    def reaches(
        self, limit: float, *, falling: bool = False
    ) -> tuple[float, float | None, float | None] | None:
        """
        Return the day on which the line reaches a limit, the earliest and the latest such day.

        With `falling` the limit is a least number, else a largest one. None if the line leads away
        from it, or does not reach it within `FARTHEST`; earliest and latest are where the edges of
        the interval cross the limit, None where one does not.
        """
        if (self.slope < 0) != falling:
            return None
        horizon = self.last + FARTHEST * self.days
        day = self._crossing(limit, 0, horizon)
        if day is None:
            return None
        sign = 1 if self.slope > 0 else -1
        early = self._crossing(limit, sign, horizon)
        return day, early, self._crossing(limit, -sign, horizon)

    def _crossing(self, limit: float, side: int, horizon: float) -> float | None:
        """Return the first day from the last on, at which an edge is past the limit."""
        rising = self.slope > 0
        day = self.last
        while day <= horizon:
            value = self.at(day) + side * (self.margin(day) if side else 0.0)
            if (value >= limit) if rising else (value <= limit):
                return day
            day += 0.25
        return None


def trend_of(points: Sequence[tuple[float, float]]) -> Trend | None:
    """Return the line through (day, number); None with fewer than `LEAST_DAYS`."""
    count = len(points)
    if count < LEAST_DAYS:
        return None
    mean_day = math.fsum(day for day, _ in points) / count
    mean = math.fsum(value for _, value in points) / count
    squares = math.fsum((day - mean_day) ** 2 for day, _ in points)
    if squares == 0:
        return None
    slope = math.fsum((day - mean_day) * (value - mean) for day, value in points) / squares
    start = mean - slope * mean_day
    rest = math.fsum((value - start - slope * day) ** 2 for day, value in points)
    spread = math.sqrt(rest / (count - 2))
    return Trend(start, slope, count, mean_day, squares, spread, max(day for day, _ in points))


def student_95(freedom: int) -> float:
    """
    Return the 97.5 % quantile of Student's t distribution.

    By the expansion of Cornish and Fisher, within 0.2 % from 8 degrees of freedom on.
    """
    z, n = NORMAL_95, freedom
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
