"""
When many incidents open at once, an alerter gets some pages one by one and one for all the rest.

    waiting pages   ▢▢▢▢▢▢▢▢▢▢▢▢▢▢   limit: 5 in 5 minutes, 2 sent lately
                    └─┬─┘└────┬────┘
                 one by one   one digest, when the oldest of them has waited for `collect`

The worst incidents go first, then the oldest; one that is over, or that somebody cares for, comes
last. The pages of an incident stay in order. There is at most one digest in `within`, so an alerter
gets at most `pages` and one in that time, and is notified of everything within it. A function of
values; whoever calls it keeps what was sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shipper.alerts.incident import Change
from shipper.alerts.page import Page
from shipper.alerts.settings import DigestLimits
from shipper.alerts.severity import Severity

_CARED_FOR: Final = frozenset({Change.RESOLVED, Change.ACKNOWLEDGED})
_WORST_FIRST: Final = {severity: rank for rank, severity in enumerate(Severity)}


@dataclass(frozen=True, slots=True)
class WaitingNotification:
    """A page that one alerter has not been notified of yet, since when (epoch ms)."""

    page: Page
    since: int


@dataclass(frozen=True, slots=True)
class Sent:
    """When one alerter was notified of something (epoch ms), and whether that was a digest."""

    at: int
    digest: bool = False


@dataclass(frozen=True, slots=True)
class DigestPlan:
    """
    What one alerter is notified now.

    `singles` go out one by one, `digest` (empty, or two and more) as one page; `again_at` is when
    to plan again for what has to wait (epoch ms), None if nothing does. A digest of one is among
    the singles.
    """

    singles: tuple[Page, ...] = ()
    digest: tuple[Page, ...] = ()
    again_at: int | None = None


def plan(
    waiting: Sequence[WaitingNotification], sent: Sequence[Sent], limits: DigestLimits, now: int
) -> DigestPlan:
    """Decide what goes out now; nothing is dropped, nor held back where there is room."""
    begin = now - limits.within_seconds * 1000
    recent = [each for each in sent if each.at > begin]
    room = max(0, limits.pages - sum(not each.digest for each in recent))
    ordered = _by_urgency(waiting)
    singles, rest = ordered[:room], ordered[room:]
    pages = tuple(each.page for each in singles)
    if not rest:
        return DigestPlan(pages)
    due = _digest_due(rest, recent, limits)
    if due > now:
        return DigestPlan(pages, again_at=min(due, _room_at(recent, limits, now, len(singles))))
    if len(rest) == 1:
        return DigestPlan((*pages, rest[0].page))
    return DigestPlan(pages, tuple(each.page for each in rest))


def _digest_due(
    rest: Sequence[WaitingNotification], recent: Sequence[Sent], limits: DigestLimits
) -> int:
    collected = min(each.since for each in rest) + limits.collect_seconds * 1000
    extra = [each.at for each in recent if each.digest]
    singles = [each.at for each in recent if not each.digest]
    if len(singles) > limits.pages:  # a digest of one, which went out as it is
        extra.append(max(singles))
    return max(collected, max(extra) + limits.within_seconds * 1000) if extra else collected


def _room_at(recent: Sequence[Sent], limits: DigestLimits, now: int, singles: int) -> int:
    """Say when the next page may go out by itself, once those of now are sent."""
    times = sorted([each.at for each in recent if not each.digest] + [now] * singles)
    return times[max(0, len(times) - limits.pages)] + limits.within_seconds * 1000


def _by_urgency(waiting: Sequence[WaitingNotification]) -> list[WaitingNotification]:
    """Sort by incidents; the pages of one stay together, in the order in which they were given."""
    together: dict[str, list[WaitingNotification]] = {}
    for each in waiting:
        together.setdefault(each.page.thread, []).append(each)
    return [each for pages in sorted(together.values(), key=_urgency) for each in pages]


def _urgency(pages: Sequence[WaitingNotification]) -> tuple[bool, int, int, str]:
    cared_for = any(each.page.transition.change in _CARED_FOR for each in pages)
    severity = min(_WORST_FIRST[each.page.transition.incident.severity] for each in pages)
    return (cared_for, severity, pages[0].since, pages[0].page.thread)
