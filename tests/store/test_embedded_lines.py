"""Lines of commits, and the times in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.store.embedded.incoming import Documents
from shipper.store.embedded.lines import LineEncoder
from shipper.times import EARLIEST, LATEST, iso, parse_period


@pytest.mark.parametrize("ms", [EARLIEST - 1, LATEST + 1, 2**70])
def test_a_time_that_can_not_be_written_is_refused(ms: int) -> None:
    """A record whose time cannot be shown is refused."""
    lines, refused = LineEncoder().encode([Documents(["s-1"], [b"{}"], [ms])], 1)

    assert not lines
    assert [index for index, reason in refused if "years 1 to 9999" in reason] == [0]


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("1970-01-01", (0, 86_399_999)),
        ("1970-01-01T00:01", (60_000, 119_999)),
        ("1970-01-01T00:00:01Z", (1000, 1999)),
        ("1970-01-01T00:00:00.5Z", (500, 500)),
        ("1970-01-01 00:00:00.1239Z", (123, 123)),
        ("1970-01-01T01:00:00.000+01:00", (0, 0)),
        ("1969-12-31T23:59:59.999Z", (-1, -1)),
        ("1970-01-32", None),
        ("1970-01", None),
        ("1970-01-01T", None),
        ("1970-01-01T25:00", None),
        ("now", None),
    ],
)
def test_a_time_names_a_span(text: str, span: tuple[int, int] | None) -> None:
    """A date covers a day; a time covers the unit of its last digit."""
    assert parse_period(text) == span


@given(st.integers(EARLIEST, LATEST))
def test_times_are_written_to_the_millisecond(ms: int) -> None:
    """A written time is read back as the same millisecond, in every year."""
    assert parse_period(iso(ms)) == (ms, ms)
