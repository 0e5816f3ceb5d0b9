"""Why nobody is told."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from shipper.alerts.incident import Incident
from shipper.alerts.incidents.lifecycle import step
from shipper.alerts.incidents.muting import (
    Maintenance,
    Mutes,
    Once,
    Recurring,
    Silence,
    hold,
)
from shipper.alerts.incidents.sources import Inhibition, Sources
from shipper.alerts.verdict import Group, VerdictState
from shipper.config.matchers import parse_matcher
from tests.alerts.verdicts import HOUR, MINUTE, START, TERMS, verdict

BERLIN = ZoneInfo("Europe/Berlin")


def incident(rule: str = "server_errors", group: Group = (("host.name", "app1"),)) -> Incident:
    found, _ = step(None, verdict(VerdictState.BREACH, START, rule, group), TERMS, START)
    assert found is not None
    return found


def at(text: str, zone: ZoneInfo = BERLIN) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("rule=server_errors", True),
        ("rule=server_*", True),
        ("rule!=server_*", False),
        ("rule~server_.+", True),
        ("rule~server", False),
        ("severity=high", True),
        ("severity!~critical|high", False),
        ("host=app1", True),
        ("host.name~app[0-9]", True),
        ("service.name=", True),
        ("service.name=shop", False),
        ("rule=[!x]*", True),
    ],
)
def test_a_matcher_holds(text: str, held: bool) -> None:  # noqa: FBT001
    """A value is compared as a whole: with wildcards after =, as an expression after ~."""
    assert hold([parse_matcher(text)], incident()) is held


@pytest.mark.parametrize("text", ["", "rule", "=x", "rule~(", "ru le=x"])
def test_what_is_no_matcher_is_told(text: str) -> None:
    """A matcher that can't be read is an error that says how to write one."""
    with pytest.raises(ValueError, match=r"is not a (matcher|regular expression)"):
        parse_matcher(text)


def test_a_silence_has_a_beginning_and_an_end() -> None:
    """A silence mutes what all its matchers hold for, in its time, and says whose it is."""
    matchers = (parse_matcher("rule=server_*"), parse_matcher("host=app1"))
    mutes = Mutes((Silence("s1", matchers, START, START + HOUR, "oncall", "deploying"),))

    assert mutes.reason(incident(), (), START) == "silence s1 by oncall: deploying"
    assert mutes.reason(incident(), (), START + HOUR) is None
    assert mutes.reason(incident(), (), START - 1) is None
    assert mutes.reason(incident(group=(("host.name", "app2"),)), (), START) is None


@pytest.mark.parametrize(
    ("moment", "covered"),
    [
        ("2026-02-08T01:59:59", False),
        ("2026-02-08T02:00", True),  # Sunday
        ("2026-02-08T03:59:59", True),
        ("2026-02-08T04:00", False),
        ("2026-02-09T02:00", False),
        ("2026-03-29T03:00", True),  # 02:00 to 03:00 is leapt over; it is 01:00 UTC
        ("2026-03-29T04:59", True),
        ("2026-03-29T05:00", False),
        ("2026-10-25T01:59", False),
        ("2026-10-25T03:00", False),  # 02:00 to 03:00 is there twice: two hours have passed
    ],
)
def test_a_weekly_window(moment: str, covered: bool) -> None:  # noqa: FBT001
    """Sundays 02:00 for two hours in Berlin, also where the clock leaps there."""
    window = Recurring(time(2), timedelta(hours=2), weekdays=frozenset({6}), zone=BERLIN)

    assert window.covers(at(moment)) is covered


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    """From the 1st at 23:00 for 26 hours reaches to the 3rd, and begins on no other day."""
    window = Recurring(time(23), timedelta(hours=26), dates=frozenset({1}))
    zone = ZoneInfo("UTC")

    covered = [window.covers(at(f"2026-02-0{day}T00:30", zone)) for day in (1, 2, 3, 4)]

    assert covered == [False, True, True, False]


def test_maintenance_mutes_what_it_is_about() -> None:
    """A window mutes in its time what its matchers hold for, everything where it has none."""
    once = Once(START, START + HOUR)
    some = Mutes(maintenance=(Maintenance("upgrade", once, (parse_matcher("host=app1"),)),))
    everything = Mutes(maintenance=(Maintenance("move", once),))
    other = incident(group=())

    assert some.reason(incident(), (), START) == "maintenance window upgrade"
    assert some.reason(other, (), START) is None
    assert everything.reason(other, (), START + HOUR - 1) == "maintenance window move"
    assert everything.reason(other, (), START + HOUR) is None


def test_what_follows_is_muted() -> None:
    """While the source fires, its targets are muted where the equal fields agree."""
    mutes = Mutes(inhibitions=(Inhibition("database_*", ("server_*",), ("service.name",)),))
    shop, pay = (("service.name", "shop"),), (("service.name", "pay"),)
    source = incident("database_disconnected", shop)

    told = f"inhibited by database_disconnected (incident {source.id})"
    assert mutes.reason(incident("server_errors", shop), [source], START) == told
    assert mutes.reason(incident("server_errors", pay), [source], START) is None
    assert mutes.reason(incident("server_errors", ()), [source], START) == told
    assert mutes.reason(incident("slow", shop), [source], START) is None
    assert mutes.reason(source, [source], START) is None


def test_what_an_outage_leaves_behind_is_muted_too() -> None:
    """A window that began before the source ended holds its errors; a later one does not."""
    mutes = Mutes(inhibitions=(Inhibition("database_*", ("server_*",)),))
    source = replace(incident("database_disconnected"), resolved_at=START - MINUTE)
    later = incident()  # its window began five minutes before START
    after = replace(source, resolved_at=START - 5 * MINUTE)

    told = mutes.reason(later, [source], START) or ""
    assert told.endswith("which has just ended")
    assert mutes.reason(later, [after], START) is None


def test_two_that_mute_each_other_do_not_both_fall_silent() -> None:
    """Of two incidents that would mute each other, the first is told."""
    both = (Inhibition("a", ("b",)), Inhibition("b", ("a",)))
    mutes = Mutes(inhibitions=both)
    one, other = incident("a"), incident("b")

    reasons = [mutes.reason(each, [one, other], START) for each in (one, other)]

    assert sorted(reason is None for reason in reasons) == [False, True]


def test_what_follows_is_found_among_many_as_among_few() -> None:
    """Whatever fields sources have, the answer is that of looking at each of them."""
    chance = random.Random(1)
    both = (Inhibition("a*", ("b*",), ("x", "y")), Inhibition("b1", ("a1",), ("y",)))
    mutes = Mutes(inhibitions=both)
    made = [
        replace(
            incident(
                chance.choice(["a1", "a2", "b1", "b2"]),
                tuple((field, chance.choice("12")) for field in "xyz" if chance.random() < 0.6),
            ),
            fired_at=chance.randrange(1, 9),
            id=str(number),
        )
        for number in range(300)
    ]
    sources = Sources(both, made)

    for each in made:
        slow = [
            other
            for other in made
            if any(one.mutes(other, each) for one in both)
            and not (
                any(one.mutes(each, other) for one in both)
                and (each.fired_at, each.id) < (other.fired_at, other.id)
            )
        ]
        assert (mutes.reason(each, sources, START) is not None) is bool(slow)


def test_what_follows_is_not_looked_for_one_by_one() -> None:
    """Of thousands of sources with equal values few are looked at for each incident."""
    inhibition = Inhibition("a", ("b",), ("service.name",))
    shop = (("service.name", "shop"),)
    many = [replace(incident("a", shop), id=str(number)) for number in range(5000)]

    ended = [replace(each, id=f"e{each.id}", resolved_at=START - HOUR) for each in many]
    sources = Sources((inhibition,), [*ended, *many])

    target = incident("b", shop)
    assert next(sources.of(target)).id == "0"
    assert len(list(sources.of(target))) == len(many)
    assert list(Sources((inhibition,), ended).of(target)) == []


def test_a_source_that_is_not_believed_mutes_nothing() -> None:
    """A rule that goes by text from outside silences no other one."""
    believed = Inhibition("database_*", ("server_*",))
    source = incident("database_disconnected")

    assert Mutes(inhibitions=(believed,)).reason(incident(), [source], START)
    ignored = replace(believed, ignored=frozenset({source.rule}))
    assert Mutes(inhibitions=(ignored,)).reason(incident(), [source], START) is None
