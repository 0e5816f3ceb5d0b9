"""
What the job finds out about itself, as verdicts.

The store gives no answer, a host is behind, a rule is broken, an alerter can't notify people.

Each is a rule of the kind `job` in the folder of rules, which says how severe it is, or else one
that is built in: nobody turns off by accident that the job says when it is blind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from shipper.alerts.incidents.lifecycle import LifecycleTerms
from shipper.alerts.rules.job import Job
from shipper.alerts.rules.rule import Rule
from shipper.alerts.rules.summary import Summary
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import Group, Verdict, VerdictState, Window
from shipper.store.fleet import HostBeat
from shipper.text import duration, instant

UNREACHABLE: Final = "store_unreachable"
BLIND: Final = "blind"
BROKEN: Final = "broken_rule"
FAILING: Final = "alerter_failing"

_BUILT_IN: Final = (
    ("store_unreachable", Severity.CRITICAL, "The alert job cannot query the store", UNREACHABLE),
    ("watermark_behind", Severity.HIGH, "Rules cannot be evaluated: {{ reason }}", BLIND),
    ("rule_broken", Severity.MEDIUM, "A rule cannot be evaluated: {{ reason }}", BROKEN),
    ("alerter_failing", Severity.HIGH, "An alerter cannot notify people: {{ reason }}", FAILING),
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition: the rule that speaks of it, and how long it has to hold."""

    rule: Rule
    terms: LifecycleTerms
    window_ms: int

    def verdicts(
        self, found: Mapping[Group, str], expected: Collection[Group], now: int
    ) -> Iterator[Verdict]:
        """Yield a breach for each group that it is found of, an ok for the others expected."""
        window = Window(now - self.window_ms, now)
        for group in sorted({*found, *expected}):
            state = VerdictState.BREACH if group in found else VerdictState.OK
            reason = found.get(group, "it has ended")
            yield Verdict(self.rule.name, group, window, state, reason)


def conditions_of(rules: Iterable[Rule], blind_after_ms: int) -> dict[str, Condition]:
    """Return all conditions by name, each with its rule or the one that is built in."""
    chosen = {texts[-1]: _built_in(*texts) for texts in _BUILT_IN}
    chosen |= {rule.job.condition: rule for rule in rules if rule.job is not None}
    return {
        name: Condition(
            rule,
            LifecycleTerms(
                rule.severity,
                max(rule.for_ms, blind_after_ms if name == UNREACHABLE else 0),
                rule.keep_firing_ms,
            ),
            blind_after_ms,
        )
        for name, rule in chosen.items()
    }


def blind_hosts(beats: Iterable[HostBeat], blind_after_ms: int, now: int) -> dict[Group, str]:
    """Return the hosts whose records are too long behind, each with a sentence."""
    found: dict[Group, str] = {}
    for beat in beats:
        known = beat.watermark or beat.started
        if now - known < blind_after_ms:
            continue
        behind = duration((now - known) / 1000)
        message = f"records of {beat.host} have arrived only up to {instant(known, unit_ms=1000)}"
        if not beat.watermark:
            message = f"{beat.host} has not reported yet which of its records have arrived"
        why = "; its shipper was stopped" if beat.stopped else ""
        if not beat.stopped and now - beat.at >= blind_after_ms:
            why = f"; the last heartbeat of its shipper is from {instant(beat.at, unit_ms=1000)}"
        found[(("host.name", beat.host),)] = f"{message}, {behind} behind{why}"
    return found


def _built_in(name: str, severity: Severity, summary: str, condition: str) -> Rule:
    return Rule(name=name, severity=severity, summary=Summary(summary), job=Job(condition))
