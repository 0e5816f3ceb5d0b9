"""
Follows new records: each once and none missed, although Elasticsearch has no order of arrival.

The closest thing is `_seq_no`, which each shard increments with every write. But writes become
searchable in refreshes, and a refresh can show number 11 before number 10, which was still being
written (or, on a replica, still on its way). So a number is settled only after the shard has shown
newer numbers in three refreshes. Every step asks again for the records above the settled number,
except for the ids it has returned before. Each shard is asked on its own, always the same copy of
it. Shards that appear later (a rollover, a new data stream) are read from their beginning.

A record is missed only if its write ends three refreshes after a later one, or if more than 10,000
records of the selection arrive meanwhile.
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
UNSETTLED: Final = 1_000  # writes before the start that may not be searchable yet
PORTION: Final = 1_000  # records of a shard in one step
MAX_RETURNED: Final = 10_000  # ids of a shard that a request excludes

_READY: Final = ("STARTED", "RELOCATING")
_NEVER: Final = 2**62  # above the numbers of any shard

Shard = tuple[str, int]  # index, number in it


@dataclass(slots=True)
class ShardProgress:
    """
    How far a shard has been read.

    `shown` are the highest numbers of the last refreshes, the settled one first; `returned` are the
    records above it, id → number. `reached` is the last number of a step that was cut off at
    `PORTION` records, else None.
    """

    shown: deque[int]
    returned: dict[str, int] = field(default_factory=dict)
    reached: int | None = None

    @classmethod
    def after(cls, number: int) -> ShardProgress:
        """Return the progress of a shard that is read after a number."""
        return cls(deque([number], REFRESHES + 1))

    @property
    def lower(self) -> int:
        """The number above which records are asked for."""
        return self.shown[0] if self.reached is None else self.reached

    def record(self, found: Sequence[RawHit], newest: int) -> None:
        """Record the hits of a step and the highest number that the shard shows."""
        self.returned |= {each.id: each.sort[1] for each in found}
        self.reached = found[-1].sort[1] if len(found) == PORTION else None
        if self.reached is None and newest > self.shown[-1]:
            self.shown.append(newest)
            self.returned = {i: n for i, n in self.returned.items() if n > self.shown[0]}
        if len(self.returned) > MAX_RETURNED:
            numbers = sorted(self.returned.values())
            self.shown[0] = max(self.shown[0], numbers[-MAX_RETURNED])
            self.returned = {i: n for i, n in self.returned.items() if n > self.shown[0]}


class Follower:
    """
    Reads the records that become searchable from now on.

    `query` is called in each step, as the values that a query names may be new.
    """

    def __init__(self, requests: Requests, query: Callable[[], Body]) -> None:
        self._requests = requests
        self._query = query
        shards = self._list_shards()
        self._shards = {shard: ShardProgress.after(_NEVER) for shard in shards}
        for shard, (newest, _) in self._look(shards).items():
            self._shards[shard] = ShardProgress.after(max(-1, newest - UNSETTLED))
        for shard, (newest, found) in self._look(shards).items():
            self._shards[shard].record(found, newest)
            self._shards[shard].reached = None

    def steps(self) -> Iterator[Sequence[Hit]]:
        """Yield what is new, without end."""
        while True:
            shards = self._list_shards()
            for shard in shards:
                self._shards.setdefault(shard, ShardProgress.after(-1))
            new: list[RawHit] = []
            for shard, (newest, found) in self._look(shards).items():
                self._shards[shard].record(found, newest)
                new += found
            new.sort(key=lambda found: found.sort)
            yield LazyHits(new)

    def _list_shards(self) -> list[Shard]:
        target = f"/{quote(self._requests.pattern, safe='*')}/_search_shards"
        listed = json.loads(self._requests.request("GET", target))["shards"]
        # A shard that is being created cannot be searched yet.
        ready = [c for copies in listed for c in copies[:1] if c["state"] in _READY]
        return [(copy["index"], copy["shard"]) for copy in ready]

    def _look(self, shards: Sequence[Shard]) -> dict[Shard, tuple[int, list[RawHit]]]:
        """Return per shard its highest number and the records that are new."""
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
    known = {"ids": {"values": list(progress.returned)}}
    after = {"range": {"_seq_no": {"gt": progress.lower}}}
    return {
        "target": _target(shard),
        "query": {"bool": {"filter": [query, after], "must_not": [known]}},
        "sort": [{"_seq_no": "asc"}, {"@timestamp": "asc"}],
        "size": PORTION,
        "track_total_hits": False,
    }


def _target(shard: Shard) -> Body:
    index, number = shard
    return {
        "index": index,
        "preference": f"_shards:{number}|shipper",
        "ignore_unavailable": True,  # it may be deleted by now
    }
