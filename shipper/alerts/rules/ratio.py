"""
`ratio`: a share of records, judged by how sure it is.

A window with few records says little: one failure of ten is no 10 %. So a share is a breach only
if all of its 95 % interval lies beyond the threshold, and only in a window of `at_least` records.
That alone would be blind where little happens: 90 % failures at one request a minute. So a window
that has too few is widened to `widen_to`, where the interval and `ENOUGH` records on the wrong side
are asked for and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shipper.alerts.rules.bounds import share_between
from shipper.alerts.rules.kind import (
    Numbers,
    Probe,
    RuleFinding,
    RuleLimits,
    narrowed,
    needs_one_limit,
    percent,
    state_of,
)
from shipper.alerts.rules.values import QUERY, SPAN
from shipper.alerts.verdict import VerdictState
from shipper.config.options import Faults, option

ENOUGH: Final = 5  # records on the wrong side of a widened window: one error at night pages nobody


@dataclass(frozen=True, slots=True)
class Ratio:
    """The share of some records among others."""

    of: str = option(
        QUERY, "Query for the records whose share is evaluated. Only those that match `to` count."
    )
    to: str = option(QUERY, "Query for all records, of which `of` is a part.")
    widen_to_ms: int = option(
        SPAN.between("0s", "7d"),
        "Length of the window to use instead if the window has fewer than `at_least` records of "
        "`to`. `0s`: such a window is never a breach.",
        default="1h",
        key="widen_to",
    )

    @property
    def usual_least(self) -> int:
        """Leave windows with few records to the wider one."""
        return 50

    def grows(self, limits: RuleLimits) -> bool:  # noqa: ARG002
        """Tell: a share can fall again."""
        return False

    def probes(self, limits: RuleLimits) -> tuple[Probe, ...]:
        """Return the numbers that are needed."""
        of = narrowed(self.to, self.of)
        here = (Probe("of", of, limits.over_ms), Probe("to", self.to, limits.over_ms))
        if self.widen_to_ms <= limits.over_ms:
            return here
        return (
            *here,
            Probe("wide_of", of, self.widen_to_ms),
            Probe("wide_to", self.to, self.widen_to_ms),
        )

    def group_by(self) -> tuple[str, ...]:
        """Return no groups of its own."""
        return ()

    def find(self, limits: RuleLimits, numbers: Numbers) -> RuleFinding:
        """Hold the interval of the share against the threshold."""
        of, to = int(numbers.get("of", 0)), int(numbers.get("to", 0))
        if to >= limits.at_least:
            return _judge(limits, of, to, "")
        wide_to = int(numbers.get("wide_to", 0))
        wide_of = min(int(numbers.get("wide_of", 0)), wide_to)  # counted a moment after the other
        wrong = wide_of if limits.above is not None else wide_to - wide_of
        if wrong >= ENOUGH:
            hours = self.widen_to_ms / 3_600_000
            return _judge(limits, wide_of, wide_to, f" in {hours:.3g} h, as the window has too few")
        reason = f"only {to:,} records, at least {limits.at_least:,} are needed"
        return RuleFinding(VerdictState.OK, reason, None, limits.threshold, events=to)

    def is_quiet(self, limits: RuleLimits, numbers: Numbers) -> bool:
        """Compare the shares themselves: an interval holds its share."""
        of, to = numbers.get("of", 0), numbers.get("to", 0)
        if to >= limits.at_least:
            return not limits.is_broken_by(of / to if to else 0)
        of, to = numbers.get("wide_of", 0), numbers.get("wide_to", 0)
        return not to or not limits.is_broken_by(of / to)

    def limit_faults(self, limits: RuleLimits) -> Faults:
        """Ask for a threshold that is a share."""
        yield from needs_one_limit(limits, "a share, such as 1%")
        for key, value in (("above", limits.above), ("below", limits.below)):
            if value is not None and not 0 <= value <= 1:
                yield key, "is not a share", "use 0% to 100%"


def _judge(limits: RuleLimits, of: int, to: int, where: str) -> RuleFinding:
    of = min(of, to)  # a store may count the one a moment after the other
    value = of / to
    low, high = share_between(of, to)
    is_broken = limits.is_broken_between(low, high)
    side = "above" if limits.above is not None else "below"
    reason = (
        f"{percent(value)} ({of:,} of {to:,}{where}), 95 % interval {percent(low)} to "
        f"{percent(high)}: {side if is_broken else f'not surely {side}'} "
        f"{percent(limits.threshold)}"
    )
    state = state_of(is_broken=is_broken)
    return RuleFinding(state, reason, value, limits.threshold, low, high, to)
