"""
Which windows are judged now, on which hosts; a function of values.

A window ends at a multiple of its rule's `every`. When it is judged:

    all hosts have delivered it (their watermark has passed its end)      at once, on all
    `grace` has passed, and some have not                                 on those that have; the
                                                                          others owe it (`late`)
    `grace` has passed, and no host has                                   not yet; a count that only
                                                                          grows may breach early
    a host that owes windows delivers them                                once more, on its track

A rule of the kind `judge: clock` is judged when its window has ended, whoever is late. Windows that
were missed while no job ran are judged in their order, a portion at a time; those that ended longer
than `catch_up` ago are not judged any more, and `skipped` counts them.

Where no shipper sends heartbeats, records are taken to have arrived `assumed_delay` after they were
written: a guess, for shippers older than the heartbeat.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from shipper.alerts.incidents.tracks import MAIN
from shipper.alerts.judge.measure import ALL_HOSTS, Asked, Hosts
from shipper.alerts.rules.rule import Judge, Rule

PORTION: Final = 30  # windows of a rule and track that are judged in one turn
POLL_MS: Final = 1000  # between two looks at the watermarks while a window waits
LATE_POLL_MS: Final = 5000  # … while a host owes windows
SETTLE_MS: Final = 2000  # until what was stored can be searched, for rules judged by the clock
MOST_JITTER: Final = 0.1  # of `every`
MOST_JITTER_MS: Final = 5000
ASSUMED: Final = ""  # in place of the hosts, where none sends heartbeats


@dataclass(frozen=True, slots=True)
class Waits:
    """How long is waited, and how far back is looked; milliseconds."""

    grace_ms: int
    catch_up_ms: int
    assumed_delay_ms: int


@dataclass(frozen=True, slots=True)
class Fleet:
    """The watermark of each host: what is older can be searched; epoch milliseconds."""

    watermarks: Mapping[str, int]

    def late_at(self, end: int) -> tuple[str, ...]:
        """Return the hosts that have not delivered all that is before a time."""
        return tuple(sorted(host for host, mark in self.watermarks.items() if mark < end))


def fleet_of(watermarks: Mapping[str, int], now: int, waits: Waits) -> Fleet:
    """Return the fleet; where nobody sends heartbeats, one host that is always on time."""
    return Fleet(watermarks or {ASSUMED: now - waits.assumed_delay_ms})


@dataclass(frozen=True, slots=True)
class Due:
    """
    A window that is judged now on a track.

    What is found by a later one of `asked` counts before what is found by an earlier one.
    """

    rule: Rule
    end: int
    track: str
    asked: tuple[Asked, ...]


@dataclass(frozen=True, slots=True)
class ScheduleProgress:
    """How far one rule is judged: the last window, and the windows that hosts owe (both ends)."""

    judged: int | None = None
    late: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Turn:
    """
    What is done for one rule now, and how far it is judged after that.

    `caught_up` are the hosts that owe nothing any more. With `is_behind` there is more to do at
    once; `early` is the end of the window that was asked about before anybody had delivered it.
    """

    rule: Rule
    due: tuple[Due, ...]
    progress: ScheduleProgress
    caught_up: tuple[str, ...] = ()
    skipped: int = 0
    is_behind: bool = False
    early: int | None = None
    next_at: int = 0


def plan(  # noqa: PLR0913 - values, each of which decides
    rule: Rule,
    progress: ScheduleProgress,
    fleet: Fleet,
    waits: Waits,
    now: int,
    *,
    jitter: float = 0.0,
    early: int | None = None,
) -> Turn:
    """Say which windows of a rule are judged at a time; `early` is that of the turn before."""
    shifted = now - round(jitter * min(rule.every_ms * MOST_JITTER, MOST_JITTER_MS))
    planner = _Planner(rule, dict(progress.late), fleet, waits, shifted, early)
    start, skipped = planner.start(progress.judged)
    planner.judge_late()
    judged = planner.judge_main(start)
    return Turn(
        rule=rule,
        due=tuple(planner.due),
        progress=ScheduleProgress(judged, planner.late),
        caught_up=tuple(planner.caught_up),
        skipped=skipped,
        is_behind=planner.is_behind,
        early=planner.early,
        next_at=planner.next_at(judged) + now - shifted,
    )


@dataclass(slots=True)
class _Planner:
    """The steps of `plan`."""

    rule: Rule
    late: dict[str, tuple[int, int]]
    fleet: Fleet
    waits: Waits
    now: int
    early: int | None
    due: list[Due] = field(default_factory=list)
    caught_up: list[str] = field(default_factory=list)
    is_behind: bool = False

    def start(self, judged: int | None) -> tuple[int, int]:
        """Return the end after which windows are judged, and how many are skipped as too old."""
        every = self.rule.every_ms
        last = self.now // every * every
        if judged is None:
            return last - every, 0
        judged = min(judged // every * every, last)  # the clock may have been ahead
        oldest = (self.now - self.waits.catch_up_ms) // every * every
        return max(judged, oldest), max(0, (oldest - judged) // every)

    def judge_main(self, judged: int) -> int:
        """Take the windows that are due at their time; return the last one."""
        for end in self._ends(judged + self.rule.every_ms, self.now):
            asked = self._ask_window(end)
            if asked is None:
                self._ask_early(end)
                return judged
            self.due.append(Due(self.rule, end, MAIN, asked))
            judged = end
        return judged

    def judge_late(self) -> None:
        """Take the windows that hosts owed and have delivered now."""
        oldest = self.now - self.waits.catch_up_ms
        for host, (first, last) in list(self.late.items()):
            mark = self.fleet.watermarks.get(host)
            reach = -1 if mark is None else min(last, mark)
            following = max(first, oldest)
            for end in self._ends(following, reach):
                late = self.fleet.late_at(end)
                self.due.append(
                    Due(self.rule, end, host, (Asked(self.rule, end, Hosts(late=late)),))
                )
                following = end + self.rule.every_ms
            if mark is None or following > last:
                del self.late[host]
                self.caught_up.append(host)
            else:
                self.late[host] = (following, last)

    def next_at(self, judged: int) -> int:
        """Return when to look again, in epoch milliseconds."""
        if self.is_behind:
            return self.now
        end = judged + self.rule.every_ms
        if end <= self.now:
            return self.now + POLL_MS
        return min(end, self.now + LATE_POLL_MS) if self.late else end

    def _ask_window(self, end: int) -> tuple[Asked, ...] | None:
        """Ask about a window, and note the hosts that are late for it; None: it is too early."""
        rule = self.rule
        if rule.judge is Judge.CLOCK:
            return (Asked(rule, end),) if end + SETTLE_MS <= self.now else None
        late = self.fleet.late_at(end)
        if not late:
            return (Asked(rule, end),)
        if self.now < end + self.waits.grace_ms or len(late) == len(self.fleet.watermarks):
            return None
        for host in late:
            self.late[host] = (self.late[host][0] if host in self.late else end, end)
        part = Asked(rule, end, Hosts(late=late))
        return (part, self._early(end)) if rule.kind.grows(rule.limits) else (part,)

    def _ask_early(self, end: int) -> None:
        """Ask about a window that nobody has delivered, where a breach would stay one; once."""
        rule = self.rule
        is_late = rule.judge is Judge.WATERMARK and self.now >= end + self.waits.grace_ms
        if is_late and rule.kind.grows(rule.limits):
            last = self.now // rule.every_ms * rule.every_ms
            newest = last if self.now >= last + self.waits.grace_ms else last - rule.every_ms
            if self.early != newest:  # it is later than this after the clock was set back
                self.early = newest
                self.due.append(Due(rule, newest, MAIN, (self._early(newest),)))

    def _early(self, end: int) -> Asked:
        return Asked(self.rule, end, ALL_HOSTS, complete=False)

    def _ends(self, first: int, last: int) -> Iterator[int]:
        """Yield the ends of windows from one time to another, at most a portion."""
        every = self.rule.every_ms
        ends: Sequence[int] = range(-(-first // every) * every, last + 1, every)
        if len(ends) > PORTION:
            self.is_behind = True
        yield from ends[:PORTION]
