"""
Encodes records as the lines of a commit (columns.py).

Records in pieces are written as they are: enrichment made them of known fields, and a tail, which
many of them share, is looked at once and written once a commit. Any other document is decoded once;
one that cannot be stored is refused with the reason, and affects no other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from shipper.fields import FIELDS, FieldKind
from shipper.splice import BEGIN
from shipper.store import untyped
from shipper.store.embedded.columns import (
    NO_TAIL,
    NULL,
    OBJECT_KEYS,
    ORDER_BITS,
    SEPARATOR,
    TAIL_LINE,
)
from shipper.store.embedded.incoming import Documents, Incoming, Pieces
from shipper.times import EARLIEST, LATEST, iso, parse_period

MAX_DEPTH: Final = 60  # what is deeper in `extra` is kept, but not searchable
OBJECTS: Final = ("host", "service", "event", "error", "log", "data_stream")
TAIL_BITS: Final = 20  # of the number of a tail, behind those of the commit that had it first
_MAX_TAILS: Final = 4096
_SEPARATOR: Final = SEPARATOR.encode()
_WITHOUT_TAIL: Final = f"{SEPARATOR}{NULL}{SEPARATOR}{NO_TAIL}\n".encode()
_SPLICED: Final = b"%d\x01\x01\x01%d\x01\x01\x01" + BEGIN + b"%b}\x01%d\x01%d\n"
_TAIL: Final = TAIL_LINE + b"\x01\x01%d\x01\x01\x01%b" + _WITHOUT_TAIL
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


@dataclass(slots=True)
class CommitLines:
    """The lines of a commit, and index and reason of each refused record."""

    tails: dict[int, bytes] = field(default_factory=dict)  # by their numbers
    records: list[bytes] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)

    def content(self) -> bytes:
        """Return the content of the file."""
        tails = [_TAIL % (number, tail) for number, tail in self.tails.items()]
        return b"".join([*tails, *self.records])


class LineEncoder:
    """
    Encodes records; remembers which tails are of the usual shape, and their numbers.

    A number stands for one tail in all commits of a writer, so that a piece of them may read it
    once; each commit has all tails that it uses.
    """

    def __init__(self) -> None:
        self._numbers: dict[bytes, int] = {}
        self._next = 0
        self._decode = msgspec.json.Decoder(_Document).decode

    def encode(self, incoming: list[Incoming], commit: int) -> CommitLines:
        """Return the lines of a commit."""
        found = CommitLines()
        order = commit << ORDER_BITS
        self._next = max(self._next, commit << TAIL_BITS)
        for records in incoming:
            for index in range(len(records.times)):
                try:
                    if isinstance(records, Documents):
                        line = self._whole(
                            records.ids[index], records.docs[index], records.times[index], order
                        )
                    else:
                        line = self._spliced(records, index, order, found.tails)
                    found.records.append(line)
                except Refused as reason:
                    found.refused.append((order & ((1 << ORDER_BITS) - 1), str(reason)))
                order += 1
        return found

    def _spliced(self, records: Pieces, index: int, order: int, used: dict[int, bytes]) -> bytes:
        tail, body = records.tails[index], records.bodies[index]
        number = self._numbers.get(tail)
        if number is None:
            number = self._number(records, index)
        # DuckDB reads the first of a key that is there twice, all others the last.
        twice = body.count(b'"run":') > 1 or body.count(b'"seq":') > 1
        if twice or number == NO_TAIL:
            origin, whole = records.id(index), records.document(index)
            return self._whole(origin, whole, records.times[index], order)
        used[number] = tail
        return _SPLICED % (order, records.times[index], body, records.offsets[index], number)

    def _number(self, records: Pieces, index: int) -> int:
        """Return the number of a tail that was not seen before."""
        try:
            document = self._decode(records.document(index))
            usual = all(_is_plain(name, _object(document, name)) for name in OBJECTS)
        except (ValueError, RecursionError):
            usual = False
        if len(self._numbers) >= _MAX_TAILS:
            self._numbers.clear()
        number = self._next if usual else NO_TAIL
        self._next += usual
        self._numbers[records.tails[index]] = number
        return number

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
        return _SEPARATOR.join((head, leaves, fields, text)) + _WITHOUT_TAIL


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
