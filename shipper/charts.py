"""
Charts over time as SVG: one element that stands for itself, in a page, a file or a mail.

There are no scripts, styles, ids or references in it. Colours are attributes, for white paper; a
page with other colours overrides them by class:

    series-N, fill-N   a line or bar, and the area below it, N from 0 to 5
    axis, label, grid  the axes, their texts, the lines behind
    limit              a threshold

Where there is no number the line has a gap; a number alone between two gaps is a dot.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from html import escape
from itertools import pairwise
from typing import Final

from shipper.text import safe

COLORS: Final = ("#2563eb", "#c2410c", "#15803d", "#9333ea", "#0e7490", "#a16207")
LIMIT_COLOR: Final = "#c0262d"
LABEL_COLOR: Final = "#5b6875"
GRID_COLOR: Final = "#dfe4ea"
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 10, 22  # margins
LEGEND: Final = 18  # height of a line of the legend
MOST_POINTS: Final = 2000  # of a line: more than there are pixels
TICKS: Final = 8  # of the time axis, at most
HOUR_MS: Final = 3_600_000
DAY_MS: Final = 24 * HOUR_MS
_STEPS: Final = (
    *(60_000 * n for n in (1, 2, 5, 10, 15, 30)),
    *(HOUR_MS * n for n in (1, 2, 3, 6, 12)),
    *(DAY_MS * n for n in (1, 2, 5, 7, 14, 28, 91, 365)),
)

ChartPoint = tuple[int, float | None]


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A series: its name, and (epoch ms, number or None where there is none) in order of time."""

    name: str
    points: Sequence[ChartPoint]


@dataclass(frozen=True, slots=True)
class _Frame:
    """Where times and numbers lie in the picture."""

    first: int
    last: int
    top: float  # the number at the upper edge
    width: int
    height: int  # of all but the legend

    def x(self, at: float) -> float:
        span = max(self.last - self.first, 1)
        return LEFT + (at - self.first) / span * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        inner = self.height - TOP - BOTTOM
        return TOP + inner * (1 - max(0.0, min(value / self.top, 1.0)))


def time_chart(  # noqa: PLR0913 - what a chart may show
    lines: Sequence[ChartLine],
    zone: tzinfo = UTC,
    *,
    unit: str = "",
    limit: float | None = None,
    bars: bool = False,
    width: int = 760,
    height: int = 190,
) -> str:
    """
    Return a chart of series that begins at 0; `limit` is a threshold, drawn across.

    With `bars`, the first series is drawn as bars, each as wide as the time between two.
    """
    lines = [ChartLine(line.name, line.points[-MOST_POINTS:]) for line in lines]
    times = [at for line in lines for at, _ in line.points]
    values = [value for line in lines for _, value in line.points if _is_drawn(value)]
    if not times or not values:
        return _svg(width, 40, "no data", _label(LEFT, 24, "no data", "start"))
    bar_ms = _spacing(lines[0]) if bars else 0
    largest = max(value for value in (*values, limit, 0.0) if value is not None)
    top, steps = _scale(largest)
    frame = _Frame(min(times), max(times) + bar_ms, top, width, height)
    legend = LEGEND if len(lines) > 1 else 0
    parts = [
        *_values_axis(frame, steps, unit),
        *_time_axis(frame, zone),
        *(part for n, line in enumerate(lines) for part in _drawn(line, n, frame, bar_ms)),
        *(_limit(limit, frame) if limit is not None else ()),
        *(_legend(lines, height) if legend else ()),
    ]
    return _svg(width, height + legend, _said(lines, unit), "".join(parts))


def _svg(width: int, height: int, said: str, content: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="{escape(safe(said))}" font-family="sans-serif" '
        f'font-size="11">{content}</svg>'
    )


def _said(lines: Sequence[ChartLine], unit: str) -> str:
    """Return what a chart shows for people who do not see it."""
    parts = []
    for line in lines:
        values = [value for _, value in line.points if value is not None and math.isfinite(value)]
        if values:
            newest, highest = f"{_short(values[-1])} {unit}", f"{_short(max(values))} {unit}"
            parts.append(f"{line.name}: {newest.strip()}, at most {highest.strip()}")
    return "; ".join(parts)


def _is_drawn(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _spacing(line: ChartLine) -> int:
    times = [at for at, _ in line.points]
    return min((later - at for at, later in pairwise(times)), default=HOUR_MS)


def _scale(largest: float) -> tuple[float, list[float]]:
    """Return a round number that is not less, and round steps up to it."""
    if largest <= 0:
        return 1.0, [0.0, 1.0]
    power = 10.0 ** math.floor(math.log10(largest))
    step = next(s * power for s in (0.25, 0.5, 1, 2, 2.5, 5) if largest / (s * power) <= 4)
    count = math.ceil(largest / step - 1e-9)
    return count * step, [number * step for number in range(count + 1)]


def _values_axis(frame: _Frame, steps: Sequence[float], unit: str) -> Iterator[str]:
    for value in steps:
        y = frame.y(value)
        yield (
            f'<path class="grid" d="M{LEFT} {y:.1f}H{frame.width - RIGHT}" '
            f'stroke="{GRID_COLOR}" fill="none"/>'
        )
        mark = f"{_short(value)} {unit}".strip() if value == steps[-1] else _short(value)
        yield _label(LEFT - 6, y + 4, mark, "end")


def _short(value: float) -> str:
    """Return a number in a few characters: `1.2k`, `250`, `0.05`."""
    for letter, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.4g}{letter}"
    return f"{value:.4g}"


def _time_axis(frame: _Frame, zone: tzinfo) -> Iterator[str]:
    for at, text in _ticks(frame, zone):
        x = frame.x(at)
        yield (
            f'<path class="axis" d="M{x:.1f} {frame.height - BOTTOM}v4" '
            f'stroke="{LABEL_COLOR}" fill="none"/>'
        )
        yield _label(min(x, frame.width - RIGHT - 12), frame.height - 6, text, "middle")


def _ticks(frame: _Frame, zone: tzinfo) -> Iterator[tuple[int, str]]:
    """Yield round times of the zone, as many as have room."""
    span = frame.last - frame.first
    step = next((step for step in _STEPS if span / step <= TICKS), _STEPS[-1])
    start = datetime.fromtimestamp(frame.first / 1000, zone)
    moment = start.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for _ in range(60 * 24 + TICKS):  # from midnight to the first, and those that are shown
        at = round(moment.replace(tzinfo=zone).timestamp() * 1000)
        if at > frame.last:
            return
        if at >= frame.first:
            yield at, f"{moment:%m-%d}" if step >= DAY_MS else f"{moment:%H:%M}"
        moment += timedelta(milliseconds=step)


def _drawn(line: ChartLine, number: int, frame: _Frame, bar_ms: int) -> Iterator[str]:
    color = COLORS[number % len(COLORS)]
    if bar_ms and number == 0:
        yield from _bars(line, color, frame, bar_ms)
        return
    for run in _runs(line.points):
        places = [f"{frame.x(at):.1f} {frame.y(value):.1f}" for at, value in run]
        if len(run) == 1:
            x, y = places[0].split()
            yield f'<circle class="fill-{number}" cx="{x}" cy="{y}" r="2" fill="{color}"/>'
            continue
        path = "L".join(places)
        if number == 0:
            floor = frame.height - BOTTOM
            first, last = frame.x(run[0][0]), frame.x(run[-1][0])
            yield (
                f'<path class="fill-{number}" d="M{first:.1f} {floor}L{path}L{last:.1f} {floor}Z" '
                f'fill="{color}" fill-opacity="0.12"/>'
            )
        yield (
            f'<path class="series-{number}" d="M{path}" stroke="{color}" stroke-width="1.8" '
            f'fill="none" stroke-linejoin="round"/>'
        )


def _runs(points: Sequence[ChartPoint]) -> Iterator[list[tuple[int, float]]]:
    """Yield the stretches of numbers between gaps."""
    run: list[tuple[int, float]] = []
    for at, value in points:
        if value is not None and math.isfinite(value):
            run.append((at, value))
        elif run:
            yield run
            run = []
    if run:
        yield run


def _bars(line: ChartLine, color: str, frame: _Frame, bar_ms: int) -> Iterator[str]:
    floor = frame.height - BOTTOM
    for at, value in line.points:
        if value is not None and math.isfinite(value) and value > 0:
            x, end, y = frame.x(at), frame.x(at + bar_ms), frame.y(value)
            yield (
                f'<rect class="fill-0" x="{x + 0.5:.1f}" y="{y:.1f}" '
                f'width="{max(end - x - 1, 0.5):.1f}" height="{floor - y:.1f}" fill="{color}"/>'
            )


def _limit(limit: float, frame: _Frame) -> Iterator[str]:
    y = frame.y(limit)
    yield (
        f'<path class="limit" d="M{LEFT} {y:.1f}H{frame.width - RIGHT}" stroke="{LIMIT_COLOR}" '
        f'stroke-dasharray="5 4" fill="none"/>'
    )


def _legend(lines: Sequence[ChartLine], top: int) -> Iterator[str]:
    x = float(LEFT)
    for number, line in enumerate(lines):
        color = COLORS[number % len(COLORS)]
        name = line.name if len(line.name) <= 30 else f"{line.name[:29]}…"
        yield (
            f'<rect class="fill-{number}" x="{x:.0f}" y="{top + 3}" width="10" height="10" '
            f'fill="{color}"/>'
        )
        yield _label(x + 15, top + 12, name, "start")
        x += 35 + 6.5 * len(name)


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
        f'fill="{LABEL_COLOR}">{escape(safe(text))}</text>'
    )
