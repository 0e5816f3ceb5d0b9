"""Counts as tables with bars for people, and as JSON lines for programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import TYPE_CHECKING

from shipper.text import Paint, bar, instant, plain, safe, safe_json, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from shipper.store.api import Buckets

_LONGEST_VALUE = 60
_LONGEST_BAR = 40


@dataclass(frozen=True, slots=True)
class Slots:
    """
    Counts per time slot, oldest first, including the empty ones.

    `interval_ms` is the length of a slot; `counts` maps its start (epoch ms) to its count;
    times are shown in `zone`.
    """

    interval_ms: int
    counts: Mapping[int, int]
    zone: tzinfo = UTC

    @classmethod
    def between(
        cls, buckets: Buckets, interval_ms: int, bounds: tuple[int, ...], zone: tzinfo = UTC
    ) -> Slots:
        """Return the slots of a histogram, with empty ones added to cover `bounds` (epoch ms)."""
        found = counts_of(buckets)
        starts = [*found, *(bound // interval_ms * interval_ms for bound in bounds)]
        if not starts:
            return cls(interval_ms, {}, zone)
        every = range(min(starts), max(starts) + 1, interval_ms)
        return cls(interval_ms, {start: found.get(start, 0) for start in every}, zone)

    def times(self) -> list[str]:
        """Return the start of each slot as text."""
        unit = self.interval_ms
        return [instant(start, unit_ms=unit, zone=self.zone) for start in self.counts]


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """Counts of one value per slot; a missing slot means 0."""

    value: str
    counts: Mapping[int, int]


def counts_of(buckets: Buckets) -> dict[int, int]:
    """Return slot → count of a histogram."""
    return {int(bucket.key): bucket.count for bucket in buckets.buckets}


def shares_text(field: str, answer: Buckets, total: int, width: int, paint: Paint) -> list[str]:
    """Return a table of how many of `total` records have each value, other values, or none."""
    rows = [(_short(bucket.key), bucket.count) for bucket in answer.buckets]
    rows += [("(others)", answer.others)] if answer.others else []
    without = total - sum(count for _, count in rows)
    rows += [("(none)", without)] if without > 0 else []
    lines = table(
        [
            [safe(field), "count", "share"],
            *([name, f"{count:,}", f"{100 * count / total:.1f} %"] for name, count in rows),
        ],
        right={1, 2},
    )
    shares = [count / total for _, count in rows]
    return _with_bars(lines, shares, width, paint)


def shares_json(answer: Buckets, total: int) -> list[str]:
    """Return value, count and share (0 to 1, of all records) per value."""
    return [
        safe_json({"value": b.key, "count": b.count, "share": round(b.count / total, 6)})
        for b in answer.buckets
    ]


def slots_text(slots: Slots, width: int, paint: Paint) -> list[str]:
    """Return a table of the count of every slot, with a bar relative to the largest."""
    pairs = zip(slots.times(), slots.counts.values(), strict=True)
    lines = table([["time", "count"], *([time, f"{count:,}"] for time, count in pairs)], right={1})
    most = max(slots.counts.values(), default=0) or 1
    return _with_bars(lines, [count / most for count in slots.counts.values()], width, paint)


def slots_json(slots: Slots) -> list[str]:
    """Return the start and the count of every slot."""
    return [
        safe_json({"time": instant(start), "count": count}) for start, count in slots.counts.items()
    ]


def grid_text(slots: Slots, series: list[ValueCounts], paint: Paint) -> list[str]:
    """Return a table of the count of every slot and of each value in it."""
    head = ["time", "total", *(_short(each.value) for each in series)]
    rows = [
        [time, f"{total:,}", *(f"{each.counts.get(start, 0):,}" for each in series)]
        for time, (start, total) in zip(slots.times(), slots.counts.items(), strict=True)
    ]
    heading, *lines = table([head, *rows], right=range(1, len(head)))
    return [paint.strong(heading), *lines]


def grid_json(slots: Slots, series: list[ValueCounts]) -> list[str]:
    """Return every slot with its count and the counts of the values."""
    return [
        safe_json(
            {
                "time": instant(start),
                "count": total,
                "values": {each.value: each.counts.get(start, 0) for each in series},
            }
        )
        for start, total in slots.counts.items()
    ]


def _with_bars(lines: list[str], shares: list[float], width: int, paint: Paint) -> list[str]:
    heading, *rows = lines
    room = min(_LONGEST_BAR, width - max(map(len, lines)) - 2)
    return [paint.strong(heading), *_barred(rows, shares, room)]


def _barred(rows: list[str], shares: list[float], room: int) -> Iterator[str]:
    for row, share in zip(rows, shares, strict=True):
        yield f"{row}  {bar(share, room)}".rstrip() if room > 0 else row


def _short(key: str | float) -> str:
    text = plain(key)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"
