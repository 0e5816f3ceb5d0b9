"""
Back-test: what a rule would have done, had it been there.

Every window is judged by what judges it live (`kind.find`), and every verdict makes the incidents
by the same step (`lifecycle.py`). What is left out is what depends on the day and not on the
records: hosts that were late, silences, and people who acknowledged. `muted.py` adds what planned
work and other incidents would have muted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from shipper.alerts.backtest.history import GroupWindows, History
from shipper.alerts.incident import Change, Incident, Transition
from shipper.alerts.incidents.lifecycle import is_open, step
from shipper.alerts.judge.evaluate import numbers_since, terms_of, verdict_of
from shipper.alerts.judge.measure import Asked
from shipper.alerts.rules.kind import Numbers, RuleFinding
from shipper.alerts.rules.rule import Rule
from shipper.alerts.verdict import Verdict, VerdictState

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class BacktestOutcome:
    """
    What a rule would have done between the first and the last window.

    `muted` names the incidents that nobody would have been notified of, with the reason.
    """

    rule: Rule
    since: int
    until: int
    transitions: tuple[Transition, ...]
    muted: Mapping[str, str] = field(default_factory=dict)

    @property
    def incidents(self) -> list[Incident]:
        """Those that people would have been notified of, as they ended, in the order they fired."""
        last: dict[str, Incident] = {}
        for each in self.transitions:
            if each.incident.fired_at is not None:
                last[each.incident.id] = each.incident
        return sorted(last.values(), key=lambda incident: (incident.fired_at or 0, incident.group))

    @property
    def pages(self) -> int:
        """How often people would have been called."""
        return sum(
            each.change is Change.FIRED and each.incident.id not in self.muted
            for each in self.transitions
        )

    @property
    def pages_a_day(self) -> float:
        """How often a day people would have been called."""
        return self.pages * DAY_MS / max(self.until - self.since, 1)

    @property
    def firing_ms(self) -> int:
        """How long incidents would have been firing, all of them together."""
        return sum(self.lasted_ms(incident) for incident in self.incidents)

    def lasted_ms(self, incident: Incident) -> int:
        """Return how long an incident was firing; one that still does, until the last window."""
        return (incident.resolved_at or self.until) - (incident.fired_at or 0)


def backtest(rule: Rule, history: History) -> BacktestOutcome:
    """Judge all windows of a rule."""
    made = (transition for windows in history.windows(rule) for transition in _live(rule, windows))
    ordered = sorted(made, key=lambda each: (each.at, each.incident.group))
    return BacktestOutcome(rule, history.span.since, history.span.until, tuple(ordered))


def verdicts(rule: Rule, windows: GroupWindows) -> Iterator[Verdict]:
    """Judge every window of a group that has records."""
    kind, limits = rule.kind, rule.limits
    for end, row in windows.rows():
        if windows.is_there(row):
            yield _verdict(rule, windows, end, kind.find(limits, windows.numbers(row)))


def _live(rule: Rule, windows: GroupWindows) -> Iterator[Transition]:
    """
    Yield the transitions of one group.

    Windows that are plainly ok are passed over while nothing is open, which most of them are: the
    step would do nothing.
    """
    kind, limits, terms, probes = rule.kind, rule.limits, terms_of(rule), rule.probes
    incident: Incident | None = None
    for end, row in windows.rows():
        if incident is None or not is_open(incident):
            numbers: Numbers = windows.numbers(row)
            if kind.is_quiet(limits, numbers):
                continue
            if incident is not None:
                numbers = numbers_since(probes, numbers, end, incident.verdict.window.end)
            finding = kind.find(limits, numbers)
            if finding.state is VerdictState.OK or not windows.is_there(row):
                continue
        else:
            finding = kind.find(limits, windows.numbers(row))
        verdict = _verdict(rule, windows, end, finding)
        incident, transitions = step(incident, verdict, terms, end)
        yield from transitions


def _verdict(rule: Rule, windows: GroupWindows, end: int, finding: RuleFinding) -> Verdict:
    return verdict_of(Asked(rule, end), windows.group, finding)
