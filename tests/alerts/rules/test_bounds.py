"""Tests of the bounds of a share, against the binomial distribution itself."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.alerts.rules.bounds import share_between


def at_least(part: int, whole: int, share: float) -> float:
    """Return the chance of so many or more, if the true share is this."""
    terms = (comb(whole, k) * share**k * (1 - share) ** (whole - k) for k in range(part, whole + 1))
    return sum(terms)


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_bounds_hold_the_share_and_never_leave_0_to_1(pair: tuple[int, int]) -> None:
    """Bounds are in order around what was seen, and mirror each other."""
    part, whole = pair

    low, high = share_between(part, whole)

    assert 0 <= low <= part / whole <= high <= 1
    assert share_between(whole - part, whole) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize("whole", [10, 50, 200, 1000])
@pytest.mark.parametrize("threshold", [0.01, 0.05, 0.2])
def test_chance_alone_rarely_passes_for_proof(whole: int, threshold: float) -> None:
    """Where the true share is the threshold, less than one window in 25 is surely above it."""
    sure = next(k for k in range(whole + 1) if share_between(k, whole)[0] > threshold)

    assert at_least(sure, whole, threshold) < 0.04


def test_known_values() -> None:
    """The interval is that of Newcombe's table (1998) for the score method with correction."""
    assert share_between(81, 263) == pytest.approx((0.2535, 0.3682), abs=5e-5)
    assert share_between(15, 148) == pytest.approx((0.0598, 0.1644), abs=5e-5)
    assert share_between(0, 20) == pytest.approx((0.0, 0.2005), abs=5e-5)
    assert share_between(1, 29) == pytest.approx((0.0018, 0.1963), abs=5e-5)
