"""
The records around a hit: of the same process by `seq`, else of the same file by `log.offset`.

Records of a process are numbered, so what stands between two of them is known exactly, in whichever
of its files it was written. A line of another program has the lines of its file around it, in the
order of their times.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from shipper.fields import STREAM_ROOT
from shipper.store.api import Hit, Selection, Sort, Store
from shipper.store.inventory import value_at

AT_ONCE: Final = 50  # ranges of numbers in one query


def with_context(store: Store, hits: Iterable[Hit], before: int, after: int) -> list[list[Hit]]:
    """
    Return the hits with up to so many records before and after each, in groups of neighbours.

    Raises:
        QueryError: a query for them is refused.
        StoreUnavailable: the store cannot be read.
    """
    runs: dict[str, dict[int, Hit]] = {}
    groups: list[list[Hit]] = []
    lines: dict[str, list[Hit]] = {}
    for hit in hits:
        stream, _, number = hit.id.rpartition("-")
        if _text(hit, "log.stream") is None and number.isdigit():
            runs.setdefault(stream, {})[int(number)] = hit
        else:
            lines.setdefault(stream[:STREAM_ROOT], []).append(hit)
    for run, found in runs.items():
        groups += _of_run(store, run, found, before, after)
    for stream, chosen in lines.items():
        groups += _of_stream(store, stream, chosen, before, after)
    groups.sort(key=lambda group: group[0].time)
    return groups


def _of_run(
    store: Store, run: str, hits: dict[int, Hit], before: int, after: int
) -> list[list[Hit]]:
    ranges: list[list[int]] = []
    for seq in sorted(hits):
        if ranges and seq - before <= ranges[-1][1] + 1:
            ranges[-1][1] = seq + after
        else:
            ranges.append([max(0, seq - before), seq + after])
    known = dict(hits)
    for at in range(0, len(ranges), AT_ONCE):
        some = ranges[at : at + AT_ONCE]
        spans = " OR ".join(f"seq:[{first} TO {last}]" for first, last in some)
        size = sum(last - first + 1 for first, last in some)
        around = store.search(Selection(f"run:{quoted(run)} AND ({spans})"), limit=size)
        for hit in around.hits:
            known.setdefault(int(hit.id.rpartition("-")[2]), hit)
    groups = [
        [known[seq] for seq in range(first, last + 1) if seq in known] for first, last in ranges
    ]
    return [group for group in groups if group]


def _of_stream(
    store: Store, stream: str, hits: Sequence[Hit], before: int, after: int
) -> list[list[Hit]]:
    """Return neighbours by the offset; groups that touch each other are one."""
    known: dict[int, Hit] = {}
    spans: list[list[int]] = []
    for hit in sorted(hits, key=_offset):
        at = _offset(hit)
        same = f"log.stream:{stream}*"
        earlier = store.search(
            Selection(f"{same} AND log.offset:<{at}", until=hit.time + 1), limit=before
        )
        later = store.search(
            Selection(f"{same} AND log.offset:>{at}", since=hit.time), limit=after, sort=Sort.ASC
        )
        around = {_offset(each): each for each in (*earlier.hits, hit, *later.hits)}
        if spans and spans[-1][1] >= min(around):
            spans[-1][1] = max(around)
        else:
            spans.append([min(around), max(around)])
        known |= around
    return [[known[at] for at in sorted(known) if a <= at <= b] for a, b in spans]


def quoted(text: str) -> str:
    """Return a text as one value of a query."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _text(hit: Hit, path: str) -> str | None:
    value = value_at(hit.source, path)
    return value if isinstance(value, str) else None


def _offset(hit: Hit) -> int:
    return int(hit.id.rpartition("-")[2])
