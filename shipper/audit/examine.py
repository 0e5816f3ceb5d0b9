"""
The audit: every record that a shipper answers for is looked up, none is inferred.

    of a run        the numbers that were taken, window by window, against the numbers stored: a set
                    against a set, so no double can make up for a loss
    foreign lines   per receipt the number of lines against the different positions stored in its
                    range, as every stored position is the beginning of a line

What is not stored may be a dead letter or stored as text (wrapped); else it is lost. What is
stored more than once is doubled. What the account does not claim is not judged: it is under way.

Numbers between the first and the last of a run that were never read are gaps: the application lost
these records, or their file was gone before anybody could read it. They are no loss of the
shipper's, and named apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

from shipper.audit.account import WINDOW, AcceptedNumbers, Account, Covered, merged, windows
from shipper.audit.result import Gap, Lost, Result
from shipper.store.api import Selection
from shipper.store.origins import OriginRange, OriginStore

WRAPPED: Final = Selection("tags:rejected")
MAX_WRAPPED: Final = 1_000_000
NOTHING: Final = bytes(WINDOW)


@dataclass(frozen=True, slots=True)
class _Window:
    """Numbers of a run that are owed: one byte each from `base`, and the receipts they are of."""

    run: str
    base: int
    owed: bytes
    receipts: Sequence[Covered]

    @property
    def span(self) -> OriginRange:
        first, last = self.owed.find(1), self.owed.rfind(1)
        return OriginRange(self.run, self.base + first, self.base + last, own=True)


@dataclass(slots=True)
class _Tally:
    """What was found so far."""

    letters: frozenset[str]
    wrapped_ids: frozenset[str]
    indexed: int = 0
    wrapped: int = 0
    dead_letters: int = 0
    lost: list[Lost] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    expired: int = 0


def examine(store: OriginStore, account: Account) -> Result:
    """
    Look up everything that an account claims.

    Raises:
        StoreUnavailable: the store cannot be asked now.

    """
    tally = _Tally(account.letters, _wrapped_ids(store))
    live, expired = _split(account.covered, store.retained_after())
    tally.expired = sum(each.count for each in expired)
    owed = [*_windows(account, live, expired)]
    for window, positions in zip(owed, store.positions([w.span for w in owed]), strict=True):
        _compare(window, positions, tally)
    foreign = [each for each in live if not each.own]
    spans = [OriginRange(each.stream, each.first, each.last, own=False) for each in foreign]
    for each, positions in zip(foreign, store.positions(spans), strict=True):
        _count(each, positions, tally)
    tally.gaps += _gaps(account)
    return Result(
        indexed=tally.indexed,
        wrapped=tally.wrapped,
        dead_letters=tally.dead_letters,
        waiting=sum(each.lines for each in account.waiting),
        given_up=sum(each.lines or 0 for each in account.given_up),
        lost=tuple(tally.lost),
        doubled=tuple(tally.doubled),
        gaps=tuple(tally.gaps),
        expired=tally.expired,
        given_up_files=tuple(account.given_up),
    )


def _wrapped_ids(store: OriginStore) -> frozenset[str]:
    if not store.count(WRAPPED):
        return frozenset()
    return frozenset(hit.id for hit in store.search(WRAPPED, limit=MAX_WRAPPED).hits)


def _split(covered: Sequence[Covered], dropped: int) -> tuple[list[Covered], list[Covered]]:
    """Part the receipts from those of which retention may have dropped records already."""
    live: list[Covered] = []
    expired: list[Covered] = []
    for each in covered:
        # A batch of which something was wrapped took two commits, and is known by the second.
        (expired if dropped and each.done <= dropped + 1 else live).append(each)
    return live, expired


def _windows(
    account: Account, live: Sequence[Covered], expired: Sequence[Covered]
) -> Iterator[_Window]:
    """Yield what is owed of all runs, window by window."""
    by_run: dict[str, tuple[list[Covered], list[Covered]]] = {}
    for index, receipts in enumerate((live, expired)):
        for each in receipts:
            if each.own:
                by_run.setdefault(each.stream, ([], []))[index].append(each)
    for run, (of_run, gone) in by_run.items():
        numbers = account.numbers.get(run)
        if numbers is None:
            continue
        not_owed = merged([(each.first, each.last) for each in gone])
        owed_ranges = merged([(each.first, each.last) for each in of_run])
        for base, parts in windows(numbers.bases(), owed_ranges):
            owed = _masked(numbers.window(base), base, parts, not_owed)
            if owed != NOTHING:
                yield _Window(run, base, owed, of_run)


def _masked(
    taken: bytes,
    base: int,
    parts: Sequence[tuple[int, int]],
    not_owed: Sequence[tuple[int, int]],
) -> bytes:
    """Keep the numbers of a window that lie in `parts` and not in `not_owed`."""
    if parts == [(base, base + WINDOW - 1)] and not not_owed:
        return taken
    owed = bytearray(WINDOW)
    for first, last in parts:
        owed[first - base : last - base + 1] = taken[first - base : last - base + 1]
    for first, last in not_owed:
        start, end = max(first - base, 0), min(last - base + 1, WINDOW)
        if start < end:
            owed[start:end] = bytes(end - start)
    return bytes(owed)


def _compare(window: _Window, positions: Sequence[int], tally: _Tally) -> None:
    """Hold the numbers that are stored against those that are owed."""
    base, owed = window.base, window.owed
    found = bytearray(WINDOW)
    for position in positions:
        index = position - base
        if found[index] < 255:
            found[index] += 1
    if found == owed:
        tally.indexed += owed.count(1)
        return
    missing = []
    for index, (times, is_owed) in enumerate(zip(found, owed, strict=True)):
        if times == is_owed:
            tally.indexed += times
        elif not _judge(f"{window.run}-{base + index}", times, tally, is_owed=bool(is_owed)):
            missing.append(base + index)
    for first, last in merged([(number, number) for number in missing]):
        tally.lost += _lost(window, first, last)


def _judge(origin: str, times: int, tally: _Tally, *, is_owed: bool) -> bool:
    """Count a record that is not there once; False if it is lost."""
    if times:
        tally.indexed += is_owed
        if times > 1:
            tally.doubled.append(origin)
    elif origin in tally.wrapped_ids:
        tally.wrapped += 1
    elif origin in tally.letters:
        tally.dead_letters += 1
    else:
        return False
    return True


def _lost(window: _Window, first: int, last: int) -> Iterator[Lost]:
    """Say of lost numbers which file they were read from: the first receipt that can hold them."""
    receipts = [each for each in window.receipts if each.first <= last and each.last >= first]
    # The narrowest range: an error.log spans many numbers, and holds few of them.
    receipts.sort(key=lambda each: (each.last - each.first) / each.count)
    count = last - first + 1
    for each in receipts:
        if each.first <= first and last <= each.last:
            yield Lost(window.run, first, last, count, each.file, each.path, each.start)
            return
    middle = (first + last) // 2
    if first == last:
        return
    yield from _lost(window, first, middle)
    yield from _lost(window, middle + 1, last)


def _count(covered: Covered, positions: Sequence[int], tally: _Tally) -> None:
    """Hold the lines of a receipt against the positions that are stored."""
    stored = set(positions)
    for before, position in pairwise(positions):
        origin = f"{covered.stream}-{position}"
        if before == position and (not tally.doubled or tally.doubled[-1] != origin):
            tally.doubled.append(origin)
    prefix = f"{covered.stream}-"
    wrapped = (
        sum(f"{prefix}{each}" in tally.wrapped_ids for each in stored) if tally.wrapped_ids else 0
    )
    dead = 0
    for origin in tally.letters:
        if origin.startswith(prefix):
            position = int(origin[len(prefix) :])
            dead += covered.first <= position <= covered.last and position not in stored
    tally.indexed += len(stored) - wrapped
    tally.wrapped += wrapped
    tally.dead_letters += dead
    lost = covered.count - len(stored) - dead
    if lost > 0:
        tally.lost.append(
            Lost(
                covered.stream,
                covered.first,
                covered.last,
                lost,
                covered.file,
                covered.path,
                covered.start,
            )
        )


def _gaps(account: Account) -> Iterator[Gap]:
    """Find the numbers of each run that nobody has read, between the first and the last of it."""
    for run, receipts in account.runs().items():
        numbers = account.numbers.get(run)
        if numbers is None:
            continue
        first = min(each.first for each in receipts)
        last = max(each.last for each in receipts)
        for start, end in _without(_missing(numbers, first, last), account.unread.get(run)):
            yield Gap(run, start, end)


def _missing(numbers: AcceptedNumbers, first: int, last: int) -> list[tuple[int, int]]:
    """Return the ranges of numbers from `first` to `last` that were not taken."""
    missing: list[tuple[int, int]] = []
    reached = first
    for base, [(start, end)] in windows(numbers.bases(), [(first, last)]):
        if reached < start:
            missing.append((reached, start - 1))
        taken = numbers.window(base)
        at = taken.find(0, start - base, end - base + 1)
        while at >= 0:
            over = taken.find(1, at, end - base + 1)
            over = end - base + 1 if over < 0 else over
            missing.append((base + at, base + over - 1))
            at = taken.find(0, over, end - base + 1)
        reached = end + 1
    if reached <= last:
        missing.append((reached, last))
    return merged(missing)


def _without(
    ranges: Sequence[tuple[int, int]], numbers: frozenset[int] | None
) -> Iterator[tuple[int, int]]:
    """Yield the ranges without some numbers."""
    left_out = sorted(numbers or ())
    for first, last in ranges:
        start = first
        for number in left_out[bisect_left(left_out, first) : bisect_right(left_out, last)]:
            if start < number:
                yield start, number - 1
            start = number + 1
        if start <= last:
            yield start, last
