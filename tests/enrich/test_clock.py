"""Times of records: the canonical form, and what else is read."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from shipper.enrich.clock import EARLIEST, LATEST, are_canonical, parse
from shipper.splice import read_times
from shipper.times import iso

MOMENTS = st.integers(EARLIEST, LATEST - 1)


@given(MOMENTS)
def test_iso_and_back(moment: int) -> None:
    """What `iso` writes means the same moment to every reader, to the millisecond."""
    text = iso(moment)
    assert len(text) == 24
    assert parse(text) == moment
    assert are_canonical([text])
    assert read_times([text.encode()]) == [moment]
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


TIMES = st.lists(MOMENTS | st.integers(0, 90_000), min_size=1, max_size=5)
NO_TIMES = [
    *("2026-02-05 14:30:45.123Z", "2026-02-30T00:00:00.000Z", "2026-02-05T14:30:60.000Z", ""),
    *("1969-12-31T23:59:59.999Z", "2200-01-01T00:00:00.000Z", "2026-02-05T14:30:45Z"),
    *("2026-02-05T24:00:00.000Z", "2026-02-05T14:60:00.000Z", "2026-00-05T14:30:00.000Z"),
    *("2026-02-05T14:30:45.123", "2026-02-05T14:30:45.123Z\n", "2026-02-05T14:30:45.12٣Z"),
    *("\u0662\u0660\u0662\u0666-02-05T14:30:45.123Z", "\ud800-02-05T14:30:45.123Z"),
]


@given(TIMES)
def test_canonical_times(moments: list[int]) -> None:
    """What `iso` writes is canonical, however far apart, and is read as what it was."""
    texts = [iso(moment) for moment in moments]

    assert are_canonical(texts)
    assert read_times(text.encode() for text in texts) == moments


@given(TIMES, st.sampled_from(NO_TIMES), st.data())
def test_one_that_is_not_canonical(moments: list[int], text: str, data: st.DataObject) -> None:
    """One time of another form, or that is none, leaves all of them to the slow path."""
    texts = [iso(moment) for moment in moments]
    texts.insert(data.draw(st.integers(0, len(texts))), text)

    assert not are_canonical(texts)


@given(st.text("0123456789-T:.Z", min_size=24, max_size=24))
def test_only_the_canonical_form_is_canonical(text: str) -> None:
    """What is taken is what `iso` would write."""
    if are_canonical([text]):
        assert iso(read_times([text.encode()])[0]) == text


def test_two_that_only_together_have_the_length() -> None:
    """A time that is too short and one that is too long don't pass for two good ones."""
    assert not are_canonical(["2026-02-05T14:30:45.123", "Z2026-02-05T14:30:45.123Z"])
    assert not are_canonical(["2026-02-05T14:30:45.123Z\n2026-02-05T14:30:45.123Z"])
