"""Times as a user types them."""

from __future__ import annotations

import time
from datetime import date

import pytest

from shipper.commands.moments import parse_day, parse_duration_ms, parse_moment, parse_zone
from shipper.text import instant
from shipper.times import iso

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


@pytest.mark.parametrize(
    ("text", "zone", "moment"),
    [
        ("now", "UTC", "2026-02-05T14:30:45.123Z"),
        ("today", "UTC", "2026-02-05T00:00:00.000Z"),
        ("yesterday", "UTC", "2026-02-04T00:00:00.000Z"),
        ("03:00", "UTC", "2026-02-05T03:00:00.000Z"),
        ("14:30:45", "UTC", "2026-02-05T14:30:45.000Z"),
        ("14:31", "UTC", "2026-02-04T14:31:00.000Z"),
        ("today", "+10:00", "2026-02-05T14:00:00.000Z"),
        ("03:00", "+10:00", "2026-02-04T17:00:00.000Z"),
        ("today", "-02:30", "2026-02-05T02:30:00.000Z"),
        ("2026-02-05T16:30", "+02:00", "2026-02-05T14:30:00.000Z"),
        ("2026-02-05T16:30Z", "+02:00", "2026-02-05T16:30:00.000Z"),
    ],
)
def test_a_time_of_day_is_the_last_one(text: str, zone: str, moment: str) -> None:
    """`03:00` and `today` are those of the zone; a time without an offset is of the zone, too."""
    assert iso(parse_moment(text, NOW, parse_zone(zone))) == moment


def test_the_zone_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """`local` follows the machine's zone, in winter and in summer."""
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    try:
        local = parse_zone("local")
        assert iso(parse_moment("2026-02-05T12:00", NOW, local)) == "2026-02-05T11:00:00.000Z"
        assert iso(parse_moment("2026-07-05T12:00", NOW, local)) == "2026-07-05T10:00:00.000Z"
        assert instant(NOW, zone=local) == "2026-02-05T15:30:45.123+01:00"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("text", ["", "mars", "+25:00", "../../etc/passwd", "2"])
def test_a_zone_that_is_none(text: str) -> None:
    """A mistyped zone is an error that says what works."""
    with pytest.raises(ValueError, match="; use "):
        parse_zone(text)


@pytest.mark.parametrize(
    "text", ["", "15", "m", "tomorrow", "25:00", "3:00", "15 lightyears", "2026-13-01", "-5m"]
)
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
