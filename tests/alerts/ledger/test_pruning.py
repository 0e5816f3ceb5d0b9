"""The ledger does not grow for ever, and loses nothing that anybody still needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.incidents.muting import Silence
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.outbox import Outbox
from shipper.alerts.ledger.pruning import LOGGED, prune
from tests.alerts.verdicts import HOUR, START, live_through

DAY = 24 * HOUR
KEEP, REMEMBER = 400 * DAY, 8 * DAY
LATER = START + KEEP + DAY


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger(tmp_path / "alerts.db")) as opened:
        yield opened


def keep(ledger: Ledger, name: str, letters: str = "bo", at: int = START) -> Incident:
    """Record an incident, of which everything was sent."""
    group = (("service.name", name),)
    found, transitions = live_through(letters)
    assert found is not None
    incident = replace(found, id=name, group=group)
    with ledger.deciding():
        ledger.place(incident.rule, group, "", incident)
        for each in transitions:
            made = replace(each.incident, id=name, group=group)
            ledger.record(Transition(made, each.change, each.at), ["mail"], at)
    outbox = Outbox(ledger)
    for errand in outbox.errands():
        outbox.sent([errand.key], "mail", None, at)
    ledger.set_meta(LOGGED, "1000000")
    return incident


def pruned(ledger: Ledger, now: int = LATER) -> set[str]:
    """Return the incidents that are left."""
    prune(ledger, now, keep_ms=KEEP, standing_ms=REMEMBER)
    return {each.id for each in ledger.incidents(list(Phase))}


def test_what_is_over_for_long_goes_with_all_its_rows(ledger: Ledger) -> None:
    """Incident, transitions, notifications and the place where the next verdict would look."""
    keep(ledger, "old")
    keep(ledger, "new", at=LATER - DAY)
    ledger.silences.put(Silence("s", (), START, START + HOUR, "oncall"))

    assert pruned(ledger) == {"new"}

    assert ledger.history("old") == []
    assert ledger.rows("SELECT 1 FROM outbox WHERE incident = 'old'") == []
    assert ledger.rows("SELECT 1 FROM standing WHERE id = 'old'") == []
    assert ledger.rows("SELECT 1 FROM silences") == []


def hold(ledger: Ledger, incident: Incident) -> None:
    """Have the pages of an incident still to be sent."""
    with ledger.deciding():
        ledger.run("UPDATE outbox SET state = 'waiting' WHERE incident = ?", [(incident.id,)])


def test_what_is_still_needed_stays(ledger: Ledger) -> None:
    """Firing, still to be sent, not in the log yet, or the last number of all."""
    keep(ledger, "firing", "b")
    waiting = keep(ledger, "waiting")
    keep(ledger, "last")
    hold(ledger, waiting)
    assert pruned(ledger) == {"firing", "waiting", "last"}

    keep(ledger, "newer", at=LATER)
    hold(ledger, waiting)
    ledger.set_meta(LOGGED, "1")
    assert "last" in pruned(ledger)
    ledger.set_meta(LOGGED, "1000000")
    assert pruned(ledger) == {"firing", "waiting", "newer"}


def test_a_number_is_never_used_again(ledger: Ledger) -> None:
    """The log of incidents is read by these numbers."""
    keep(ledger, "old")
    last = ledger.recorded_after(0)[-1].seq
    pruned(ledger)

    keep(ledger, "new", at=LATER)

    assert min(each.seq for each in ledger.history("new")) > last


def test_what_was_dropped_goes_too(ledger: Ledger) -> None:
    """What never fired leaves transitions behind, by far the most of them."""
    incident = replace(keep(ledger, "brief", "b"), phase=Phase.PENDING)
    with ledger.deciding():
        ledger.place(incident.rule, incident.group, "", None)
        ledger.record(Transition(incident, Change.DROPPED, START), [], START)
    keep(ledger, "new", at=LATER)

    pruned(ledger)

    assert ledger.history("brief") == []


def test_a_resolved_incident_is_remembered_for_relapses_for_days(ledger: Ledger) -> None:
    """It stands until a relapse is out of the question, and stays in the history."""
    incident = keep(ledger, "old")
    keep(ledger, "new", at=LATER)

    assert pruned(ledger, START + REMEMBER - HOUR) == {"old", "new"}
    assert (incident.group, "") in ledger.standings(incident.rule)
    assert pruned(ledger, START + REMEMBER + HOUR) == {"old", "new"}
    assert ledger.standings(incident.rule).keys() == {((("service.name", "new"),), "")}


def test_how_often_was_sent_is_found_by_an_index(ledger: Ledger) -> None:
    """The limit of pages is looked up at every page, however many there were."""
    (*_, plan) = ledger.rows(
        "EXPLAIN QUERY PLAN SELECT sent_at FROM outbox"
        " WHERE alerter = ? AND state = 'sent' AND sent_at > ?",
        *("mail", 0),
    )

    assert "by_sent" in plan[-1]
