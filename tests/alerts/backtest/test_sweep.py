"""Tests of rules as they would be with another value."""

from __future__ import annotations

import pytest

from shipper.alerts.backtest.sweep import changed, values_of
from tests.alerts.rules.rule_texts import rule_of

RULE = rule_of("ratio: {of: a, to: b}\nabove: 1%\n")


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1%..4%", ["1%", "2%", "3%", "4%"]),
        ("0.5%..5%", ["0.5%", "1%", "1.5%", "2%", "2.5%", "3%", "3.5%", "4%", "4.5%", "5%"]),
        ("10..100", [str(number) for number in range(10, 101, 10)]),
        ("5m..7m", ["5m", "6m", "7m"]),
        ("5..5", ["5"]),
        ("0s,5m, 15m", ["0s", "5m", "15m"]),
        ("2%", ["2%"]),
    ],
)
def test_a_range_is_ten_values_or_fewer_whole_ones(text: str, values: list[str]) -> None:
    """Evenly spread, with the unit of the ends, both ends included."""
    assert values_of(text) == values


@pytest.mark.parametrize("text", ["1%..5", "a..b", "1..", "1,,2", "1.2.3..5"])
def test_what_is_no_range_is_a_fault(text: str) -> None:
    """The fault says what to write."""
    with pytest.raises(ValueError, match=r"use KEY=A\.\.B"):
        values_of(text)


def test_a_value_is_written_as_in_the_file() -> None:
    """Keys of the rule and of its section; the rule itself stays as it was."""
    other = changed(RULE, [("above", "2%"), ("for", "5m"), ("ratio.widen_to", "2h")])

    assert (other.above, other.for_ms) == (0.02, 300_000)
    assert other.ratio is not None
    assert other.ratio.widen_to_ms == 7_200_000
    assert (RULE.above, RULE.for_ms) == (0.01, 0)
