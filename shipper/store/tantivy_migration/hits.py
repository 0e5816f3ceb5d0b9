"""Reads stored records: the document from stored fields, columns and envelope."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from shipper.fields import FIELDS
from shipper.store.api import Hit
from shipper.store.tantivy_migration.envelope import HAS
from shipper.store.tantivy_migration.schema import FLOATS, INTEGERS
from shipper.times import iso

if TYPE_CHECKING:
    import tantivy

    from shipper.store.tantivy_migration.view import PartView

_COLUMNS: Final = (*INTEGERS, *FLOATS, "_ms", "_envelope", "_created", "_offset", "_position")
_SEVERAL: Final = "tags"

Place = tuple["PartView", "tantivy.DocAddress"]


def read_hits(places: Sequence[Place]) -> list[Hit]:
    """Read records, in the order of the places."""
    by_part: dict[int, list[int]] = {}
    for index, (view, _) in enumerate(places):
        by_part.setdefault(id(view), []).append(index)
    hits: list[Hit | None] = [None] * len(places)
    for indexes in by_part.values():
        view = places[indexes[0]][0]
        addresses = [places[index][1] for index in indexes]
        for index, hit in zip(indexes, _read(view, addresses), strict=True):
            hits[index] = hit
    return [hit for hit in hits if hit is not None]


def _read(view: PartView, addresses: list[tantivy.DocAddress]) -> Iterator[Hit]:
    searcher = view.searcher
    columns = [searcher.fast_field_values(name, addresses) for name in _COLUMNS]
    for address, *values in zip(addresses, *columns, strict=True):
        row = {n: v for n, v in zip(_COLUMNS, values, strict=True) if v is not None}
        yield _hit(view, searcher.doc(address).to_dict(), row)


def _hit(view: PartView, stored: dict[str, list[Any]], row: dict[str, Any]) -> Hit:
    fields = {**row, **{k: v if k == _SEVERAL else v[0] for k, v in stored.items()}}
    fields.update(_objects(view, fields))
    fields["@timestamp"] = fields["timestamp"] = iso(fields["_ms"])
    if "_stream" in fields:
        origin = f"{fields['_stream']}-{fields['_position']}"
    else:
        origin = f"{fields['run']}-{fields['seq']}"
    source = {name: fields[name] for name in ("timestamp", *FIELDS) if name in fields}
    return Hit(origin, fields["_ms"], source)


def _objects(view: PartView, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the objects of a record, from its envelope and the columns beside it."""
    objects = dict(view.envelopes[fields["_envelope"]].objects)
    objects.pop(HAS)
    if "_created" in fields:
        objects["event"] = {**objects.get("event", {}), "created": iso(fields["_created"])}
    if "_offset" in fields:
        objects["log"] = {**objects.get("log", {}), "offset": fields["_offset"]}
    if "_extra" in fields:
        objects["extra"] = msgspec.json.decode(fields["_extra"])
    return objects
