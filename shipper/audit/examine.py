"""
The audit: every record that a shipper answers for is looked up, none is inferred.

    of a run        the numbers that were accepted, window by window, against the numbers stored:
                    set against set, so a doubled record cannot make up for a lost one
    foreign lines   per receipt, the number of lines against the distinct positions stored in its
                    range: every stored position is the beginning of a line

A record that is not stored may be a dead letter or stored as text (wrapped); otherwise it is lost.
One that is stored more than once is doubled. What the account does not claim is not checked: it is
on its way.

Numbers between the first and the last of a run that were never read are gaps: the application lost
these records, or their file was gone before it could be read. They are not counted as losses of the
shipper. What processors dropped is neither lost nor a gap: its numbers are known.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, pairwise
from typing import Final

from shipper.audit.account import WINDOW, AcceptedNumbers, Account, by_run, merged, windows
from shipper.audit.result import AuditResult, LostRange, NumberGap
from shipper.enrich.origin import is_run
from shipper.events import DROPPED
from shipper.registry.receipts import is_dropped
from shipper.registry.records import Receipt
from shipper.store.api import Selection
from shipper.store.origins import OriginRange, OriginStore

WRAPPED: Final = Selection("tags:rejected")
MAX_WRAPPED: Final = 1_000_000
NOTHING: Final = bytes(WINDOW)


@dataclass(frozen=True, slots=True)
class _Window:
    """Numbers of a run that have to be stored: one byte each from `base`; and their receipts."""

    run: str
    base: int
    owed: bytes
    receipts: Sequence[Receipt]

    @property
    def span(self) -> OriginRange:
        first, last = self.owed.find(1), self.owed.rfind(1)
        return OriginRange(self.run, self.base + first, self.base + last, own=True)


@dataclass(slots=True)
class _Tally:
    """What was found so far."""

    letters: frozenset[str]
    wrapped_ids: frozenset[str]
    dead: dict[str, list[int]]  # by stream: where dead letters begin, in order
    indexed: int = 0
    wrapped: int = 0
    dead_letters: int = 0
    lost: list[LostRange] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    gaps: list[NumberGap] = field(default_factory=list)
    expired: int = 0


def examine(store: OriginStore, account: Account) -> AuditResult:
    """
    Look up everything that an account claims, and return what was found.

    Raises:
        StoreUnavailable: the store cannot be read now.

    """
    tally = _Tally(account.letters, wrapped_ids(store), _by_stream(account.letters))
    claims = [each for each in account.receipts if not is_dropped(each.stream)]
    live, expired = split_expired(claims, store.retained_after())
    tally.expired = sum(each.count for each in expired)
    owed = [*_windows(account, live, expired)]
    for window, positions in zip(owed, store.positions([w.span for w in owed]), strict=True):
        _compare(window, positions, tally)
    foreign = [each for each in live if not is_run(each.stream)]
    spans = [OriginRange(each.stream, each.first, each.last, own=False) for each in foreign]
    for each, positions in zip(foreign, store.positions(spans), strict=True):
        _count(each, positions, tally)
    tally.gaps += _gaps(account)
    return AuditResult(
        indexed=tally.indexed,
        wrapped=tally.wrapped,
        dead_letters=tally.dead_letters,
        waiting=sum(each.lines for each in account.waiting),
        given_up=sum(each.lines or 0 for each in account.given_up),
        lost=tuple(tally.lost),
        doubled=tuple(tally.doubled),
        gaps=tuple(tally.gaps),
        expired=tally.expired,
        dropped=_dropped(account),
        given_up_files=tuple(account.given_up),
    )


def wrapped_ids(store: OriginStore) -> frozenset[str]:
    """Return the ids of the records that are stored as text."""
    if not store.count(WRAPPED):
        return frozenset()
    return frozenset(hit.id for hit in store.search(WRAPPED, limit=MAX_WRAPPED).hits)


def _by_stream(letters: frozenset[str]) -> dict[str, list[int]]:
    """Return the positions of dead letters by their stream, in order."""
    found: dict[str, list[int]] = {}
    for letter in letters:
        stream, _, position = letter.rpartition("-")
        if position.isascii() and position.isdigit() and len(position) < 20:
            found.setdefault(stream, []).append(int(position))
    for positions in found.values():
        positions.sort()
    return found


def split_expired(receipts: Sequence[Receipt], dropped: int) -> tuple[list[Receipt], list[Receipt]]:
    """Return the receipts to check, and those whose records retention may have deleted."""
    live: list[Receipt] = []
    expired: list[Receipt] = []
    for each in receipts:
        # A batch of which something was wrapped took two commits, and is known by the second.
        (expired if dropped and each.done <= dropped + 1 else live).append(each)
    return live, expired


def _windows(
    account: Account, live: Sequence[Receipt], expired: Sequence[Receipt]
) -> Iterator[_Window]:
    """Yield the numbers of all runs that have to be stored, window by window."""
    expired_by_run = by_run(expired)
    for run, of_run in by_run(live).items():
        numbers = account.numbers.get(run)
        if numbers is None:
            continue
        not_owed = merged([(each.first, each.last) for each in expired_by_run.get(run, ())])
        owed_ranges = merged([(each.first, each.last) for each in of_run])
        for base, parts in windows(numbers.bases(), owed_ranges):
            owed = _masked(numbers.window(base), base, parts, not_owed)
            if owed != NOTHING:
                yield _Window(run, base, owed, of_run)


def _masked(
    accepted: bytes,
    base: int,
    parts: Sequence[tuple[int, int]],
    not_owed: Sequence[tuple[int, int]],
) -> bytes:
    """Keep the numbers of a window that lie in `parts` and not in `not_owed`."""
    if parts == [(base, base + WINDOW - 1)] and not not_owed:
        return accepted
    owed = bytearray(WINDOW)
    for first, last in parts:
        owed[first - base : last - base + 1] = accepted[first - base : last - base + 1]
    begin = bisect_left(not_owed, base, key=_last)
    for first, last in islice(not_owed, begin, None):
        start, end = max(first - base, 0), min(last - base + 1, WINDOW)
        if start >= end:
            break
        owed[start:end] = bytes(end - start)
    return bytes(owed)


def _last(span: tuple[int, int]) -> int:
    return span[1]


def _compare(window: _Window, positions: Sequence[int], tally: _Tally) -> None:
    """Compare the numbers that are stored with those that have to be."""
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
    if not missing:
        return
    # The narrowest range first: an error.log spans many numbers, and holds few of them.
    receipts = [each for each in window.receipts if each.first <= missing[-1]]
    receipts = [each for each in receipts if each.last >= missing[0]]
    receipts.sort(key=lambda each: (each.last - each.first) / each.count)
    for first, last in merged([(number, number) for number in missing]):
        tally.lost += _lost(window.run, receipts, first, last)


def _judge(origin: str, times: int, tally: _Tally, *, is_owed: bool) -> bool:
    """Count a record that is not stored exactly once; return False if it is lost."""
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


def _lost(run: str, receipts: Sequence[Receipt], first: int, last: int) -> Iterator[LostRange]:
    """Yield lost numbers with the file that they were read from, by the first receipt."""
    count = last - first + 1
    for each in receipts:
        if each.first <= first and last <= each.last:
            yield LostRange(run, first, last, count, each.file, each.path, each.start)
            return
    middle = (first + last) // 2
    if first == last:
        return
    yield from _lost(run, receipts, first, middle)
    yield from _lost(run, receipts, middle + 1, last)


def _count(receipt: Receipt, positions: Sequence[int], tally: _Tally) -> None:
    """Compare the lines of a receipt with the positions that are stored."""
    stored = set(positions)
    for before, position in pairwise(positions):
        origin = f"{receipt.stream}-{position}"
        if before == position and (not tally.doubled or tally.doubled[-1] != origin):
            tally.doubled.append(origin)
    prefix = f"{receipt.stream}-"
    wrapped = (
        sum(f"{prefix}{each}" in tally.wrapped_ids for each in stored) if tally.wrapped_ids else 0
    )
    letters = tally.dead.get(receipt.stream, [])
    begin, end = bisect_left(letters, receipt.first), bisect_right(letters, receipt.last)
    dead = sum(position not in stored for position in islice(letters, begin, end))
    tally.indexed += len(stored) - wrapped
    tally.wrapped += wrapped
    tally.dead_letters += dead
    lost = receipt.count - len(stored) - dead
    if lost > 0:
        tally.lost.append(
            LostRange(
                receipt.stream,
                receipt.first,
                receipt.last,
                lost,
                receipt.file,
                receipt.path,
                receipt.start,
            )
        )


def _gaps(account: Account) -> Iterator[NumberGap]:
    """Yield the numbers of each run, between its first and last, that were never read."""
    for run, receipts in by_run(account.receipts).items():
        numbers = account.numbers.get(run)
        if numbers is None:
            continue
        first = min(each.first for each in receipts)
        last = max(each.last for each in receipts)
        unread = account.unread.get(run)
        known = numbers if unread is None else _Either(numbers, unread)
        dropped = account.numbers.get(f"{run}{DROPPED}")
        known = known if dropped is None else _Either(known, dropped)
        for start, end in _missing(known, first, last):
            yield NumberGap(run, start, end)


def _dropped(account: Account) -> int:
    """Count what processors dropped; a number of which another copy was kept is no such record."""
    count = 0
    spans: dict[str, list[tuple[int, int]]] = {}
    for each in account.receipts:
        if is_dropped(each.stream):
            if is_run(each.stream.removesuffix(DROPPED)):
                spans.setdefault(each.stream, []).append((each.first, each.last))
            else:
                count += each.count
    for name, ranges in spans.items():
        dropped, kept = account.numbers.get(name), account.numbers.get(name.removesuffix(DROPPED))
        if dropped is None:
            continue
        for base, parts in windows(dropped.bases(), merged(ranges)):
            found = _masked(dropped.window(base), base, parts, ())
            also = kept.window(base) if kept is not None else NOTHING
            count += (int.from_bytes(found) & ~int.from_bytes(also)).bit_count()
    return count


class _Either:
    """The numbers that one or the other of two has, as `AcceptedNumbers`."""

    def __init__(self, one: AcceptedNumbers, other: AcceptedNumbers) -> None:
        self._one = one
        self._other = other
        self._bases = set(other.bases())

    def window(self, base: int) -> bytes:
        found = self._one.window(base)
        if base not in self._bases:
            return found
        both = int.from_bytes(found) | int.from_bytes(self._other.window(base))
        return both.to_bytes(WINDOW)

    def bases(self) -> list[int]:
        return sorted(self._bases.union(self._one.bases()))


def _missing(numbers: AcceptedNumbers, first: int, last: int) -> list[tuple[int, int]]:
    """Return the ranges of numbers from `first` to `last` that were not accepted."""
    missing: list[tuple[int, int]] = []
    reached = first
    for base, [(start, end)] in windows(numbers.bases(), [(first, last)]):
        if reached < start:
            missing.append((reached, start - 1))
        accepted = numbers.window(base)
        at = accepted.find(0, start - base, end - base + 1)
        while at >= 0:
            over = accepted.find(1, at, end - base + 1)
            over = end - base + 1 if over < 0 else over
            missing.append((base + at, base + over - 1))
            at = accepted.find(0, over, end - base + 1)
        reached = end + 1
    if reached <= last:
        missing.append((reached, last))
    return merged(missing)
