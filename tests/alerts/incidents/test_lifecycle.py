"""What a verdict does to an incident."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipper.alerts.incident import Change, Incident, Phase
from shipper.alerts.incidents.lifecycle import CALM_MS, LifecycleTerms, acknowledge, resolve, step
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import VerdictState, Window
from tests.alerts.verdicts import MINUTE, START, TERMS, live_through, verdict


def changes(letters: str, terms: LifecycleTerms = TERMS) -> str:
    return " ".join(told.change for told in live_through(letters, terms)[1])


def firing() -> Incident:
    incident, _ = live_through("b")
    assert incident is not None
    return incident


@pytest.mark.parametrize(
    ("letters", "told"),
    [
        ("oooo", ""),
        ("obbo", "opened fired resolved"),
        ("bbbb", "opened fired"),
        ("xbxx", "opened fired"),
        ("bxo", "opened fired resolved"),
        ("bppp", "opened fired"),
        ("bppo", "opened fired resolved"),
    ],
)
def test_a_breach_fires_and_an_ok_resolves(letters: str, told: str) -> None:
    """A breach fires once, an ok of all hosts resolves; blind and a part of the hosts do not."""
    assert changes(letters) == told


@pytest.mark.parametrize(
    ("letters", "told"),
    [
        ("bbo", "opened dropped"),
        ("bbb", "opened fired"),
        ("bbp", "opened dropped"),
        ("bxb", "opened fired"),
        ("bobbb", "opened dropped opened fired"),
    ],
)
def test_for_waits_before_it_fires(letters: str, told: str) -> None:
    """With `for`, an incident is pending so long, and an ok drops it without a word."""
    assert changes(letters, LifecycleTerms(Severity.LOW, for_ms=2 * MINUTE)) == told


@pytest.mark.parametrize(
    ("letters", "told"),
    [
        ("boo", "opened fired"),
        ("booo", "opened fired resolved"),
        ("boobooo", "opened fired resolved"),
        ("boxxo", "opened fired resolved"),
        ("boxx", "opened fired"),
    ],
)
def test_keep_firing_waits_before_it_resolves(letters: str, told: str) -> None:
    """With `keep_firing`, it has to be ok for so long; a breach meanwhile takes the end back."""
    assert changes(letters, LifecycleTerms(Severity.LOW, keep_firing_ms=2 * MINUTE)) == told


def test_flapping_is_damped() -> None:
    """The third time within an hour each is marked, and ends only after half an hour of calm."""
    calm = CALM_MS // MINUTE
    before, told = live_through("bobobo" + "bo" * 20)

    assert [each.change for each in told].count(Change.FIRED) == 3
    assert before is not None
    assert before.flapping
    after, ended = live_through("o" * calm, before=before, start=START + 46 * MINUTE)
    assert [each.change for each in ended] == [Change.RESOLVED]
    assert after is not None
    _, quiet = live_through("o" * (calm - 1), before=before, start=START + 46 * MINUTE)
    assert quiet == []


def test_what_comes_back_after_hours_does_not_flap() -> None:
    """An incident an hour or more after the last one is no relapse."""
    letters = ("bo" + "o" * 62) * 4

    _, told = live_through(letters)

    assert not any(each.incident.flapping for each in told)
    assert [each.change for each in told].count(Change.RESOLVED) == 4


def test_an_earlier_window_changes_nothing_of_what_fires() -> None:
    """A verdict of a window before the last breach neither resolves nor replaces it."""
    before = firing()
    earlier = START - 3 * MINUTE

    for state in (VerdictState.OK, VerdictState.BREACH):
        assert step(before, verdict(state, earlier), TERMS, earlier) == (before, ())


def test_the_last_breach_is_kept() -> None:
    """An incident holds the verdict of its last breach, not of its first and not an ok."""
    after, _ = live_through("bbp")

    assert after is not None
    assert after.verdict.window.end == START + MINUTE


def test_a_person_takes_over_once() -> None:
    """Acknowledging is told once, and the incident goes on until it is ok."""
    taken, told = acknowledge(firing(), "oncall", START + 90_000, "on it")
    assert taken is not None
    again, nothing = acknowledge(taken, "backup", START + 95_000)
    after, ended = live_through("bo", before=taken, start=START + 2 * MINUTE)

    assert [(each.change, each.note) for each in told] == [(Change.ACKNOWLEDGED, "on it")]
    assert taken.acknowledged_by == "oncall"
    assert (again, nothing) == (taken, ())
    assert [each.change for each in ended] == [Change.RESOLVED]
    assert after is not None
    assert after.resolved_by == "rule"


def test_a_person_can_end_it() -> None:
    """What a person resolves is over; a breach after it is a new incident."""
    before = firing()

    after, told = resolve(before, "oncall", START + 1)
    assert after is not None
    new, opened = live_through("b", before=after, start=START + MINUTE)

    assert [each.change for each in told] == [Change.RESOLVED]
    assert resolve(after, "oncall", START + 2) == (after, ())
    assert new is not None
    assert new.id != before.id
    assert [each.change for each in opened] == [Change.OPENED, Change.FIRED]


def test_the_same_records_make_the_same_incident() -> None:
    """The name of an incident comes from rule, group and beginning, not from who judged."""
    one, other = firing(), firing()
    group = (("service.name", "pay"),)
    elsewhere, _ = step(None, verdict(VerdictState.BREACH, START, group=group), TERMS, START)

    assert one.id == other.id
    assert elsewhere is not None
    assert elsewhere.id != one.id
    assert one.phase is Phase.FIRING


def test_what_is_dropped_leaves_the_incident_before_it() -> None:
    """A blip that never fires is no reason to forget where the last incident ended."""
    terms = LifecycleTerms(Severity.HIGH, for_ms=2 * MINUTE)
    resolved, _ = live_through("bbbo", terms)
    assert resolved is not None
    assert resolved.phase is Phase.RESOLVED

    pending, _ = live_through("b", terms, resolved, START + 10 * MINUTE)
    after, told = live_through("o", terms, pending, START + 11 * MINUTE)

    assert [each.change for each in told] == [Change.DROPPED]
    assert after == resolved
    fired, _ = live_through("bbb", terms, resolved, START + 20 * MINUTE)
    assert fired is not None
    assert (fired.phase, fired.relapses, fired.before) == (Phase.FIRING, 1, None)


def test_a_breach_that_took_long_to_see_is_not_over_after_a_short_calm() -> None:
    """What a window of 40 minutes had to prove ends after 20, what one of five did after none."""
    terms = LifecycleTerms(Severity.HIGH, over_ms=5 * MINUTE)
    wide = replace(verdict(VerdictState.BREACH, START), window=Window(START - 40 * MINUTE, START))
    incident, _ = step(None, wide, terms, START)
    for minute in range(1, 22):
        ok = verdict(VerdictState.OK, START + minute * MINUTE)
        incident, made = step(incident, ok, terms, START + minute * MINUTE)
        assert [each.change for each in made] == ([] if minute < 21 else [Change.RESOLVED])

    incident, _ = step(None, verdict(VerdictState.BREACH, START), terms, START)
    _, made = step(incident, verdict(VerdictState.OK, START + MINUTE), terms, START + MINUTE)
    assert [each.change for each in made] == [Change.RESOLVED]
