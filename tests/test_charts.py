"""Tests of charts: XML that stands for itself, with the numbers where they belong."""

from __future__ import annotations

import math
from xml.etree import ElementTree as ET
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.charts import ChartLine, time_chart

START = 1_770_249_600_000  # 2026-02-05T00:00:00Z
HOUR = 3_600_000
SVG = "{http://www.w3.org/2000/svg}"


def texts(svg: str) -> list[str]:
    return [each.text or "" for each in ET.fromstring(svg).iter(f"{SVG}text")]


def test_a_bar_is_as_high_as_its_number() -> None:
    """The largest of the round numbers at the side is the upper edge; bars grow with numbers."""
    points = [(START + n * HOUR, value) for n, value in enumerate((100.0, 50.0, None, 0.0))]

    svg = time_chart([ChartLine("n", points)], bars=True)

    bars = [float(each.attrib["height"]) for each in ET.fromstring(svg).iter(f"{SVG}rect")]
    assert len(bars) == 2
    assert bars[0] == pytest.approx(2 * bars[1], rel=0.01)
    assert "100" in texts(svg)


def test_times_are_those_of_the_zone() -> None:
    """The axis has round times of the zone."""
    points = [(START + n * HOUR, 1.0) for n in range(12)]

    svg = time_chart([ChartLine("n", points)], ZoneInfo("Asia/Tokyo"))

    assert [text for text in texts(svg) if ":" in text][:2] == ["10:00", "12:00"]


def test_a_gap_is_no_line() -> None:
    """Numbers around a gap are two lines, and one alone is a dot."""
    points: list[tuple[int, float | None]] = [
        (START + n * HOUR, value) for n, value in enumerate((1.0, 2.0, None, 3.0, None, 4.0, 5.0))
    ]

    found = ET.fromstring(time_chart([ChartLine("n", points)]))

    assert sum(each.get("class") == "series-0" for each in found.iter(f"{SVG}path")) == 2
    assert len([*found.iter(f"{SVG}circle")]) == 1


VALUES = st.none() | st.floats() | st.floats(0, 1e12)


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 4 * 10**12), VALUES)), max_size=8),
    st.text(),
    st.none() | st.floats(0, 1e9),
    st.booleans(),
)
def test_whatever_it_is_given_it_is_a_picture_without_script(
    series: list[list[tuple[int, float | None]]],
    name: str,
    limit: float | None,
    bars: bool,  # noqa: FBT001 - drawn
) -> None:
    """Names are text, no number leads out of the picture, and no element can do anything."""
    lines = [ChartLine(name + "<script>", sorted(points, key=lambda p: p[0])) for points in series]

    found = ET.fromstring(time_chart(lines, limit=limit, bars=bars, unit=name))

    allowed = {f"{SVG}{tag}" for tag in ("svg", "path", "rect", "circle", "text")}
    assert {each.tag for each in found.iter()} <= allowed
    for each in found.iter(f"{SVG}rect"):
        assert all(math.isfinite(float(each.attrib[key])) for key in ("x", "y", "height"))
