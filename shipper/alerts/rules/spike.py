"""
`spike`: so many times as many records as in the same span before.

Both counts are chance. If the rate had only grown to `above` times the old one, the share of the
new records among all of both spans would be above / (1 + above); it is a breach if the share is
surely more. A span from before the first record of the store is nothing to compare with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final

from shipper.alerts.rules.bounds import share_between
from shipper.alerts.rules.kind import (
    Numbers,
    Probe,
    RuleFinding,
    RuleKind,
    RuleLimits,
    needs_above,
    needs_unit,
    plain,
    state_of,
)
from shipper.alerts.rules.values import QUERY, parse_span_ms
from shipper.alerts.verdict import VerdictState
from shipper.config.options import Faults, InvalidValueError, Scalar, option

BEFORE: Final = "before"
_MOST_MS: Final = parse_span_ms("90d")


def _parse_against(text: str) -> int:
    span = 0 if text == BEFORE else parse_span_ms(text)
    if text != BEFORE and not 0 < span <= _MOST_MS:
        raise InvalidValueError(f'"{text}" is out of range', "use before, or up to 90d")
    return span


@dataclass(frozen=True, slots=True)
class Spike(RuleKind):
    """Many more records than at another time."""

    usual_least: ClassVar = 20

    of: str = option(QUERY, "Query for the records to count.")
    against_ms: int = option(
        Scalar("`before` or a duration", _parse_against),
        "What to compare with: `before` for the window right before, or how long ago, such as "
        "`1w` for the same hour a week ago.",
        default="before",
        key="against",
    )

    def probes(self, limits: RuleLimits) -> tuple[Probe, ...]:
        """Return the numbers that are needed."""
        over, offset = limits.over_ms, self.against_ms or limits.over_ms
        return (
            Probe("now", self.of, over),
            Probe("then", self.of, over, offset),
            Probe("any", "*", over, offset, grouped=False),
        )

    def find(self, limits: RuleLimits, numbers: Numbers) -> RuleFinding:
        """Compare the counts."""
        now, then = int(numbers.get("now", 0)), int(numbers.get("then", 0))
        if not numbers.get("any"):
            return RuleFinding(
                VerdictState.OK,
                "the store has no records from that time to compare with",
                events=now,
            )
        times = limits.threshold
        value = now / then if then else None
        low, high = share_between(now, now + then) if now + then else (0.0, 1.0)
        is_broken = now >= limits.at_least and low > times / (1 + times)
        ratio = f"{plain(value)} times" if value is not None else "instead of none"
        reason = (
            f"{now:,} records, {ratio} ({then:,} then), "
            f"{'above' if is_broken else 'not surely above'} {plain(times)} times"
        )
        state = state_of(is_broken=is_broken)
        return RuleFinding(state, reason, value, times, _odds(low), _odds(high), now)

    def is_quiet(self, limits: RuleLimits, numbers: Numbers) -> bool:
        """Compare the counts themselves: an interval holds its factor."""
        now, then = numbers.get("now", 0), numbers.get("then", 0)
        return now < limits.at_least or now <= limits.threshold * then

    def limit_faults(self, limits: RuleLimits) -> Faults:
        """Ask for a factor."""
        yield from needs_above(limits, "a factor, such as 3")
        yield from needs_unit(limits, remedy="a factor, such as 3")
        if limits.above is not None and limits.above <= 0:
            yield "above", "is not a factor", "use more than 0"


def _odds(share: float) -> float | None:
    """Return the factor that a share of the new among all stands for."""
    return share / (1 - share) if share < 1 else None
