"""Verdicts and incidents for tests, made of no more than what a test is about."""

from __future__ import annotations

from shipper.alerts.incident import Incident, Transition
from shipper.alerts.incidents.lifecycle import LifecycleTerms, step
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import Group, Verdict, VerdictState, Window

MINUTE = 60_000
HOUR = 60 * MINUTE
START = 1_780_000_000_000 // MINUTE * MINUTE
TERMS = LifecycleTerms(Severity.HIGH)


def verdict(
    state: VerdictState,
    at: int,
    rule: str = "server_errors",
    group: Group = (("service.name", "shop"),),
    *,
    late: bool = False,
    waiting: tuple[str, ...] = (),
) -> Verdict:
    return Verdict(
        rule,
        group,
        Window(at - 5 * MINUTE, at),
        state,
        f"it is {state}",
        value=0.03 if state is VerdictState.BREACH else 0.0,
        threshold=0.01,
        late=late,
        waiting=waiting,
    )


def live_through(
    letters: str, terms: LifecycleTerms = TERMS, before: Incident | None = None, start: int = START
) -> tuple[Incident | None, list[Transition]]:
    """Step through a verdict a minute: b(reach), o(k), p(artly ok), x (none)."""
    told: list[Transition] = []
    states = {
        "b": VerdictState.BREACH,
        "o": VerdictState.OK,
        "p": VerdictState.OK,
    }
    for number, letter in enumerate(letters):
        if letter == "x":
            continue
        at = start + number * MINUTE
        waiting = ("app2",) if letter == "p" else ()
        before, transitions = step(before, verdict(states[letter], at, waiting=waiting), terms, at)
        told += transitions
    return before, told
