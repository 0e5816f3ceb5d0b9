"""Times without a zone are those of their zone, also when the clocks change."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shipper.enrich.zoned import ZonedTimes
from shipper.formats.definition import ISO, TIME_OF_DAY
from shipper.times import iso

BERLIN = "Europe/Berlin"


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("written", "read_at", "wanted"),
    [
        ("2026-02-05 14:30:45,123", "2026-02-05T14:00", "2026-02-05T13:30:45.123Z"),
        ("2026-07-05 14:30:45.1", "2026-07-05T14:00", "2026-07-05T12:30:45.100Z"),
        ("2026-07-05T14:30:45Z", "2026-07-05T14:00", "2026-07-05T14:30:45.000Z"),
        ("2026-07-05 14:30:45 +0500", "2026-07-05T14:00", "2026-07-05T09:30:45.000Z"),
        # The clocks go from 2 to 3: nobody's clock shows 2:30.
        ("2026-03-29 02:30:00", "2026-03-29T01:30", "2026-03-29T01:30:00.000Z"),
        # From 3 back to 2: read in the first pass, in the second, and long after.
        ("2026-10-25 02:30:00", "2026-10-25T00:30:01", "2026-10-25T00:30:00.000Z"),
        ("2026-10-25 02:30:00", "2026-10-25T01:30:01", "2026-10-25T01:30:00.000Z"),
        ("2026-10-25 02:30:00", "2026-11-05T00:00", "2026-10-25T00:30:00.000Z"),
        # PostgreSQL says which.
        ("2026-10-25 02:30:00 CET", "2026-11-05T00:00", "2026-10-25T01:30:00.000Z"),
        ("2026-10-25 02:30:00 CEST", "2026-10-25T01:30:01", "2026-10-25T00:30:00.000Z"),
        ("yesterday", "2026-11-05T00:00", None),
        ("9999-99-99 00:00:00", "2026-11-05T00:00", None),
    ],
)
def test_a_time_is_that_of_its_zone(written: str, read_at: str, wanted: str | None) -> None:
    """What a line says, in the zone that it names or else that of the input."""
    found = ZonedTimes(ISO, BERLIN).parse(written, ms(read_at))

    assert (None if found is None else iso(found)) == wanted


@pytest.mark.parametrize(
    ("form", "written", "read_at", "wanted"),
    [
        ("%b %d %H:%M:%S", "Feb  5 14:30:45", "2026-02-05T15:00", "2026-02-05T14:30:45.000Z"),
        ("%b %d %H:%M:%S", "Dec 31 23:59:59", "2026-01-01T00:00:05", "2025-12-31T23:59:59.000Z"),
        ("%b %d %H:%M:%S", "Feb 29 12:00:00", "2026-03-01T00:00", "2024-02-29T12:00:00.000Z"),
        (TIME_OF_DAY, "23:59:59.5", "2026-02-05T00:00:10", "2026-02-04T23:59:59.500Z"),
        (TIME_OF_DAY, "00:00:09", "2026-02-05T00:00:10", "2026-02-05T00:00:09.000Z"),
        ("%d.%m.%Y %H:%M:%S", "05.02.2026 14:30:45,25", "2026-02-05", "2026-02-05T14:30:45.250Z"),
    ],
)
def test_what_a_time_lacks_is_taken_from_the_reading(
    form: str, written: str, read_at: str, wanted: str
) -> None:
    """A time without a year or a date is the last such one."""
    found = ZonedTimes(form, "UTC").parse(written, ms(read_at))

    assert found is not None
    assert iso(found) == wanted


def test_times_are_read_anew_when_it_is_later() -> None:
    """What is remembered of a time does not outlive the minute in which it was read."""
    times = ZonedTimes(ISO, BERLIN)

    found = [
        times.parse("2026-10-25 02:30:00.5", ms(f"2026-10-25T{hour}:30:01"))
        for hour in ("00", "01")
    ]

    assert [iso(each or 0) for each in found] == [
        "2026-10-25T00:30:00.500Z",
        "2026-10-25T01:30:00.500Z",
    ]
