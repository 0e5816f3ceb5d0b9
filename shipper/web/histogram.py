"""
The histogram of the log page: bars by level, each a link that shows its time alone.

What the script needs to zoom to a part that is dragged over is in attributes of the chart.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from shipper.store.api import AggregateAnswer, Bucket, DateHistogram, Terms, buckets_of
from shipper.text import counted
from shipper.web.zones import shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipper.store.api import Aggregation
    from shipper.web.place import PagePlace

WIDTH, HEIGHT = 1000, 90
ERRORS: Final = ("CRITICAL", "ERROR")


def aggregations(slot_ms: int) -> Mapping[str, Aggregation]:
    """Return what is asked for a histogram."""
    slots = DateHistogram(slot_ms)
    return {"slots": slots, "levels": Terms("level", 12, {"slots": slots})}


def draw(answer: AggregateAnswer, place: PagePlace) -> str:
    """Return the histogram as SVG without scripts and styles."""
    slots = buckets_of(answer, "slots").buckets
    if not answer.total or not slots:
        return ""
    kinds: dict[int, dict[str, int]] = {}
    for level in buckets_of(answer, "levels").buckets:
        name = "bad" if level.key in ERRORS else "warn" if level.key == "WARNING" else ""
        for slot in buckets_of(level, "slots").buckets if name else ():
            of_slot = kinds.setdefault(int(slot.key), {})
            of_slot[name] = of_slot.get(name, 0) + slot.count
    most = max(slot.count for slot in slots)
    width = WIDTH / len(slots)
    parts = [
        _bar(index * width, width, slot, kinds.get(int(slot.key), {}), most, place)
        for index, slot in enumerate(slots)
        if slot.count
    ]
    name = escape(f"{counted(answer.total, 'record')} over time; {most:,} in the highest bar")
    return (
        f'<svg class="histogram" data-since="{slots[0].key}" data-step="{place.slot_ms}" '
        f'data-slots="{len(slots)}" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" '
        f'aria-label="{name}" preserveAspectRatio="none">{"".join(parts)}</svg>'
    )


def _bar(  # noqa: PLR0913, PLR0917 - where it stands, and what it stands for
    x: float,
    width: float,
    slot: Bucket,
    kinds: Mapping[str, int],
    most: int,
    place: PagePlace,
) -> str:
    start, count = int(slot.key), slot.count
    bad, warn = kinds.get("bad", 0), kinds.get("warn", 0)
    parts, bottom = [], float(HEIGHT)
    for name, number in (("bad", bad), ("warn", warn), ("other", count - bad - warn)):
        if number > 0:
            height = max(number / most * (HEIGHT - 4), 1.0)
            bottom -= height
            parts.append(
                f'<rect class="bar-{name}" x="{x + width * 0.06:.2f}" y="{bottom:.2f}" '
                f'width="{width * 0.88:.2f}" height="{height:.2f}"/>'
            )
    said = escape(
        f"{shown(start, unit_ms=1)}: {counted(count, 'record')}, {bad:,} errors, {warn:,} warnings"
    )
    there = escape(place.narrowed(start, start + place.slot_ms).link())
    return f'<a href="{there}" aria-label="{said}"><title>{said}</title>{"".join(parts)}</a>'
