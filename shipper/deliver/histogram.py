"""Histograms of publish durations and batch sizes."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

# From an index on this machine to an overloaded server far away.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
EVENTS = (1.0, 10.0, 100.0, 1000.0, 2500.0, 5000.0, 10_000.0, 25_000.0, 100_000.0)


@dataclass(slots=True)
class Histogram:
    """
    The number of values in each bucket; written by one thread.

    `bounds` are the upper bounds; `counts` has one more for values above all of them.
    """

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        """Count a value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def copy(self) -> Histogram:
        """Return a copy of the current counts."""
        return Histogram(self.bounds, list(self.counts), self.total)
