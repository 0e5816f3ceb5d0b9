"""
`ratio`: a share of records, judged by how sure it is.

A window with few records says little: one failure of ten is no 10 %. So a share is a breach only
if all of its 95 % interval lies beyond the threshold, only with `ENOUGH` records on the wrong side,
and only in a window of `at_least` records. That alone would be blind where little happens (90 %
failures at one request a minute), and to a small excess. So a window whose share is beyond the
threshold, but not surely so, is looked at over twice the time, and again, up to `widen_to`, for as
long as the share stays beyond the threshold. A window that is well by itself is never held against
the past, and a longer one never reaches back into the last incident (`Probe.widens`): what is over
does not page again when traffic falls.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final

from shipper.alerts.rules.bounds import share_between
from shipper.alerts.rules.kind import (
    Numbers,
    Probe,
    RuleFinding,
    RuleKind,
    RuleLimits,
    narrowed,
    needs_one_limit,
    needs_unit,
    percent,
    state_of,
)
from shipper.alerts.rules.values import QUERY, SPAN
from shipper.alerts.verdict import VerdictState
from shipper.config.options import Faults, option
from shipper.text import duration

ENOUGH: Final = 5  # records on the wrong side: one error at night pages nobody


@dataclass(frozen=True, slots=True)
class Ratio(RuleKind):
    """The share of some records among others."""

    usual_least: ClassVar = 50

    of: str = option(
        QUERY, "Query for the records whose share is evaluated. Only those that match `to` count."
    )
    to: str = option(QUERY, "Query for all records, of which `of` is a part.")
    widen_to_ms: int = option(
        SPAN.between("0s", "7d"),
        "While the share is beyond the threshold, but not surely so, the window is doubled, up to "
        "this length. `0s`: never.",
        default="1h",
        key="widen_to",
    )

    def probes(self, limits: RuleLimits) -> tuple[Probe, ...]:
        """Return the numbers that are needed."""
        of = narrowed(self.to, self.of)
        return tuple(
            probe
            for span in self._spans(limits)
            for probe in (
                Probe(_name("of", span, limits), of, span, widens=span > limits.over_ms),
                Probe(_name("to", span, limits), self.to, span, widens=span > limits.over_ms),
            )
        )

    def wrong(self, limits: RuleLimits) -> str:
        """Return the query for the records that a breach is about: too many, or all the others."""
        return narrowed(self.to, self.of if limits.above is not None else f"NOT ({self.of})")

    def find(self, limits: RuleLimits, numbers: Numbers) -> RuleFinding:
        """Return the shortest time in which the share is surely beyond, or else the window."""
        found = list(self._looked_at(limits, numbers))
        return next((each for each in found if each.state is VerdictState.BREACH), found[0])

    def _looked_at(self, limits: RuleLimits, numbers: Numbers) -> Iterator[RuleFinding]:
        """Yield the window, and longer ones while the share stays beyond the threshold."""
        for span in self._spans(limits):
            of, to = (int(numbers.get(_name(name, span, limits), 0)) for name in ("of", "to"))
            of = min(of, to)  # a store may count the one a moment after the other
            if span == limits.over_ms and to < limits.at_least:
                reason = f"only {to:,} records, at least {limits.at_least:,} are needed"
                yield RuleFinding(VerdictState.OK, reason, None, limits.threshold, events=to)
            elif to:
                yield _judge(limits, of, to, span)
            if not to or not limits.is_broken_by(of / to):
                return

    def is_quiet(self, limits: RuleLimits, numbers: Numbers) -> bool:
        """Compare the share itself: an interval holds its share."""
        of, to = numbers.get("of", 0), numbers.get("to", 0)
        return not to or not limits.is_broken_by(of / to)

    def _spans(self, limits: RuleLimits) -> Iterator[int]:
        """Yield the window, and longer ones, each twice the one before, up to `widen_to`."""
        span = limits.over_ms
        yield span
        while 4 * span <= self.widen_to_ms:
            span *= 2
            yield span
        if span < self.widen_to_ms:
            yield self.widen_to_ms

    def limit_faults(self, limits: RuleLimits) -> Faults:
        """Ask for a threshold that is a share."""
        yield from needs_one_limit(limits, "a share, such as 1%")
        yield from needs_unit(limits, "%", remedy="a share, such as 1%")
        for key, value in (("above", limits.above), ("below", limits.below)):
            if value is not None and not 0 <= value <= 1:
                yield key, "is not a share", "use 0% to 100%"


def _name(name: str, span: int, limits: RuleLimits) -> str:
    return name if span == limits.over_ms else f"{name}{span}"


def _judge(limits: RuleLimits, of: int, to: int, span: int) -> RuleFinding:
    low, high = share_between(of, to)
    wrong = of if limits.above is not None else to - of
    is_broken = wrong >= ENOUGH and limits.is_broken_between(low, high)
    side = "above" if limits.above is not None else "below"
    where = f" in {duration(span / 1000)}" if span > limits.over_ms else ""
    reason = (
        f"{percent(of / to)} ({of:,} of {to:,}{where}), 95 % interval {percent(low)} to "
        f"{percent(high)}: {side if is_broken else f'not surely {side}'} "
        f"{percent(limits.threshold)}"
    )
    state = state_of(is_broken=is_broken)
    return RuleFinding(state, reason, of / to, limits.threshold, low, high, to, span)
