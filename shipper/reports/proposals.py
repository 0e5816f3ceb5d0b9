"""
Threshold proposals: what each rule would have done in a period, and which threshold is better.

Every rule with a threshold is back-tested over the period. An incident counts as real if people
acknowledged it: what nobody answered was noise, or at least nobody needed it. If a rule fired
outside of real incidents, higher thresholds are tried, and the first one is proposed with which it
fires in real incidents only, and in all of those in which it fires now. Without acknowledged
incidents nobody knows what was real, and nothing is proposed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shipper.alerts.backtest.backtest import BacktestOutcome, backtest
from shipper.alerts.backtest.history import History, HistorySpan, alike, packed, read_history
from shipper.alerts.backtest.sweep import changed
from shipper.alerts.incident import Incident
from shipper.alerts.rules.rule import Rule
from shipper.errors import QueryError
from shipper.reports.document import (
    ReportBlock,
    ReportSection,
    ReportTable,
    ReportText,
    State,
    cut,
)
from shipper.reports.periods import Period
from shipper.reports.sources import ReportSources
from shipper.store.api import Store
from shipper.text import counted
from shipper.times import iso

TITLE: Final = "Alert thresholds"
FACTORS: Final = (1.25, 1.5, 2.0, 3.0, 5.0)  # of the distance from nothing, that are tried
NEAR_MS: Final = 15 * 60_000  # before and after a real incident, what fires belongs to it

Times = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ThresholdTrial:
    """A rule with a threshold: how often it fired, how often in real incidents, in how many."""

    value: float
    fired: int
    inside: int
    covered: frozenset[int]

    def is_better(self, than: ThresholdTrial) -> bool:
        """Return whether it fires in real incidents only, and misses none that the other finds."""
        return self.inside == self.fired and self.covered >= than.covered


def proposals_section(
    sources: ReportSources, rules: Sequence[Rule], period: Period
) -> ReportSection:
    """Return what the rules would have done in a period, and better thresholds."""
    judged = [rule for rule in rules if rule.probes and _threshold(rule)]
    if not judged:
        text = "There is no rule with a threshold, so none was tried."
        blocks: list[ReportBlock] = [ReportText(text=text, state=State.ATTENTION)]
        return ReportSection(title=TITLE, blocks=tuple(blocks))
    span = HistorySpan(period.since, min(period.until, sources.now))
    real = _real(sources.incidents or (), sources.now)
    found = {
        rule.name: _found(rule, history, real)
        for together in packed(alike(judged))
        for rule, history in _histories(sources.store, together, span)
    }
    listed = [row for rule in judged if (row := found[rule.name]) is not None]
    quiet = len(judged) - len(listed)
    table = ReportTable(
        columns=("rule", "threshold", "fired", "in real incidents", "proposal"),
        rows=tuple(row for row, _ in listed),
        right=frozenset({1, 2, 3}),
        states=tuple(state for _, state in listed),
        empty="No rule with a threshold fired.",
    )
    text = f"{quiet} of {counted(len(judged), 'rule')} with a threshold would not have fired."
    since, until = iso(span.since), iso(span.until)
    command = f"shipper alerts backtest --since {since} --until {until}"
    blocks = [table, ReportText(text=text), ReportText(text=command, code=True)]
    if not real:
        text = "Nobody acknowledged an incident, so it is unknown which of them were real."
        state = State.ATTENTION if listed else State.NONE
        blocks.insert(0, ReportText(text=text, state=state))
    lines = [_headline(row) for row, state in listed if state is State.ATTENTION]
    return ReportSection(title=TITLE, blocks=tuple(blocks), headlines=tuple(lines))


def _headline(row: tuple[str, ...]) -> ReportText:
    """Return a proposal as a sentence."""
    threshold, _, outcome = row[-1].partition(": ")
    text = f"Threshold of {cut(row[0])}: {threshold} instead of {row[1]} {outcome}."
    return ReportText(text=text, state=State.ATTENTION)


def _histories(
    store: Store, rules: Sequence[Rule], span: HistorySpan
) -> Iterator[tuple[Rule, History | QueryError]]:
    """Yield each rule with its numbers, read together unless that is too much for the store."""
    try:
        history = read_history(store, rules, span)
    except QueryError as error:
        if len(rules) == 1:
            yield rules[0], error
        else:
            for rule in rules:
                yield from _histories(store, [rule], span)
        return
    for rule in rules:
        yield rule, history


def _found(
    rule: Rule, history: History | QueryError, real: Sequence[Times]
) -> tuple[tuple[str, ...], State] | None:
    """Return the row of a rule; None if it would not have fired."""
    if isinstance(history, QueryError):
        return (rule.name, _text(rule, _threshold(rule)), "", "", str(history)), State.NONE
    now = trial(rule, history, real)
    if not now.fired:
        return None
    better = proposal(rule, history, now, real) if real and now.fired > now.inside else None
    row = _row(rule, now, better, bool(real))
    return row, State.ATTENTION if better else State.NONE


def _real(incidents: Iterable[Incident], now: int) -> list[Times]:
    """Return the times of the incidents that people acknowledged."""
    return [
        ((each.fired_at or each.opened_at) - NEAR_MS, (each.resolved_at or now) + NEAR_MS)
        for each in incidents
        if each.acknowledged_at is not None
    ]


def trial(rule: Rule, history: History, real: Sequence[Times]) -> ThresholdTrial:
    """Return what a rule would have done."""
    outcome = backtest(rule, history)
    covered = [_overlapping(outcome, each, real) for each in outcome.incidents]
    threshold = _threshold(rule)
    assert threshold is not None
    every = frozenset(number for numbers in covered for number in numbers)
    return ThresholdTrial(threshold, len(covered), sum(map(bool, covered)), every)


def _overlapping(outcome: BacktestOutcome, incident: Incident, real: Sequence[Times]) -> list[int]:
    since, until = incident.fired_at or 0, incident.resolved_at or outcome.until
    return [n for n, (start, end) in enumerate(real) if start <= until and since <= end]


def proposal(
    rule: Rule, history: History, now: ThresholdTrial, real: Sequence[Times]
) -> ThresholdTrial | None:
    """Return the first threshold further away that is better than the one of the rule."""
    key = "above" if rule.above is not None else "below"
    for factor in FACTORS:
        value = now.value * factor if key == "above" else now.value / factor
        tried = trial(changed(rule, [(key, f"{value:.6g}")]), history, real)
        if tried.is_better(now):
            return tried
    return None


def _threshold(rule: Rule) -> float | None:
    return rule.above if rule.above is not None else rule.below


def _text(rule: Rule, value: float | None) -> str:
    sign = ">" if rule.above is not None else "<"
    if value is None:
        return ""
    return f"{sign} {value * 100:.3g} %" if rule.ratio is not None else f"{sign} {value:,.6g}"


def _row(
    rule: Rule,
    now: ThresholdTrial,
    better: ThresholdTrial | None,
    known: bool,  # noqa: FBT001
) -> tuple[str, ...]:
    if better is not None:
        fired = f"have fired {counted(better.fired, 'time')}, all in real incidents"
        words = f"{_text(rule, better.value)}: would {fired if better.fired else 'not have fired'}"
    elif known and now.fired > now.inside:
        words = "fires outside of real incidents; no higher threshold keeps all of these"
    else:
        words = "keep" if known else ""
    inside = f"{now.inside:,}" if known else ""
    return (rule.name, _text(rule, now.value), f"{now.fired:,}", inside, words)
