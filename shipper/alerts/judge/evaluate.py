"""
One evaluator for every clock: numbers in, verdicts out.

The live job, the back-test and the tests of rules differ in how they come by a measurement, and
call this one function with it. It reads no clock and asks nothing, so equal records give equal
verdicts whenever they are judged.
"""

from __future__ import annotations

from collections.abc import Collection

from shipper.alerts.incidents.lifecycle import LifecycleTerms
from shipper.alerts.judge.measure import Asked, Measurement
from shipper.alerts.rules.kind import RuleFinding
from shipper.alerts.rules.rule import Rule
from shipper.alerts.verdict import Group, Verdict, VerdictState


def judge(measurement: Measurement, expected: Collection[Group] = ()) -> list[Verdict]:
    """
    Judge a window: a verdict per group, in the order of the groups.

    `expected` are groups that are judged although they have no records: those with an open
    incident. Of a window that is not complete only a breach counts that no record still to come
    can take back; it is `early`.
    """
    asked = measurement.asked
    rule = asked.rule
    kind, limits = rule.kind, rule.limits
    if not asked.complete and not kind.grows(limits):
        return []
    groups = sorted({*measurement.groups, *expected})
    verdicts = [
        verdict_of(
            asked, group, kind.find(limits, measurement.groups.get(group, measurement.shared))
        )
        for group in groups
    ]
    if asked.complete:
        return verdicts
    return [verdict for verdict in verdicts if verdict.state is VerdictState.BREACH]


def blind(asked: Asked, group: Group, reason: str) -> Verdict:
    """Say of a window that it can't be judged, and why."""
    return Verdict(asked.rule.name, group, asked.window, VerdictState.BLIND, reason)


def verdict_of(asked: Asked, group: Group, finding: RuleFinding) -> Verdict:
    """Return what was found the window and the group that it was found of."""
    return Verdict(
        rule=asked.rule.name,
        group=group,
        window=asked.window,
        state=finding.state,
        reason=finding.reason,
        value=finding.value,
        threshold=finding.threshold,
        low=finding.low,
        high=finding.high,
        events=finding.events,
        early=not asked.complete,
        waiting=asked.hosts.late,
    )


def terms_of(rule: Rule) -> LifecycleTerms:
    """Return what a rule says of its incidents."""
    return LifecycleTerms(rule.severity, rule.for_ms, rule.keep_firing_ms)
