"""The audit against plain sets: whatever was accepted, stored and lost, the difference is exact."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from shipper.audit.account import WINDOW, Account
from shipper.audit.examine import examine
from shipper.registry.records import Receipt
from shipper.store.api import AggregateAnswer, Hit, Hits, Question, Selection, Sort
from shipper.store.origins import OriginRange

RUN, STREAM = "01JKBBBBBBBBBBBBBBBBBBBBBB", "0123456789abcdef0123"
FAR = 2**52


@dataclass
class Plain:
    """A store as plain as can be: how often each position of a stream is there."""

    stored: dict[str, Counter[int]] = field(default_factory=dict)
    wrapped: frozenset[str] = frozenset()
    dropped: int = 0

    def positions(self, ranges: Sequence[OriginRange]) -> Iterator[Sequence[int]]:
        for span in ranges:
            held = self.stored.get(span.stream, Counter())
            yield sorted(each for each in held.elements() if span.first <= each <= span.last)

    def retained_after(self) -> int:
        return self.dropped

    def count(self, selection: Selection) -> int:
        return len(self.wrapped)

    def search(
        self,
        selection: Selection,
        *,
        limit: int,
        sort: Sort = Sort.DESC,
        counted: bool = True,
    ) -> Hits:
        return Hits([Hit(each, 0, {}) for each in self.wrapped], len(self.wrapped))

    def remove_doubles(self, ids: Sequence[str]) -> int:
        raise NotImplementedError

    def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
        raise NotImplementedError

    def follow(self, selection: Selection) -> Iterator[Sequence[Hit]]:
        raise NotImplementedError

    def cancel(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        pass


@dataclass
class Accepted:
    """The numbers of a run as a set."""

    numbers: set[int]

    def window(self, base: int) -> bytes:
        return bytes(base + index in self.numbers for index in range(WINDOW))

    def bases(self) -> Sequence[int]:
        return sorted({number // WINDOW * WINDOW for number in self.numbers})


def receipt(
    first: int, last: int, count: int, *, stream: str = RUN, done: int = 0, start: int = 0
) -> Receipt:
    return Receipt(1, 1, "a.log", stream, first, last, count, start, 9, 0, 0, done)


NUMBERS = st.integers(0, 40) | st.integers(WINDOW - 3, WINDOW + 3) | st.sampled_from([FAR, FAR + 2])


@given(
    accepted=st.sets(NUMBERS, min_size=1),
    away=st.sets(NUMBERS),
    twice=st.sets(NUMBERS),
    letters=st.sets(NUMBERS),
    wrapped=st.sets(NUMBERS),
    unread=st.sets(NUMBERS),
)
def test_every_number_has_one_place(
    *,
    accepted: set[int],
    away: set[int],
    twice: set[int],
    letters: set[int],
    wrapped: set[int],
    unread: set[int],
) -> None:
    """Each number is indexed, wrapped, a letter or lost, doubles are named, holes are ranges."""
    stored = Counter(accepted - away)
    stored.update(accepted & twice)
    store = Plain({RUN: stored}, frozenset(f"{RUN}-{each}" for each in wrapped))
    account = Account(
        [receipt(min(accepted), max(accepted), len(accepted))],
        {RUN: Accepted(accepted)},
        frozenset(f"{RUN}-{each}" for each in letters),
        unread={RUN: Accepted(unread)},
    )

    result = examine(store, account)

    there = {*stored}
    missing = accepted - there
    assert result.indexed == len(there)
    assert result.wrapped == len(missing & wrapped)
    assert result.dead_letters == len((missing & letters) - wrapped)
    lost = missing - wrapped - letters
    assert {n for each in result.lost for n in range(each.first, each.last + 1)} == lost
    assert result.lost_count == len(lost)
    doubled = {each for each, times in stored.items() if times > 1}
    assert {*result.doubled} == {f"{RUN}-{each}" for each in doubled}
    assert result.closes == (not lost and not doubled)
    holes = [(each.first, each.last) for each in result.gaps]
    assert holes == sorted(holes)
    for number in {*range(45), *range(WINDOW - 4, WINDOW + 5), FAR, FAR + 1, FAR + 2}:
        is_hole = min(accepted) <= number <= max(accepted) and number not in accepted | unread
        assert any(first <= number <= last for first, last in holes) == is_hole


def test_foreign_lines_are_counted_by_their_places() -> None:
    """Of a range of lines as many are lost as places are missing, whatever is there twice."""
    stored = Counter([0, 10, 10, 30])
    account = Account(
        [receipt(0, 40, 5, stream=STREAM)], {}, frozenset({f"{STREAM}-40", f"{STREAM}-99"})
    )

    result = examine(Plain({STREAM: stored}), account)

    assert (result.indexed, result.dead_letters, result.lost_count) == (3, 1, 1)
    assert result.doubled == (f"{STREAM}-10",)


def test_what_retention_dropped_is_not_judged() -> None:
    """Receipts of commits that were dropped are left out, and what they may share with others."""
    account = Account(
        [receipt(0, 9, 10, done=5), receipt(5, 14, 7, done=20)], {RUN: Accepted({*range(15)})}
    )

    result = examine(Plain({RUN: Counter(range(10, 14))}, dropped=7), account)

    assert (result.expired, result.indexed) == (10, 4)
    assert [(each.first, each.last) for each in result.lost] == [(14, 14)]


def test_a_loss_is_read_again_from_the_file_that_has_it() -> None:
    """Of several receipts the one counts whose lines lie closest together."""
    account = Account(
        [receipt(0, 99, 5, start=7000), receipt(40, 60, 21, start=300)],
        {RUN: Accepted({*range(100)})},
    )

    (lost,) = examine(Plain({RUN: Counter(set(range(100)) - {50})}), account).lost

    assert (lost.first, lost.start) == (50, 300)


class Gone(frozenset[str]):
    """Dead letters that count how often they are gone through."""

    times = 0

    def __iter__(self) -> Iterator[str]:
        self.times += 1
        return super().__iter__()


def test_dead_letters_are_looked_up() -> None:
    """However many receipts there are, all dead letters are gone through once."""
    letters = Gone(f"{STREAM}-{each}" for each in (5, 15, 20, "x"))
    receipts = [receipt(10 * each, 10 * each + 9, 2, stream=STREAM) for each in range(3)]

    result = examine(Plain({STREAM: Counter([0, 10, 25])}), Account(receipts, {}, letters))

    assert (result.indexed, result.dead_letters, result.lost_count) == (3, 3, 0)
    assert letters.times == 1
