"""`count`: so many records of a query. A count is what was counted; no chance is in it."""

from __future__ import annotations

from dataclasses import dataclass

from shipper.alerts.rules.kind import (
    Numbers,
    Probe,
    RuleFinding,
    RuleKind,
    RuleLimits,
    needs_one_limit,
    needs_unit,
    plain,
    state_of,
)
from shipper.alerts.rules.values import QUERY
from shipper.config.options import Faults, Scalar


@dataclass(frozen=True, slots=True)
class Count(RuleKind):
    """So many records of a query in the window."""

    query: str

    def grows(self, limits: RuleLimits) -> bool:
        """Return whether the limit is above: a count only grows."""
        return limits.above is not None

    def needs_all(self, limits: RuleLimits) -> bool:
        """Return whether those of a host that is late may be what is missing."""
        return limits.below is not None

    def probes(self, limits: RuleLimits) -> tuple[Probe, ...]:
        """Return the numbers that are needed."""
        return (Probe("count", self.query, limits.over_ms),)

    def find(self, limits: RuleLimits, numbers: Numbers) -> RuleFinding:
        """Hold the count against the threshold."""
        count = int(numbers.get("count", 0))
        side = "above" if limits.above is not None else "below"
        is_broken = limits.is_broken_by(count)
        reason = f"{count:,} records"
        reason += f", {side if is_broken else f'not {side}'} {plain(limits.threshold)}"
        state = state_of(is_broken=is_broken)
        return RuleFinding(state, reason, count, limits.threshold, events=count)

    def is_quiet(self, limits: RuleLimits, numbers: Numbers) -> bool:
        """Compare the count."""
        return not limits.is_broken_by(numbers.get("count", 0))

    def limit_faults(self, limits: RuleLimits) -> Faults:
        """Ask for a threshold."""
        yield from needs_one_limit(limits, "a number of records")
        yield from needs_unit(limits, remedy="a number of records, such as 10")


COUNTED = Scalar(QUERY.shown, lambda text: Count(QUERY.parse(text)))
