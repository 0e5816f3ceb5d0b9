"""Tests of the bins of a distribution."""

from __future__ import annotations

from bisect import bisect_right

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.store.answers import percentile
from shipper.store.distribution import BOUNDS, LAST, merged, percentile_of, value_of

NUMBERS = st.lists(st.floats(0.1, 3_600_000), min_size=1)


def counted(numbers: list[float]) -> dict[int, int]:
    bins = [bisect_right(BOUNDS, number) for number in numbers]
    return {number: bins.count(number) for number in bins}


@given(st.lists(NUMBERS, min_size=1, max_size=5), st.sampled_from([0, 1, 50, 95, 99, 100]))
def test_percentiles_of_merged_counts_are_within_one_percent(
    parts: list[list[float]], percent: float
) -> None:
    """However numbers are spread over parts, the percentile is that of all, within 1 %."""
    every = [number for part in parts for number in part]
    exact = percentile({number: every.count(number) for number in every}, percent)

    found = percentile_of(merged(map(counted, parts)), percent)

    assert found == pytest.approx(exact, rel=0.01)
    assert sum(merged(map(counted, parts)).values()) == len(every)


def test_what_is_outside_of_the_scale_is_counted_at_its_ends() -> None:
    """Nothing is left out: the first bin has what is below, the last one what is above."""
    assert counted([-5.0, 0.0, 0.05]) == {0: 3}
    assert counted([5_000_000, 1e18]) == {LAST: 2}
    assert value_of(0) < 0.1
    assert value_of(LAST) > 3_600_000
    assert percentile_of({}, 50) is None
