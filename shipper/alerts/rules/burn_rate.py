"""
`burn_rate`: an error budget that is used up too fast.

An objective of 99.5 % over 30 days allows 0.5 % failures, the budget. A burn rate of 1 uses it up
in exactly 30 days. Each pair of windows is a speed: 2 % of the budget within an hour is a burn rate
of 14.4. The long window says that it matters (surely: by the lower bound of its interval), the
short one that it still goes on; both have to. (The Site Reliability Workbook, chapter 5.)

A service that has no records in the older half of a long window is too young for it: a bad minute
of its first hour would pass for one of three days.
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
    narrowed,
    percent,
    plain,
    state_of,
)
from shipper.alerts.rules.values import QUERY, SPAN, THRESHOLD
from shipper.alerts.verdict import VerdictState
from shipper.config.options import Faults, ListOf, Section, option


@dataclass(frozen=True, slots=True)
class Speed:
    """A share of the error budget that must not be used within a time."""

    budget: float = option(THRESHOLD.between("0.1%", "100%"), "Share of the error budget.")
    long_ms: int = option(SPAN.between("1m", "90d"), "Long window.", key="within")
    short_ms: int = option(
        SPAN.between("1m", "7d"),
        "Short window that must exceed the same rate, so that the breach ends with the failures.",
        key="and_within",
    )

    def faults(self) -> Faults:
        """Yield (key, fault, remedy) for values that contradict each other."""
        if self.short_ms >= self.long_ms:
            yield "and_within", "is not shorter than within", "use about a twelfth of within"


_HOUR: Final = 3_600_000
_DEFAULT: Final = (
    Speed(0.02, _HOUR, _HOUR // 12),
    Speed(0.05, 6 * _HOUR, _HOUR // 2),
    Speed(0.10, 72 * _HOUR, 6 * _HOUR),
)


@dataclass(frozen=True, slots=True)
class BurnRate(RuleKind):
    """How fast the error budget of a service level objective is used up."""

    usual_least: ClassVar = 50

    of: str = option(QUERY, "Query for the failures. Only records that match `to` count.")
    to: str = option(QUERY, "Query for all records that the objective covers.")
    objective: float = option(
        THRESHOLD.between("1%", "99.999%"), "Share of records that must not fail, such as `99.5%`."
    )
    period_ms: int = option(
        SPAN.between("1d", "90d"), "Period of the objective.", default="30d", key="period"
    )
    speeds: tuple[Speed, ...] = option(
        ListOf(Section(Speed), least=1),
        "Speeds that are too fast. Exceeding one of them is a breach.",
        default="2 % in 1h and 5m; 5 % in 6h and 30m; 10 % in 3d and 6h",
        factory=lambda: _DEFAULT,
    )

    def probes(self, limits: RuleLimits) -> tuple[Probe, ...]:  # noqa: ARG002 - it has its own spans
        """Return the numbers that are needed."""
        of = narrowed(self.to, self.of)
        spans = sorted({s for speed in self.speeds for s in (speed.long_ms, speed.short_ms)})
        shares = (
            probe
            for span in spans
            for probe in (Probe(f"of{span}", of, span), Probe(f"to{span}", self.to, span))
        )
        halves = {speed.long_ms: speed.long_ms // 2000 * 1000 for speed in self.speeds}
        older = (Probe(f"older{long}", self.to, long - half, half) for long, half in halves.items())
        return (*shares, *older)

    def find(self, limits: RuleLimits, numbers: Numbers) -> RuleFinding:
        """Return the first speed that is too fast, or else the first that is named."""
        found = [self._at(speed, limits, numbers) for speed in self.speeds]
        return next((each for each in found if each.state is VerdictState.BREACH), found[0])

    def _at(self, speed: Speed, limits: RuleLimits, numbers: Numbers) -> RuleFinding:
        budget = 1 - self.objective
        limit = speed.budget * self.period_ms / speed.long_ms
        of, to = (int(numbers.get(f"{name}{speed.long_ms}", 0)) for name in ("of", "to"))
        short_of, short_to = (
            int(numbers.get(f"{name}{speed.short_ms}", 0)) for name in ("of", "to")
        )
        if not numbers.get(f"older{speed.long_ms}"):
            reason = f"the store has no records that are {plain(speed.long_ms / _HOUR / 2)} h old"
            return RuleFinding(VerdictState.OK, reason, None, limit, events=to)
        if to < limits.at_least or not short_to:
            reason = f"only {to:,} records, at least {limits.at_least:,} are needed"
            return RuleFinding(VerdictState.OK, reason, None, limit, events=to)
        of, short_of = min(of, to), min(short_of, short_to)  # may be counted a moment later
        low, high = (bound / budget for bound in share_between(of, to))
        rate, short = of / to / budget, short_of / short_to / budget
        is_broken = low > limit and short > limit
        reason = (
            f"burn rate {plain(rate)} ({of:,} of {to:,} within {plain(speed.long_ms / _HOUR)} h; "
            f"the budget is {percent(budget)}), {plain(short)} in the short window: "
            f"{'above' if is_broken else 'not surely above'} {plain(limit)}"
        )
        state = state_of(is_broken=is_broken)
        return RuleFinding(state, reason, rate, limit, low, high, to, speed.long_ms)

    def is_quiet(self, limits: RuleLimits, numbers: Numbers) -> bool:  # noqa: ARG002
        """Look whether anything fails within a short window."""
        return not any(numbers.get(f"of{speed.short_ms}") for speed in self.speeds)
