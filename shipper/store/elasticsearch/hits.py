"""Hits of the store, made from those of Elasticsearch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import msgspec

from shipper.fields import FIELDS
from shipper.store.api import Hit
from shipper.store.elasticsearch.requests import RawHit
from shipper.times import iso


@dataclass(frozen=True, slots=True)
class LazyHits(Sequence[Hit]):
    """Hits whose fields are decoded when they are read."""

    found: Sequence[RawHit]

    def __len__(self) -> int:
        return len(self.found)

    @overload
    def __getitem__(self, index: int) -> Hit: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Hit]: ...
    def __getitem__(self, index: int | slice) -> Hit | Sequence[Hit]:
        if isinstance(index, slice):
            return LazyHits(self.found[index])
        return hit_of(self.found[index])

    def __iter__(self) -> Iterator[Hit]:
        return map(hit_of, self.found)


def hit_of(found: RawHit) -> Hit:
    """
    Return a hit; its first sort value is its time.

    It leaves out what the embedded store does not keep: unknown keys beside `extra`, nulls, and
    empty lists and objects.
    """
    time = int(found.sort[0])
    source = msgspec.json.decode(found.source)
    fields = {"timestamp": iso(time), "@timestamp": iso(time)}
    known = ((name, source.get(name)) for name in FIELDS if name != "@timestamp")
    fields |= {name: value for name, value in known if value is not None and value not in ([], {})}
    return Hit(found.id, time, fields)
