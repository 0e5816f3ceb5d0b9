"""What the tests of enrich share: blocks made by hand, and documents read back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

from shipper.enrich.enricher import Enricher, RecordContext
from shipper.events import Block
from shipper.fields import FIELDS, FieldKind
from shipper.splice import AnyEvents

RUN = "01JKABCDEFGHJKMNPQRSTVWXYZ"
STREAM = "0123456789abcdef0123"
PATH = "/var/log/orchestrator/app.log"
READ_AT = 1_770_301_850_000  # 2026-02-05T14:30:50Z
TIME = "2026-02-05T14:30:45.123Z"
TIME_MS = 1_770_301_845_123
MIB = 1 << 20

CONTEXT = RecordContext("web-1", "orchestrator", "staging", "1.2.3", "blue")

# What enrichment adds to each record; only these may be objects beside `extra`.
ADDED = ("host", "service", "event", "data_stream", "log")


def line_of(seq: int = 7, **fields: Any) -> bytes:
    """Write a record as `emit` does, without the newline."""
    record = {"timestamp": TIME, "run": RUN, "seq": seq, **fields}
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def block_of(
    data: bytes, *, start: int = 0, limit: int = MIB, cut: bool = False, path: str = PATH
) -> Block:
    return Block(1, path, STREAM, start, start + len(data), data, READ_AT, limit, cut)


def enrich(data: bytes, *, start: int = 0, limit: int = MIB, cut: bool = False) -> AnyEvents:
    """Enrich bytes as one block, with an enricher that has seen nothing before."""
    block = block_of(data, start=start, limit=limit, cut=cut)
    return Enricher(CONTEXT).enrich(block)


def documents(events: AnyEvents) -> list[dict[str, Any]]:
    """Decode the documents with another JSON reader, which must find no key twice."""
    columns = (events.ids, events.docs, events.times, events.datasets)
    assert len({len(column) for column in columns}) == 1
    return [json.loads(doc, object_pairs_hook=_once) for doc in events.docs]


def document(line: bytes, *, start: int = 1, limit: int = MIB, cut: bool = False) -> dict[str, Any]:
    """Return the one document of one line (not the first of its file)."""
    (only,) = documents(enrich(line + b"\n", start=start, limit=limit, cut=cut))
    return only


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len({key for key, _value in pairs}) == len(pairs)
    return dict(pairs)


def misfits(doc: dict[str, Any]) -> Iterator[str]:
    """Yield the fields of a document that break the promise of `shipper.fields`."""
    for key, value in doc.items():
        field = FIELDS.get(key)
        if field is None or not _is(field.kind, key, value):
            yield f"{key}: {value!r}"
    for key in ("@timestamp", *ADDED):
        if key not in doc:
            yield f"{key} is missing"


def _is(kind: FieldKind, key: str, value: object) -> bool:
    if key == "tags":
        return isinstance(value, list) and all(isinstance(tag, str) for tag in value)
    if kind is FieldKind.OBJECT:
        return isinstance(value, dict)
    if kind is FieldKind.INTEGER:
        return type(value) is int and -(2**63) <= value < 2**63
    if kind is FieldKind.FLOAT:
        return type(value) in (int, float)
    return isinstance(value, str)


def offsets_of(lines: Iterable[bytes]) -> list[int]:
    """Return the offset at which each line begins."""
    offsets, offset = [], 0
    for line in lines:
        offsets.append(offset)
        offset += len(line) + 1
    return offsets
