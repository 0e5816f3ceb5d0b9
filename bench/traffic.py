"""
Labelled traffic for benches of rules: requests by chance, and faults at known times.

Requests come by Poisson, of which each fails by itself, at the usual share or at that of a fault.
Traffic rises and falls with the day, to a tenth at night.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from shipper.alerts.backtest.history import History, HistorySeries, HistorySpan
from shipper.alerts.judge.measure import Ask
from shipper.alerts.rules.rule import Rule

MINUTE: Final = 60_000
DAY: Final = 1440  # minutes
START: Final = 1_769_990_400_000  # 2026-02-02T00:00:00Z
USUAL: Final = 0.002  # of requests fail without a fault
NIGHT: Final = 0.1  # of the rate of noon
SOON: Final = 6  # minutes after the end of a fault in which a page is still about it
RATES: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 20.0, 50.0)  # requests/s at noon
LENGTHS: Final = (1, 5, 15, 60)
GROUP: Final = (("service.name", "shop"),)


@dataclass(frozen=True, slots=True)
class Fault:
    """A time in which more requests fail: minutes from the start, and the share."""

    begin: int
    minutes: int
    share: float


def poisson(chance: random.Random, mean: float) -> int:
    """Draw a count."""
    if mean > 60:
        return max(0, round(chance.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count


def failures(chance: random.Random, requests: int, share: float) -> int:
    """Draw how many of some requests fail."""
    if requests * share * (1 - share) > 30:
        drawn = chance.gauss(requests * share, math.sqrt(requests * share * (1 - share)))
        return min(requests, max(0, round(drawn)))
    if share < 0.01:
        return min(requests, poisson(chance, requests * share))
    return sum(chance.random() < share for _ in range(requests))


def traffic(
    chance: random.Random, rate: float, minutes: int, faults: Sequence[Fault]
) -> Iterator[tuple[int, int]]:
    """Yield requests and failures of each minute."""
    shares = {
        minute: each.share
        for each in faults
        for minute in range(each.begin, each.begin + each.minutes)
    }
    for minute in range(minutes):
        day = (1 - math.cos(2 * math.pi * minute / DAY)) / 2  # 0 at midnight
        requests = poisson(chance, 60 * rate * (NIGHT + (1 - NIGHT) * day))
        yield requests, failures(chance, requests, shares.get(minute, USUAL))


def history(rule: Rule, counts: Sequence[tuple[int, int]]) -> History:
    """Return what a store says of the traffic to a rule of server errors, or of all others."""
    series = {}
    asked = rule.ratio or rule.burn_rate
    assert asked is not None
    for probe in rule.probes:
        is_whole = probe.query == asked.to
        is_good = rule.below is not None
        numbers = {
            START + minute * MINUTE: float(
                requests if is_whole else requests - failed if is_good else failed
            )
            for minute, (requests, failed) in enumerate(counts)
        }
        ask = Ask(probe.query, 0, 0, rule.all_group_by)
        slots = {at: number for at, number in numbers.items() if number}
        series[ask, (probe.take, probe.field)] = HistorySeries(MINUTE, {GROUP: slots})
    span = HistorySpan(START + MINUTE, START + len(counts) * MINUTE)
    return History(span, series)


def daily_faults(chance: random.Random, days: int, minutes: int, share: float) -> list[Fault]:
    """Return one fault a day, at any time of it."""
    return [
        Fault(day * DAY + chance.randrange(DAY - 2 * minutes - SOON), minutes, share)
        for day in range(days)
    ]
