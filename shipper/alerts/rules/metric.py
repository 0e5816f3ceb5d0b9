"""
`metric`: a number that records carry, summed up over the window.

A percentile can't be put together from the percentiles of slots, but what is asked of it can: the
95th percentile is above 500 exactly if more records lie above 500 than the 5 % allow. So
percentiles are judged by counting, and the value of such a verdict is the share that lies beyond.
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
    Take,
    narrowed,
    needs_one_limit,
    percent,
    plain,
    state_of,
)
from shipper.alerts.rules.values import NUMBER_FIELD, QUERY
from shipper.alerts.verdict import VerdictState
from shipper.config.options import Faults, one_word_of, option
from shipper.store.answers import rank_of

_PERCENTILES = {"p50": 50.0, "p75": 75.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}
_TAKES = {"max": Take.MOST, "min": Take.LEAST}
_WORDS = ("average", "max", "min", "sum", *_PERCENTILES)


@dataclass(frozen=True, slots=True)
class Metric(RuleKind):
    """A statistic of a numeric field."""

    usual_least: ClassVar = 1

    of: str = option(NUMBER_FIELD, "The numeric field.")
    take: str = option(one_word_of(*_WORDS), "The statistic over the window.")
    among: str = option(QUERY, "Query for the records to use.", default='"*"')

    def grows(self, limits: RuleLimits) -> bool:
        """Return whether an extreme that is beyond the limit stays there."""
        return (self.take, limits.above is not None) in {("max", True), ("min", False)}

    def needs_all(self, limits: RuleLimits) -> bool:
        """Return whether a host that is late may have the record that brings it back."""
        beyond = {("max", False), ("min", True), ("sum", False)}
        return (self.take, limits.above is not None) in beyond

    def probes(self, limits: RuleLimits) -> tuple[Probe, ...]:
        """Return the numbers that are needed."""
        holders = narrowed(self.among, f"{self.of}:*")
        count = Probe("count", holders, limits.over_ms)
        if self.take in _PERCENTILES:
            sign = ">" if limits.above is not None else "<"
            beyond = narrowed(self.among, f"{self.of}:{sign}{limits.threshold:.17g}")
            return (count, Probe("beyond", beyond, limits.over_ms))
        take = _TAKES.get(self.take, Take.SUM)
        return (count, Probe("number", holders, limits.over_ms, take=take, field=self.of))

    def wrong(self, limits: RuleLimits) -> str:
        """Return the query for the records that a breach is about: of a sum, all of them."""
        if self.take == "sum":
            return narrowed(self.among, f"{self.of}:*")
        sign = ">" if limits.above is not None else "<"
        return narrowed(self.among, f"{self.of}:{sign}{limits.threshold:.17g}")

    def find(self, limits: RuleLimits, numbers: Numbers) -> RuleFinding:
        """Hold the number against the threshold."""
        count = int(numbers.get("count", 0))
        if count < limits.at_least:
            reason = f"only {count:,} records, at least {limits.at_least:,} are needed"
            return RuleFinding(VerdictState.OK, reason, None, limits.threshold, events=count)
        if self.take in _PERCENTILES:
            return self._by_rank(limits, count, int(numbers.get("beyond", 0)))
        if "number" not in numbers:  # the field holds texts only, which only `extra` can
            return RuleFinding(
                VerdictState.OK, f"no numbers in {count:,} records", None, limits.threshold
            )
        value = self._value(numbers, count)
        is_broken = limits.is_broken_by(value)
        side = "above" if limits.above is not None else "below"
        reason = (
            f"{self.take} of {self.of} is {plain(value)} in {count:,} records, "
            f"{side if is_broken else f'not {side}'} {plain(limits.threshold)}"
        )
        state = state_of(is_broken=is_broken)
        return RuleFinding(state, reason, value, limits.threshold, events=count)

    def _value(self, numbers: Numbers, count: float) -> float:
        number = numbers.get("number", 0.0)
        value = number / count if self.take == "average" else number
        return float(f"{value:.9g}")  # slots add up in another order than one window does

    def _by_rank(self, limits: RuleLimits, count: int, beyond: int) -> RuleFinding:
        """Judge a percentile: the number of rank r is beyond exactly if enough are."""
        rank = rank_of(_PERCENTILES[self.take], count)
        needed = count - rank + 1 if limits.above is not None else rank
        is_broken = beyond >= needed
        side = "above" if limits.above is not None else "below"
        reason = (
            f"{self.take} of {self.of} is {side if is_broken else f'not {side}'} "
            f"{plain(limits.threshold)}: {percent(beyond / count)} of {count:,} records lie {side}"
        )
        state = state_of(is_broken=is_broken)
        return RuleFinding(state, reason, beyond / count, (needed - 1) / count, events=count)

    def is_quiet(self, limits: RuleLimits, numbers: Numbers) -> bool:
        """Compare the number; of a percentile, look whether anything lies beyond."""
        count = numbers.get("count", 0)
        if count < limits.at_least:
            return True
        if self.take in _PERCENTILES:
            return not numbers.get("beyond")
        return not limits.is_broken_by(self._value(numbers, count))

    def limit_faults(self, limits: RuleLimits) -> Faults:
        """Ask for a threshold."""
        yield from needs_one_limit(limits, "a number, or a time such as 500ms")
