"""
What the shipped rules of requests that fail make of one fault together: the pages that people get.

Each rule is judged by what judges it live, and the decisions are those of the job, with a ledger:
who is notified, what is muted, what is raised. A page is the first word of an incident (`fired`, or
`unmuted` where it fired in silence); what follows on the same incident is none.
"""

from __future__ import annotations

import random
import statistics
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.traffic import (
    DAY,
    LENGTHS,
    MINUTE,
    RATES,
    SOON,
    START,
    Fault,
    daily_faults,
    history,
    traffic,
)
from shipper.alerts.backtest.history import GroupWindows
from shipper.alerts.incident import Change, Incident, Transition
from shipper.alerts.incidents.lifecycle import is_open
from shipper.alerts.incidents.tracks import MAIN, Standings
from shipper.alerts.judge.decide import Decisions, Policy
from shipper.alerts.judge.evaluate import numbers_since, terms_of, verdict_of
from shipper.alerts.judge.measure import Asked
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.policy import inhibition_of
from shipper.alerts.rules.kind import Numbers
from shipper.alerts.rules.reading import load_rules
from shipper.alerts.rules.rule import Rule
from shipper.alerts.settings import AlertSettings
from shipper.config.alerts import default_inhibitions
from shipper.config.options import read_options

ROOT: Final = Path(__file__).parent.parent
FAMILY: Final = ("error_rate_high", "success_rate_low", "success_rate_critical", "error_budget")
SHARES: Final = (0.02, 0.05, 0.08, 0.15, 0.2, 0.22, 0.25, 0.35, 0.6, 1.0)
FIRST: Final = (Change.FIRED, Change.UNMUTED)


@dataclass(frozen=True, slots=True)
class Notified:
    """What people heard: the minute, the rule of the incident, the change, the incident."""

    minute: int
    rule: str
    change: Change
    incident: str


class Family:
    """Some rules, judged together minute by minute over counts that are made up."""

    def __init__(self, folder: Path, rules: Sequence[Rule]) -> None:
        settings = read_options("alerters: {desk: {console: {}}}", AlertSettings)
        self._policy = Policy(
            settings, inhibitions=tuple(map(inhibition_of, default_inhibitions()))
        )
        self._ledger = Ledger(folder / "alerts.db")
        self._rules = rules
        self._last: dict[str, Incident] = {}

    def close(self) -> None:
        """Close the ledger."""
        self._ledger.close()

    def live_through(self, counts: Sequence[tuple[int, int]]) -> list[Notified]:
        """Judge all minutes; return what people hear."""
        windows = {rule.name: _by_end(rule, counts) for rule in self._rules}
        is_calm = True
        for minute in range(1, len(counts) + 1):
            end = START + minute * MINUTE
            made = [
                each
                for rule in self._rules
                for each in self._judge(rule, end, windows[rule.name].get(end))
            ]
            if made or not is_calm:
                is_calm = self._decide(made, end)
        heard: list[Notified] = []
        for each in self._ledger.recorded_after(0, 1_000_000):
            change, incident = each.transition.change, each.transition.incident
            if self._ledger.rows("SELECT 1 FROM outbox WHERE key = ?", each.key):
                minute = (each.decided_at - START) // MINUTE
                heard.append(Notified(minute, incident.rule, change, incident.id))
        return heard

    def _judge(
        self, rule: Rule, end: int, found: tuple[GroupWindows, Sequence[float | None]] | None
    ) -> Iterable[Transition]:
        """Take one window, unless it is plainly ok and nothing is open."""
        if found is None:
            return ()
        windows, row = found
        numbers: Numbers = windows.numbers(row)
        before = self._last.get(rule.name)
        if not is_open(before):
            if rule.kind.is_quiet(rule.limits, numbers) or not windows.is_there(row):
                return ()
            if before is not None:
                numbers = numbers_since(rule.probes, numbers, end, before.verdict.window.end)
        verdict = verdict_of(Asked(rule, end), windows.group, rule.kind.find(rule.limits, numbers))
        place = (windows.group, MAIN)
        standings = Standings({place: self._stored(before)} if before is not None else {})
        made = standings.take(verdict, terms_of(rule))
        for (group, track), incident in standings.changes():
            with self._ledger.deciding():
                self._ledger.place(rule.name, group, track, incident)
            if incident is None:
                self._last.pop(rule.name, None)
            else:
                self._last[rule.name] = incident
        return made

    def _stored(self, incident: Incident) -> Incident:
        """Return an incident with what was decided of it meanwhile."""
        return next(iter(self._ledger.find(incident.id)), incident)

    def _decide(self, made: Sequence[Transition], now: int) -> bool:
        """Decide as the job does; return whether nothing is open."""
        with self._ledger.deciding():
            decisions = Decisions(self._ledger, self._policy, now)
            decisions.tell(made)
            decisions.look_after()
        return not any(map(is_open, self._last.values()))


def _by_end(
    rule: Rule, counts: Sequence[tuple[int, int]]
) -> Mapping[int, tuple[GroupWindows, Sequence[float | None]]]:
    return {
        end: (windows, row)
        for windows in history(rule, counts).windows(rule)
        for end, row in windows.rows()
    }


@dataclass(frozen=True, slots=True)
class Paged:
    """Pages of labelled faults: per fault, the delay of the first, and those about none."""

    pages: tuple[int, ...]
    delays: tuple[int, ...]
    false: int


def paged(
    rules: Sequence[Rule], counts: Sequence[tuple[int, int]], faults: Sequence[Fault]
) -> Paged:
    """Have people hear of the traffic, and hold their pages against the labels."""
    with (
        tempfile.TemporaryDirectory(dir=_quick_folder()) as folder,
        closing(Family(Path(folder), rules)) as family,
    ):
        first = [each.minute for each in family.live_through(counts) if each.change in FIRST]
    pages, delays = [], []
    left = len(first)
    for fault in faults:
        about = [at for at in first if fault.begin < at <= fault.begin + fault.minutes + SOON]
        pages.append(len(about))
        left -= len(about)
        delays += [at - fault.begin for at in about[:1]]
    return Paged(tuple(pages), tuple(delays), left)


def pages_table(days: int, seed: int, rates: Sequence[float] = RATES) -> Iterator[str]:
    """Yield the lines of the pages per fault, over all rates, shares and lengths."""
    rules = load_rules(ROOT / "config" / "rules").named(FAMILY)
    chance = random.Random(seed)
    yield f"pages per fault, of {', '.join(FAMILY)} together"
    lengths = "".join(f"{f'{minutes} min':>22}" for minutes in LENGTHS)
    yield f"requests/s  fault {lengths}   false a month"
    yield f"{'':>17} {'found delay again most':>22}"
    total = several = 0
    for rate in rates:
        for share in SHARES:
            parts, false = [], 0
            for minutes in LENGTHS:
                faults = daily_faults(chance, days, minutes, share)
                found = paged(rules, list(traffic(chance, rate, days * DAY, faults)), faults)
                again = sum(pages > 1 for pages in found.pages)
                delay = f"{statistics.median(found.delays):.0f}m" if found.delays else "-"
                there = len(found.delays) / days
                parts.append(f"{there:>10.0%} {delay:>4} {again:>3} {max(found.pages):>2}")
                false += found.false
                several += again
                total += len(found.delays)
            each = false / len(LENGTHS) * 30 / days
            yield f"{rate:>10} {share:>6.0%} {''.join(parts)} {each:>15.2f}"
    yield f"of {total:,} faults that were found, {several:,} made more than one page"


def _quick_folder() -> str | None:
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() else None
