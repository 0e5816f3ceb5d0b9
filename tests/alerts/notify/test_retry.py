"""What comes after an alerter failed, by a clock and a draw that are handed in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipper.alerts.alerters.alerter import AlerterRefused, AlerterUnavailable
from shipper.alerts.notify.retry import (
    Failures,
    GiveUp,
    HandOver,
    Step,
    TryAgain,
    after_failure,
    pause_seconds,
)
from shipper.alerts.settings import RetryLimits

LIMITS = RetryLimits(
    first_seconds=5.0, longest_seconds=60.0, hand_over_seconds=120.0, give_up_seconds=3600.0
)
NOW = 1_000_000


def after(
    error: AlerterUnavailable | AlerterRefused,
    count: int = 1,
    since: int = NOW,
    fallback: str | None = None,
) -> Step:
    return after_failure(error, Failures(count, since), LIMITS, fallback, now=NOW, draw=1.0)


def test_what_may_pass_is_tried_again() -> None:
    """The pause doubles with every failure up to the longest."""
    down = AlerterUnavailable("down")

    assert [after(down, count) for count in (1, 2, 3, 4, 5, 99)] == [
        TryAgain(NOW + seconds * 1000) for seconds in (5, 10, 20, 40, 60, 60)
    ]


def test_a_service_is_left_alone_for_as_long_as_it_asks() -> None:
    """`Retry-After` is a lower bound, and itself bounded by an hour."""
    assert after(AlerterUnavailable("busy", retry_after_seconds=30.0)) == TryAgain(NOW + 35_000)
    assert pause_seconds(1, LIMITS, 1e9, 0.0) == 3600.0
    assert pause_seconds(9, LIMITS, 0.0, 0.0) == 0.0


def test_a_refusal_goes_to_the_fallback_at_once() -> None:
    """The same page would be refused again; without a fallback it is given up, with the reason."""
    refused = AlerterRefused("mail refuses the page")

    assert after(refused, fallback="pager") == HandOver("pager", "mail refuses the page")
    assert after(refused) == GiveUp("mail refuses the page")


def test_what_somebody_can_mend_is_tried_again() -> None:
    """A refused key goes to the fallback at once; without one it is tried until it is given up."""
    refused = AlerterRefused("the key is refused", correctable=True)

    assert after(refused, fallback="pager") == HandOver("pager", "the key is refused")
    assert after(refused, 3) == TryAgain(NOW + 20_000)
    assert after(refused, since=NOW - 3_600_000) == GiveUp("the key is refused")


def test_the_fallback_is_told_when_waiting_would_take_too_long() -> None:
    """The next try would be past `hand_over`: better another alerter now."""
    down = AlerterUnavailable("down")

    assert after(down, since=NOW - 100_000, fallback="pager") == TryAgain(NOW + 5000)
    assert after(down, since=NOW - 116_000, fallback="pager") == HandOver("pager", "down")
    asked = AlerterUnavailable("busy", retry_after_seconds=600.0)
    assert after(asked, fallback="pager") == HandOver("pager", "busy")


def test_without_a_fallback_it_is_tried_until_it_makes_no_sense() -> None:
    """A page of yesterday is news to nobody."""
    down = AlerterUnavailable("down")

    assert after(down, since=NOW - 3_500_000) == TryAgain(NOW + 5000)
    assert after(down, since=NOW - 3_600_000) == GiveUp("down")


@given(
    count=st.integers(1, 10_000),
    draw=st.floats(0, 1),
    asked=st.none() | st.floats(0, 1e12),
)
def test_a_pause_is_bounded(count: int, draw: float, asked: float | None) -> None:
    """However often and whatever is asked for: never at once again, never for ever."""
    pause = pause_seconds(count, LIMITS, asked, draw)

    assert 0 <= pause <= 3605
    if asked is None:
        assert 2.5 <= pause <= 60
    else:
        assert pause >= min(asked, 3600)
