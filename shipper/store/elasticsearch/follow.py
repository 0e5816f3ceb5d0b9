"""
Following: every record once, and none missed, although Elasticsearch has no order of arrival.

What comes nearest is `_seq_no`, which each shard counts up with every write. But writes become
searchable in refreshes, and a refresh can show number 11 before number 10, which was still being
written (or, on a replica, still on its way). So a number is settled only when the shard has shown
something newer three times since; above what is settled, records are asked for again in every
step, without the ids that were given already. A shard is asked by itself, and the same copy of it
every time. Shards that appear later (a rollover, a new data stream) are read from their beginning.

So a record would be missed only if its write ended three refreshes after one that came later, or
more than 10,000 records of the selection arrived meanwhile.
https://www.elastic.co/docs/reference/elasticsearch/rest-apis/search-shard-routing
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

from shipper.store.api import Hit
from shipper.store.elasticsearch.compile import Body
from shipper.store.elasticsearch.hits import LazyHits
from shipper.store.elasticsearch.requests import RawHit, Requests

REFRESHES: Final = 3
UNSETTLED: Final = 1_000  # writes before the beginning that may not be searchable yet
PORTION: Final = 1_000  # records of a shard that a step gives at most
MOST_GIVEN: Final = 10_000  # ids of a shard that are left out of a request

_READY: Final = ("STARTED", "RELOCATING")
_NEVER: Final = 2**62  # no shard counts so far

Shard = tuple[str, int]  # index, number in it


@dataclass(slots=True)
class ShardProgress:
    """
    How far a shard was read.

    `shown` are the newest numbers that it showed, refresh by refresh; `given` are the records
    above what is settled, by id. In the midst of a large portion, `reached` is its last number.
    """

    shown: deque[int]
    given: dict[str, int] = field(default_factory=dict)
    reached: int | None = None

    @classmethod
    def after(cls, number: int) -> ShardProgress:
        """Begin after a number."""
        return cls(deque([number], REFRESHES + 1))

    @property
    def lower(self) -> int:
        """Give the number that the next record to ask for is higher than."""
        return self.shown[0] if self.reached is None else self.reached

    def take(self, found: Sequence[RawHit], newest: int) -> None:
        """Take note of what was found, and of the newest number that the shard shows."""
        self.given |= {each.id: each.sort[1] for each in found}
        self.reached = found[-1].sort[1] if len(found) == PORTION else None
        if self.reached is None and newest > self.shown[-1]:
            self.shown.append(newest)
            self.given = {i: n for i, n in self.given.items() if n > self.shown[0]}
        if len(self.given) > MOST_GIVEN:
            numbers = sorted(self.given.values())
            self.shown[0] = max(self.shown[0], numbers[-MOST_GIVEN])
            self.given = {i: n for i, n in self.given.items() if n > self.shown[0]}


class Follower:
    """
    Read what becomes searchable from now on.

    `query` makes the query for each step anew, as values that it names may be new.
    """

    def __init__(self, requests: Requests, query: Callable[[], Body]) -> None:
        self._requests = requests
        self._query = query
        shards = self._list_shards()
        self._shards = {shard: ShardProgress.after(_NEVER) for shard in shards}
        for shard, (newest, _) in self._look(shards).items():
            self._shards[shard] = ShardProgress.after(max(-1, newest - UNSETTLED))
        for shard, (newest, found) in self._look(shards).items():
            self._shards[shard].take(found, newest)
            self._shards[shard].reached = None

    def steps(self) -> Iterator[Sequence[Hit]]:
        """Give what is new, endlessly."""
        while True:
            shards = self._list_shards()
            for shard in shards:
                self._shards.setdefault(shard, ShardProgress.after(-1))
            new: list[RawHit] = []
            for shard, (newest, found) in self._look(shards).items():
                self._shards[shard].take(found, newest)
                new += found
            new.sort(key=lambda found: found.sort)
            yield LazyHits(new)

    def _list_shards(self) -> list[Shard]:
        target = f"/{quote(self._requests.pattern, safe='*')}/_search_shards"
        listed = json.loads(self._requests.request("GET", target))["shards"]
        # A shard that is just being made can't be asked yet.
        ready = [c for copies in listed for c in copies[:1] if c["state"] in _READY]
        return [(copy["index"], copy["shard"]) for copy in ready]

    def _look(self, shards: Sequence[Shard]) -> dict[Shard, tuple[int, list[RawHit]]]:
        """Ask each shard for its newest number and for what was not given yet."""
        if not shards:
            return {}
        query = self._query()
        bodies = []
        for shard in shards:
            bodies += [_newest(shard), _new(shard, self._shards[shard], query)]
        responses = self._requests.search(bodies)
        looked = {}
        for shard, newest, new in zip(shards, responses[::2], responses[1::2], strict=True):
            for found in new.hits.hits:
                found.sort.reverse()
            top = newest.hits.hits[0].sort[0] if newest.hits.hits else -1
            looked[shard] = top, new.hits.hits
        return looked


def _newest(shard: Shard) -> Body:
    return {
        "target": _target(shard),
        "sort": [{"_seq_no": "desc"}],
        "size": 1,
        "_source": False,
        "track_total_hits": False,
    }


def _new(shard: Shard, progress: ShardProgress, query: Body) -> Body:
    given = {"ids": {"values": list(progress.given)}}
    after = {"range": {"_seq_no": {"gt": progress.lower}}}
    return {
        "target": _target(shard),
        "query": {"bool": {"filter": [query, after], "must_not": [given]}},
        "sort": [{"_seq_no": "asc"}, {"@timestamp": "asc"}],
        "size": PORTION,
        "track_total_hits": False,
    }


def _target(shard: Shard) -> Body:
    index, number = shard
    return {
        "index": index,
        "preference": f"_shards:{number}|shipper",
        "ignore_unavailable": True,  # it may have been deleted since it was listed
    }
