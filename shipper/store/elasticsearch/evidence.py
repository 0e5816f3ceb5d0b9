"""
Evidence for the audit: which positions of a stream are stored, and how often.

Positions are the buckets of a terms aggregation over a range: a position that is stored twice has a
count of two, in whichever indices the copies are. A range with too many is asked again in halves.
A million records are about twenty bodies, several in a request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import msgspec

from shipper.errors import StoreUnavailable
from shipper.store.answers import MAX_VALUES
from shipper.store.elasticsearch.compile import Body
from shipper.store.elasticsearch.requests import JSON_LINES, RawHit, Requests
from shipper.store.origins import OriginRange

MAX_BODIES: Final = 200  # in one request,
MAX_WIDTH: Final = 260_000  # and positions: a response of about 10 MB
MAX_IDS: Final = 5000  # whose copies are looked up at a time


def positions(requests: Requests, ranges: Sequence[OriginRange]) -> Iterator[Sequence[int]]:
    """Yield the stored positions of each range, in order; see `OriginStore`."""
    for portion in _portions(ranges):
        yield from _ask(requests, portion)


def _portions(ranges: Sequence[OriginRange]) -> Iterator[list[OriginRange]]:
    portion: list[OriginRange] = []
    width = 0
    for each in ranges:
        wide = min(each.last - each.first + 1, MAX_VALUES)
        if portion and (len(portion) == MAX_BODIES or width + wide > MAX_WIDTH):
            yield portion
            portion, width = [], 0
        portion.append(each)
        width += wide
    if portion:
        yield portion


def _ask(requests: Requests, ranges: Sequence[OriginRange]) -> Iterator[Sequence[int]]:
    responses = requests.search([*map(_body, ranges)])
    for asked, response in zip(ranges, responses, strict=True):
        found = response.aggregations.get("positions", {})
        if found.get("sum_other_doc_count"):
            middle = (asked.first + asked.last) // 2
            halves = (replace(asked, last=middle), replace(asked, first=middle + 1))
            yield [each for half in _ask(requests, halves) for each in half]
        else:
            counts = ((int(each["key"]), each["doc_count"]) for each in found.get("buckets", ()))
            yield sorted(key for key, count in counts for _ in range(count))


def _body(asked: OriginRange) -> Body:
    stream, position = ("run", "seq") if asked.own else ("log.stream", "log.offset")
    within = {"range": {position: {"gte": asked.first, "lte": asked.last}}}
    terms = {"field": position, "size": MAX_VALUES, "shard_size": MAX_VALUES}
    return {
        "query": {"bool": {"filter": [{"term": {stream: asked.stream}}, within]}},
        "size": 0,
        "track_total_hits": False,
        "aggs": {"positions": {"terms": terms}},
    }


def remove_doubles(requests: Requests, ids: Sequence[str]) -> int:
    """Keep one copy of each record, preferably not one stored as text, then the oldest."""
    removed = 0
    for start in range(0, len(ids), MAX_IDS):
        copies: dict[str, list[RawHit]] = defaultdict(list)
        for found in _copies(requests, ids[start : start + MAX_IDS]):
            copies[found.id].append(found)
        extra = [each for of_one in copies.values() for each in sorted(of_one, key=_rank)[1:]]
        if extra:
            _delete(requests, extra)
            removed += len(extra)
    return removed


def _copies(requests: Requests, ids: Sequence[str]) -> list[RawHit]:
    body: Body = {
        "query": {"ids": {"values": [*ids]}},
        "size": 2 * MAX_IDS,  # a record with more than two copies loses the rest in the next call
        "sort": ["_index"],
        "_source": ["tags"],
        "track_total_hits": False,
    }
    (response,) = requests.search([body])
    return response.hits.hits


def _rank(found: RawHit) -> tuple[bool, str]:
    """Sort copies stored as text last, then by backing index, whose name counts up."""
    tags = msgspec.json.decode(found.source).get("tags") or ()
    return "rejected" in tags, found.index


def _delete(requests: Requests, copies: Sequence[RawHit]) -> None:
    lines = b"".join(
        msgspec.json.encode({"delete": {"_index": each.index, "_id": each.id}}) + b"\n"
        for each in copies
    )
    answered: Any = msgspec.json.decode(
        requests.request("POST", "/_bulk?refresh=true", lines, content_type=JSON_LINES)
    )
    for item in answered["items"]:
        error = item["delete"].get("error")
        if error:
            raise StoreUnavailable(
                f"cannot remove a copy of {item['delete']['_id']}: {error.get('reason')}",
                "give the user the privilege `delete` on the indices logs-orchestrator.*",
            )
