"""
What a rule says of one window and one group: ok or breach.

A verdict is a value: it holds the numbers that it was made of, so that whoever is notified can see
why. It never depends on the clock at which it was made, only on the records of its window; that
is what makes a live run and a back-test agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

Group = tuple[tuple[str, str], ...]  # (field, value) per `group_by` of the rule, in its order


class VerdictState(StrEnum):
    """The answer of a rule."""

    OK = "ok"
    BREACH = "breach"


@dataclass(frozen=True, slots=True)
class Window:
    """The time that a rule looks at: `start` (included) to `end` (excluded), epoch ms."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    One answer.

    `value` is what is held against `threshold` (a share from 0 to 1 for a ratio), between `low`
    and `high` with 95 % confidence where that can be said; `events` is how many records it was made
    of. None where there was nothing to measure. `reason` says in a sentence what was found.
    `early` marks a breach that was judged before all hosts had delivered (a count only grows),
    `late` one that was found when a host caught up. `waiting` names the hosts whose records are not
    in it, because they had not delivered all of the window.
    """

    rule: str
    group: Group
    window: Window
    state: VerdictState
    reason: str
    value: float | None = None
    threshold: float | None = None
    low: float | None = None
    high: float | None = None
    events: int = 0
    early: bool = False
    late: bool = False
    waiting: tuple[str, ...] = ()
