"""
`new_value`: a value that the field did not have before.

A store that is too young knows few values, and each that comes would pass for new. So nothing is
new in a store that holds no record of the older half of the time that is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from shipper.alerts.rules.kind import (
    Numbers,
    Probe,
    RuleFinding,
    RuleKind,
    RuleLimits,
    state_of,
)
from shipper.alerts.rules.values import FIELD, QUERY, SPAN
from shipper.config.options import option


@dataclass(frozen=True, slots=True)
class NewValue(RuleKind):
    """A value that was not seen before."""

    usual_least: ClassVar = 1
    judges_largest: ClassVar = False  # so many values are no news, each of them

    field: str = option(FIELD, "The field. Each of its values is a group.")
    among: str = option(QUERY, "Query for the records to use.", default='"*"')
    unseen_for_ms: int = option(
        SPAN.between("1m", "90d"),
        "A value is new if no record had it within this time before the window.",
        default="7d",
        key="unseen_for",
    )

    def probes(self, limits: RuleLimits) -> tuple[Probe, ...]:
        """Return the numbers that are needed."""
        half = self.unseen_for_ms // 2000 * 1000
        return (
            Probe("now", self.among, limits.over_ms),
            Probe("before", self.among, self.unseen_for_ms, limits.over_ms, of_all_hosts=True),
            Probe(
                *("old", "*", half, limits.over_ms + self.unseen_for_ms - half),
                grouped=False,
                of_all_hosts=True,
            ),
        )

    def group_by(self) -> tuple[str, ...]:
        """Return the values apart."""
        return (self.field,)

    def find(self, limits: RuleLimits, numbers: Numbers) -> RuleFinding:
        """Say whether a value is new."""
        now, before = int(numbers.get("now", 0)), int(numbers.get("before", 0))
        is_broken = now >= limits.at_least and not before and bool(numbers.get("old"))
        reason = f"{now:,} records, {before:,} before"
        state = state_of(is_broken=is_broken)
        return RuleFinding(state, reason, now, limits.at_least, events=now)

    def is_quiet(self, limits: RuleLimits, numbers: Numbers) -> bool:  # noqa: ARG002
        """Look whether there is anything that is not old."""
        return not numbers.get("now") or bool(numbers.get("before"))
