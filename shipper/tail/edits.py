"""
A log that was edited: `sed -i` writes a new file in its place, with most of the lines of the old.

The old file is still open, or held, so both can be compared, line by line. What both have is
skipped in the new one, if it bears times (dated.py): only changed lines are read, and what was
added. The old file is read to its end in any case, so nothing hangs on what is skipped. Lines of
an old file that is only held by its descriptor count as far as they are acked.

What was edited without a new file, or when the old one was rotated and read long ago, cannot be
compared with anything: it is read again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.tail.dated import bears_time

if TYPE_CHECKING:
    from shipper.tail.content import Content

MOST_BYTES = 256 << 20  # compared; what is behind them counts as new
MOST_RANGES = 256
LOOK_AHEAD = 32  # lines, for one that both files have behind a difference
STEP = 1 << 18
LINES_BYTES = 1 << 16  # in which these lines lie, and in which a time has to be


def common_ranges(
    old: Content, old_end: int, new: Content, new_end: int
) -> tuple[tuple[int, int], ...]:
    """
    Return the ranges of the new file whose lines the old one has, in the same order.

    Both are compared up to their ends as given. Raises OSError.
    """
    ranges: list[tuple[int, int]] = []
    one, other = _Place(old, 0, old_end), _Place(new, 0, min(new_end, MOST_BYTES))
    while len(ranges) < MOST_RANGES and other.at < other.end:
        size = _common(one, other)
        if size and bears_time(new.read_at(min(size, LINES_BYTES), other.at)):
            ranges.append((other.at, other.at + size))
        one.at, other.at = one.at + size, other.at + size
        ahead = _next_common_line(one.lines(), other.lines())
        if ahead is None:
            break
        one.at, other.at = one.at + ahead[0], other.at + ahead[1]
    return tuple(ranges)


@dataclass(slots=True)
class _Place:
    """A place in a file, and where that ends."""

    content: Content
    at: int
    end: int

    def read(self, length: int, offset: int = 0) -> bytes:
        return self.content.read_at(
            max(min(length, self.end - self.at - offset), 0), self.at + offset
        )

    def lines(self) -> list[bytes]:
        """Return the next whole lines."""
        data = self.read(LINES_BYTES)
        lines = data[: data.rfind(b"\n") + 1].split(b"\n")[:-1]
        return [line + b"\n" for line in lines[:LOOK_AHEAD]]


def _common(one: _Place, other: _Place) -> int:
    """Return how many bytes are the same from two places on, in whole lines."""
    size = lines = 0
    while data := one.read(STEP, size):
        same = _common_prefix(data, other.read(STEP, size))
        newline = data.rfind(b"\n", 0, same)
        lines = size + newline + 1 if newline >= 0 else lines
        size += same
        if same < STEP:
            break
    return lines


def _common_prefix(one: bytes, other: bytes) -> int:
    if one == other:
        return len(one)
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _next_common_line(old: list[bytes], new: list[bytes]) -> tuple[int, int] | None:
    """Return how many bytes lie before the next line that both have; None if there is none."""
    places: dict[bytes, int] = {}
    for index, line in enumerate(old):
        places.setdefault(line, index)
    common = [
        (places[line] + index, index, line) for index, line in enumerate(new) if line in places
    ]
    if not common:
        return None
    _distance, index, line = min(common)
    return sum(map(len, old[: places[line]])), sum(map(len, new[:index]))
