"""
What the job finds out about itself, as verdicts.

The store gives no answer, a host is behind, a rule is broken, an alerter can't notify people.

Each is a rule of the kind `job` in the folder of rules, which says how severe it is, or else one
that is built in: nobody turns off by accident that the job says when it is blind.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from shipper.alerts.incidents.lifecycle import LifecycleTerms
from shipper.alerts.rules.job import Job
from shipper.alerts.rules.rule import Rule
from shipper.alerts.rules.summary import Summary
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import Group, Verdict, VerdictState, Window
from shipper.store.fleet import HostBeat
from shipper.text import counted, duration, instant

UNREACHABLE: Final = "store_unreachable"
BLIND: Final = "blind"
BROKEN: Final = "broken_rule"
FAILING: Final = "alerter_failing"

STOPPED: Final = "stopped"
SILENT: Final = "silent"
BEHIND: Final = "behind"
AHEAD: Final = "ahead"
CAUSES: Final = {
    STOPPED: "whose shipper was stopped",
    SILENT: "whose shipper sends no heartbeats",
    BEHIND: "that are behind, though their shippers run",
    AHEAD: "whose heartbeats are dated in the future",
}
MOST_ALONE: Final = 3  # hosts of one cause that are incidents of their own
NAMED: Final = 5  # hosts that a sentence about many names
SEVERAL: Final = "several"  # in place of a host: not muted for what one host has

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
            reason = found.get(group) or _end_of(group)
            yield Verdict(self.rule.name, group, window, state, reason)


def _end_of(group: Group) -> str:
    if group[:1] and group[0][0] == "rule":
        return "the store answers its query again; its windows until then were not evaluated"
    return "it has ended"


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


@dataclass(frozen=True, slots=True)
class BlindHost:
    """A host whose records are too long behind: why, as a word and as a sentence."""

    host: str
    cause: str
    reason: str

    @property
    def group(self) -> Group:
        """The group of its own incident."""
        return (("host.name", self.host),)


def blind_hosts(beats: Iterable[HostBeat], blind_after_ms: int, now: int) -> list[BlindHost]:
    """Return the hosts whose records are too long behind."""
    found: list[BlindHost] = []
    for beat in beats:
        if beat.is_ahead(now):
            ahead = duration((max(beat.at, beat.watermark) - now) / 1000)
            message = (
                f"the last heartbeat of {beat.host} is of a time {ahead} ahead, and not believed: "
                "its clock is wrong, or somebody else sent it"
            )
            found.append(BlindHost(beat.host, AHEAD, message))
            continue
        known = beat.watermark or beat.started
        if now - known < blind_after_ms:
            continue
        behind = duration((now - known) / 1000)
        message = f"records of {beat.host} have arrived only up to {instant(known, unit_ms=1000)}"
        if not beat.watermark:
            message = f"{beat.host} has not reported yet which of its records have arrived"
        cause, why = (STOPPED, "; its shipper was stopped") if beat.stopped else (BEHIND, "")
        if not beat.stopped and now - beat.at >= blind_after_ms:
            cause = SILENT
            why = f"; the last heartbeat of its shipper is from {instant(beat.at, unit_ms=1000)}"
        found.append(BlindHost(beat.host, cause, f"{message}, {behind} behind{why}"))
    return found


def grouped_hosts(hosts: Sequence[BlindHost], open_groups: Collection[Group]) -> dict[Group, str]:
    """
    Return an incident per host, or one for all of a cause where there are many of it.

    Who has an incident already keeps it, and so does a cause, until none of its hosts is left.
    """
    found = {each.group: each.reason for each in hosts if each.group in open_groups}
    for cause, meaning in CAUSES.items():
        others = [each for each in hosts if each.cause == cause and each.group not in open_groups]
        together: Group = (("cause", cause), ("host.name", SEVERAL))
        if len(others) > MOST_ALONE or (others and together in open_groups):
            names = ", ".join(each.host for each in others[:NAMED])
            more = f" and {len(others) - NAMED} more" if len(others) > NAMED else ""
            found[together] = (
                f"{counted(len(others), 'host')} {meaning}: {names}{more}; {others[0].reason}"
            )
        else:
            found |= {each.group: each.reason for each in others}
    return found


def _built_in(name: str, severity: Severity, summary: str, condition: str) -> Rule:
    return Rule(name=name, severity=severity, summary=Summary(summary), job=Job(condition))
