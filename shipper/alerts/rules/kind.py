"""
What a kind of rule is: the counts that it asks for, and what it finds in them.

Everything a kind asks for adds up over time (a count, a sum, an extreme), so the numbers of a
window are the same whether they are asked for at once, as the live job does, or put together from
slots, as a back-test does. `find` gets nothing but those numbers: no clock, no store.

Adding a kind is a module here, a line in `KINDS` and a chapter in docs/alerts.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from shipper.alerts.verdict import VerdictState
from shipper.config.options import Faults
from shipper.store.api import Maximum, Minimum, Sum


class Take(StrEnum):
    """What is taken of the records of a probe; of slots, counts and sums add up."""

    COUNT = "count"
    SUM = "sum"
    LEAST = "least"
    MOST = "most"


@dataclass(frozen=True, slots=True)
class Probe:
    """
    One number that a rule asks for, per window and group.

    It is taken of the records of `query` in the `span_ms` before a moment that lies `offset_ms`
    before the end of the window; of their `field`, unless they are counted. One that is not
    `grouped` is asked once, for all groups. One that `widens` the window is left out where it would
    reach back into the last incident of the group. One `of_all_hosts` is about a time of which
    those that are late have delivered as well.
    """

    name: str
    query: str
    span_ms: int
    offset_ms: int = 0
    take: Take = Take.COUNT
    field: str = ""
    grouped: bool = True
    widens: bool = False
    of_all_hosts: bool = False

    @property
    def statistic(self) -> Sum | Minimum | Maximum | None:
        """What the store is asked for besides the count."""
        match self.take:
            case Take.COUNT:
                return None
            case Take.SUM:
                return Sum(self.field)
            case Take.LEAST:
                return Minimum(self.field)
            case Take.MOST:
                return Maximum(self.field)


Numbers = Mapping[str, float]  # by the name of the probe; what nothing was found for is missing


@dataclass(frozen=True, slots=True)
class RuleLimits:
    """What a rule says besides its question; spans in milliseconds."""

    over_ms: int
    above: float | None = None
    below: float | None = None
    at_least: int = 1
    unit: str = ""  # in which the threshold was written: `%`, `time`, or none

    @property
    def threshold(self) -> float:
        """What a value is held against."""
        return self.above if self.above is not None else self.below or 0.0

    def is_broken_by(self, value: float) -> bool:
        """Return whether a value lies beyond the threshold."""
        if self.above is not None:
            return value > self.above
        return self.below is not None and value < self.below

    def is_broken_between(self, low: float, high: float) -> bool:
        """Return whether all of an interval lies beyond the threshold."""
        return self.is_broken_by(low if self.above is not None else high)


@dataclass(frozen=True, slots=True)
class RuleFinding:
    """
    What a kind finds in the numbers of one window and group; see `Verdict`.

    `span_ms` is the length of the window that decided, None for that of the rule.
    """

    state: VerdictState
    reason: str
    value: float | None = None
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    events: int = 0
    span_ms: int | None = None


class RuleKind:
    """One kind of question that a rule asks."""

    __slots__ = ()

    usual_least: ClassVar[int | None] = None  # `at_least`, unless a rule sets it; None: no effect
    judges_largest: ClassVar[bool] = True  # of too many groups: whether the largest say something

    def grows(self, limits: RuleLimits) -> bool:  # noqa: ARG002
        """Return whether a breach stays one, whatever records are still to come."""
        return False

    def needs_all(self, limits: RuleLimits) -> bool:  # noqa: ARG002
        """Return whether records of hosts that are late could be what a breach misses."""
        return False

    def probes(self, limits: RuleLimits) -> tuple[Probe, ...]:
        """Return the numbers that are needed."""
        raise NotImplementedError

    def group_by(self) -> tuple[str, ...]:
        """Return the fields by which the kind itself tells groups apart."""
        return ()

    def find(self, limits: RuleLimits, numbers: Numbers) -> RuleFinding:
        """Say what the numbers mean."""
        raise NotImplementedError

    def is_quiet(self, limits: RuleLimits, numbers: Numbers) -> bool:
        """Return, quickly, whether `find` would surely give no breach."""
        raise NotImplementedError

    def limit_faults(self, limits: RuleLimits) -> Faults:
        """Yield (key, fault, remedy) for limits that this kind does not have: usually, for any."""
        for key in ("above", "below"):
            if getattr(limits, key) is not None:
                yield key, "has no effect here", "remove it"


def state_of(*, is_broken: bool) -> VerdictState:
    """Return the state of a window that could be judged."""
    return VerdictState.BREACH if is_broken else VerdictState.OK


def needs_one_limit(limits: RuleLimits, unit: str) -> Faults:
    """Yield the fault of a rule that has not exactly one of `above` and `below`."""
    if limits.above is None and limits.below is None:
        yield "above", "is missing", f"use above or below with {unit}"
    elif limits.above is not None and limits.below is not None:
        yield "below", "cannot be combined with above", "use one of them"


def needs_unit(limits: RuleLimits, *units: str, remedy: str) -> Faults:
    """Yield the fault of a threshold that is written in another unit than these."""
    if limits.unit and limits.unit not in units:
        what = "share" if limits.unit == "%" else "time"
        yield "above" if limits.above is not None else "below", f"is a {what}", f"use {remedy}"


def needs_above(limits: RuleLimits, unit: str) -> Faults:
    """Yield the fault of a rule that has not `above` alone."""
    if limits.above is None:
        yield "above", "is missing", f"use {unit}"
    if limits.below is not None:
        yield "below", "has no effect here", "use above"


def narrowed(query: str, *conditions: str) -> str:
    """Return the query that asks for more than one condition."""
    parts = [part for part in (query, *conditions) if part.strip() not in ("", "*")]
    if len(parts) < 2:
        return parts[0] if parts else "*"
    if parts[-1].startswith(f"{parts[0]} AND ") and "OR" not in parts[-1]:
        return parts[-1]  # it asks for all of that already
    return " AND ".join(f"({part})" for part in parts)


def plain(number: float) -> str:
    """Write a number for a sentence."""
    return f"{number:,.0f}" if number == int(number) else f"{number:,.4g}"


def percent(share: float) -> str:
    """Write a share for a sentence."""
    return f"{100 * share:.3g} %"
