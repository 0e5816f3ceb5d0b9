"""Tests of text for the terminal."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.text import Paint, bar, counted, duration, instant, plain, safe, safe_json, size, table


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b]0;owned\x07", r"\x1b[2J\x1b]0;owned\x07"),
        ("a\nb\r\tc\0", r"a\nb\r\tc\x00"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202egnp.exe", r"abc\u202egnp.exe"),
        ("half \ud800", r"half \ud800"),
        ("Zürich ✓ 東京", "Zürich ✓ 東京"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_as_an_escape(text: str, shown: str) -> None:
    """No character of a log line moves the cursor, changes colours or the direction of text."""
    assert safe(text) == shown


@given(st.text(st.characters()))
def test_nothing_unsafe_is_left_in_any_text(text: str) -> None:
    """Controls, lone surrogates and line separators never reach the terminal."""
    shown = safe(text)

    assert not [c for c in shown if unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"}]
    shown.encode()


@given(st.dictionaries(st.text(st.characters()), st.text(st.characters())))
def test_json_stays_the_same_value_on_one_safe_line(value: dict[str, str]) -> None:
    """JSON output is safe on a terminal, and parses to what was stored."""
    line = safe_json(value)

    assert json.loads(line) == value
    assert safe(line) == line


@pytest.mark.parametrize(
    ("value", "shown"),
    [(245.0, "245"), (0.12345, "0.123"), (0.0, "0"), (True, "true"), (None, "null"), ([1], "[1]")],
)
def test_values_are_short(value: object, shown: str) -> None:
    """A float has at most three decimals, and no trailing zeros."""
    assert plain(value) == shown


@pytest.mark.parametrize(
    ("unit_ms", "shown"),
    [
        (1, "2026-02-05T14:30:45.120Z"),
        (1000, "2026-02-05T14:30:45Z"),
        (60_000, "2026-02-05T14:30Z"),
        (86_400_000, "2026-02-05"),
    ],
)
def test_times_are_utc_and_as_fine_as_needed(unit_ms: int, shown: str) -> None:
    """A shown time can be typed into --since as it is."""
    assert instant(1_770_301_845_120, unit_ms=unit_ms) == shown


def test_a_time_beyond_the_calendar_is_shown_as_its_number() -> None:
    """A time outside of the calendar is shown as a number."""
    assert instant(10**17) == str(10**17)


def test_sizes_and_spans_have_the_unit_that_fits() -> None:
    """Sizes are shown in the largest fitting unit."""
    assert [size(0), size(999), size(1536), size(3 << 19), size(5 << 40)] == [
        "0 B",
        "999 B",
        "1.5 KiB",
        "1.5 MiB",
        "5.0 TiB",
    ]
    assert [duration(0.25), duration(90), duration(7200), duration(172_800)] == [
        "0.2 s",
        "1.5 min",
        "2.0 h",
        "2.0 d",
    ]


def test_a_bar_is_never_empty_for_something_and_never_too_long() -> None:
    """A share above 0 is never an empty bar."""
    assert bar(0, 10) == ""
    assert bar(0.000001, 10) == "▏"
    assert bar(0.5, 10) == "█████"
    assert bar(1.5, 10) == "█" * 10


def test_columns_line_up() -> None:
    """Numbers are right-aligned, text is left-aligned."""
    assert table([["a", "n"], ["bbb", "10"], ["c", "5"]], right={1}) == [
        "a     n",
        "bbb  10",
        "c     5",
    ]


def test_no_colour_means_no_escape() -> None:
    """Without colours the text is unchanged."""
    assert Paint(on=False).level("ERROR", "ERROR") == "ERROR"
    assert Paint(on=True).level("ERROR", "ERROR") == "\x1b[31mERROR\x1b[0m"


def test_a_number_and_its_noun_agree() -> None:
    """One is singular, and zero is plural."""
    assert [counted(n, "record") for n in (0, 1, 1234)] == [
        "0 records",
        "1 record",
        "1,234 records",
    ]
    assert counted(2, "copy", "copies") == "2 copies"


def test_marked_words_are_those_of_the_text() -> None:
    """What a query asked for is underlined in its own case; characters of patterns mean nothing."""
    assert Paint(on=True).marked("Timed out (1.5s)", ["timed OUT", "1.5", "."]) == (
        "\x1b[1;4mTimed out\x1b[0m (\x1b[1;4m1.5\x1b[0ms)"
    )
    assert Paint(on=False).marked("Timed out", ["timed"]) == "Timed out"
