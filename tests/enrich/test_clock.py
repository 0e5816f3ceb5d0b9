"""Times of records: the canonical form, and what else is read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.enrich.clock import EARLIEST, FRACTIONS, LATEST, Seconds, iso, parse

MOMENTS = st.integers(EARLIEST, LATEST - 1)


@given(MOMENTS)
def test_iso_and_back(moment: int) -> None:
    """What `iso` writes means the same moment to every reader, to the millisecond."""
    text = iso(moment)
    assert len(text) == 24
    assert parse(text) == moment
    assert Seconds()[text[:19]] + FRACTIONS[text[19:]] == moment
    assert datetime.fromisoformat(text) == datetime.fromtimestamp(moment // 1000, UTC) + (
        datetime.resolution * 1000 * (moment % 1000)
    )


@given(MOMENTS, st.integers(-14 * 60, 14 * 60))
def test_zones(moment: int, minutes: int) -> None:
    """An offset of a zone is taken away."""
    sign = "-" if minutes < 0 else "+"
    zone = f"{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
    shifted = moment + minutes * 60_000
    if EARLIEST <= shifted < LATEST:
        assert parse(iso(shifted)[:-1] + zone) == moment


@given(MOMENTS)
def test_numbers(moment: int) -> None:
    """A number is seconds or milliseconds since 1970, if it is large enough to be no duration."""
    recent = moment >= 10**12
    assert parse(moment) == (moment if recent else None) or moment < 10**11
    assert parse(float(moment)) == parse(moment)
    assert parse(moment // 1000) == (moment // 1000 * 1000 if recent else None)


@given(st.text(max_size=24) | st.integers() | st.floats() | st.booleans() | st.none())
def test_anything(value: object) -> None:
    """Whatever stands there: a time of the years 1970 to 2199, or None."""
    found = parse(value)
    assert found is None or EARLIEST <= found < LATEST


@given(st.text("0123456789-T:. ٣", min_size=19, max_size=19))
def test_seconds_take_the_canonical_form_alone(text: str) -> None:
    """The fast path takes a second as it stands in the line: only one that everyone reads."""
    try:
        value = Seconds()[text]
    except KeyError:
        return
    assert iso(value)[:19] == text


@pytest.mark.parametrize(
    "text",
    [
        *("2026-02-05 14:30:45", "2026-02-30T00:00:00", "2026-02-05T14:30:60", ""),
        *("1969-12-31T23:59:59", "2200-01-01T00:00:00", "2026-02-05T14:30:45Z"),
        "\u0662\u0660\u0662\u0666-02-05T14:30:45",
    ],
)
def test_no_seconds(text: str) -> None:
    """Anything else is left to the slow path."""
    with pytest.raises(KeyError):
        Seconds()[text]


def test_seconds_are_bounded() -> None:
    """However many seconds a file spans, only so many are remembered, and all are right."""
    seconds = Seconds()
    for second in range(0, 3 * Seconds.LIMIT * 1000, 1000):
        assert seconds[iso(second)[:19]] == second
        assert len(seconds) <= Seconds.LIMIT
