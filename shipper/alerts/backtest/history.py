"""
The numbers of many windows at once: what a back-test judges.

Instead of one question per window there is one histogram per distinct question of all rules, and a
window is put together from its slots. Counts and sums add up, extremes are those of the slots, so
each window gets the numbers that the live job would have been given (tests hold the two against
each other).

A histogram may be more than a store gives at a time; then the time is halved until it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import fsum, gcd, inf
from operator import sub
from typing import Final, cast

from shipper.alerts.judge.measure import Ask, Asks, grouped, groups_in, number_in, statistic_of
from shipper.alerts.rules.kind import Probe, Take
from shipper.alerts.rules.rule import Rule
from shipper.alerts.verdict import Group
from shipper.errors import QueryError
from shipper.store.api import AggregateAnswer, DateHistogram, Question, Selection, buckets_of

SLOTS_AT_ONCE: Final = 5000  # of one histogram: three days of minutes
ASKS_AT_ONCE: Final = 4  # questions about the same slots, which a store may answer by one reading
_SLOTS: Final = "slots"

Taken = tuple[Take, str]  # what is taken of which field
Key = tuple[Ask, Taken]
Slots = dict[int, float]  # start of a slot → its number
Column = Sequence[float | None]  # one number per window; None where there was nothing to take


@dataclass(frozen=True, slots=True)
class HistorySpan:
    """The ends of windows that are judged lie from `since` to `until`, both included."""

    since: int
    until: int

    def ends(self, rule: Rule) -> range:
        """Return the ends of a rule's windows."""
        return range(-(-self.since // rule.every_ms) * rule.every_ms, self.until + 1, rule.every_ms)


@dataclass(frozen=True, slots=True)
class HistorySeries:
    """The slots of one question, per group."""

    slot_ms: int
    groups: dict[Group, Slots] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class GroupWindows:
    """All windows of a rule for one group: their ends, and a column of numbers per probe."""

    group: Group
    ends: range
    columns: Mapping[str, Column]
    own: frozenset[str]  # the columns that are of this group alone

    def rows(self) -> Iterator[tuple[int, tuple[float | None, ...]]]:
        """Return the end of each window with its numbers, in the order of the columns."""
        return zip(self.ends, zip(*self.columns.values(), strict=True), strict=True)

    def is_there(self, row: Sequence[float | None]) -> bool:
        """Return whether the group has any records in a window."""
        pairs = zip(self.columns, row, strict=True)
        return not self.group or any(number for name, number in pairs if name in self.own)

    def numbers(self, row: Sequence[float | None]) -> dict[str, float]:
        """Return the numbers of a window by the names of their probes."""
        if None not in row:  # as most are
            return dict(zip(self.columns, cast("Sequence[float]", row), strict=True))
        pairs = zip(self.columns, row, strict=True)
        return {name: number for name, number in pairs if number is not None}


class History:
    """The slots of everything that rules ask, over a span."""

    def __init__(self, span: HistorySpan, series: Mapping[Key, HistorySeries]) -> None:
        self.span = span
        self._series = series

    def groups(self, rule: Rule) -> int:
        """Return how many groups of a rule have records."""
        if not rule.all_group_by or not self.span.ends(rule):
            return 1
        own = (self._series[_key_of(rule, probe)] for probe in rule.probes if probe.grouped)
        return len({group for series in own for group in series.groups})

    def windows(self, rule: Rule) -> Iterator[GroupWindows]:
        """Yield the windows of a rule, group by group; a rule without groups has one."""
        ends = self.span.ends(rule)
        if not ends:
            return
        found = [(probe, self._series[_key_of(rule, probe)]) for probe in rule.probes]
        shared = {
            probe.name: _column(probe, series.groups.get((), {}), series.slot_ms, ends)
            for probe, series in found
            if not probe.grouped
        }
        own = [(probe, series) for probe, series in found if probe.grouped]
        groups = {group for _, series in own for group in series.groups}
        for group in sorted(groups) if rule.all_group_by else [()]:
            columns = {
                probe.name: _column(probe, series.groups.get(group, {}), series.slot_ms, ends)
                for probe, series in own
            }
            yield GroupWindows(group, ends, columns | shared, frozenset(columns))


def read_history(
    store: Asks,
    rules: Iterable[Rule],
    span: HistorySpan,
    progress: Callable[[float], None] = lambda _: None,
) -> History:
    """
    Ask for all that the rules need; `progress` is called with the share that was asked for.

    Raises:
        QueryError: the store can't answer, however short the time.
        StoreUnavailable: the store can't be read now.
    """
    plans: dict[Ask, _Plan] = {}
    for rule in rules:
        ends = span.ends(rule)
        for probe in rule.probes if ends else ():
            ask = _ask_of(rule, probe)
            plan = _Plan.of(rule, probe, ends)
            plans[ask] = plans[ask].joined(plan) if ask in plans else plan
    series = {
        (ask, name): HistorySeries(plan.slot_ms)
        for ask, plan in plans.items()
        for name in plan.probes
    }
    batches = _batches(plans)
    for number, batch in enumerate(batches):
        progress(number / len(batches))
        _read_all(store, batch, plans, series)
    progress(1.0)
    return History(span, series)


def alike(rules: Iterable[Rule]) -> list[list[Rule]]:
    """
    Return rules by what they ask: those that share a question are together.

    Read together they cost one reading of it, and others do not have to be held in memory with it.
    """
    found: list[tuple[list[Rule], set[Ask]]] = []
    for rule in rules:
        asks = {_ask_of(rule, probe) for probe in rule.probes}
        shared = [each for each in found if each[1] & asks]
        members = [member for each in shared for member in each[0]]
        found = [each for each in found if each not in shared]
        found.append(([*members, rule], asks.union(*(each[1] for each in shared))))
    return [members for members, _ in found]


def packed(groups: Sequence[Sequence[Rule]]) -> list[list[Rule]]:
    """Return rules by what is read together: groups (`alike`) with similar queries."""
    found: list[list[Rule]] = []
    number = ASKS_AT_ONCE
    for asks, members in sorted(((_asks_of(each), each) for each in groups), key=_order):
        number += len(asks)
        if number > ASKS_AT_ONCE:
            found.append([])
            number = len(asks)
        found[-1] += members
    return found


def _asks_of(rules: Sequence[Rule]) -> set[Ask]:
    return {_ask_of(rule, probe) for rule in rules for probe in rule.probes}


def _order(group: tuple[set[Ask], Sequence[Rule]]) -> list[str]:
    """Return the queries of a group, without what they are put in."""
    return sorted(ask.query.lstrip("(") for ask in group[0])


@dataclass(frozen=True, slots=True)
class _Plan:
    """What one histogram has to cover, how finely, and a probe of each thing that is taken."""

    probes: Mapping[Taken, Probe]
    slot_ms: int
    since: int
    until: int

    @classmethod
    def of(cls, rule: Rule, probe: Probe, ends: range) -> _Plan:
        """Cover what the windows of a rule ask of one probe."""
        slot = gcd(rule.every_ms, probe.span_ms, probe.offset_ms)
        first, last = ends[0] - probe.offset_ms - probe.span_ms, ends[-1] - probe.offset_ms
        return cls({_taken(probe): probe}, slot, first, last)

    def joined(self, other: _Plan) -> _Plan:
        """Cover what two plans cover."""
        return _Plan(
            {**self.probes, **other.probes},
            gcd(self.slot_ms, other.slot_ms),
            min(self.since, other.since),
            max(self.until, other.until),
        )

    def pieces(self) -> Iterator[range]:
        """Yield the starts of the slots, as many at a time as are asked for at once."""
        slots = range(self.since, self.until, self.slot_ms)
        for start in range(0, len(slots), SLOTS_AT_ONCE):
            yield slots[start : start + SLOTS_AT_ONCE]


def _ask_of(rule: Rule, probe: Probe) -> Ask:
    """Return the question of a probe without its time."""
    return Ask(probe.query, 0, 0, rule.all_group_by if probe.grouped else ())


def _taken(probe: Probe) -> Taken:
    return probe.take, probe.field


def _key_of(rule: Rule, probe: Probe) -> Key:
    return _ask_of(rule, probe), _taken(probe)


_Piece = tuple[Ask, range]


def _batches(plans: Mapping[Ask, _Plan]) -> list[list[_Piece]]:
    """Return what is asked together: slots as long, in the same turn."""
    alike: dict[tuple[int, int], list[_Piece]] = {}
    for ask, plan in plans.items():
        for turn, piece in enumerate(plan.pieces()):
            alike.setdefault((plan.slot_ms, turn), []).append((ask, piece))
    return [
        each[start : start + ASKS_AT_ONCE]
        for each in alike.values()
        for start in range(0, len(each), ASKS_AT_ONCE)
    ]


def _read_all(
    store: Asks,
    batch: Sequence[_Piece],
    plans: Mapping[Ask, _Plan],
    series: Mapping[Key, HistorySeries],
) -> None:
    """Add the numbers of a batch, by one request unless that is too much for the store."""
    try:
        answers = store.ask([_question(ask, plans[ask], slots) for ask, slots in batch])
    except QueryError:
        for ask, slots in batch:
            _read(store, ask, plans[ask], slots, series)
        return
    for (ask, _), answer in zip(batch, answers, strict=True):
        _add(ask, plans[ask], answer, series)


def _question(ask: Ask, plan: _Plan, slots: range) -> Question:
    statistics = {n: s for probe in plan.probes.values() for n, s in statistic_of(probe).items()}
    histogram = DateHistogram(slots.step, statistics, filled=False)
    selection = Selection(ask.query, slots.start, slots[-1] + slots.step)
    return Question(selection, grouped(ask.group_by, {_SLOTS: histogram}))


def _read(
    store: Asks, ask: Ask, plan: _Plan, slots: range, series: Mapping[Key, HistorySeries]
) -> None:
    """
    Add the numbers of some slots to their series.

    The groups are outside and the slots inside: a store makes few histograms more quickly than
    many small groupings.
    """
    try:
        (answer,) = store.ask([_question(ask, plan, slots)])
    except QueryError:
        if len(slots) == 1:  # then it is not for the number of slots
            raise
        middle = len(slots) // 2
        _read(store, ask, plan, slots[:middle], series)
        _read(store, ask, plan, slots[middle:], series)
        return
    _add(ask, plan, answer, series)


def _add(
    ask: Ask, plan: _Plan, answer: AggregateAnswer, series: Mapping[Key, HistorySeries]
) -> None:
    """Add the numbers of an answer to their series."""
    for group, found in groups_in(answer, ask.group_by):
        buckets = buckets_of(found, _SLOTS).buckets
        for taken, probe in plan.probes.items():
            numbers = {int(each.key): number_in(each, probe) for each in buckets}
            there = {at: number for at, number in numbers.items() if number is not None}
            series[ask, taken].groups.setdefault(group, {}).update(there)


def _column(probe: Probe, slots: Slots, slot_ms: int, ends: range) -> Column:
    """Put the number of every window together from its slots."""
    if not slots:
        return [0 if probe.take is Take.COUNT else None] * len(ends)
    first = ends[0] - probe.offset_ms - probe.span_ms
    starts = range(first, ends[-1] - probe.offset_ms, slot_ms)
    width, step = probe.span_ms // slot_ms, ends.step // slot_ms
    if probe.take is Take.COUNT:
        sums = [0, *accumulate(int(slots.get(start, 0)) for start in starts)]
        return list(map(sub, sums[width::step], sums[::step]))
    lows = range(0, len(ends) * step, step)
    if probe.take is Take.SUM:
        numbers = [slots.get(start) for start in starts]
        return [_sum(numbers[low : low + width]) for low in lows]
    choose, none = (max, -inf) if probe.take is Take.MOST else (min, inf)
    extremes = [slots.get(start, none) for start in starts]
    found = (choose(extremes[low : low + width]) for low in lows)
    return [None if number == none else number for number in found]


def _sum(numbers: Sequence[float | None]) -> float | None:
    there = [number for number in numbers if number is not None]
    return fsum(there) if there else None
