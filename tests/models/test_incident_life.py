"""The life of incidents against a clock, and against a model that is told in other words."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.incidents.lifecycle import CALM_MS, LifecycleTerms, acknowledge, resolve, step
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import VerdictState
from tests.alerts.verdicts import MINUTE, START, verdict

ENDS = {Change.DROPPED, Change.RESOLVED}
ORDER = [Change.OPENED, Change.FIRED, Change.ACKNOWLEDGED, Change.RESOLVED]


class IncidentLife(RuleBasedStateMachine):
    """Verdicts, people and pauses in any order; what was told must make sense at every moment."""

    def __init__(self) -> None:
        super().__init__()
        self.terms = LifecycleTerms(Severity.HIGH, for_ms=2 * MINUTE, keep_firing_ms=3 * MINUTE)
        self.now = START
        self.incident: Incident | None = None
        self.told: list[Transition] = []
        self.history: list[tuple[int, VerdictState, bool]] = []

    def take(self, state: VerdictState, *, whole: bool = True) -> tuple[Transition, ...]:
        self.now += MINUTE
        waiting = () if whole else ("app2",)
        asked = verdict(state, self.now, waiting=waiting)
        self.incident, told = step(self.incident, asked, self.terms, self.now)
        self.told += told
        self.history.append((self.now, state, whole))
        return told

    @rule(times=st.integers(1, 5))
    def breaches(self, times: int) -> None:
        for _ in range(times):
            told = self.take(VerdictState.BREACH)
            assert not ENDS & {each.change for each in told}

    @rule(times=st.integers(1, 40), whole=st.booleans())
    def calms(self, times: int, *, whole: bool) -> None:
        for _ in range(times):
            before = self.incident
            told = self.take(VerdictState.OK, whole=whole)
            assert not {Change.OPENED, Change.FIRED} & {each.change for each in told}
            if not whole and before is not None and before.phase is not Phase.PENDING:
                assert self.incident == before

    @rule(minutes=st.integers(1, 200))
    def sleeps(self, minutes: int) -> None:
        self.now += minutes * MINUTE

    @precondition(lambda self: self.incident is not None)
    @rule(end=st.booleans())
    def person_acts(self, *, end: bool) -> None:
        assert self.incident is not None
        act = resolve if end else acknowledge
        self.incident, told = act(self.incident, "oncall", self.now + 1)
        self.told += told

    @invariant()
    def each_incident_has_one_life(self) -> None:
        """Every incident is opened first, goes forward only, and ends once."""
        lives: dict[str, list[Change]] = {}
        for each in self.told:
            lives.setdefault(each.incident.id, []).append(each.change)
        for life in lives.values():
            assert life[0] is Change.OPENED
            assert len(set(life)) == len(life)
            assert life == [*filter(life.__contains__, ORDER)] or life == ["opened", "dropped"]

    @invariant()
    def at_most_one_is_open(self) -> None:
        """What was opened is ended before another one is opened."""
        opened = [each for each in self.told if each.change is Change.OPENED]
        ended = [each for each in self.told if each.change in ENDS]
        is_open = self.incident is not None and self.incident.phase is not Phase.RESOLVED
        assert len(opened) - len(ended) == is_open

    @invariant()
    def nothing_fires_too_soon(self) -> None:
        """It fires only when no ok was seen within `for` before it, and a breach was."""
        for each in self.told:
            if each.change is Change.FIRED:
                assert each.at - each.incident.opened_at >= self.terms.for_ms
                within = [s for t, s, _ in self.history if each.incident.opened_at <= t <= each.at]
                assert VerdictState.OK not in within
                assert within[-1] is VerdictState.BREACH

    @invariant()
    def nothing_ends_too_soon(self) -> None:
        """The records end it only when no breach was seen for `keep_firing` and an ok was."""
        for each in self.told:
            if each.change is Change.RESOLVED and each.incident.resolved_by == "rule":
                calm = CALM_MS if each.incident.flapping else self.terms.keep_firing_ms
                within = [s for t, s, _ in self.history if each.at - calm <= t <= each.at]
                assert VerdictState.BREACH not in within
                assert within[-1] is VerdictState.OK


TestIncidentLife = IncidentLife.TestCase
