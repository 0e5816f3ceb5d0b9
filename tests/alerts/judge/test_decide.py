"""Who is told of what happened to incidents."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from shipper.alerts.incident import Change, Phase
from shipper.alerts.incidents.lifecycle import acknowledge, resolve
from shipper.alerts.incidents.muting import Maintenance, Once, Silence
from shipper.alerts.incidents.sources import Inhibition
from shipper.alerts.incidents.tracks import Standings
from shipper.alerts.judge.decide import Decisions, Policy, act
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.outbox import Outbox
from shipper.alerts.verdict import VerdictState
from shipper.config.matchers import parse_matcher
from tests.alerts.desk import HIGH, SHOP, Desk
from tests.alerts.verdicts import HOUR, MINUTE, START, verdict


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(Ledger(tmp_path / "alerts.db")) as ledger:
        yield Desk(ledger)


def test_people_are_told_once_of_each_step(desk: Desk) -> None:
    """Firing and its end are told, each once; the clock of the SLA starts with the telling."""
    desk.judge("b", START)
    desk.judge("b", START + MINUTE)
    assert desk.heard() == ["fired>desk"]
    assert desk.incident().told_at == START

    desk.judge("o", START + 2 * MINUTE)
    assert desk.heard() == ["resolved>desk"]


def test_what_came_and_went_in_missed_windows_is_told_once(desk: Desk) -> None:
    """An incident that fired and ended before anybody could be told is one line, at its end."""
    desk.judge("obbo", START + 10 * MINUTE)

    (errand,) = Outbox(desk.ledger).errands()
    assert desk.heard() == ["resolved>desk"]
    assert errand.transition.note == (
        "fired 2026-05-28T20:34:00Z and was over 2026-05-28T20:36:00Z, found after the fact"
    )
    assert errand.transition.incident.late


def test_while_catching_up_nobody_is_told_until_it_is_known_how_it_stands(desk: Desk) -> None:
    """Missed windows that take several turns make no flood: the end counts, or what still fires."""
    desk.judge("ob", START, behind=True)
    assert (desk.incident().muted_by, desk.incident().catching_up) == (None, True)
    desk.judge("bo", START + 2 * MINUTE, behind=True)
    desk.judge("b", START + 3 * MINUTE, behind=True)
    assert desk.heard() == ["resolved>desk"]

    desk.judge("b", START + 4 * MINUTE)

    assert desk.heard() == ["unmuted>desk"]
    assert desk.incident().muted is None
    assert desk.incident().told_at == START + 4 * MINUTE


def test_a_silence_keeps_an_incident_and_its_end_tells_it(desk: Desk) -> None:
    """Nobody hears of a silenced incident; when the silence ends and it fires still, it is told."""
    silence = Silence("s", (parse_matcher("rule=server_*"),), START, START + HOUR, "oncall")
    desk.ledger.silences.put(silence)
    desk.judge("b", START)
    desk.look(START + 50 * MINUTE)
    assert desk.heard() == []
    assert desk.incident().muted_by == "silence s by oncall"

    desk.look(START + HOUR)

    assert desk.heard() == ["unmuted>desk"]
    told = desk.ledger.history(desk.incident().id)[-1].transition
    assert told.note == "nobody was notified before: silence s by oncall"
    desk.look(START + HOUR + 1)
    assert desk.heard() == []


def test_what_nobody_heard_of_ends_in_silence(desk: Desk) -> None:
    """An incident that began and ended within a silence is told to nobody, and kept."""
    desk.ledger.silences.put(Silence("s", (), START, START + HOUR, "oncall"))
    desk.judge("b", START)
    desk.judge("o", START + MINUTE)

    assert desk.heard() == []
    assert desk.incident().phase is Phase.RESOLVED


def test_what_is_notified_long_after_it_fired_is_marked_as_late(desk: Desk) -> None:
    """A host or a job that was behind: the page says that it was found after the fact."""
    for minutes, late in ((1, False), (12, True)):
        rule = f"errors_{minutes}"
        with desk.ledger.deciding():
            standings = Standings({})
            made = standings.take(verdict(VerdictState.BREACH, START, rule, SHOP), HIGH)
            for (group, track), incident in standings.changes():
                desk.ledger.place(rule, group, track, incident)
            Decisions(desk.ledger, desk.policy, START + minutes * MINUTE).tell(made)
        assert desk.incident(rule).late is late


def test_a_mute_after_the_first_page_is_not_said_to_have_hidden_it(desk: Desk) -> None:
    """Who was notified before the silence is not told that nobody was."""
    desk.judge("b", START)
    desk.ledger.silences.put(Silence("s", (), START, START + HOUR, "oncall"))
    desk.look(START + MINUTE)
    desk.heard()

    desk.look(START + HOUR)

    assert desk.heard()[0] == "unmuted>desk"
    (made,) = [
        each.transition
        for each in desk.ledger.history(desk.incident().id)
        if each.transition.change is Change.UNMUTED
    ]
    assert made.note == "muted until now: silence s by oncall"


def test_who_was_told_hears_of_the_end_whatever_is_muted(desk: Desk) -> None:
    """A silence after the fact holds back reminders and clocks, and not the end."""
    desk.judge("b", START)
    desk.ledger.silences.put(Silence("s", (), START, START + 9 * HOUR, "oncall"))
    desk.heard()
    desk.look(START + 8 * HOUR)
    assert desk.heard() == []

    desk.judge("o", START + 8 * HOUR + MINUTE)

    assert desk.heard() == ["resolved>desk"]


def test_maintenance_that_was_missed_counts(desk: Desk) -> None:
    """What began within planned work is muted by it, though the job looked only afterwards."""
    window = Maintenance("upgrade", Once(START, START + 5 * MINUTE))
    desk.policy = Policy(desk.policy.settings, maintenance=(window,))

    desk.judge("obo", START + 3 * MINUTE)

    assert desk.heard() == []
    assert desk.incident().muted_by == "maintenance window upgrade"


def test_what_follows_is_muted_and_told_when_its_cause_is_over(desk: Desk) -> None:
    """While the database is down its consequences are silent; what stays after it is told."""
    rule = Inhibition("database_disconnected", ("server_*",), ("service.name",))
    desk.policy = Policy(desk.policy.settings, inhibitions=(rule,))
    desk.judge("b", START, "database_disconnected")
    desk.judge("b", START)
    assert desk.heard() == ["fired>desk"]
    assert (desk.incident().muted_by or "").startswith("inhibited by database_disconnected")

    desk.judge("o", START + MINUTE, "database_disconnected")
    desk.judge("b", START + 5 * MINUTE)
    assert desk.heard() == ["resolved>desk"]
    assert (desk.incident().muted_by or "").endswith("which has just ended")

    desk.judge("b", START + 6 * MINUTE)

    assert desk.heard() == ["unmuted>desk"]


def test_the_clocks_are_told(desk: Desk) -> None:
    """High: near after 12 minutes, breached after 15, and then the escalation is told too."""
    desk.judge("b", START)
    heard = []
    for minute in range(1, 17):
        desk.look(START + minute * MINUTE)
        heard.append(desk.heard())

    assert heard[:10] == [["fired>desk"], *[[]] * 9]
    assert heard[10:] == [
        [],
        ["response_due>desk"],
        [],
        [],
        ["response_breached>boss", "response_breached>desk"],
        [],
    ]


def test_reminders_come_until_somebody_takes_it(desk: Desk) -> None:
    """It is told again after the repeat interval of its route, and no more once acknowledged."""
    desk.judge("b", START)
    desk.look(START + 4 * HOUR - 1)
    desk.heard()
    desk.look(START + 4 * HOUR)
    assert "reminded>desk" in desk.heard()
    desk.look(START + 4 * HOUR + MINUTE)
    assert desk.heard() == []
    with desk.ledger.deciding():
        _, told = acknowledge(desk.incident(), "oncall", START + 5 * HOUR)
        act(desk.ledger, told, START + 5 * HOUR)
    desk.look(START + 5 * HOUR)
    assert desk.heard() == ["acknowledged>desk"]

    desk.look(START + 12 * HOUR)

    assert desk.heard() == []


def test_what_a_person_does_counts_for_the_next_verdict(desk: Desk) -> None:
    """Acknowledged, the incident goes on; resolved, the next breach is a new one."""
    desk.judge("b", START)
    first = desk.incident().id
    with desk.ledger.deciding():
        _, told = resolve(desk.incident(), "oncall", START + 1, "fixed")
        act(desk.ledger, told, START + 1)
    desk.look(START + 2)
    assert desk.heard() == ["fired>desk", "resolved>desk"]

    desk.judge("b", START + MINUTE)

    assert desk.incident().id != first
    assert desk.heard() == ["fired>desk"]
