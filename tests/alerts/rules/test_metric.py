"""Tests of the kind `metric`: averages, extremes, and percentiles by counting."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.alerts.rules.reading import parse_rule
from shipper.alerts.verdict import VerdictState
from shipper.store.answers import percentile
from tests.alerts.rules.rule_texts import find, rule_of

AVERAGE = "metric: {of: duration_ms, take: average}\nabove: 500ms\nat_least: 10\n"


def metric(take: str, limit: str) -> str:
    return f"metric: {{of: duration_ms, take: {take}}}\n{limit}\n"


def test_an_average_is_the_sum_by_the_records_that_have_the_number() -> None:
    """Records without the field don't make the average smaller."""
    count, number = rule_of(AVERAGE).probes

    assert count.query == number.query == "duration_ms:*"
    assert find(AVERAGE, count=10, number=5001).state is VerdictState.BREACH
    assert find(AVERAGE, count=10, number=5000).state is VerdictState.OK
    assert find(AVERAGE, count=9, number=9000).state is VerdictState.OK


def test_the_order_of_adding_up_decides_nothing() -> None:
    """An average that is the threshold but for the last bit of a float is the threshold."""
    assert find(AVERAGE, count=10, number=5000.000000000001).state is VerdictState.OK


@pytest.mark.parametrize(
    ("take", "limit", "number", "state"),
    [
        ("max", "above: 100", 101, VerdictState.BREACH),
        ("max", "above: 100", 100, VerdictState.OK),
        ("min", "below: 5", 4, VerdictState.BREACH),
        ("sum", "above: 1000", 1001, VerdictState.BREACH),
        ("average", "below: 2", 3.9, VerdictState.BREACH),
    ],
)
def test_extremes_and_sums(take: str, limit: str, number: float, state: VerdictState) -> None:
    """The number of the window is held against the threshold as it is."""
    assert find(metric(take, limit), count=2, number=number).state is state


def test_no_records_are_no_breach() -> None:
    """Nothing can be said of a number that no record has."""
    assert find(AVERAGE).state is VerdictState.OK
    assert find(metric("min", "below: 5")).state is VerdictState.OK


@given(
    st.lists(st.integers(0, 20), min_size=1, max_size=60),
    st.sampled_from(["p50", "p90", "p95", "p99"]),
    st.integers(0, 20),
    st.sampled_from(["above", "below"]),
)
def test_a_percentile_is_judged_exactly_by_counting(
    numbers: list[int], take: str, threshold: int, side: str
) -> None:
    """Counting those beyond gives what the percentile itself, by nearest rank, would give."""
    counts = {float(number): numbers.count(number) for number in numbers}
    value = percentile(counts, float(take[1:]))
    assert value is not None
    above = side == "above"
    beyond = sum(n > threshold if above else n < threshold for n in numbers)

    found = find(metric(take, f"{side}: {threshold}"), count=len(numbers), beyond=beyond)

    broken = value > threshold if above else value < threshold
    assert found.state is (VerdictState.BREACH if broken else VerdictState.OK)


def test_a_percentile_shows_the_share_that_lies_beyond() -> None:
    """The value of a percentile is not known, but how many lie beyond it is."""
    found = find(metric("p95", "above: 500ms"), count=200, beyond=24)

    assert found.value == 0.12
    assert found.reason == "p95 of duration_ms is above 500: 12 % of 200 records lie above"


@pytest.mark.parametrize(
    ("take", "side", "asked"),
    [
        ("average", "above", "(level:INFO) AND (duration_ms:>500)"),
        ("p95", "above", "(level:INFO) AND (duration_ms:>500)"),
        ("min", "below", "(level:INFO) AND (duration_ms:<500)"),
        ("sum", "above", "(level:INFO) AND (duration_ms:*)"),
    ],
)
def test_a_page_is_about_the_records_beyond_the_threshold(take: str, side: str, asked: str) -> None:
    """The slow requests are explained, not all of them; of a sum, each record has its part."""
    rule = parse_rule(
        f"name: slow\nseverity: low\nsummary: slow\n"
        f"metric: {{of: duration_ms, take: {take}, among: 'level:INFO'}}\n{side}: 500ms\n"
    )
    assert rule.asked == asked
