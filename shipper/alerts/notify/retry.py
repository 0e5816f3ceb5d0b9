"""
What comes after an alerter failed: the same again later, another alerter, or nothing more.

    unavailable ──► again after a pause that doubles, with jitter, or the one it asks for
                    `hand_over` has passed ──► its fallback is notified, from the start
    refused ──────► its fallback at once: it will not be taken as things are
    no fallback ──► unavailable, or refused for something that somebody can fix: again until
                    `give_up`; refused for the page itself, or past that: dropped

A function of values: the clock and the draw of the jitter are handed in. Whoever calls it makes the
failure an incident of its own; `HandOver` and `GiveUp` say why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from shipper.alerts.alerters.alerter import AlerterRefused, AlerterUnavailable
from shipper.alerts.settings import RetryLimits

LONGEST_ASKED_SECONDS: Final = 3600.0  # a service that wants to be left alone for longer is down


@dataclass(frozen=True, slots=True)
class Failures:
    """What is known of a page at one alerter: failed tries, and when the first one was (ms)."""

    count: int
    since: int


@dataclass(frozen=True, slots=True)
class TryAgain:
    """The same alerter, not before `at` (epoch ms)."""

    at: int


@dataclass(frozen=True, slots=True)
class HandOver:
    """Another alerter is used now; the failure of this one is an incident with this reason."""

    alerter: str
    reason: str


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Nobody is left who could be notified; the one that failed is an incident for this reason."""

    reason: str


Step = TryAgain | HandOver | GiveUp


def after_failure(  # noqa: PLR0913 -- all of it decides, and none of it belongs together
    error: AlerterUnavailable | AlerterRefused,
    failures: Failures,
    limits: RetryLimits,
    fallback: str | None,
    *,
    now: int,
    draw: float,
) -> Step:
    """
    Decide what comes after a failure.

    `failures` counts this one too. `fallback` is the next alerter that was not used yet, None if
    there is none; `draw` is a random number from 0 to 1.
    """
    reason = str(error)
    refused = isinstance(error, AlerterRefused)
    if refused and fallback:
        return HandOver(fallback, reason)
    if isinstance(error, AlerterRefused):
        if not error.correctable:
            return GiveUp(reason)
        asked = None
    else:
        asked = error.retry_after_seconds
    at = now + round(pause_seconds(failures.count, limits, asked, draw) * 1000)
    if fallback and at - failures.since > limits.hand_over_seconds * 1000:
        return HandOver(fallback, reason)
    if at - failures.since > limits.give_up_seconds * 1000:
        return GiveUp(reason)
    return TryAgain(at)


def pause_seconds(
    count: int, limits: RetryLimits, asked: float | None = None, draw: float = 0.5
) -> float:
    """
    Return the pause after the `count`-th failure in a row.

    Half of it is left to chance, so that many do not come back at the same moment. What the
    service asks for is waited in full, and the jitter added to it.
    """
    doubled = min(limits.first_seconds * 2.0 ** min(count - 1, 40), limits.longest_seconds)
    jittered = doubled * (0.5 + 0.5 * draw)
    if asked is None:
        return jittered
    return min(asked, LONGEST_ASKED_SECONDS) + limits.first_seconds * draw
