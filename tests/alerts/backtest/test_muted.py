"""A back-test counts as pages what people would have been notified of."""

from __future__ import annotations

from dataclasses import replace

from shipper.alerts.backtest.backtest import BacktestOutcome
from shipper.alerts.backtest.muted import with_mutes
from shipper.alerts.incidents.muting import Maintenance, Mutes, Once
from shipper.alerts.incidents.sources import Inhibition
from shipper.alerts.rules.reading import parse_rule
from tests.alerts.rules.rule_texts import HEAD
from tests.alerts.verdicts import HOUR, MINUTE, START, live_through

CAUSE, EFFECT = "database_disconnected", "error_rate_high"


def outcome_of(name: str, *spans: tuple[int, int]) -> BacktestOutcome:
    """Return what a rule would have done: incidents from and to some minutes."""
    rule = parse_rule(HEAD.replace("name: r", f"name: {name}") + "count: level:ERROR\nabove: 0\n")
    made = []
    for begin, end in spans:
        letters = "b" * (end - begin) + "o"
        _, transitions = live_through(letters, start=START + begin * MINUTE)
        ids = f"{name}-{begin}"
        made += [
            replace(each, incident=replace(each.incident, id=ids, rule=name))
            for each in transitions
        ]
    return BacktestOutcome(rule, START, START + 3 * HOUR, tuple(made))


def test_planned_work_makes_no_page_unless_it_outlasts_it() -> None:
    """Within the window nobody is called; who still fires at its end is notified then."""
    outcome = outcome_of(EFFECT, (10, 20), (40, 90), (120, 130))
    window = Maintenance("move", Once(START, START + HOUR))

    (found,) = with_mutes([outcome], Mutes(maintenance=(window,)))

    assert found.muted == {f"{EFFECT}-10": "maintenance window move"}
    assert (outcome.pages, found.pages) == (3, 2)


def test_what_follows_from_another_rule_makes_no_page() -> None:
    """Also where the cause is not shown; what it has left behind in a window follows from it."""
    cause = outcome_of(CAUSE, (10, 20))
    effect = outcome_of(EFFECT, (12, 24), (60, 70))
    mutes = Mutes(inhibitions=(Inhibition(CAUSE, (EFFECT,), ("service.name",)),))

    (found,) = with_mutes([effect], mutes, [cause])

    (muted,) = found.muted
    assert muted == f"{EFFECT}-12"
    assert found.muted[muted].startswith(f"inhibited by {CAUSE}")
    (long,) = with_mutes([outcome_of(EFFECT, (12, 40))], mutes, [cause])
    assert long.muted == {}
    assert with_mutes([effect], Mutes())[0].muted == {}


def test_what_explains_a_known_incident_raises_it_and_is_no_page() -> None:
    """The cause that fires later is on the incident that people know; what outlasts it is not."""
    effect = outcome_of(EFFECT, (10, 40))
    mutes = Mutes(inhibitions=(Inhibition(CAUSE, (EFFECT,), ("service.name",)),))

    known, cause = with_mutes([effect, outcome_of(CAUSE, (12, 20), (30, 60))], mutes)

    assert (known.pages, cause.pages) == (1, 1)
    assert cause.muted == {
        f"{CAUSE}-12": f"the same fault as {EFFECT} (incident {EFFECT}-10), notified before"
    }
