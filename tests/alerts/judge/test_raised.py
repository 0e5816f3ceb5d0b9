"""One fault is one incident to people, whichever of its rules fires first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.alerts.incident import Change, Phase
from shipper.alerts.incidents.lifecycle import LifecycleTerms
from shipper.alerts.incidents.muting import Silence
from shipper.alerts.incidents.sources import Inhibition
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.outbox import Outbox
from shipper.alerts.pages.compose import headline
from shipper.alerts.settings import AlertSettings
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import Window
from shipper.config.matchers import parse_matcher
from shipper.config.options import read_options
from tests.alerts.desk import Desk
from tests.alerts.verdicts import HOUR, MINUTE, START

WORST = LifecycleTerms(Severity.CRITICAL)
LESSER, WORSE = "server_errors", "no_success"
FOLLOWS = Inhibition(WORSE, (LESSER,), ("service.name",))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(Ledger(tmp_path / "alerts.db")) as ledger:
        desk = Desk(ledger)
        desk.policy = replace(desk.policy, inhibitions=(FOLLOWS,))
        yield desk


def silenced(desk: Desk, rule: str, start: int, end: int) -> None:
    matcher = parse_matcher(f"rule={rule}")
    desk.ledger.silences.put(Silence("s1", (matcher,), start, end, "lea"))


def test_a_fault_that_grows_is_raised_on_the_incident_that_people_know(desk: Desk) -> None:
    """What explains it is muted; severity, page and end are those of the first incident."""
    desk.judge("b", START)
    desk.judge("b", START + MINUTE, WORSE, terms=WORST)

    assert desk.heard() == ["fired>desk", "raised>desk"]
    known, cause = desk.incident(), desk.incident(WORSE)
    assert (known.severity, cause.told_at) == (Severity.CRITICAL, None)
    assert cause.muted_by == f"the same fault as {LESSER} (incident {known.id}), notified before"
    raised = desk.ledger.history(known.id)[-1].transition
    assert headline(raised) == "Raised to critical"
    assert raised.note == f"{WORSE} (critical, incident {cause.id}): it is breach"

    desk.judge("o", START + 2 * MINUTE, WORSE, terms=WORST)
    desk.judge("o", START + 3 * MINUTE)
    assert desk.heard() == ["resolved>desk"]


def test_what_comes_and_goes_at_its_border_is_raised_once(desk: Desk) -> None:
    """A rule whose threshold the fault just touches adds one line, not one each time."""
    desk.judge("b", START)
    for minute in range(1, 40):
        desk.judge("b", START + minute * MINUTE)
        desk.judge("bo"[minute % 2], START + minute * MINUTE, WORSE, terms=WORST)

    told = [each for each in desk.heard() if not each.startswith("re")]
    assert told[0] == "fired>desk"
    assert [each for each in told if "fired" in each or "unmuted" in each] == ["fired>desk"]
    changes = [each.transition.change for each in desk.ledger.history(desk.incident().id)]
    assert changes.count(Change.RAISED) == 1


def test_in_one_turn_the_worse_is_the_page(desk: Desk) -> None:
    """Where both fire at once, people hear of the worse alone."""
    desk.judge("b", START, WORSE, terms=WORST)
    desk.judge("b", START)
    assert desk.heard() == ["fired>desk"]
    assert desk.incident().muted_by == f"inhibited by {WORSE} (incident {desk.incident(WORSE).id})"


def test_what_outlives_the_incident_that_people_know_is_notified(desk: Desk) -> None:
    """A fault that goes on after the known incident has ended is a page, by its newest window."""
    desk.judge("b", START)
    desk.judge("b", START + MINUTE, WORSE, terms=WORST)
    desk.judge("o", START + 2 * MINUTE)
    desk.judge("b", START + 2 * MINUTE, WORSE, terms=WORST)
    assert desk.heard() == ["fired>desk", "raised>desk", "resolved>desk"]

    desk.judge("b", START + 8 * MINUTE, WORSE, terms=WORST)  # of five minutes, begun after that end
    assert desk.heard() == ["unmuted>desk"]


def test_a_silence_of_the_lesser_does_not_silence_the_worse(desk: Desk) -> None:
    """Whoever silenced the known incident hears of a worse one all the same."""
    desk.judge("b", START)
    silenced(desk, LESSER, START, START + HOUR)
    desk.look(START + 30_000)
    desk.judge("b", START + MINUTE, WORSE, terms=WORST)
    assert desk.heard() == ["fired>desk", "fired>desk"]
    assert desk.incident(WORSE).told_at == START + MINUTE


def test_a_silence_of_the_worse_raises_nothing(desk: Desk) -> None:
    """What is silenced by hand says nothing on the incident of another rule either."""
    silenced(desk, WORSE, START, START + HOUR)
    desk.judge("b", START)
    desk.judge("b", START + MINUTE, WORSE, terms=WORST)
    assert desk.heard() == ["fired>desk"]
    assert desk.incident().severity is Severity.HIGH


def test_a_silence_after_the_raise_covers_both(desk: Desk) -> None:
    """Who was notified that it is worse, and then silenced it, is not notified of that anew."""
    desk.judge("b", START)
    desk.judge("b", START + MINUTE, WORSE, terms=WORST)
    silenced(desk, LESSER, START, START + HOUR)
    for minute in (2, 3, 4):
        desk.look(START + minute * MINUTE)
    assert desk.heard() == ["fired>desk", "raised>desk"]


def test_who_heard_of_the_beginning_hears_of_the_end_and_who_heard_of_the_raise_too(
    desk: Desk,
) -> None:
    """Routes by severity and by rule: each alerter that got a page gets its end."""
    routes = """
    alerters: {desk: {console: {}}, boss: {console: {}}, base: {console: {}}}
    routes:
      - {to: [boss], severity: [critical]}
      - {to: [base], rule: [no_*]}
      - {to: [desk]}
    """
    settings: AlertSettings = read_options(routes, AlertSettings)
    desk.policy = replace(desk.policy, settings=settings)
    desk.judge("b", START)
    assert desk.heard() == ["fired>desk"]
    desk.judge("b", START + MINUTE, WORSE, terms=WORST)
    assert set(desk.heard()) == {"raised>boss", "raised>desk"}
    desk.judge("o", START + 2 * MINUTE)
    assert set(desk.heard()) == {"resolved>boss", "resolved>desk"}


def test_two_that_only_see_the_same_say_it_once(desk: Desk) -> None:
    """Of rules that mute each other neither is the cause: the second adds nothing."""
    desk.policy = replace(
        desk.policy, inhibitions=(FOLLOWS, Inhibition(LESSER, (WORSE,), ("service.name",)))
    )
    desk.judge("b", START)
    desk.judge("b", START + MINUTE, WORSE)
    assert desk.heard() == ["fired>desk"]

    desk.policy = replace(desk.policy, inhibitions=(FOLLOWS,))
    desk.look(START + 2 * MINUTE)
    assert desk.heard() == ["raised>desk"]
    assert headline(desk.ledger.history(desk.incident().id)[-1].transition) == "Cause found"


def test_another_service_is_another_fault(desk: Desk) -> None:
    """Without equal values, each of two is notified by itself."""
    equal = (Inhibition(WORSE, (LESSER,), ("host.name",)),)
    desk.policy = replace(desk.policy, inhibitions=equal)
    desk.judge("b", START)
    desk.judge("b", START + MINUTE, WORSE, terms=WORST)
    assert desk.heard() == ["fired>desk", "fired>desk"]


def test_the_clocks_of_the_raised_severity_begin_when_it_is_raised(desk: Desk) -> None:
    """Raising after ten minutes is no breach of five; the earlier limit counts still."""
    desk.judge("b", START)
    desk.judge("b", START + 9 * MINUTE, WORSE, terms=WORST)
    assert desk.heard() == ["fired>desk", "raised>desk"]
    sla = desk.policy.sla
    assert sla.respond_by(desk.incident()) == START + 14 * MINUTE
    assert sla.resolve_by(desk.incident()) == START + 69 * MINUTE
    desk.look(START + 12 * MINUTE)
    assert desk.heard() == []
    desk.look(START + 13 * MINUTE + 30_000)
    assert desk.heard() == ["response_due>desk"]
    assert sla.respond_by(replace(desk.incident(), told_at=START - 5 * MINUTE)) == (
        START + 10 * MINUTE
    )


def test_a_known_incident_that_somebody_acknowledged_is_raised_and_stays_so(desk: Desk) -> None:
    """The raise is news to whoever has taken it over, and takes nothing away from them."""
    desk.judge("b", START)
    with desk.ledger.deciding():
        known = replace(desk.incident(), phase=Phase.ACKNOWLEDGED, acknowledged_at=START)
        desk.ledger.update(known)
    desk.judge("b", START + MINUTE, WORSE, terms=WORST)
    assert desk.heard() == ["fired>desk", "raised>desk"]
    assert desk.incident().phase is Phase.ACKNOWLEDGED
    assert len(Outbox(desk.ledger).errands()) == 0


def test_who_was_notified_after_the_source_ended_is_not_muted_by_it(desk: Desk) -> None:
    """A longer window that reaches back over an ended source takes no page back, nor repeats it."""
    desk.judge("b", START, WORSE, terms=WORST)
    desk.judge("b", START)
    desk.judge("o", START + MINUTE, WORSE, terms=WORST)
    desk.judge("b", START + 7 * MINUTE)
    assert desk.heard() == ["fired>desk", "resolved>desk", "unmuted>desk"]

    known = desk.incident()
    wide = replace(known.verdict, window=Window(START - HOUR, START + 8 * MINUTE))
    with desk.ledger.deciding():
        desk.ledger.update(replace(known, verdict=wide))
    desk.look(START + 8 * MINUTE)
    desk.judge("b", START + 9 * MINUTE)
    assert desk.heard() == []
    assert desk.incident().muted_by is None


def test_a_cause_that_comes_back_later_is_notified_again(desk: Desk) -> None:
    """While the known incident goes on for days, a new outage of its cause is no old news."""
    desk.judge("b", START)
    desk.judge("b", START + MINUTE, WORSE, terms=WORST)
    desk.judge("o", START + 2 * MINUTE, WORSE, terms=WORST)
    assert desk.heard() == ["fired>desk", "raised>desk"]

    desk.judge("b", START + 40 * MINUTE, WORSE, terms=WORST)
    told = desk.heard()
    assert told.count("raised>desk") == 1
    desk.look(START + 80 * MINUTE)
    assert "raised>desk" not in desk.heard()
    (raised,) = desk.incident().raised
    assert (raised.severity, raised.at) == (Severity.HIGH, START + MINUTE)
