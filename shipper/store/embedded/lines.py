"""
Encodes records as the lines of a commit (columns.py).

Records in pieces are joined as they are: enrichment made them of known fields, and a tail that was
seen before is not looked at again. Any other document is decoded once; one that cannot be stored
is refused with the reason, and affects no other.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shipper.fields import FIELDS, FieldKind
from shipper.store import untyped
from shipper.store.embedded.columns import OBJECT_KEYS, ORDER_BITS, SEPARATOR
from shipper.store.embedded.incoming import Documents, Incoming, Pieces
from shipper.times import EARLIEST, LATEST, iso, parse_period

MAX_DEPTH: Final = 60  # what is deeper in `extra` is kept, but not searchable
OBJECTS: Final = ("host", "service", "event", "error", "log", "data_stream")
_MAX_TAILS: Final = 4096
_SEPARATOR: Final = SEPARATOR.encode()
_TYPES: Final[dict[FieldKind, Any]] = {
    FieldKind.KEYWORD: str | None,
    FieldKind.TEXT: str | None,
    FieldKind.INTEGER: int | None,
    FieldKind.FLOAT: float | None,
}


class Refused(Exception):  # noqa: N818 - an answer, no fault
    """A document can never be stored; the message is the reason."""


class _Event(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    dataset: Any = None
    kind: Any = None
    category: Any = None
    created: str | None = None


class _Log(msgspec.Struct, gc=False, forbid_unknown_fields=True, omit_defaults=True):
    file: Any = None
    stream: Any = None
    offset: int | None = None


_Document: Final[Any] = msgspec.defstruct(
    "_Document",
    [
        *(
            (f.name, list[str] | None if f.name == "tags" else _TYPES[f.kind], None)
            for f in FIELDS.values()
            if f.kind in _TYPES
        ),
        *((name, dict[str, Any] | None, None) for name in OBJECTS if name not in ("event", "log")),
        ("event", _Event | None, None),
        ("log", _Log | None, None),
        ("extra", dict[str, Any] | None, None),
    ],
    gc=False,
    omit_defaults=True,
)
_SHAPES: Final[dict[str, Any]] = {"event": _Event, "log": _Log}
_SINGLE: Final = {"event": "created", "log": "offset"}  # always in their columns
_INTEGERS: Final = tuple(f.name for f in FIELDS.values() if f.kind is FieldKind.INTEGER)


class LineEncoder:
    """Encodes records; remembers which tails are of the usual shape."""

    def __init__(self) -> None:
        self._usual: dict[bytes, bool] = {}
        self._decode = msgspec.json.Decoder(_Document).decode

    def encode(
        self, incoming: list[Incoming], commit: int
    ) -> tuple[list[bytes], list[tuple[int, str]]]:
        """Return the lines of a commit, and index and reason of each refused record."""
        lines: list[bytes] = []
        refused: list[tuple[int, str]] = []
        order = commit << ORDER_BITS
        for records in incoming:
            for index in range(len(records.times)):
                try:
                    lines.append(self._line(records, index, order))
                except Refused as reason:
                    refused.append((order & ((1 << ORDER_BITS) - 1), str(reason)))
                order += 1
        return lines, refused

    def _line(self, records: Incoming, index: int, order: int) -> bytes:
        if isinstance(records, Documents):
            return self._whole(records.ids[index], records.docs[index], records.times[index], order)
        usual = self._usual.get(records.tails[index])
        body = records.bodies[index]
        if body.count(b'"run":') > 1 or body.count(b'"seq":') > 1:
            usual = (
                False  # DuckDB reads the first of a key that is there twice, all others the last
            )
        elif usual is None:
            usual = self._is_usual(records, index)
        if not usual:
            origin = records.id(index)
            return self._whole(origin, records.document(index), records.times[index], order)
        return b"%d\x01\x01\x01%d\x01\x01\x01%b\n" % (
            order,
            records.times[index],
            records.document(index),
        )

    def _is_usual(self, records: Pieces, index: int) -> bool:
        try:
            document = self._decode(records.document(index))
            usual = all(_is_plain(name, _object(document, name)) for name in OBJECTS)
        except (ValueError, RecursionError):
            usual = False
        if len(self._usual) >= _MAX_TAILS:
            self._usual.clear()
        self._usual[records.tails[index]] = usual
        return usual

    def _whole(self, origin: str, doc: bytes, ms: int, order: int) -> bytes:
        if not EARLIEST <= ms <= LATEST:
            raise Refused(f"the time {ms} ms is beyond the years 1 to 9999")
        try:
            document = self._decode(doc)
            fields, leaves = _split(document)
            stream, position = "", ""
            if origin != f"{document.run}-{document.seq}":
                stream, number = split_id(origin)
                position = str(number)
            texts = (f"{order}", stream, position, f"{ms}")
            head = SEPARATOR.join(texts).encode()
        except (ValueError, TypeError, RecursionError) as error:
            raise Refused(str(error)) from error
        text = doc.replace(b"\n", b" ").replace(b"\r", b" ")
        return _SEPARATOR.join((head, leaves, fields, text)) + b"\n"


def split_id(origin: str) -> tuple[str, int]:
    """Return stream and position of an id; raise ValueError if it has none."""
    stream, dash, digits = origin.rpartition("-")
    if not (stream and dash and digits.isascii() and digits.isdigit()) or SEPARATOR in stream:
        raise ValueError(f"the id {origin!r} is not <stream>-<position>")
    if int(digits) >= 2**63 or "\n" in stream or "\r" in stream:
        raise ValueError(f"the id {origin!r} is not <stream>-<position>")
    return stream, int(digits)


def _split(document: Any) -> tuple[bytes, bytes]:
    """Return the JSON of the known fields, and that of the leaves; no leaves are empty."""
    for name in _INTEGERS:
        number = getattr(document, name)
        if number is not None and not -(2**63) <= number < 2**63:
            raise ValueError(f"{name} is {number}, which is no i64")
    leaves: list[dict[str, Any]] = []
    if document.extra is not None:
        _collect("extra", document.extra, leaves, MAX_DEPTH)
        document.extra = None
    for name in OBJECTS:
        value = _object(document, name)
        if not _is_plain(name, value):
            single = _SINGLE.get(name, "")
            _collect(name, {k: v for k, v in value.items() if k != single}, leaves, MAX_DEPTH)
            kept = {k: v for k, v in value.items() if k == single}
            setattr(document, name, msgspec.convert(kept, _SHAPES[name]) if kept else None)
    if document.event is not None and document.event.created is not None:
        span = parse_period(document.event.created)
        if span is None:
            raise ValueError(f"event.created is {document.event.created!r}, which is no time")
        document.event.created = iso(span[0])
    if document.log is not None and not -(2**63) <= (document.log.offset or 0) < 2**63:
        raise ValueError("log.offset is no i64")
    fields: bytes = msgspec.json.encode(document)
    return fields, msgspec.json.encode(leaves) if leaves else b""


def _object(document: Any, name: str) -> Any:
    value = getattr(document, name)
    return msgspec.to_builtins(value) if name in ("event", "log") and value is not None else value


def _is_plain(path: str, value: Any) -> bool:
    """Return whether an object has only keys that have a column, of the type of that column."""
    if value is None:
        return True
    kind = OBJECT_KEYS.get(path)
    if kind is None:
        if not isinstance(value, dict) or not any(
            key.startswith(f"{path}.") for key in OBJECT_KEYS
        ):
            return False
        return all("." not in key and _is_plain(f"{path}.{key}", v) for key, v in value.items())
    if kind == "BIGINT":
        return type(value) is int
    if kind == "VARCHAR[]":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    return isinstance(value, str)


def _collect(path: str, value: Any, leaves: list[dict[str, Any]], depth: int) -> None:
    """Add every string, number and boolean below a value, with the path that leads to it."""
    if isinstance(value, dict):
        if depth:
            for key, below in value.items():
                _collect(f"{path}.{key}", below, leaves, depth - 1)
    elif isinstance(value, list):
        if depth:
            for below in value:
                _collect(path, below, leaves, depth - 1)
    elif value is not None:
        leaves.append(_leaf(path, value))


def _leaf(path: str, value: Any) -> dict[str, Any]:
    meant = untyped.read(value) if isinstance(value, str) and untyped.in_extra(path) else value
    if isinstance(meant, bool):
        return {"k": path, "t": "b", "v": untyped.write(meant)}
    if isinstance(meant, str):
        return {"k": path, "t": "s", "v": meant}
    if not -(2**63) <= meant < 2**63:
        return {"k": path, "t": "s", "v": str(value)}
    return {"k": path, "t": "n", "v": untyped.write(meant), "n": float(meant)}
