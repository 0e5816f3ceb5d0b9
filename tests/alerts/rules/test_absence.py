"""Tests of the kind `absence`."""

from __future__ import annotations

from shipper.alerts.verdict import VerdictState
from tests.alerts.rules.rule_texts import find, rule_of

PLAIN = "absence: {of: 'event.dataset:orchestrator.heartbeat', seen_within: 1d}\nover: 2m\n"
ALTHOUGH = "absence: {of: 'status:success', although: 'queue_depth:>0'}\nover: 5m\n"


def test_who_was_there_is_expected() -> None:
    """Nothing now is a breach if there was something before, and only then."""
    assert find(PLAIN, before=700).state is VerdictState.BREACH
    assert find(PLAIN, before=700, now=1).state is VerdictState.OK
    assert find(PLAIN).state is VerdictState.OK


def test_the_past_ends_where_the_window_begins() -> None:
    """A record of the window itself is not one of before."""
    now, before = rule_of(PLAIN).probes

    assert (now.span_ms, now.offset_ms) == (120_000, 0)
    assert (before.span_ms, before.offset_ms) == (86_400_000, 120_000)


def test_a_condition_takes_the_place_of_the_past() -> None:
    """Nothing ended although something waits; where nothing waits, nothing has to end."""
    assert find(ALTHOUGH, although=3, known=1).state is VerdictState.BREACH
    assert find(ALTHOUGH, before=9, known=1).state is VerdictState.OK
    assert find(ALTHOUGH, although=3, known=1, now=1).state is VerdictState.OK


def test_the_first_minutes_of_data_expect_nothing() -> None:
    """Who had no record of any kind before the window has not had the time to end something."""
    assert find(ALTHOUGH, although=3).state is VerdictState.OK
    known = rule_of(ALTHOUGH).probes[-1]
    assert (known.query, known.span_ms, known.offset_ms) == ("*", 300_000, 300_000)


def test_what_excuses_an_absence() -> None:
    """Nothing came, and records say why: with the past and with a condition alike."""
    excused = PLAIN.replace("1d}", "1d, unless: 'message:stopped'}")
    assert find(excused, before=700).state is VerdictState.BREACH
    spared = find(excused, before=700, unless=2)
    assert (spared.state, spared.reason) == (
        VerdictState.OK,
        "none are expected, as 2 match message:stopped",
    )
    both = ALTHOUGH.replace("0'}", "0', unless: 'message:stopped'}")
    assert find(both, although=3, known=1).state is VerdictState.BREACH
    assert find(both, although=3, known=1, unless=1).state is VerdictState.OK
