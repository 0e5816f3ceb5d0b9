"""The end of a request or a notification: all of its steps together have so many seconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Deadline:
    """Begins when it is made, by a clock that only goes forward."""

    ticks: Callable[[], float]
    seconds: float
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin."""
        self._end = self.ticks() + self.seconds

    def left(self) -> float:
        """Return the seconds that are left; TimeoutError if there are none."""
        left = self._end - self.ticks()
        if left <= 0:
            raise TimeoutError
        return left
