"""Tests of the kind `spike`."""

from __future__ import annotations

from shipper.alerts.verdict import VerdictState
from tests.alerts.rules.rule_texts import find, rule_of

WEEK = "spike: {of: level:ERROR, against: 1w}\nabove: 3\nat_least: 20\nover: 15m\n"


def test_many_times_as_many_is_a_breach_only_if_it_surely_is() -> None:
    """8 against 2 may be chance, 400 against 100 can't be three times as many."""
    assert find(WEEK, now=40, then=10, any=1000).state is VerdictState.OK
    assert find(WEEK, now=400, then=100, any=1000).state is VerdictState.BREACH
    assert find(WEEK, now=310, then=100, any=1000).state is VerdictState.OK


def test_few_are_left_alone() -> None:
    """Below `at_least`, nothing is a spike."""
    assert find(WEEK, now=19, then=0, any=1000).state is VerdictState.OK
    assert find(WEEK, now=20, then=0, any=1000).state is VerdictState.BREACH


def test_a_young_store_has_nothing_to_compare_with() -> None:
    """Where the store has no records at all of then, nothing is a spike."""
    assert find(WEEK, now=1000, then=0).state is VerdictState.OK


def test_the_same_hour_a_week_ago_is_compared_with() -> None:
    """The span is shifted by a week, or by itself where nothing is said."""
    now, then, any_ = rule_of(WEEK).probes
    before = rule_of("spike: {of: level:ERROR}\nabove: 3\nover: 15m\n").probes[1]

    assert (now.offset_ms, then.offset_ms, any_.offset_ms) == (0, 604_800_000, 604_800_000)
    assert not any_.grouped
    assert before.offset_ms == 900_000
