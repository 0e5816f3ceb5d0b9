"""Tests of counts as tables, bars and JSON."""

from __future__ import annotations

import json

from shipper.store.api import Bucket, Buckets
from shipper.text import Paint
from shipper.view.buckets import (
    Slots,
    ValueCounts,
    grid_json,
    grid_text,
    shares_json,
    shares_text,
    slots_json,
    slots_text,
)

PLAIN = Paint(on=False)
MINUTE = 60_000


def test_shares_add_up_to_the_whole() -> None:
    """Values beyond the limit and records without the field have rows of their own."""
    answer = Buckets((Bucket("INFO", 1500), Bucket("ERROR", 250)), others=50)

    assert shares_text("level", answer, 2000, 80, PLAIN) == [
        "level     count   share",
        "INFO      1,500  75.0 %  ██████████████████████████████",
        "ERROR       250  12.5 %  █████",
        "(others)     50   2.5 %  █",
        "(none)      200  10.0 %  ████",
    ]


def test_a_narrow_terminal_goes_without_bars() -> None:
    """Rows never wrap because of a bar."""
    lines = shares_text("level", Buckets((Bucket("INFO", 1),)), 1, 20, PLAIN)

    assert lines == ["level  count    share", "INFO       1  100.0 %"]


def test_several_values_a_record_do_not_make_a_negative_rest() -> None:
    """A record with two tags counts for both."""
    lines = shares_text("tags", Buckets((Bucket("a", 2), Bucket("b", 2))), 2, 0, PLAIN)

    assert [line.split()[0] for line in lines] == ["tags", "a", "b"]


def test_shares_as_json() -> None:
    """One object per value; the share is of all matching records."""
    lines = shares_json(Buckets((Bucket(500, 1),)), 4)

    assert [json.loads(line) for line in lines] == [{"value": 500, "count": 1, "share": 0.25}]


def test_silence_is_shown() -> None:
    """Slots without records are shown, from --since up to now."""
    found = Buckets((Bucket(2 * MINUTE, 4), Bucket(4 * MINUTE, 2)))

    slots = Slots.between(found, MINUTE, (MINUTE + 1, 5 * MINUTE + 1))

    assert slots_text(slots, 80, PLAIN) == [
        "time               count",
        "1970-01-01T00:01Z      0",
        "1970-01-01T00:02Z      4  ████████████████████████████████████████",
        "1970-01-01T00:03Z      0",
        "1970-01-01T00:04Z      2  ████████████████████",
        "1970-01-01T00:05Z      0",
    ]
    assert json.loads(slots_json(slots)[1]) == {"time": "1970-01-01T00:02:00.000Z", "count": 4}


def test_values_per_slot() -> None:
    """A grid has a row per slot: the total, then each value."""
    slots = Slots.between(Buckets((Bucket(0, 3), Bucket(MINUTE, 1))), MINUTE, ())
    series = [ValueCounts("INFO", {0: 2, MINUTE: 1}), ValueCounts("ERROR", {0: 1})]

    assert grid_text(slots, series, PLAIN) == [
        "time               total  INFO  ERROR",
        "1970-01-01T00:00Z      3     2      1",
        "1970-01-01T00:01Z      1     1      0",
    ]
    assert json.loads(grid_json(slots, series)[1])["values"] == {"INFO": 1, "ERROR": 0}


def test_a_value_cannot_break_the_table() -> None:
    """Values come from the application: they are made safe, and cut if very long."""
    lines = shares_text("x", Buckets((Bucket("\x1b[1m" + "y" * 500, 1),)), 1, 80, PLAIN)

    assert r"\x1b[1myyy" in lines[1]
    assert len(lines[1]) <= 80
