"""Tests of the evaluator: numbers in, verdicts out, the same for every clock."""

from __future__ import annotations

from typing import Any

from shipper.alerts.judge.evaluate import judge
from shipper.alerts.judge.measure import Asked, Hosts, Measurement
from shipper.alerts.verdict import VerdictState, Window
from tests.alerts.rules.rule_texts import rule_of

END = 1_770_292_800_000
ORDERS, BILLS = (("service.name", "orders"),), (("service.name", "bills"),)
COUNT = "count: level:ERROR\nabove: 10\ngroup_by: [service.name]\n"
BELOW = "count: level:INFO\nbelow: 10\n"


def measured(text: str, groups: Any, **asked: Any) -> Measurement:
    return Measurement(Asked(rule_of(text), END, **asked), groups)


def test_each_group_is_judged_alone_and_in_order() -> None:
    """One verdict per group, sorted, with the window it is about."""
    verdicts = judge(measured(COUNT, {ORDERS: {"count": 11}, BILLS: {"count": 1}}))

    assert [(each.group, each.state) for each in verdicts] == [
        (BILLS, VerdictState.OK),
        (ORDERS, VerdictState.BREACH),
    ]
    assert {each.window for each in verdicts} == {Window(END - 300_000, END)}


def test_a_longer_window_never_reaches_back_into_the_last_incident() -> None:
    """What an incident was opened for opens no other one; what came after it counts."""
    numbers = {"of": 2, "to": 10, "of600000": 5, "to600000": 20}
    numbers |= {"of1200000": 40, "to1200000": 60, "of3600000": 50, "to3600000": 90}
    share = "ratio: {of: 'level:ERROR', to: '*'}\nabove: 10%\n"
    measurement = measured(share, {(): numbers})

    (found,) = judge(measurement)
    (long_ago,) = judge(measurement, ended={(): END - 1_200_000})
    (lately,) = judge(measurement, ended={(): END - 600_001})
    (of_before,) = judge(measurement, ended={(): END + 60_000})

    assert (found.state, found.window) == (VerdictState.BREACH, Window(END - 1_200_000, END))
    assert long_ago.state is VerdictState.BREACH
    assert (lately.state, lately.window) == (VerdictState.OK, Window(END - 300_000, END))
    assert of_before.state is VerdictState.BREACH


def test_a_group_that_is_gone_is_judged_if_it_is_expected() -> None:
    """An open incident gets an answer though its group has no records any more."""
    (verdict,) = judge(measured(COUNT, {}), expected=[ORDERS])

    assert (verdict.group, verdict.state, verdict.value) == (ORDERS, VerdictState.OK, 0)


def test_of_half_a_window_only_a_lasting_breach_is_told() -> None:
    """A count above is told early; what is ok or below so far is not told at all."""
    counts = {ORDERS: {"count": 11}, BILLS: {"count": 1}}

    (verdict,) = judge(measured(COUNT, counts, complete=False))

    assert (verdict.group, verdict.state, verdict.early) == (ORDERS, VerdictState.BREACH, True)
    assert judge(measured(BELOW, {(): {"count": 1}}, complete=False)) == []


def test_a_verdict_names_the_hosts_that_are_not_in_it() -> None:
    """What was judged without a late host says so."""
    (verdict,) = judge(measured(BELOW, {(): {"count": 11}}, hosts=Hosts(late=("web-2",))))

    assert verdict.waiting == ("web-2",)
