"""Counts of values by size: how long publishing takes, how large batches are."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field

# From an index on this machine to a server far away that is at its limit.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
EVENTS = (1.0, 10.0, 100.0, 1000.0, 2500.0, 5000.0, 10_000.0, 25_000.0, 100_000.0)


@dataclass(slots=True)
class Histogram:
    """
    How many values are at most as large as each of the bounds; written by one thread.

    `counts` has one more for what is larger than all bounds.
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
        """Return what was counted so far."""
        return Histogram(self.bounds, list(self.counts), self.total)
