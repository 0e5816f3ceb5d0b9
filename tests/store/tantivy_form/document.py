"""
Encodes documents for tantivy.

One decode and one encode per record: known fields pass as they are, the objects shrink to the
number of their envelope (envelope.py), `extra` is made searchable and its text is kept as well. A
document that cannot be stored is refused with the reason, and affects no other.

Enrichment puts the objects last, and `log.offset` at the very end (shipper/splice.py). So all of a
tail is the same in record after record, and a tail that was seen before is not decoded again. This
applies only if the tail has nothing but the objects, and what stands before it, the head, has none
of them; any other document is decoded as a whole.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from shipper.fields import FIELDS, FieldKind
from shipper.splice import END
from shipper.store import untyped
from shipper.store.tantivy_migration.schema import FLOATS, HAS
from shipper.times import EARLIEST, LATEST, parse_period
from tests.store.tantivy_form.number_order import magnitude
from tests.store.tantivy_form.schema import MAX_BYTES, WITHOUT_COLUMN, magnitude_column

# tantivy takes a string inside JSON that looks like a time for one, and keeps only its second.
# Behind this mark it stays a string.
MARK: Final = "\x01"
_MARKED: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]|\x01")

# Text of `extra` that can't go to tantivy as it is: escapes, texts that may write a time, a number
# or a boolean, empty or odd keys, numbers that don't fit into 64 bits.
_NEEDS_CARE: Final = re.compile(rb'\\|"-?\d|"true"|"false"|""|\.\.|"\.|\."|\d{19}|\d[eE]\+?\d\d')
_MAX_PLAIN_BYTES: Final = 4096
_ODD_IN_KEY: Final = re.compile(r"[\x00\x01\\]")
MAX_EXTRA_DEPTH: Final = 60  # what is deeper is kept, but not searchable; tantivy ends at 128

_ABSENT: Final = Raw()


_TAIL_BEGIN: Final = b',"host":{'
_TAIL_END: Final = b'"offset":'


def find_tail(doc: bytes) -> tuple[int, int]:
    """
    Return where the tail of a document begins and where it ends; (0, 0) if it has none.

    A document that was never spliced may have the same form.
    """
    begin, end = doc.rfind(_TAIL_BEGIN), doc.rfind(_TAIL_END) + len(_TAIL_END)
    if not (0 < begin < end and doc.endswith(END)):
        return 0, 0
    return (begin, end) if doc[end : -len(END)].isdigit() else (0, 0)


def offset_behind(doc: bytes, tail_end: int) -> int:
    """Return the offset that stands behind the tail of a document."""
    return int(doc[tail_end : -len(END)])


def object_of_tail(tail: bytes) -> bytes:
    """Return a tail as a JSON object, with the offset 0."""
    return b"{" + tail[1:] + b"0" + END


class Refused(Exception):  # noqa: N818 - an answer, no fault
    """A document can never be stored; the message is the reason."""


class _Event(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    dataset: Raw = _ABSENT
    kind: Raw = _ABSENT
    category: Raw = _ABSENT
    created: str | None = None


class _Log(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    file: Raw = _ABSENT
    stream: Raw = _ABSENT
    offset: int | None = None


_NO_EVENT: Final = _Event()
_NO_LOG: Final = _Log()
_TYPES: Final[dict[FieldKind, Any]] = {
    FieldKind.KEYWORD: str | None,
    FieldKind.TEXT: str | None,
    FieldKind.INTEGER: int | None,
    FieldKind.FLOAT: float | None,
}
_SEVERAL: Final = "tags"  # the only field that holds a list

_INTERNAL_INTEGERS: Final = {
    name: f"_{name}" for name in ("ms", "order", "envelope", "position", "created", "offset")
}

_MAGNITUDES: Final = {name: magnitude_column(name) for name in FLOATS}

# Known fields as they come; then what only tantivy sees. Defaults are left out on the way there.
_Document: Final[Any] = msgspec.defstruct(
    "_Document",
    [
        *(
            (f.name, list[str] | None if f.name == _SEVERAL else _TYPES[f.kind], None)
            for f in FIELDS.values()
            if f.kind in _TYPES
        ),
        *((name, Raw, _ABSENT) for name in ("host", "service", "error", "data_stream", "extra")),
        ("event", _Event | None, None),
        ("log", _Log | None, None),
        *((name, int | None, None) for name in _INTERNAL_INTEGERS),
        *((name, str | None, None) for name in ("stream", "definition")),
        ("extra_text", bytes | None, None),
        *((name, int | None, None) for name in _MAGNITUDES.values()),
    ],
    gc=False,
    omit_defaults=True,
    rename=_INTERNAL_INTEGERS
    | {"stream": "_stream", "definition": "_envelopes", "extra_text": "_extra"},
)


_MAX_TAILS: Final = 4096  # to remember; each block of a file has its own few, by `event.created`


class _Tail(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    host: Raw
    log: _Log
    service: Raw = _ABSENT
    error: Raw = _ABSENT
    data_stream: Raw = _ABSENT
    event: _Event | None = None


class Encoder:
    """
    Encodes the documents of one part as JSON for tantivy.

    `envelopes` are those that the part holds: JSON text → number. The first document that has a
    new one defines it.
    """

    def __init__(self, envelopes: dict[str, int]) -> None:
        self._by_text = envelopes
        self._by_parts: dict[tuple[Any, ...], int] = {}
        self._by_tail: dict[tuple[bytes, bool, bool, bool], tuple[int, int | None]] = {}
        self._defined: str | None = None
        self._decode = msgspec.json.Decoder(_Document).decode
        self._decode_tail = msgspec.json.Decoder(_Tail).decode
        self._encode = msgspec.json.Encoder().encode

    def encode(self, origin: str, doc: bytes, ms: int, order: int) -> str:
        """
        Make the JSON of one document.

        Raises:
            Refused: the document or its id is not what a store takes.
        """
        self._defined = None
        if not EARLIEST <= ms <= LATEST:
            raise Refused(f"the time {ms} ms is beyond the years 1 to 9999")
        try:
            document = self._decode_head(doc) or self._decode_whole(doc)
            document.ms = ms
            document.order = order
            if origin == f"{document.run}-{document.seq}":
                document.stream = document.position = None
            else:
                document.stream, document.position = split_id(origin)
            for name, column in _MAGNITUDES.items():
                number = getattr(document, name)
                if number is not None:
                    setattr(document, column, magnitude(number))
            document.extra_text = None
            if document.extra is not _ABSENT:
                _prepare_extra(document)
            text: str = self._encode(document).decode()
        except (ValueError, TypeError, RecursionError) as error:
            self.take_back()
            raise Refused(str(error)) from error
        return text

    def take_back(self) -> None:
        """Undo what the last document defined, as it was not stored."""
        if self._defined is not None:
            number = self._by_text.pop(self._defined)
            self._by_parts = {k: v for k, v in self._by_parts.items() if v != number}
            self._by_tail.clear()
            self._defined = None

    def _decode_head(self, doc: bytes) -> Any:
        """Decode a document whose tail is known; None if it is not, or nothing is sure."""
        begin, end = find_tail(doc)
        if not begin:
            return None
        try:
            document = self._decode(doc[:begin] + b"}")
        except ValueError:
            return None
        known = self._by_tail.get((doc[begin:end], *_presence(document)))
        if known is None or _has_objects(document):
            return None
        document.envelope, document.created = known
        document.offset = offset_behind(doc, end)
        document.definition = None
        return document

    def _decode_whole(self, doc: bytes) -> Any:
        document = self._decode(doc)
        event, log = document.event or _NO_EVENT, document.log or _NO_LOG
        parts = (
            bytes(document.host),
            bytes(document.service),
            bytes(document.error),
            bytes(document.data_stream),
            bytes(event.dataset),
            bytes(event.kind),
            bytes(event.category),
            bytes(log.file),
            bytes(log.stream),
            *_presence(document),
        )
        document.definition = None
        document.created = _instant(event.created)
        document.offset = log.offset
        document.envelope = self._number(parts, document)
        document.host = document.service = document.error = document.data_stream = _ABSENT
        document.event = document.log = None
        self._learn_tail(doc, document)
        return document

    def _number(self, parts: tuple[Any, ...], document: Any) -> int:
        """Return the number of an envelope; a new one is defined by the document."""
        number = self._by_parts.get(parts)
        if number is None:
            text = _envelope_text(*parts)
            number = self._by_text.get(text)
            if number is None:
                number = max(self._by_text.values(), default=-1) + 1
                document.definition = f"{number}\t{text}"
                self._by_text[text] = number
                self._defined = text
            self._by_parts[parts] = number
        return number

    def _learn_tail(self, doc: bytes, document: Any) -> None:
        begin, end = find_tail(doc)
        if not begin:
            return
        try:
            self._decode_tail(object_of_tail(doc[begin:end]))
        except ValueError:
            return
        if len(self._by_tail) >= _MAX_TAILS:
            self._by_tail.clear()
        key = (doc[begin:end], *_presence(document))
        self._by_tail[key] = document.envelope, document.created


def _presence(document: Any) -> tuple[bool, bool, bool]:
    """Return which of the fields `WITHOUT_COLUMN` the document has."""
    return (
        document.message is not None,
        document.exc_info is not None,
        document.request_id is not None,
    )


def _has_objects(document: Any) -> bool:
    return not (
        document.host is document.service is document.error is document.data_stream is _ABSENT
        and document.event is document.log is None
    )


def split_id(origin: str) -> tuple[str, int]:
    """Split an `_id` into stream and position; raise ValueError if it is none."""
    stream, dash, position = origin.rpartition("-")
    if not (stream and dash and position.isascii() and position.isdigit()):
        raise ValueError(f"the id {origin!r} is not <stream>-<position>")
    return stream, int(position)


def _instant(text: str | None) -> int | None:
    if text is None:
        return None
    span = parse_period(text)
    if span is None:
        raise ValueError(f"event.created {text!r} is not an ISO 8601 time")
    return span[0]


def _envelope_text(*parts: Any) -> str:
    host, service, error, data_stream, dataset, kind, category, file, stream = map(
        _value, parts[:9]
    )
    objects = {
        "host": host,
        "service": service,
        "event": _object(dataset=dataset, kind=kind, category=category),
        "error": error,
        "log": _object(file=file, stream=stream),
        "data_stream": data_stream,
    }
    has = [name for name, there in zip(WITHOUT_COLUMN, parts[9:], strict=True) if there]
    content = {HAS: has, **(_object(**objects) or {})}
    text = msgspec.json.encode(content, order="deterministic").decode()
    if len(text.encode()) > MAX_BYTES:
        raise ValueError("host, service, event, error, log and data_stream are too large together")
    return text


def _value(raw: bytes) -> Any:
    return msgspec.json.decode(raw) if raw else None


def _object(**keys: Any) -> dict[str, Any] | None:
    return {key: value for key, value in keys.items() if value is not None} or None


def _prepare_extra(document: Any) -> None:
    raw = bytes(document.extra)
    if raw == b"null":
        document.extra = _ABSENT
    else:
        document.extra_text = raw
        document.extra = _searchable(raw)


def _searchable(raw: bytes) -> Raw:
    """Return the JSON of `extra` in the form that tantivy indexes."""
    if len(raw) <= _MAX_PLAIN_BYTES and _is_plain(raw):
        return Raw(raw)
    return Raw(msgspec.json.encode(_index_value(msgspec.json.decode(raw), MAX_EXTRA_DEPTH)))


def _is_plain(raw: bytes) -> bool:
    opened = raw.count(b"{") + raw.count(b"[")
    return opened <= MAX_EXTRA_DEPTH and _NEEDS_CARE.search(raw) is None


def _index_value(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        read = untyped.read(value)
        return mark(read) if isinstance(read, str) else read
    if isinstance(value, dict):
        return (
            {index_key(k): _index_value(v, depth - 1) for k, v in value.items()} if depth else None
        )
    if isinstance(value, list):
        return [_index_value(v, depth - 1) for v in value] if depth else None
    if isinstance(value, (int, float)) and not -(2**63) <= value < 2**63:
        return str(value)  # no column of tantivy holds both these and ordinary numbers
    return value


def mark(text: str) -> str:
    """Return the term under which a string of `extra` is found."""
    return MARK + text if _MARKED.match(text) else text


def index_key(key: str) -> str:
    """Return the path under which a key of `extra` is found: no empty or odd steps."""
    return ".".join(_ODD_IN_KEY.sub("_", step) or "_" for step in key.split("."))
