"""Times as a user types them."""

from __future__ import annotations

from datetime import date

import pytest

from shipper.commands.moments import parse_day, parse_duration_ms, parse_moment

NOW = 1_770_301_845_123  # 2026-02-05T14:30:45.123Z


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("15m", NOW - 900_000),
        ("2h", NOW - 7_200_000),
        ("7d", NOW - 604_800_000),
        ("1.5h", NOW - 5_400_000),
        ("2026-02-05", 1_770_249_600_000),
        ("2026-02-05T14:30", 1_770_301_800_000),
        ("2026-02-05 14:30:45.123Z", NOW),
        ("2026-02-05T15:30:45.123+01:00", NOW),
        ("1969-12-31T23:59:59Z", -1000),
    ],
)
def test_a_time_is_so_long_ago_or_iso_8601(text: str, moment: int) -> None:
    """A time without an offset is UTC; milliseconds are kept exactly."""
    assert parse_moment(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "15", "m", "yesterday", "15 lightyears", "2026-13-01", "-5m"])
def test_anything_else_is_told_with_the_remedy(text: str) -> None:
    """A mistyped time is an error that says what works."""
    with pytest.raises(ValueError, match="; use "):
        parse_moment(text, NOW)


def test_a_day_is_a_date_or_one_of_two_words() -> None:
    """Days are UTC, so a cron job at midnight can report `yesterday`."""
    assert parse_day("today", NOW) == date(2026, 2, 5)
    assert parse_day("yesterday", NOW) == date(2026, 2, 4)
    assert parse_day("2025-12-31", NOW) == date(2025, 12, 31)
    with pytest.raises(ValueError, match="is not a day; use"):
        parse_day("tomorrow", NOW)


def test_a_span_is_in_milliseconds() -> None:
    """Durations are whole milliseconds."""
    assert parse_duration_ms("1m") == 60_000
