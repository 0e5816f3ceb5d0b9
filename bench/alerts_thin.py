"""
How well a ratio rule finds faults in thin and in thick traffic, and how often it pages for nothing.

    python -m bench.alerts_thin                     # the shipped rules of requests that fail
    python -m bench.alerts_thin --rule error_rate_high --months 12

Traffic is chance: requests come by Poisson, of which each fails by itself, at the usual share or at
that of a fault. It rises and falls with the day, to a tenth at night. Every fault has a label, so a
page is about a fault (it comes while it lasts, or soon after its end), or false. The windows are
judged by the back-test, which does what the live job does; only the counts are made up.

    found   per length of the fault: share of the faults that were paged, and the median delay from
            the beginning of the fault to the page
    again   pages a month about a fault that was paged already, with one fault a day
    false   pages a month about no fault: without any, and beside one fault a day

At last, what the rules make of a fault together (`alerts_together.py`): the share that was found,
the delay of the first page, how many faults made more than one page, and the most of one.
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.alerts_together import pages_table
from bench.traffic import (
    DAY,
    LENGTHS,
    MINUTE,
    RATES,
    SOON,
    START,
    USUAL,
    Fault,
    daily_faults,
    history,
    traffic,
)
from shipper.alerts.backtest.backtest import backtest
from shipper.alerts.incident import Change
from shipper.alerts.rules.reading import load_rules
from shipper.alerts.rules.rule import Rule

ROOT: Final = Path(__file__).parent.parent
SHARES: Final = (0.02, 0.05, 0.08, 0.2, 0.35, 1.0)
MONTH: Final = 30 * DAY
RULES: Final = ("error_rate_high", "success_rate_low", "success_rate_critical")


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule made of labelled traffic."""

    false: int
    delays: tuple[int, ...]  # minutes, of the faults that were found
    faults: int
    again: int = 0  # pages about a fault besides its first


def judged(rule: Rule, counts: Sequence[tuple[int, int]], faults: Sequence[Fault]) -> Found:
    """Judge the traffic, and hold the pages against the labels."""
    pages = [
        (each.at - START) // MINUTE
        for each in backtest(rule, history(rule, counts)).transitions
        if each.change is Change.FIRED
    ]
    delays: list[int] = []
    again = 0
    false = set(pages)
    for fault in faults:
        last = fault.begin + fault.minutes + SOON
        about = [page for page in pages if fault.begin < page <= last]
        false -= set(about)
        again += max(0, len(about) - 1)
        if about:
            delays.append(about[0] - fault.begin)
    return Found(len(false), tuple(delays), len(faults), again)


def table(rule: Rule, months: int, seed: int) -> Iterator[str]:
    """Yield the lines of the figures of a rule."""
    chance = random.Random(seed)
    limit = rule.limits.threshold if rule.above is not None else 1 - rule.limits.threshold
    lengths = "".join(f"{minutes:>9} min" for minutes in LENGTHS)
    yield f"{rule.name} ({limit:.0%} of requests may fail, {USUAL:.1%} usually do)"
    yield f"requests/s  fault {lengths}   again   false"
    for rate in RATES:
        quiet = [
            judged(rule, list(traffic(chance, rate, MONTH, ())), ()).false for _ in range(months)
        ]
        none = " " * 13 * len(LENGTHS)
        yield f"{rate:>10}   none {none} {'':>7} {sum(quiet) / months:>7.2f}"
        for share in SHARES:
            if share > limit + 1e-9:
                yield f"{rate:>10} {share:>6.0%} {_figures(chance, rule, rate, share)}"


def _figures(chance: random.Random, rule: Rule, rate: float, share: float) -> str:
    """Return the figures of faults of one share, of all lengths."""
    parts, false, again = [], 0, 0
    for minutes in LENGTHS:
        faults = daily_faults(chance, 30, minutes, share)
        found = judged(rule, list(traffic(chance, rate, MONTH, faults)), faults)
        delay = f"{statistics.median(found.delays):.0f}m" if found.delays else "-"
        parts.append(f"{len(found.delays) / found.faults:>8.0%} {delay:>4}")
        false += found.false
        again += found.again
    count = len(LENGTHS)
    return f"{''.join(parts)} {again / count:>7.2f} {false / count:>7.2f}"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rule", action="append", help="a shipped ratio rule; several times")
    parser.add_argument("--months", type=int, default=4, help="months without any fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=int, default=10, help="of the table of pages per fault")
    options = parser.parse_args()
    rules = load_rules(ROOT / "config" / "rules").named(options.rule or RULES)
    for rule in rules:
        for text in table(rule, options.months, options.seed):
            print(text, flush=True)
    if not options.rule:
        for text in pages_table(options.days, options.seed):
            print(text, flush=True)


if __name__ == "__main__":
    main()
