"""
What a shipper says that it read and had answered for: the one side of an audit.

It comes out of the data folder (shipper/audit/collect.py), all of it of one moment; the other side
is the store, which is asked after that moment. So what the account claims must be there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

WINDOW: Final = 15 * 4096  # numbers that are compared at a time: fewer than a store gives at once


@dataclass(frozen=True, slots=True)
class Covered:
    """
    A receipt: `count` lines of a stream in bytes `start` to `end` of a file, all answered for.

    `own` says that the stream is a run, and the positions `first` to `last` are numbers in it. The
    file is known by `file` in the registry; `path` is where it was. `until` (epoch ms) is when the
    last of it was acked, `done` the commit of the embedded index that its first record is in.
    """

    stream: str
    own: bool
    first: int
    last: int
    count: int
    file: int
    path: str
    start: int
    end: int
    until: int
    done: int = 0


@dataclass(frozen=True, slots=True)
class UnreadLines:
    """Bytes and whole lines of a file that are not answered for yet."""

    path: str
    size: int
    lines: int


@dataclass(frozen=True, slots=True)
class DroppedBytes:
    """Bytes that were given up unshipped on purpose; `lines` is None where nobody counted them."""

    path: str
    size: int
    lines: int | None
    reason: str
    at: int


class AcceptedNumbers(Protocol):
    """The numbers of one run that were answered for."""

    def window(self, base: int) -> bytes:
        """Return one byte per number from `base`, a multiple of `WINDOW`, 1 for those taken."""

    def bases(self) -> Sequence[int]:
        """Return the bases of all windows that hold any number, in order."""


@dataclass(frozen=True, slots=True)
class Account:
    """
    Everything that a shipper answers for.

    `numbers` by run; `letters` are the `_id`s of the dead letters; `unread` are the numbers, by
    run, that stand in lines that are waiting.
    """

    covered: Sequence[Covered]
    numbers: Mapping[str, AcceptedNumbers]
    letters: frozenset[str] = frozenset()
    waiting: Sequence[UnreadLines] = ()
    given_up: Sequence[DroppedBytes] = ()
    unread: Mapping[str, frozenset[int]] = field(default_factory=dict)

    def runs(self) -> dict[str, list[Covered]]:
        """Return the receipts of each run."""
        runs: dict[str, list[Covered]] = {}
        for each in self.covered:
            if each.own:
                runs.setdefault(each.stream, []).append(each)
        return runs


def merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Put ranges (first, last) together that touch or overlap, in order."""
    together: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if together and first <= together[-1][1] + 1:
            together[-1] = together[-1][0], max(together[-1][1], last)
        else:
            together.append((first, last))
    return together


def windows(
    bases: Sequence[int], ranges: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, list[tuple[int, int]]]]:
    """Yield the windows that ranges, which are in order, lie in: base, and the parts in it."""
    start = 0
    for base in bases:
        end = base + WINDOW - 1
        while start < len(ranges) and ranges[start][1] < base:
            start += 1
        parts = []
        for first, last in ranges[start:]:
            if first > end:
                break
            parts.append((max(first, base), min(last, end)))
        if parts:
            yield base, parts
