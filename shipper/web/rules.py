"""
The pages about rules: what each says now, and what it would have said with another threshold.

The list judges the last complete window of every rule, as `shipper alerts rules` does. The page of
one rule judges every window of the time of the page (`alerts/backtest`), once with the threshold of
its file and once with that of the address, and draws what was measured below the threshold. Nothing
is stored and nobody is notified.

A back-test is bounded: in its windows, in its groups, in its questions and in their time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from shipper.alerts.backtest.backtest import BacktestOutcome, backtest, verdicts
from shipper.alerts.backtest.history import History, HistorySpan, read_history
from shipper.alerts.backtest.sweep import changed
from shipper.alerts.judge.evaluate import judge
from shipper.alerts.judge.measure import Asked, measure
from shipper.alerts.pages.explain import narrowed_to
from shipper.alerts.rules.reading import Rules, read_rules
from shipper.alerts.verdict import Group, Verdict, VerdictState
from shipper.charts import ChartLine, ChartPoint, time_chart
from shipper.errors import ConfigError, QueryError
from shipper.text import duration, safe
from shipper.web.zones import shown, zone

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.alerts.incident import Incident
    from shipper.alerts.rules.rule import Rule
    from shipper.store.api import AggregateAnswer, Question, Store
    from shipper.web.place import PagePlace

MOST_WINDOWS: Final = 10_080  # of a rule: a week of minutes
MOST_JUDGED: Final = 150_000  # windows of all groups
MOST_QUESTIONS: Final = 60
MOST_SECONDS: Final = 20.0
MOST_FIRED: Final = 100  # incidents that are shown
LINES: Final = 5  # groups that are drawn
POINTS: Final = 360  # of a line
MOST_THRESHOLD: Final = 40  # characters
BEFORE_MS: Final = 900_000  # shown before an incident


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule in the list, and the worst that its last window says."""

    name: str
    severity: str
    kind: str
    limit: str
    state: str
    reason: str
    group: str
    has_page: bool


@dataclass(frozen=True, slots=True)
class FiredRow:
    """An incident that would have fired."""

    group: str
    fired: str
    lasted: str
    reason: str
    records: str


@dataclass(frozen=True, slots=True)
class TriedThreshold:
    """What a threshold would have done."""

    limit: str
    times: int
    a_day: str
    firing: str


@dataclass(frozen=True, slots=True)
class RulePage:
    """One rule: its curve, and what its threshold and another would have done."""

    row: RuleRow
    query: str
    times: str
    chart: str
    key: str  # above or below; empty where a rule has no threshold
    threshold: str  # of the address
    tried: Sequence[TriedThreshold]
    fired: Sequence[FiredRow]
    left: int  # incidents that are not shown


def rules_page(folder: Path, store: Store, now: int) -> tuple[list[RuleRow], list[str]]:
    """Return the rules, those in breach first, and the files that can't be used."""
    found = _read(folder)
    rows = [_row(rule, *_last(store, rule, now)) for rule in found.rules]
    order = {"breach": 0, "unknown": 1}
    rows.sort(key=lambda row: (order.get(row.state, 2), row.name))
    return rows, [safe(str(each)) for each in found.broken]


def rule_page(  # noqa: PLR0913 - what the address says
    folder: Path, store: Store, name: str, place: PagePlace, *, threshold: str, now: int
) -> RulePage:
    """
    Return the page of a rule.

    Raises:
        ConfigError: there is no such rule, or it has no past.
        QueryError: the threshold is none, or the time is too long.
    """
    rule = next((each for each in _read(folder).rules if each.name == name), None)
    if rule is None or not rule.probes:
        raise ConfigError(f"there is no rule {safe(name)[:60]} with a query", "see the list")
    key = "above" if rule.above is not None else "below" if rule.below is not None else ""
    tried = _with_threshold(rule, key, threshold)
    span = HistorySpan(place.since, place.until)
    if len(span.ends(rule)) > MOST_WINDOWS:
        longest = duration(MOST_WINDOWS * rule.every_ms / 1000)
        raise QueryError("the time is too long for a back-test", f"choose at most {longest}")
    history = read_history(_Bounded(store), [rule, tried], span)
    if history.groups(rule) * len(span.ends(rule)) > MOST_JUDGED:
        raise QueryError(
            f"the rule has {history.groups(rule):,} groups here, too many for this time",
            "choose a shorter time, or use shipper alerts backtest",
        )
    outcome = backtest(tried, history)
    variants = [rule, tried] if tried is not rule else [rule]
    outcomes = [backtest(rule, history), outcome] if tried is not rule else [outcome]
    incidents = outcome.incidents
    return RulePage(
        _row(rule, *_last(store, rule, now)),
        rule.asked,
        f"over {duration(rule.over_ms / 1000)}, every {duration(rule.every_ms / 1000)}, "
        f"for {duration(rule.for_ms / 1000)}",
        _chart(tried, history),
        key,
        threshold,
        [_tried(*each) for each in zip(variants, outcomes, strict=True)],
        [_fired(tried, each, outcome, place) for each in incidents[-MOST_FIRED:][::-1]],
        max(0, len(incidents) - MOST_FIRED),
    )


class _Bounded:
    """A store that answers only so many questions, for so long."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._left = MOST_QUESTIONS
        self._until = time.monotonic() + MOST_SECONDS

    def ask(self, questions: Sequence[Question]) -> list[AggregateAnswer]:
        """Return the answers; raise QueryError where it has been too many, or too long."""
        self._left -= len(questions)
        if self._left < 0 or time.monotonic() > self._until:
            raise QueryError(
                "the back-test takes too long",
                "choose a shorter time, or use shipper alerts backtest",
            )
        return self._store.ask(questions)


def _read(folder: Path) -> Rules:
    return read_rules(folder) if folder.is_dir() else Rules(())


def _with_threshold(rule: Rule, key: str, threshold: str) -> Rule:
    if not threshold or not key:
        return rule
    try:
        return changed(rule, [(key, threshold[:MOST_THRESHOLD])])
    except ConfigError as error:
        raise QueryError(error.fault, error.remedy or "use a number, such as 2% or 50") from None


def _last(store: Store, rule: Rule, now: int) -> tuple[str, str, Group]:
    """Return what the last complete window says: state, reason and group of the worst."""
    if not rule.probes:
        return "by the job", "the alert job judges itself; see its incidents", ()
    try:
        (measured,) = measure(store, [Asked(rule, now // rule.every_ms * rule.every_ms)])
        found = judge(measured)
    except QueryError as error:  # of this rule alone
        return "unknown", str(error), ()
    if not found:
        return "ok", "no records", ()
    breaches = [each for each in found if each.state is VerdictState.BREACH]
    worst = max(breaches or found, key=lambda each: _badness(rule, each))
    return worst.state.value, worst.reason, worst.group


def _badness(rule: Rule, verdict: Verdict) -> float:
    value = verdict.value or 0.0
    return -value if rule.below is not None else value


def _row(rule: Rule, state: str, reason: str, group: Group) -> RuleRow:
    return RuleRow(
        rule.name,
        rule.severity.value,
        rule.kind_name,
        _limit(rule),
        state,
        safe(reason)[:400],
        _named(group),
        bool(rule.probes),
    )


def _number(value: float) -> str:
    """Return a number with all of its digits before the point: `10,000,000`, never `1e+07`."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:,.6g}"


def _limit(rule: Rule) -> str:
    value, sign = (rule.below, "<") if rule.above is None else (rule.above, ">")
    if value is None:
        return ""
    return f"{sign} {value * 100:.4g} %" if rule.ratio is not None else f"{sign} {_number(value)}"


def _named(group: Group) -> str:
    return ", ".join(f"{field}={safe(value)}" for field, value in group)[:200]


def _chart(rule: Rule, history: History) -> str:
    """Draw what was measured of the worst groups, and the threshold."""
    scale, unit = (100.0, "%") if rule.ratio is not None else (1.0, "")
    limit: float | None = None
    lines: list[tuple[float, ChartLine]] = []
    for windows in history.windows(rule):
        points: list[ChartPoint] = []
        worst = float("-inf")
        for each in verdicts(rule, windows):
            if each.value is not None:
                points.append((each.window.end, each.value * scale))
                worst = max(worst, _badness(rule, each))
            limit = each.threshold if each.threshold is not None else limit
        if points:
            name = _named(windows.group) or rule.name
            lines.append((worst, ChartLine(name, list(_thinned(rule, points)))))
            lines = sorted(lines, key=lambda line: -line[0])[:LINES]
    drawn = limit * scale if limit is not None else None
    return time_chart(
        [line for _, line in lines], zone(), unit=unit, limit=drawn, width=1000, height=240
    )


def _thinned(rule: Rule, points: Sequence[ChartPoint]) -> Iterator[ChartPoint]:
    """Yield a point of each stretch: the one nearest to a breach, or beyond it."""
    width = -(-len(points) // POINTS)
    choose = min if rule.below is not None else max
    for start in range(0, len(points), width):
        yield choose(points[start : start + width], key=lambda point: point[1] or 0.0)


def _tried(rule: Rule, outcome: BacktestOutcome) -> TriedThreshold:
    return TriedThreshold(
        _limit(rule),
        outcome.pages,
        f"{outcome.pages_a_day:.3g}",
        duration(outcome.firing_ms / 1000),
    )


def _fired(rule: Rule, incident: Incident, outcome: BacktestOutcome, place: PagePlace) -> FiredRow:
    fired = incident.fired_at or incident.opened_at
    lasted = outcome.lasted_ms(incident)
    around = place.narrowed(incident.opened_at - rule.over_ms - BEFORE_MS, fired + lasted)
    return FiredRow(
        _named(incident.group),
        shown(fired),
        duration(lasted / 1000) + ("" if incident.resolved_at else ", and on"),
        safe(incident.verdict.reason)[:400],
        around.link(q=narrowed_to(rule.asked, incident.group, typed=True)),
    )
