"""What is missing may be on its way, a clock may have been ahead, a rule may have been edited."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.alerts.incident import Incident, Phase
from shipper.alerts.rules.reading import parse_rule
from shipper.alerts.verdict import Window
from shipper.errors import StoreUnavailable
from shipper.store.api import Store
from tests.alerts.verdicts import HOUR, MINUTE, START
from tests.alerts.world import ERRORS, World

STUCK = """
name: stuck
severity: critical
summary: nothing ends
absence: {of: 'message:done', although: 'message:waits'}
over: 5m
group_by: [service.name]
"""
FRESH = """
name: fresh
severity: low
summary: "{{ group['error_type'] }}"
new_value: {field: error_type, unseen_for: 1d}
over: 5m
group_by: [service.name]
"""
METRIC = """
name: metric
severity: low
summary: a number
metric: {of: duration_ms, take: TAKE}
SIDE: 100
over: 1m
group_by: [service.name]
"""
FEW = """
name: few
severity: low
summary: few
count: level:INFO
below: 5
over: 1m
group_by: [service.name]
"""
Make = Callable[..., World]
GRACE = 31_000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    made: list[World] = []

    def make(*rules: str) -> World:
        made.append(World(tmp_path, *rules))
        return made[-1]

    yield make
    for each in made:
        each.close()


def both(site: World, at: int, late: int | None = None) -> None:
    """Look at a time when app1 is on time, and app2 has delivered up to another time."""
    site.now = at
    site.beat(host="app1")
    site.beat(watermark=late, host="app2")
    site.judging.look(at + GRACE)


def test_records_that_a_late_host_still_has_are_not_absent(world: Make) -> None:
    """Absence is judged when the late host has caught up; if it was true, it is found late."""
    site = world(STUCK)
    both(site, START)
    for minute in range(1, 13):
        at = START + minute * MINUTE
        site.log("INFO", at - 30_000, message="waits", host="app1")
        if minute < 4:
            site.log("INFO", at - 30_000, message="done", host="app2")
        both(site, at, late=min(at, START + 4 * MINUTE))
    assert [each for each in site.heard() if each.startswith("stuck")] == []

    for minute in range(13, 16):
        site.log("INFO", START + minute * MINUTE - 30_000, message="waits", host="app1")
        both(site, START + minute * MINUTE)
    assert [each for each in site.heard() if each.startswith("stuck")] == ["stuck fired"]


def test_a_value_that_only_a_late_host_had_is_not_new(world: Make) -> None:
    """What a host delivered before it was late is known, too."""
    site = world(FRESH)
    site.log("ERROR", START - 20 * HOUR, host="app1", error_type="Old")
    site.log("ERROR", START - 2 * HOUR, host="app2", error_type="Known")
    both(site, START)
    site.log("ERROR", START + 30_000, host="app1", error_type="Known")
    site.log("ERROR", START + 30_000, host="app1", error_type="News")
    for minute in range(1, 4):
        both(site, START + minute * MINUTE, late=START)
    assert site.heard() == ["fresh fired"]
    assert dict(site.incidents()[0].group)["error_type"] == "News"


@pytest.mark.parametrize(
    ("take", "side", "there", "late"),
    [("max", "below", 50, 200), ("min", "above", 150, 20), ("sum", "below", 50, 90)],
)
def test_an_extreme_or_a_sum_may_be_that_of_a_late_host(
    world: Make, take: str, side: str, there: int, late: int
) -> None:
    """No breach counts that the records of a late host would take back."""
    site = world(METRIC.replace("TAKE", take).replace("SIDE", side))
    both(site, START)
    site.log("INFO", START + 30_000, host="app1", duration_ms=there)
    both(site, START + MINUTE, late=START)
    site.log("INFO", START + 40_000, host="app2", duration_ms=late)
    both(site, START + 2 * MINUTE)
    assert site.heard() == []


def test_too_few_may_be_enough_with_those_of_a_late_host(world: Make) -> None:
    """A count below its threshold waits for all hosts; with all, it counts."""
    site = world(FEW)
    both(site, START)
    site.log("INFO", START + 30_000, 3, host="app1")
    both(site, START + MINUTE, late=START)
    site.log("INFO", START + 30_000, 3, host="app2")
    site.log("INFO", START + MINUTE + 30_000, 3, host="app1")
    both(site, START + 2 * MINUTE)
    assert site.heard() == ["few fired"]
    assert site.incidents()[0].opened_at == START + 2 * MINUTE


def test_what_was_found_while_the_clock_was_ahead_ends_when_it_is_over(world: Make) -> None:
    """A clock that was a day ahead leaves no incident that stays for a day."""

    def unreachable() -> Store:
        raise StoreUnavailable("it is down", "start it")

    site = world(ERRORS)
    site.look(START)
    real, site.open_store = site.open_store, unreachable
    site.judging.close()
    for minute in range(8):
        site.judging.be_blind("it is down", START + 24 * HOUR + minute * MINUTE)
    assert site.heard() == ["store_unreachable fired"]

    site.open_store = real
    site.look(START + MINUTE)
    assert site.heard() == ["store_unreachable resolved"]


def test_a_breach_found_while_the_clock_was_ahead_gives_way_to_the_windows_of_now(
    world: Make,
) -> None:
    """An incident of the future is judged by the windows that come, and ends with them."""
    site = world(ERRORS)
    site.look(START)
    site.log("ERROR", START + 30_000, 3)
    site.look(START + MINUTE)
    (known,) = site.incidents(Phase.FIRING)
    ahead = 24 * HOUR
    site.judging.close()
    with site.ledger.deciding():
        site.ledger.update(_moved(known, ahead))
    site.look(START + 2 * MINUTE)
    assert site.heard() == ["errors fired", "errors resolved"]


def test_a_rule_that_groups_otherwise_ends_its_incidents_and_says_so(world: Make) -> None:
    """An edited rule does not say that the old group is well: it is not judged any more."""
    site = world(ERRORS)
    site.look(START)
    site.log("ERROR", START + 30_000, 3)
    site.look(START + MINUTE)
    (known,) = site.incidents(Phase.FIRING)
    site.rules = [parse_rule(ERRORS.replace("service.name", "host.name"))]
    site.begin()
    site.judging.retire(START + MINUTE)
    last = site.ledger.history(known.id)[-1].transition
    assert (last.change, last.note) == (
        "resolved",
        "the rule was changed: it groups by host.name now",
    )
    assert site.incidents(Phase.FIRING) == []


def _moved(incident: Incident, by: int) -> Incident:
    window = incident.verdict.window
    verdict = replace(incident.verdict, window=Window(window.start + by, window.end + by))
    return replace(incident, verdict=verdict)
