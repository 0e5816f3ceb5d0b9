"""The live job and the back-test find the same incidents in the same records."""

from __future__ import annotations

import random
from contextlib import closing
from pathlib import Path

import pytest

from shipper.alerts.backtest.backtest import backtest
from shipper.alerts.backtest.history import HistorySpan, read_history
from shipper.alerts.incident import Change
from shipper.alerts.ledger.ledger import key_of
from tests.alerts.verdicts import MINUTE, START
from tests.alerts.world import ERRORS, SHARE, World

MINUTES = 60
LIFE = (Change.OPENED, Change.DROPPED, Change.FIRED, Change.RESOLVED)  # no clocks, no mutes
RULES = (
    ERRORS,
    SHARE,
    ERRORS.replace("name: errors", "name: slow_errors")
    .replace("over: 1m", "over: 5m")
    .replace("above: 2", "above: 6")
    + "for: 2m\nkeep_firing: 3m\n",
    """
name: took_long
severity: medium
summary: slow
metric: {of: duration_ms, take: average}
above: 300
over: 3m
at_least: 3
group_by: [host.name]
""",
    SHARE.replace("name: share", "name: thin").replace("widen_to: 0s", "widen_to: 12m"),
    """
name: quiet
severity: low
summary: nothing comes
absence: {of: "level:INFO", seen_within: 1h}
over: 2m
""",
)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_live_is_backtest(seed: int, tmp_path: Path) -> None:
    """Whatever is logged, and however seldom the job looks, the transitions are the same."""
    chance = random.Random(seed)
    with closing(World(tmp_path, *RULES)) as site:
        site.look()
        for minute in range(MINUTES):
            start = START + minute * MINUTE
            bad = chance.random() < 0.25
            for level in ("ERROR", "INFO"):
                count = chance.randint(0, 6) if (level == "ERROR") is bad else chance.randint(0, 2)
                host = chance.choice(["app1", "app2"])
                took = chance.choice([50.0, 900.0])
                if count:
                    at = start + chance.randrange(MINUTE)
                    site.log(level, at, count, host, duration_ms=took)
            if chance.random() < 0.6 or minute == MINUTES - 1:
                site.now = start + MINUTE
                while site.look().next_at <= site.now:
                    pass
        live = [each.transition for each in site.ledger.recorded_after(0, 10_000)]
        span = HistorySpan(START + MINUTE, START + MINUTES * MINUTE)
        with closing(site.open_store()) as store:
            history = read_history(store, site.rules, span)
        past = [made for rule in site.rules for made in backtest(rule, history).transitions]

    rules = {each.name for each in site.rules}
    found = {
        (key_of(each), each.at)
        for each in live
        if each.incident.rule in rules and each.change in LIFE
    }
    assert found == {(key_of(each), each.at) for each in past}
    assert len(found) > 10
