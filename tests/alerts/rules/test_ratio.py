"""Tests of the kind `ratio`: neither one error at night nor 90 % at a trickle."""

from __future__ import annotations

from shipper.alerts.verdict import VerdictState
from tests.alerts.rules.rule_texts import ACCESS, find, rule_of

ABOVE = f"ratio: {{of: 'status_code:>=500', to: '{ACCESS}'}}\nabove: 1%\nat_least: 50\n"
BELOW = f"ratio: {{of: 'status_code:<500', to: '{ACCESS}'}}\nbelow: 95%\nat_least: 50\n"


def test_a_share_is_a_breach_only_if_it_surely_is() -> None:
    """2 of 50 may be chance where 1 % is allowed, 20 of 1,000 can't be."""
    assert find(ABOVE, of=2, to=50).state is VerdictState.OK
    assert find(ABOVE, of=5, to=50).state is VerdictState.BREACH
    assert find(ABOVE, of=11, to=1000).state is VerdictState.OK
    assert find(ABOVE, of=20, to=1000).state is VerdictState.BREACH


def test_a_share_that_is_too_small_is_judged_by_its_upper_bound() -> None:
    """Below 95 % is surely so for 90 of 100, and not for 93 of 100."""
    assert find(BELOW, of=93, to=100).state is VerdictState.OK
    assert find(BELOW, of=85, to=100).state is VerdictState.BREACH


def test_one_error_at_night_pages_nobody() -> None:
    """The only request of an hour fails: 100 %, and nothing is surely known."""
    hour = {"of600000": 1, "to600000": 1, "of1200000": 1, "to1200000": 1}
    assert find(ABOVE, of=1, to=1, **hour, of3600000=1, to3600000=1).state is VerdictState.OK
    assert find(ABOVE, of=4, to=4, of600000=4, to600000=4).state is VerdictState.OK


def test_a_trickle_that_fails_is_seen() -> None:
    """90 % errors at a request a minute are a breach as soon as there are enough of them."""
    found = find(ABOVE, of=4, to=5, of600000=8, to600000=10, of3600000=27, to3600000=30)

    assert found.state is VerdictState.BREACH
    assert (found.events, found.span_ms) == (10, 600_000)
    assert "8 of 10 in 10.0 min" in found.reason


def test_a_small_excess_is_seen_when_it_has_lasted() -> None:
    """8 % failures of 100 are not surely more than 5 %; of 400 in four times the time they are."""
    longer = {"of600000": 184, "to600000": 200, "of1200000": 368, "to1200000": 400}

    assert find(BELOW, of=92, to=100).state is VerdictState.OK
    assert find(BELOW, of=92, to=100, **longer).state is VerdictState.BREACH


def test_a_window_that_is_well_is_not_held_against_the_past() -> None:
    """An hour of errors that has ended is no breach of a window that has none, full or not."""
    hour = {"of600000": 250, "to600000": 500, "of3600000": 500, "to3600000": 1000}

    assert find(ABOVE, of=0, to=50, **hour).state is VerdictState.OK
    assert find(ABOVE, of=0, to=3, **hour).state is VerdictState.OK


def test_a_longer_window_counts_only_while_the_share_stays_beyond() -> None:
    """One failure of a quiet night does not lead back to the outage of the evening."""
    numbers = {"of600000": 1, "to600000": 200, "of1200000": 90, "to1200000": 300}

    assert find(ABOVE, of=1, to=20, **numbers).state is VerdictState.OK


def test_widening_can_be_left_out() -> None:
    """With `widen_to: 0s`, a window with few records is never a breach."""
    text = ABOVE.replace("}", ", widen_to: 0s}")

    assert [probe.name for probe in rule_of(text).probes] == ["of", "to"]
    assert find(text, of=49, to=49).state is VerdictState.OK


def test_the_last_longer_window_is_as_long_as_the_rule_says() -> None:
    """Each is twice the one before; the last one is `widen_to` itself."""
    spans = [probe.span_ms // 60_000 for probe in rule_of(ABOVE).probes[::2]]

    assert spans == [5, 10, 20, 60]


def test_the_part_is_counted_within_the_whole() -> None:
    """What is no record of `to` is not in `of` either, so a share is never more than 1."""
    of, to, *_ = rule_of(ABOVE).probes

    assert of.query == f"({ACCESS}) AND (status_code:>=500)"
    assert to.query == ACCESS


def test_a_query_that_begins_like_the_whole_is_still_counted_within_it() -> None:
    """An OR binds less than AND, so what stands behind it has to be narrowed, too."""
    text = "ratio: {of: 'a:1 AND b:2 OR c:3', to: 'a:1'}\nabove: 1%\n"
    plain = "ratio: {of: 'a:1 AND b:2', to: 'a:1'}\nabove: 1%\n"

    assert rule_of(text).probes[0].query == "(a:1) AND (a:1 AND b:2 OR c:3)"
    assert rule_of(plain).probes[0].query == "a:1 AND b:2"


def test_a_part_that_was_counted_a_moment_later_is_no_more_than_the_whole() -> None:
    """A store that still takes records may count more failures than requests."""
    found = find(ABOVE, of=61, to=60)

    assert (found.value, found.high) == (1.0, 1.0)


def test_the_finding_shows_its_interval() -> None:
    """Value, bounds and number of records are those that decided."""
    found = find(ABOVE, of=5, to=100)

    assert (found.value, found.threshold, found.events) == (0.05, 0.01, 100)
    assert found.low is not None
    assert found.high is not None
    assert 0.01 < found.low < 0.05 < found.high
    assert found.reason == "5 % (5 of 100), 95 % interval 1.86 % to 11.8 %: above 1 %"
