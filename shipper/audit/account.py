"""
What a shipper says that it has read and that was answered for: one side of an audit.

It is collected from the data folder as of one moment (shipper/audit/collect.py). The other side is
the store, which is searched after that moment: so it must have all that the account claims.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from shipper.enrich.origin import is_run
from shipper.registry.records import Receipt

WINDOW: Final = 15 * 4096  # numbers that are compared at a time: fewer than a store returns at once


@dataclass(frozen=True, slots=True)
class UnreadLines:
    """Bytes and whole lines of a file that are not answered for yet."""

    path: str
    size: int
    lines: int


@dataclass(frozen=True, slots=True)
class DroppedBytes:
    """Bytes that were dropped undelivered on purpose; `lines` is None if they were not counted."""

    path: str
    size: int
    lines: int | None
    reason: str
    at: int


class AcceptedNumbers(Protocol):
    """The numbers of one run that were answered for."""

    def window(self, base: int) -> bytes:
        """Return one byte per number from `base`, a multiple of `WINDOW`, 1 for accepted ones."""

    def bases(self) -> Sequence[int]:
        """Return the bases of all windows that have an accepted number, in order."""


@dataclass(frozen=True, slots=True)
class Account:
    """
    Everything that a shipper answers for.

    `numbers` is by run; `letters` are the `_id`s of the dead letters; `unread` are the numbers, by
    run, in lines that are waiting: those that would else look as if they had never been read.
    """

    receipts: Sequence[Receipt]
    numbers: Mapping[str, AcceptedNumbers]
    letters: frozenset[str] = frozenset()
    waiting: Sequence[UnreadLines] = ()
    given_up: Sequence[DroppedBytes] = ()
    unread: Mapping[str, AcceptedNumbers] = field(default_factory=dict)


def by_run(receipts: Sequence[Receipt]) -> dict[str, list[Receipt]]:
    """Return the receipts of each run; those of foreign lines are left out."""
    runs: dict[str, list[Receipt]] = {}
    for each in receipts:
        if is_run(each.stream):
            runs.setdefault(each.stream, []).append(each)
    return runs


def merged(ranges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges (first, last) that touch or overlap; return them in order."""
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
    """Yield the windows that sorted ranges lie in: the base, and the parts of ranges in it."""
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
