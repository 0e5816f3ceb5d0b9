"""Tests of the kind `new_value`."""

from __future__ import annotations

from shipper.alerts.verdict import VerdictState
from tests.alerts.rules.rule_texts import find, rule_of

NEW = (
    "new_value: {field: error_type, among: level:ERROR, unseen_for: 7d}\ngroup_by: [service.name]\n"
)

DAY = 86_400_000


def test_a_value_is_new_if_it_was_not_there_before() -> None:
    """One record is enough, one of before makes it old."""
    assert find(NEW, now=1, old=5).state is VerdictState.BREACH
    assert find(NEW, now=1, before=1, old=5).state is VerdictState.OK
    assert find(NEW, before=3, old=5).state is VerdictState.OK


def test_in_a_young_store_nothing_is_new() -> None:
    """Where the store holds nothing of the older half of the time, no value is called new."""
    old = rule_of(NEW).probes[2]

    assert find(NEW, now=1).state is VerdictState.OK
    assert (old.query, old.grouped) == ("*", False)
    assert (old.span_ms, old.offset_ms) == (DAY * 7 // 2, 300_000 + DAY * 7 // 2)


def test_each_value_is_a_group() -> None:
    """The field comes after those of `group_by`."""
    assert rule_of(NEW).all_group_by == ("service.name", "error_type")
