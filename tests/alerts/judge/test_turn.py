"""The alert job over a real index: what it judges, when, and what it says when it can't."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shipper.alerts.incident import Phase
from shipper.alerts.incidents.lifecycle import acknowledge
from shipper.alerts.judge import measure
from shipper.alerts.judge.decide import act
from shipper.alerts.judge.measure import MAX_GROUPS
from shipper.alerts.rules.reading import Broken
from shipper.errors import StoreUnavailable
from shipper.store.api import Store
from tests.alerts.verdicts import HOUR, MINUTE, START
from tests.alerts.world import ERRORS, SHARE, World
from tests.store.store_records import record, write

NEXT = START + MINUTE
FEW = 100
Make = Callable[..., World]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Make]:
    made: list[World] = []

    def make(*rules: str) -> World:
        made.append(World(tmp_path, *rules))
        made[-1].look()
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a rule have few groups, and judge fewer where there are more."""
    monkeypatch.setattr(measure, "MAX_GROUPS", FEW)
    monkeypatch.setattr(measure, "MOST_LARGEST", FEW // 10)


def test_a_breach_is_told_and_its_end_too(world: Make) -> None:
    """Three errors in a minute fire, a minute without resolves; each group is an incident."""
    site = world(ERRORS)
    site.log("ERROR", START + 10_000, 3)
    site.look(NEXT)
    assert site.heard() == ["errors fired"]
    (incident,) = site.incidents(Phase.FIRING)
    assert incident.group == (("service.name", "orders"),)
    assert incident.verdict.value == 3

    site.look(NEXT + MINUTE)

    assert site.heard() == ["errors resolved"]


def test_the_same_window_is_judged_once(world: Make) -> None:
    """Looking again, also after a restart, decides nothing twice."""
    site = world(ERRORS)
    site.log("ERROR", START + 10_000, 3)
    assert site.look(NEXT).windows == 1
    assert site.look(NEXT + 1).windows == 0
    site.begin()
    assert site.look(NEXT + 2).windows == 0

    assert site.heard() == ["errors fired"]


def test_after_a_stop_missed_windows_are_judged_without_a_flood(world: Make) -> None:
    """Incidents of the missed hours are a line each, what still fires is told; in few turns."""
    site = world(ERRORS)
    for minute in (10, 85, 119):
        site.log("ERROR", START + minute * MINUTE + 1, 3)
    site.begin()
    looks = 0
    site.now = START + 2 * HOUR
    while site.look().next_at <= site.now:
        looks += 1

    assert site.heard() == ["errors resolved"] * 2 + ["errors fired"]
    assert looks == 3
    assert [each.late for each in site.incidents(Phase.RESOLVED)] == [True, True]


def test_a_week_asleep_is_a_day_of_windows(world: Make) -> None:
    """The windows of the last day are judged, in order; those before are left out."""
    site = world(SHARE)
    now = START + 7 * 24 * HOUR
    windows = 0
    while True:
        look = site.look(now)
        windows += look.windows
        if look.next_at > now:
            break

    assert windows == 24 * 60


def test_a_late_host_is_judged_when_it_catches_up(world: Make) -> None:
    """The others are judged at once; what the late host's records show is told, as late."""
    site = world(SHARE)
    site.look(hosts=("app1", "app2"))
    for minute in range(6):
        site.log("INFO", START + minute * MINUTE + 1, 10, "app1")
    for minute in range(1, 7):
        site.now = START + minute * MINUTE + 30_000
        site.beat(START, "app2")
        site.look(hosts=("app1",))
    assert site.heard() == ["watermark_behind fired"]
    assert site.ledger.progress.late() == {("share", "app2"): (NEXT, START + 6 * MINUTE)}
    site.log("ERROR", START + 2 * MINUTE + 5, 10, "app2")

    site.look(START + 6 * MINUTE + 40_000, ("app1", "app2"))

    assert site.heard() == ["share resolved", "watermark_behind resolved"]
    (found,) = [each for each in site.incidents() if each.rule == "share"]
    assert found.late
    assert found.fired_at == START + 3 * MINUTE
    assert site.ledger.progress.late() == {}


def test_a_host_that_stays_late_is_judged_with_its_delay(world: Make) -> None:
    """A host ten minutes behind fires and resolves ten minutes late, beside the others."""
    site = world(SHARE)
    site.look(hosts=("app1", "app2"))
    told = []
    site.log("ERROR", START + 2 * MINUTE + 5, 10, "app2")
    for minute in range(1, 16):
        site.now = START + minute * MINUTE + 30_000
        site.beat(site.now - 10 * MINUTE, "app2")
        site.look(hosts=("app1",))
        told += [f"{minute} {each}" for each in site.heard() if each.startswith("share")]

    assert told == ["13 share fired", "14 share resolved"]


def test_a_part_of_the_hosts_does_not_resolve(world: Make) -> None:
    """What the late host may still show keeps the incident open until it has delivered."""
    site = world(ERRORS)
    site.look(hosts=("app1", "app2"))
    site.log("ERROR", START + 1, 3, "app1")
    site.look(NEXT, ("app1", "app2"))
    for minute in range(2, 5):
        site.now = START + minute * MINUTE + 30_000
        site.beat(NEXT, "app2")
        site.look(hosts=("app1",))
    assert site.heard() == ["errors fired"]

    site.look(START + 4 * MINUTE + 40_000, ("app1", "app2"))

    assert site.heard() == ["errors resolved"]


def test_a_count_breaches_early(world: Make) -> None:
    """Errors that are there already fire, although nobody has delivered the window."""
    site = world(ERRORS, SHARE)
    site.log("ERROR", START + 1, 3)
    site.now = NEXT + 30_000
    site.beat(START + 30_000)

    site.look(hosts=())

    assert site.heard() == ["errors fired"]
    assert site.incidents()[0].verdict.early
    assert site.ledger.progress.judged() == {"errors": START, "share": START}


def test_a_silent_host_is_an_incident_of_its_own(world: Make) -> None:
    """Nobody guesses about a host that has not delivered for five minutes: it is told as blind."""
    site = world(SHARE)
    site.look(hosts=("app1", "app2"))
    site.look(START + 5 * MINUTE - 1)
    assert site.heard() == []

    site.look(START + 5 * MINUTE)

    assert site.heard() == ["watermark_behind fired"]
    (incident,) = site.incidents(Phase.FIRING)
    assert incident.group == (("host.name", "app2"),)
    assert incident.verdict.reason == (
        "records of app2 have arrived only up to 2026-05-28T20:26:00Z, 5.0 min behind; "
        "the last heartbeat of its shipper is from 2026-05-28T20:26:00Z"
    )
    site.look(START + 6 * MINUTE, ("app1", "app2"))
    assert site.heard() == ["watermark_behind resolved"]


def test_a_store_that_gives_no_answer_is_blind_and_never_ok(world: Make) -> None:
    """No window is judged while the store is away; that is told, and they are judged after it."""
    site = world(ERRORS)
    site.log("ERROR", START + 1, 3)
    site.look(NEXT)
    site.log("ERROR", NEXT + 1, 3)
    opened = site.open_store

    def refuse() -> Store:
        raise StoreUnavailable("the store is not there")

    site.judging.close()
    site.open_store = refuse
    for minute in range(2, 8):
        look = site.look(START + minute * MINUTE, ())
        assert look.fault == "the store is not there"
    assert site.heard() == ["errors fired", "store_unreachable fired"]
    assert site.ledger.progress.judged() == {"errors": NEXT}

    site.open_store = opened
    site.look(START + 8 * MINUTE)

    assert site.heard() == ["errors resolved", "store_unreachable resolved"]
    assert [each.resolved_at for each in site.incidents() if each.rule == "errors"] == [
        START + 3 * MINUTE
    ]


def test_a_question_that_is_refused_blinds_its_rule_alone(world: Make) -> None:
    """One rule that the store can't answer is told as blind, and the others are judged."""
    by_key = ERRORS.replace("name: errors", "name: by_key")
    site = world(ERRORS, by_key.replace("[service.name]", "[extra.key]"))
    site.log("ERROR", START + 1, 3)
    keys = [f"k{number}" for number in range(MAX_GROUPS + 1)]
    made = [
        record(10**6 + number, START + 2, level="ERROR", extra={"key": key})
        for number, key in enumerate(keys)
    ]
    assert write(site.writer, made) == []

    site.look(NEXT)

    assert site.heard() == ["errors fired", "watermark_behind fired"]
    blind = site.incidents(Phase.FIRING)[-1]
    assert blind.group == (("rule", "by_key"),)
    assert "too many to judge each" in blind.verdict.reason
    site.look(NEXT + MINUTE)
    assert site.heard() == ["errors resolved", "watermark_behind resolved"]
    (*_, end) = site.ledger.history(blind.id)
    assert end.transition.note.endswith("windows until then were not evaluated")


def test_a_flood_of_values_hides_no_breach(world: Make) -> None:
    """Of more groups than can be judged the largest are: what is too many of one stays so."""
    site = world(ERRORS.replace("[service.name]", "[extra.key]"))
    made = [
        record(10**6 + number, START + 2, level="ERROR", extra={"key": f"k{number}"})
        for number in range(MAX_GROUPS + 1)
    ]
    many = [
        record(2 * 10**6 + number, START + 3, level="ERROR", extra={"key": "busy"})
        for number in range(9)
    ]
    assert write(site.writer, made + many) == []

    site.look(NEXT)

    assert site.heard() == ["errors fired", "watermark_behind fired"]
    (breach,) = [each for each in site.incidents(Phase.FIRING) if each.rule == "errors"]
    assert breach.group == (("extra.key", "busy"),)
    assert breach.verdict.early


def test_a_flood_of_values_hides_no_share(world: Make, few: None) -> None:
    """Of more groups than can be judged, those are that have most records, exactly."""
    site = world(SHARE + "group_by: [extra.key]\n")
    flood = [
        record(10**6 + number, START + 2, level="INFO", extra={"key": f"k{number}"})
        for number in range(FEW + 1)
    ]
    bad, good = "bad {}", 'good"\\{}'
    made = [
        record(10**7 + number, START + 3, level="ERROR" if fails else "INFO", extra={"key": key})
        for number, (key, fails) in enumerate([(bad, True)] * 30 + [(good, False)] * 30)
    ]
    assert write(site.writer, flood + made) == []

    site.look(NEXT)

    assert site.heard() == ["share fired", "watermark_behind fired"]
    (breach,) = [each for each in site.incidents(Phase.FIRING) if each.rule == "share"]
    assert breach.group == (("extra.key", bad),)
    assert (breach.verdict.value, breach.verdict.events) == (1.0, 30)


def test_an_incident_among_too_many_groups_ends_when_it_is_over(world: Make, few: None) -> None:
    """Its group is asked about although it is small now; others stay as they are."""
    site = world(SHARE + "group_by: [extra.key]\n")
    bad = [
        record(10**7 + number, START + 3, level="ERROR", extra={"key": "bad"})
        for number in range(30)
    ]
    assert write(site.writer, bad) == []
    site.look(NEXT)
    assert site.heard() == ["share fired"]
    flood = [
        record(10**6 + number, NEXT + 2, level="INFO", extra={"key": f"k{number % FEW}"})
        for number in range(2 * FEW)
    ]
    small = [record(3 * 10**7, NEXT + 3, level="INFO", extra={"key": "bad"})]
    more = [record(4 * 10**7, NEXT + 3, level="INFO", extra={"key": "last"})]
    assert write(site.writer, flood + small + more) == []

    site.look(NEXT + MINUTE)

    assert site.heard() == ["share resolved", "watermark_behind fired"]


def test_a_rule_that_is_blind_stays_so_over_a_restart(world: Make) -> None:
    """Until the store has answered its question, nobody is told that it is over."""
    site = world(ERRORS.replace("[service.name]", "[extra.key]"))
    made = [
        record(10**6 + number, START + 2, level="ERROR", extra={"key": f"k{number}"})
        for number in range(MAX_GROUPS + 1)
    ]
    assert write(site.writer, made) == []
    site.look(NEXT)
    assert site.heard() == ["watermark_behind fired"]

    site.begin()
    site.look(NEXT + 1)
    assert site.heard() == []

    site.look(NEXT + MINUTE)
    assert site.heard() == ["watermark_behind resolved"]


def test_a_watermark_of_the_future_is_not_believed(world: Make) -> None:
    """Its host counts as one without heartbeats, and the incident says why."""
    site = world(SHARE)
    site.log("ERROR", START + 1, 9)
    site.now = NEXT
    site.beat(NEXT + HOUR)
    site.judging.look(NEXT)
    assert site.heard() == ["watermark_behind fired"]
    (incident,) = site.incidents(Phase.FIRING)
    assert "1.0 h ahead, and not believed" in incident.verdict.reason

    site.now = NEXT + 31_000
    site.beat(NEXT + HOUR)
    site.judging.look(site.now)
    assert site.heard() == ["share fired"]


def test_many_hosts_that_are_behind_for_one_cause_are_one_incident(world: Make) -> None:
    """An output that hangs is one page, not one per host; it ends when the last is on time."""
    hosts = [f"app{number}" for number in range(8)]
    site = world(ERRORS)
    site.look(NEXT, hosts)

    def behind(now: int, late: list[str]) -> None:
        site.now = now
        for host in hosts:
            site.beat(NEXT if host in late else now, host=host)
        site.judging.look(now)

    behind(NEXT + 6 * MINUTE, hosts)
    assert site.heard() == ["watermark_behind fired"]
    (incident,) = site.incidents(Phase.FIRING)
    assert incident.group == (("cause", "behind"), ("host.name", "several"))
    assert "8 hosts that are behind" in incident.verdict.reason

    behind(NEXT + 7 * MINUTE, hosts[:2])
    assert site.heard() == []
    behind(NEXT + 8 * MINUTE, [])
    assert site.heard() == ["watermark_behind resolved"]

    behind(NEXT + 20 * MINUTE, hosts[:2])
    assert site.heard() == ["watermark_behind fired"] * 2  # few are named one by one


def test_a_broken_rule_is_an_incident(world: Make) -> None:
    """A rule file that can't be used is told while it is there."""
    site = world(ERRORS)
    site.broken = (Broken(Path("rules/odd.yml"), ("name: is missing",)),)
    site.begin()
    site.look(NEXT)
    assert site.heard() == ["rule_broken fired"]

    site.broken = ()
    site.begin()
    site.look(NEXT + MINUTE)

    assert site.heard() == ["rule_broken resolved"]


def test_a_rule_that_is_gone_ends_its_incidents(world: Make) -> None:
    """An incident of a rule that was removed is resolved when the job begins anew."""
    site = world(ERRORS)
    site.log("ERROR", START + 1, 3)
    site.look(NEXT)
    site.rules = []
    site.begin()

    site.judging.retire(NEXT + 1)
    site.look(NEXT + 2)

    assert site.heard() == ["errors fired", "errors resolved"]
    assert site.ledger.progress.judged() == {}


def test_a_host_of_its_own_group_waits_for_nobody(world: Make) -> None:
    """Grouped by host, one host is resolved although another one is late."""
    site = world(ERRORS.replace("[service.name]", "[host.name]"))
    site.look(hosts=("app1", "app2"))
    site.log("ERROR", START + 1, 3, "app1")
    site.look(NEXT, ("app1", "app2"))
    site.now = START + 2 * MINUTE + 30_000

    site.look(hosts=("app1",))

    assert site.heard() == ["errors fired", "errors resolved"]


def test_without_heartbeats_the_delay_is_assumed(world: Make, tmp_path: Path) -> None:
    """Records of a shipper that sends no heartbeats are judged after the assumed delay."""
    with closing(World(tmp_path / "old", ERRORS)) as site:
        site.look(START, ())
        site.log("ERROR", START + 1, 3)
        site.look(NEXT + 29_999, ())
        assert site.ledger.progress.judged() == {"errors": START}
        site.look(NEXT + 30_000, ())

        assert site.heard() == ["errors fired"]


def test_a_turn_that_outlasts_the_lease_decides_nothing(world: Make) -> None:
    """Another job may be active: no incident, no page, and the windows are judged again later."""
    site = world(ERRORS)
    site.log("ERROR", START + 10_000, 3)
    site.may = False

    found = site.look(NEXT)

    assert (found.decided, site.heard(), site.incidents()) == (0, [], [])
    assert "the lease ended" in (found.fault or "")
    site.may = True
    site.look(NEXT + 10_000)
    assert site.heard() == ["errors fired"]


def test_without_lease_and_store_only_the_store_is_spoken_of(world: Make) -> None:
    """That nothing can be asked is said all the same; what people did has to wait."""
    site = world(ERRORS)
    site.log("ERROR", START + 10_000, 3)
    site.look(NEXT)
    (incident,) = site.incidents(Phase.FIRING)
    site.heard()
    with site.ledger.deciding():
        act(site.ledger, acknowledge(incident, "oncall", NEXT)[1], NEXT)
    site.may = False

    site.judging.be_blind("no answer", NEXT + MINUTE)
    site.judging.be_blind("no answer", NEXT + 7 * MINUTE)

    assert site.heard() == ["store_unreachable fired"]
    site.may = True
    site.look(NEXT + 8 * MINUTE)
    assert "errors acknowledged" in site.heard()
