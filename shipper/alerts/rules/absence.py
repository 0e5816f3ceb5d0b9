"""
`absence`: nothing of what is expected came.

With `group_by`, every group that was there within `seen_within` is expected: each host, each
service. Without, one record within that time is enough to expect the next. With `although`, a group
is expected where it has such records, unless it has been there for less than a window: in the first
minutes of an application nothing can have ended yet. With `unless`, nothing is expected where
there are such records: planned work, or a host that was stopped on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass

from shipper.alerts.rules.kind import (
    Numbers,
    Probe,
    RuleFinding,
    RuleKind,
    RuleLimits,
    state_of,
)
from shipper.alerts.rules.values import QUERY, SPAN
from shipper.alerts.verdict import VerdictState
from shipper.config.options import option, optional


@dataclass(frozen=True, slots=True)
class Absence(RuleKind):
    """Expected records that are missing."""

    of: str = option(QUERY, "Query for the records that are expected in every window.")
    seen_within_ms: int = option(
        SPAN.between("1m", "30d"),
        "A group is expected if it had such records within this time before the window.",
        default="1d",
        key="seen_within",
    )
    although: str | None = optional(
        QUERY, "Query: expect records only in windows that have records of this query."
    )
    unless: str | None = optional(
        QUERY, "Query: expect no records in windows that have records of this query."
    )

    def needs_all(self, limits: RuleLimits) -> bool:  # noqa: ARG002
        """Say that what is missing may be on its way from a host that is late."""
        return True

    def probes(self, limits: RuleLimits) -> tuple[Probe, ...]:
        """Return the numbers that are needed."""
        now = Probe("now", self.of, limits.over_ms)
        before = Probe("before", self.of, self.seen_within_ms, limits.over_ms)
        asked = [now, before]
        if self.although is not None:
            asked.append(Probe("although", self.although, limits.over_ms))
            asked.append(Probe("known", "*", limits.over_ms, limits.over_ms))
        if self.unless is not None:
            asked.append(Probe("unless", self.unless, limits.over_ms))
        return tuple(asked)

    def find(self, limits: RuleLimits, numbers: Numbers) -> RuleFinding:  # noqa: ARG002
        """Say whether what is expected is there."""
        now, before = int(numbers.get("now", 0)), int(numbers.get("before", 0))
        if self.although is not None:
            asked = int(numbers.get("although", 0))
            is_expected = asked > 0 and bool(numbers.get("known"))
            why = f"although {asked:,} match {self.although}"
        else:
            is_expected, why = before > 0, f"and there were {before:,} before"
        spared = int(numbers.get("unless", 0))
        if spared and not now:
            reason = f"none are expected, as {spared:,} match {self.unless}"
            return RuleFinding(VerdictState.OK, reason, now, events=now)
        if not is_expected:
            return RuleFinding(VerdictState.OK, "none are expected", now, events=now)
        is_broken = now == 0
        reason = f"no records, {why}" if is_broken else f"{now:,} records"
        state = state_of(is_broken=is_broken)
        return RuleFinding(state, reason, now, 1, events=now)

    def is_quiet(self, limits: RuleLimits, numbers: Numbers) -> bool:  # noqa: ARG002
        """Look whether there is anything."""
        return bool(numbers.get("now"))
