"""Tests of the kind `count`."""

from __future__ import annotations

from shipper.alerts.verdict import VerdictState
from tests.alerts.rules.rule_texts import find, rule_of

ABOVE = "count: level:ERROR\nabove: 10\nover: 1m\n"
BELOW = "count: level:INFO\nbelow: 5\n"


def test_the_threshold_itself_is_no_breach() -> None:
    """More than 10 is 11; less than 5 is 4."""
    assert find(ABOVE, count=10).state is VerdictState.OK
    assert find(ABOVE, count=11).state is VerdictState.BREACH
    assert find(BELOW, count=5).state is VerdictState.OK
    assert find(BELOW, count=4).state is VerdictState.BREACH


def test_nothing_is_a_count_too() -> None:
    """A window without records has 0, which is less than 5 and not more than 10."""
    assert find(ABOVE).state is VerdictState.OK
    assert find(BELOW).state is VerdictState.BREACH


def test_the_finding_shows_its_numbers() -> None:
    """Whoever is told can see what was counted, and against what it was held."""
    found = find(ABOVE, count=1200)

    assert (found.value, found.threshold, found.events) == (1200, 10, 1200)
    assert found.reason == "1,200 records, above 10"


def test_only_a_count_above_can_be_told_early() -> None:
    """What is above stays above; what is below may still be filled up."""
    assert rule_of(ABOVE).kind.grows(rule_of(ABOVE).limits)
    assert not rule_of(BELOW).kind.grows(rule_of(BELOW).limits)
