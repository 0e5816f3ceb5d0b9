"""Reads stored records: the document from stored fields, columns and envelope."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import msgspec

from shipper.fields import FIELDS
from shipper.store.api import Hit
from shipper.store.tantivy_migration.schema import FLOATS, HAS, INTEGERS
from shipper.times import iso

if TYPE_CHECKING:
    import tantivy

    from shipper.store.tantivy_migration.parts import IndexPart

_COLUMNS: Final = (*INTEGERS, *FLOATS, "_ms", "_envelope", "_created", "_offset", "_position")
_SEVERAL: Final = "tags"


def read_hits(part: IndexPart, addresses: list[tantivy.DocAddress]) -> Iterator[Hit]:
    """Yield records of a part, in the order of their addresses."""
    searcher = part.searcher
    columns = [searcher.fast_field_values(name, addresses) for name in _COLUMNS]
    for address, *values in zip(addresses, *columns, strict=True):
        row = {n: v for n, v in zip(_COLUMNS, values, strict=True) if v is not None}
        yield _hit(part, searcher.doc(address).to_dict(), row)


def _hit(part: IndexPart, stored: dict[str, list[Any]], row: dict[str, Any]) -> Hit:
    fields = {**row, **{k: v if k == _SEVERAL else v[0] for k, v in stored.items()}}
    fields.update(_objects(part, fields))
    fields["@timestamp"] = fields["timestamp"] = iso(fields["_ms"])
    if "_stream" in fields:
        origin = f"{fields['_stream']}-{fields['_position']}"
    else:
        origin = f"{fields['run']}-{fields['seq']}"
    source = {name: fields[name] for name in ("timestamp", *FIELDS) if name in fields}
    return Hit(origin, fields["_ms"], source)


def _objects(part: IndexPart, fields: dict[str, Any]) -> dict[str, Any]:
    """Return the objects of a record, from its envelope and the columns beside it."""
    objects = dict(part.objects[fields["_envelope"]])
    objects.pop(HAS)
    if "_created" in fields:
        objects["event"] = {**objects.get("event", {}), "created": iso(fields["_created"])}
    if "_offset" in fields:
        objects["log"] = {**objects.get("log", {}), "offset": fields["_offset"]}
    if "_extra" in fields:
        objects["extra"] = msgspec.json.decode(fields["_extra"])
    return objects
