"""
One evaluator for every clock: numbers in, verdicts out.

The live job, the back-test and the tests of rules differ in how they come by a measurement, and
call this one function with it. It reads no clock and asks nothing, so equal records give equal
verdicts whenever they are judged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from shipper.alerts.incidents.lifecycle import LifecycleTerms
from shipper.alerts.judge.measure import Asked, Measurement
from shipper.alerts.rules.kind import Numbers, Probe, RuleFinding
from shipper.alerts.rules.rule import Rule
from shipper.alerts.verdict import Group, Verdict, VerdictState, Window

HOST: Final = "host.name"
_NONE_ENDED: Final[Mapping[Group, int]] = MappingProxyType({})


def judge(
    measurement: Measurement,
    expected: Collection[Group] = (),
    ended: Mapping[Group, int] = _NONE_ENDED,
) -> list[Verdict]:
    """
    Judge a window: a verdict per group, in the order of the groups.

    `expected` are groups that are judged although they have no records: those with an open
    incident; `ended` are those whose last one has ended, with the end of its last breach. Of a
    window that is not complete only a breach counts that no record still to come can take back; it
    is `early`. Of one without the hosts that are late, no breach counts that is made of what is
    missing: it is judged again when they have caught up.
    """
    asked = measurement.asked
    rule = asked.rule
    kind, limits = rule.kind, rule.limits
    if not asked.complete and not kind.grows(limits):
        return []
    groups = sorted({*measurement.groups, *filter(asked.covers, expected)})
    probes = rule.probes if ended else ()
    verdicts = []
    for group in groups:
        numbers = measurement.groups.get(group, measurement.shared)
        since = numbers_since(probes, numbers, asked.end, ended.get(group))
        verdicts.append(verdict_of(asked, group, kind.find(limits, since)))
    if asked.hosts.late and HOST not in rule.all_group_by and kind.needs_all(limits):
        return [verdict for verdict in verdicts if verdict.state is VerdictState.OK]
    if asked.complete:
        return verdicts
    return [verdict for verdict in verdicts if verdict.state is VerdictState.BREACH]


def numbers_since(
    probes: Iterable[Probe], numbers: Numbers, end: int, since: int | None
) -> Numbers:
    """
    Leave out what widens a window that ends at `end` back over `since`.

    That is the last breach of an incident that has ended: its records opened one incident, and
    must not open another. A window that ended before it is as it was.
    """
    if since is None or end <= since:
        return numbers
    taken = {each.name for each in probes if each.widens and end - each.span_ms < since}
    return {name: number for name, number in numbers.items() if name not in taken}


def verdict_of(asked: Asked, group: Group, finding: RuleFinding) -> Verdict:
    """Return what was found the window and the group that it was found of."""
    return Verdict(
        rule=asked.rule.name,
        group=group,
        window=Window(asked.end - (finding.span_ms or asked.rule.over_ms), asked.end),
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
    over = None if rule.ratio is None else rule.over_ms
    return LifecycleTerms(rule.severity, rule.for_ms, rule.keep_firing_ms, over)
