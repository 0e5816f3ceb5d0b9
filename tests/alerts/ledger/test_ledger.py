"""The ledger: what is decided is durable as a whole, and is told until it was told."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.incidents.muting import Silence
from shipper.alerts.ledger.ledger import Ledger, key_of
from shipper.alerts.ledger.outbox import Outbox
from shipper.config.matchers import parse_matcher
from shipper.errors import DataFolderError
from tests.alerts.verdicts import HOUR, MINUTE, START, live_through

RULE = "server_errors"
GROUP = (("service.name", "shop"),)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "alerts.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with closing(Ledger(path)) as opened:
        yield opened


def keep(
    ledger: Ledger, letters: str = "b", alerters: tuple[str, ...] = ("mail", "slack")
) -> Incident:
    """Record what verdicts make of an incident."""
    incident, transitions = live_through(letters)
    assert incident is not None
    with ledger.deciding():
        ledger.place(RULE, GROUP, "", incident)
        for each in transitions:
            told = alerters if each.change is not Change.OPENED else ()
            ledger.record(each, told, START)
    return incident


def waiting(ledger: Ledger) -> list[tuple[str, Change]]:
    return [(each.alerter, each.transition.change) for each in Outbox(ledger).errands()]


def test_what_was_decided_is_there_for_another_process(ledger: Ledger, path: Path) -> None:
    """Transitions, errands and the standing incident are read back as they were kept."""
    incident = keep(ledger)

    with closing(Ledger(path)) as other:
        assert other.standings(RULE).get((GROUP, "")) == incident
        assert other.standings(RULE) == {(GROUP, ""): incident}
        assert other.incidents([Phase.FIRING]) == [incident]
        assert other.find(incident.id[:3]) == [incident]
        assert waiting(other) == [("mail", Change.FIRED), ("slack", Change.FIRED)]
        assert [each.transition.change for each in other.history(incident.id)] == [
            Change.OPENED,
            Change.FIRED,
        ]


def test_a_decision_is_whole_or_not_at_all(ledger: Ledger) -> None:
    """What fails in the middle of deciding leaves nothing behind."""
    incident, transitions = live_through("b")

    def fail() -> None:
        with ledger.deciding():
            ledger.place(RULE, GROUP, "", incident)
            ledger.record(transitions[0], ["mail"], START)
            ledger.progress.set_judged(RULE, START)
            raise RuntimeError("the power is cut")

    with pytest.raises(RuntimeError):
        fail()

    assert ledger.standings(RULE).get((GROUP, "")) is None
    assert ledger.recorded_after(0) == []
    assert (waiting(ledger), ledger.progress.judged()) == ([], {})


def test_the_same_transition_is_recorded_once(ledger: Ledger) -> None:
    """Judging the same window again neither records nor tells it again."""
    keep(ledger)
    keep(ledger)

    assert len(ledger.recorded_after(0)) == 2
    assert waiting(ledger) == [("mail", Change.FIRED), ("slack", Change.FIRED)]


def test_what_can_happen_twice_has_the_time_in_its_key(ledger: Ledger) -> None:
    """A reminder is told each time, what happens once in a life only once."""
    incident = keep(ledger, alerters=())
    first = Transition(incident, Change.REMINDED, START + HOUR)
    second = Transition(incident, Change.REMINDED, START + 2 * HOUR)
    ends = [Transition(incident, Change.RESOLVED, START + at) for at in (1, 2)]

    assert key_of(first) != key_of(second)
    assert key_of(ends[0]) == key_of(ends[1])


def test_telling_is_kept_step_by_step(ledger: Ledger) -> None:
    """An errand waits until it is sent; its reference is there for the next page."""
    incident = keep(ledger)
    outbox = Outbox(ledger)
    key = f"{incident.id}.fired"

    outbox.trying([key], "mail")
    assert [(each.tries, each.state) for each in outbox.errands("mail")] == [(1, "trying")]
    outbox.again([key], "mail", START + 5000, "no route", START + 10)
    (again,) = outbox.errands("mail")
    assert (again.next_at, again.failing_since, again.state) == (
        START + 5000,
        START + 10,
        "waiting",
    )
    outbox.trying([key], "mail")
    outbox.sent([key], "mail", "ref-1", START + 6000)

    assert outbox.errands("mail") == []
    assert outbox.reference(incident.id, "mail") == "ref-1"
    assert outbox.reference(incident.id, "slack") is None
    assert outbox.sent_since("mail", START) == [(START + 6000, False)]


def test_another_alerter_takes_over(ledger: Ledger) -> None:
    """What is handed over waits at the other alerter, and no more at the first."""
    incident = keep(ledger, alerters=("mail",))
    outbox = Outbox(ledger)

    outbox.end([f"{incident.id}.fired"], "mail", "refused", "slack", START + 1)

    assert waiting(ledger) == [("slack", Change.FIRED)]
    assert [
        (each.alerter, each.state, each.fault) for each in outbox.notifications(incident.id)
    ] == [
        ("mail", "handed_over", "refused"),
        ("slack", "waiting", None),
    ]
    outbox.end([f"{incident.id}.fired"], "slack", "refused too", None, START + 2)
    assert waiting(ledger) == []


def test_a_digest_is_one_sending(ledger: Ledger) -> None:
    """Many transitions in a digest count as one page, and give no thread to answer to."""
    incident = keep(ledger, alerters=("mail",))
    outbox = Outbox(ledger)
    keys = [f"{incident.id}.fired"]

    outbox.trying(keys, "mail", "digest-1")
    assert outbox.errands()[0].digest == "digest-1"
    outbox.sent(keys, "mail", "ref", START + 1)

    assert outbox.sent_since("mail", START) == [(START + 1, True)]
    assert outbox.reference(incident.id, "mail") is None


def test_what_was_dropped_is_no_incident(ledger: Ledger) -> None:
    """What never fired stands nowhere, and its transitions stay."""
    incident = replace(keep(ledger, alerters=()), phase=Phase.PENDING)
    with ledger.deciding():
        ledger.place(RULE, GROUP, "", None)
        ledger.record(Transition(incident, Change.DROPPED, START + MINUTE), [], START)

    assert ledger.find(incident.id) == []
    assert ledger.standings(RULE).get((GROUP, "")) is None
    assert ledger.history(incident.id)[-1].transition.change is Change.DROPPED


def test_silences_are_kept_until_they_end(ledger: Ledger) -> None:
    """A silence is read back until its end, and can be ended before."""
    matchers = (parse_matcher("rule~a|b"), parse_matcher("host!=x"))
    silence = Silence("abc", matchers, START, START + HOUR, "oncall", "why")
    ledger.silences.put(silence)

    assert ledger.silences.active(now=START) == (silence,)
    assert ledger.silences.active(now=START + HOUR) == ()
    assert ledger.silences.end("zz", "oncall", START + 1) == []
    assert ledger.silences.end("a", "oncall", START + 1) == [silence]
    assert ledger.silences.active(now=START + 1) == ()


def test_how_far_rules_are_judged_is_kept(ledger: Ledger) -> None:
    """Per rule the last window, per host what it is late for; a rule can be forgotten."""
    ledger.progress.set_judged(RULE, START)
    ledger.progress.set_judged(RULE, START + MINUTE)
    ledger.progress.set_late(RULE, "app1", (START, START + MINUTE))
    ledger.progress.set_late(RULE, "app2", (START, START))
    ledger.progress.set_late(RULE, "app2", None)

    assert ledger.progress.judged() == {RULE: START + MINUTE}
    assert ledger.progress.late() == {(RULE, "app1"): (START, START + MINUTE)}
    with ledger.deciding():
        ledger.progress.forget_rule(RULE)
    assert (ledger.progress.judged(), ledger.progress.late()) == ({}, {})


def test_the_file_is_for_its_owner_alone(ledger: Ledger, path: Path) -> None:
    """The ledger can be read by nobody else, and a decision is synced before it counts."""
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert ledger.rows("PRAGMA synchronous") == [(2,)]
    assert ledger.rows("PRAGMA journal_mode") == [("wal",)]


def test_what_is_no_ledger_is_told(path: Path) -> None:
    """A file of another kind, or of a later layout, is an error that names it."""
    with closing(Ledger(path)) as ledger:
        ledger.set_meta("layout", "9")
        ledger.execute("DROP TABLE silences")
    with pytest.raises(DataFolderError, match="layout 9"):
        Ledger(path)
    with closing(sqlite3.connect(path)) as db:  # a newer file is left as it is
        assert db.execute("SELECT 1 FROM sqlite_master WHERE name = 'silences'").fetchall() == []

    other = path.with_name("other.db")
    other.write_text("this is no database at all, it is text" * 100)
    with pytest.raises(DataFolderError, match=r"other\.db"):
        Ledger(other)
