"""
One turn of the alert job: which windows are due, what the store says of them, what is decided.

    heartbeats ─► which windows, on which hosts (schedule.py) ─► one request for all of them
        ─► verdicts (evaluate.py) ─► incidents (incidents/tracks.py) ─► who is notified (decide.py)
                                                └── one transaction with how far is judged ──┘

A store that gives no answer, or one of a part of the records, leaves every window as it was: it is
judged when the store answers. A question that a store refuses makes its rule blind, no other one.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Protocol

from shipper import crashpoints
from shipper.alerts.incident import Transition
from shipper.alerts.incidents.lifecycle import as_of, resolve
from shipper.alerts.incidents.tracks import Standings
from shipper.alerts.judge.decide import FIRING, Decisions, Policy, act
from shipper.alerts.judge.evaluate import HOST, judge, terms_of
from shipper.alerts.judge.measure import Asked, Measurement, measure, measure_largest
from shipper.alerts.judge.schedule import Due, ScheduleProgress, Turn, Waits, fleet_of, plan
from shipper.alerts.judge.self_checks import (
    BLIND,
    BROKEN,
    FAILING,
    UNREACHABLE,
    Condition,
    blind_hosts,
    conditions_of,
    grouped_hosts,
)
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.rules.reading import Rules
from shipper.alerts.rules.rule import Rule
from shipper.alerts.verdict import Group, Verdict
from shipper.crashpoints import CrashPoint
from shipper.errors import QueryError, ShipperError, StoreUnavailable
from shipper.store.api import Store
from shipper.store.fleet import HostBeat, read_fleet

log = logging.getLogger("shipper.alerts.job")

LONGEST_REST_MS: Final = 10_000  # clocks and silences are looked at so often
RETRY_MS: Final = 5_000  # until a store that gave no answer is asked again

Found = dict[str, dict[Group, str]]  # by condition: the groups that it is found of, and why


@dataclass(frozen=True, slots=True)
class TurnTimes:
    """How long is waited for what; milliseconds. `jitter` is this job's share of it, 0 to 1."""

    waits: Waits
    blind_after_ms: int
    forget_hosts_ms: int
    jitter: float = 0.0


@dataclass(frozen=True, slots=True)
class JudgeInputs:
    """What came of a turn: how much was judged and decided, and when to look again."""

    next_at: int
    windows: int = 0
    decided: int = 0
    fault: str | None = None  # why the store could not be asked


class LeaseEndedError(ShipperError):
    """Another alert job may be active: nothing of this turn counts."""

    def __init__(self) -> None:
        super().__init__("the lease ended while rules were evaluated", "it is claimed again")


class MayAct(Protocol):
    """Whether what is decided is this job's to decide."""

    def renew(self) -> bool:
        """Renew the lease when it is time; return False if another job is active."""

    def may_act(self) -> bool:
        """Return whether this job may act now."""


class _Always:
    def renew(self) -> bool:
        return True

    def may_act(self) -> bool:
        return True


_ALWAYS: Final = _Always()


class Judging:
    """Judges rules; used by one thread, which holds the lease."""

    def __init__(  # noqa: PLR0913 - what it is made of
        self,
        open_store: Callable[[], Store],
        ledger: Ledger,
        rules: Rules,
        policy: Policy,
        times: TurnTimes,
        *,
        tenure: MayAct = _ALWAYS,
    ) -> None:
        self._open_store = open_store
        self._ledger = ledger
        self._rules = [rule for rule in rules.rules if rule.job is None]
        self._broken: dict[Group, str] = {
            (("file", each.path.name),): "; ".join(each.faults) for each in rules.broken
        }
        self._policy = policy
        self._times = times
        self._tenure = tenure
        self._conditions = conditions_of(rules.rules, times.blind_after_ms)
        self._known = {rule.name for rule in rules.rules}
        self._known |= {each.path.stem for each in rules.broken}
        self._known |= {each.rule.name for each in self._conditions.values()}
        self._store: Store | None = None
        self._early: dict[str, int] = {}
        self._refused: dict[Group, str] = {}
        self._answered: set[str] = set()  # rules whose questions the store answers

    def retire(self, now: int) -> None:
        """End the incidents of rules that are not there any more, or group by other fields now."""
        fields = {rule.name: rule.all_group_by for rule in self._rules}
        with self._ledger.deciding():
            for incident in self._ledger.incidents(FIRING):
                ours = tuple(field for field, _ in incident.group)
                note = ""
                if incident.rule not in self._known:
                    note = "the rule was removed"
                elif fields.get(incident.rule, ours) != ours:
                    by = ", ".join(fields[incident.rule]) or "nothing"
                    note = f"the rule was changed: it groups by {by} now"
                if note:
                    act(self._ledger, resolve(incident, "config", now, note)[1], now)
            for name in self._ledger.progress.judged().keys() - self._known:
                self._ledger.progress.forget_rule(name)

    def look(self, now: int) -> JudgeInputs:
        """Judge what is due at a time (epoch ms), and decide."""
        try:
            if self._store is None:
                self._store = self._open_store()
            since = now - self._times.forget_hosts_ms
            beats = read_fleet(self._store, since=since, now=now)
            turns = self._plan(beats, now)
            measured = self._measure(self._store, turns)
        except StoreUnavailable as error:
            return self.be_blind(str(error), now)
        found: Found = {
            UNREACHABLE: {},
            BLIND: self._refused
            | grouped_hosts(
                blind_hosts(beats, self._times.blind_after_ms, now),
                self._open_groups(self._conditions[BLIND].rule.name),
            ),
        }
        self._tenure.renew()
        try:
            decided = self._decide(turns, measured, found, now)
        except LeaseEndedError as error:
            return JudgeInputs(now + RETRY_MS, fault=str(error))
        self._early |= {turn.rule.name: turn.early for turn in turns if turn.early is not None}
        for turn in turns:
            if turn.skipped:
                log.warning(
                    "%s: skipped windows that are older than alerts.catch_up: %d",
                    turn.rule.name,
                    turn.skipped,
                )
        next_at = min((turn.next_at for turn in turns), default=now + LONGEST_REST_MS)
        windows = sum(len(turn.due) for turn in turns)
        return JudgeInputs(min(next_at, now + LONGEST_REST_MS), windows, decided)

    def close(self) -> None:
        """Close the store."""
        if self._store is not None:
            self._store.close()
            self._store = None

    def _plan(self, beats: Sequence[HostBeat], now: int) -> list[Turn]:
        waits = self._times.waits
        assumed = now - waits.assumed_delay_ms
        marks = {
            beat.host: min(beat.watermark, assumed) if beat.is_ahead(now) else beat.watermark
            for beat in beats
        }
        fleet = fleet_of(marks, now, waits)
        judged, owed = self._ledger.progress.judged(), self._ledger.progress.late()
        late: dict[str, dict[str, tuple[int, int]]] = {}
        for (name, host), ends in owed.items():
            late.setdefault(name, {})[host] = ends
        return [
            plan(
                rule,
                ScheduleProgress(judged.get(rule.name), late.get(rule.name, {})),
                fleet,
                waits,
                now,
                jitter=self._times.jitter,
                early=self._early.get(rule.name),
            )
            for rule in self._rules
        ]

    def _measure(self, store: Store, turns: Iterable[Turn]) -> dict[Asked, Measurement | None]:
        """Ask for all windows at once; for each rule alone if one can't be answered."""
        dues = [due for turn in turns for due in turn.due]
        asked = list(dict.fromkeys(each for due in dues for each in due.asked))
        if not asked:
            return {}
        try:
            measured: dict[Asked, Measurement | None] = dict(
                zip(asked, measure(store, asked), strict=True)
            )
        except QueryError:
            return dict(self._one_by_one(store, asked))
        self._answer({each.rule.name for each in asked})
        return measured

    def _answer(self, rules: set[str]) -> None:
        """Keep that the store has answered the questions of these rules."""
        self._answered |= rules
        for name in rules:
            self._refused.pop(_rule_group(name), None)

    def _one_by_one(
        self, store: Store, asked: Sequence[Asked]
    ) -> Iterator[tuple[Asked, Measurement | None]]:
        for rule in dict.fromkeys(each.rule for each in asked):
            of_rule = [each for each in asked if each.rule == rule]
            try:
                yield from zip(of_rule, measure(store, of_rule), strict=True)
                self._answer({rule.name})
            except QueryError as error:
                message = f"the store rejects the query of {rule.name}: {error}"
                self._answered.discard(rule.name)
                self._refused[_rule_group(rule.name)] = message
                log.warning("%s", message)
                yield from self._largest(store, of_rule)

    def _largest(
        self, store: Store, asked: Sequence[Asked]
    ) -> Iterator[tuple[Asked, Measurement | None]]:
        """Ask for the largest groups alone: what is found of one counts, whatever the others do."""
        found: Sequence[Measurement | None] = [None] * len(asked)
        rule = asked[0].rule
        with suppress(QueryError):
            if rule.kind.grows(rule.limits):
                found = [
                    replace(each, asked=replace(each.asked, complete=False))
                    for each in measure(store, asked, largest=True)
                ]
            elif rule.all_group_by and rule.kind.judges_largest:
                expected = {group[0][1] for group in self._open_groups(rule.name)}
                found = measure_largest(store, asked, expected)
        yield from zip(asked, found, strict=True)

    def _decide(
        self,
        turns: Sequence[Turn],
        measured: dict[Asked, Measurement | None],
        found: Found,
        now: int,
    ) -> int:
        """
        Make one transaction of all that the turn has found.

        Raises:
            LeaseEndedError: another job may be active meanwhile; nothing was recorded.
        """
        behind = {turn.rule.name for turn in turns if turn.is_behind}
        with self._ledger.deciding():
            transitions = [made for turn in turns for made in self._judge(turn, measured, now)]
            found |= {BROKEN: self._broken, FAILING: self._ledger.failing()}
            for name, groups in found.items():
                transitions += self._hold(self._conditions[name], groups, now)
            decisions = Decisions(self._ledger, self._policy, now)
            decisions.route()
            decisions.tell(transitions, behind)
            decisions.look_after(behind)
            if not self._tenure.may_act():
                raise LeaseEndedError
        if decisions.count:
            crashpoints.reached(CrashPoint.ALERT_DECIDED)
        return decisions.count

    def be_blind(self, reason: str, now: int) -> JudgeInputs:
        """Say that the store gives no answer; everything else stays as it is."""
        self.close()
        unreachable: Found = {UNREACHABLE: {(): reason}}
        try:
            decided = self._decide([], {}, unreachable, now)
        except LeaseEndedError:
            decided = self._say_unreachable(reason, now)
        return JudgeInputs(now + RETRY_MS, decided=decided, fault=reason)

    @property
    def unreachable_rule(self) -> str:
        """The rule whose incident says that the store gives no answer."""
        return self._conditions[UNREACHABLE].rule.name

    def _say_unreachable(self, reason: str, now: int) -> int:
        """Decide of that incident alone: no other is this job's without the lease."""
        with self._ledger.deciding():
            found = self._hold(self._conditions[UNREACHABLE], {(): reason}, now)
            decisions = Decisions(self._ledger, self._policy, now)
            decisions.tell(found)
        return decisions.count

    def _judge(
        self, turn: Turn, measured: dict[Asked, Measurement | None], now: int
    ) -> list[Transition]:
        """Step through the windows of a rule, in order, and keep how far it is judged."""
        rule, progress = turn.rule, turn.progress
        made: list[Transition] = []
        terms = terms_of(rule)
        if turn.due or turn.caught_up:
            standings = self._standings(rule, now)
            for due in turn.due:
                for verdict in _verdicts(due, measured, standings):
                    made += standings.take(verdict, terms, due.track)
            for host in turn.caught_up:
                made += standings.close(host, progress.judged or 0)
            self._keep(rule, standings)
        self._ledger.progress.set(rule.name, progress.judged, progress.late)
        return made

    def _hold(self, condition: Condition, found: dict[Group, str], now: int) -> list[Transition]:
        """Step through what is found of the job itself."""
        standings = self._standings(condition.rule, now)
        made: list[Transition] = []
        expected = {each for each in standings.open_groups() if not self._is_unasked(each)}
        for verdict in condition.verdicts(found, expected, now):
            made += standings.take(verdict, condition.terms)
        self._keep(condition.rule, standings)
        return made

    def _standings(self, rule: Rule, now: int) -> Standings:
        found = self._ledger.standings(rule.name)
        return Standings({place: as_of(each, now, rule.every_ms) for place, each in found.items()})

    def _open_groups(self, rule: str) -> set[Group]:
        return Standings(self._ledger.standings(rule)).open_groups()

    def _is_unasked(self, group: Group) -> bool:
        """Return whether a group is a rule of which the store has answered nothing yet."""
        return any(
            group == _rule_group(rule.name) and rule.name not in self._answered
            for rule in self._rules
        )

    def _keep(self, rule: Rule, standings: Standings) -> None:
        for (group, track), incident in standings.changes():
            self._ledger.place(rule.name, group, track, incident)


def _verdicts(
    due: Due, measured: dict[Asked, Measurement | None], standings: Standings
) -> list[Verdict]:
    """Return what a window shows of each group; what was asked later counts before."""
    found: dict[Group, Verdict] = {}
    expected, ended = standings.open_groups(), standings.ended()
    for asked in due.asked:
        measurement = measured[asked]
        if measurement is not None:
            verdicts = filter(None, map(_of_its_host, judge(measurement, expected, ended)))
            found |= {verdict.group: verdict for verdict in verdicts}
    return [found[group] for group in sorted(found)]


def _of_its_host(verdict: Verdict) -> Verdict | None:
    """Leave out a group whose own host is late; a group of another host waits for nobody."""
    host = dict(verdict.group).get(HOST)
    if host is None or not verdict.waiting:
        return verdict
    return None if host in verdict.waiting else replace(verdict, waiting=())


def _rule_group(rule: str) -> Group:
    return (("rule", rule),)
