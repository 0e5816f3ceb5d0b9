"""
Lines that are not what `emit` writes: put right, kept, and tagged with what was odd.

Whatever the bytes are, `repair` gives one record: text that is not a JSON object becomes the
`message`; keys that are not in `shipper.fields`, and values of another type than their field,
move under `extra`; what no store could index (nesting without end, numbers beyond 64 bits, lone
surrogates) becomes text. The tags say why:

    not_json, not_an_object, duplicate_keys, too_deep    the line is the message
    truncated      longer than `max_line_bytes`: its beginning is the message
    invalid_utf8   bytes that are no UTF-8 stand as U+FFFD
    no_timestamp   no time could be read: `@timestamp` is the time of reading
    moved          a known field had a value of another type; it is under `extra`
    unreadable     enrichment failed on the line, which is a bug: it is the message
"""

from __future__ import annotations

import codecs
import json
import math
from dataclasses import dataclass
from typing import Any

import msgspec

from shipper.enrich import clock
from shipper.enrich.classify import Traits
from shipper.enrich.origin import is_run, is_seq
from shipper.fields import FIELDS, FieldKind
from shipper.times import iso

UTF8 = codecs.getincrementaldecoder("utf-8")

BOM = b"\xef\xbb\xbf"

MAX_DEPTH = 20  # Elasticsearch's default limit of object depth in a mapping
INT64 = 2**63

# What enrichment writes; a line that brings one of its own keeps it under `extra`.
OURS = frozenset(name for name, field in FIELDS.items() if field.kind is FieldKind.OBJECT) | {
    "tags",
    "@timestamp",
}

TIME_KEYS = ("timestamp", "@timestamp", "time", "ts")


@dataclass(frozen=True, slots=True)
class RepairedRecord:
    """A record made of an odd line: its fields but for the enrichment, time, origin, traits."""

    fields: dict[str, Any]
    time: int
    origin: tuple[str, int] | None
    traits: Traits


class _NotARecordError(Exception):
    """The line is not an object that can be indexed; the argument is the tag."""


def repair(line: bytes, limit: int, *, cut: bool, at_start: bool, read_at: int) -> RepairedRecord:
    """
    Make a record of any line.

    At most `limit` bytes of it are kept; `cut` says that it was longer already. `at_start` is
    for the first line of a file, which may have a byte order mark. `read_at` is in epoch ms.
    """
    tags: list[str] = []
    if at_start:
        line = line.removeprefix(BOM)
    line = line.removesuffix(b"\r")
    if b"\n" in line:  # several lines that were joined
        line = line.replace(b"\r\n", b"\n").rstrip(b"\n")
    if cut or len(line) > limit:
        tags.append("truncated")
        return _plain(_text(line[:limit], tags, cut=True), tags, read_at)
    text = _text(line, tags, cut=False)
    try:
        record = _object(text)
    except _NotARecordError as odd:
        tags.append(str(odd))
        return _plain(text, tags, read_at)
    return _record(record, tags, read_at)


def as_text(line: bytes, limit: int, tag: str, read_at: int) -> RepairedRecord:
    """Make a record of the beginning of a line without a look at what it says."""
    return _plain(line[:limit].decode(errors="replace"), [tag], read_at)


def _text(data: bytes, tags: list[str], *, cut: bool) -> str:
    """Decode UTF-8; a character cut in half at the end of a `cut` line is no fault of the file."""
    try:
        return UTF8().decode(data, final=not cut)
    except UnicodeDecodeError:
        tags.append("invalid_utf8")
        return UTF8("replace").decode(data, final=not cut)


def _plain(text: str, tags: list[str], read_at: int) -> RepairedRecord:
    fields = {"message": text, "tags": tags}
    return RepairedRecord(fields, read_at, None, Traits())


def _object(text: str) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(text)
    except RecursionError as error:
        raise _NotARecordError("too_deep") from error
    except (msgspec.DecodeError, UnicodeEncodeError) as error:
        raise _NotARecordError("not_json") from error
    if not isinstance(value, dict):
        raise _NotARecordError("not_an_object")
    if _depth(value) > MAX_DEPTH:
        raise _NotARecordError("too_deep")
    # Every key is followed by a colon, so more colons than keys is the only way to a double one.
    if text.count(":") > _keys(value) and _has_duplicates(text):
        raise _NotARecordError("duplicate_keys")
    return value


def _depth(value: Any, limit: int = MAX_DEPTH + 1) -> int:
    """Count the levels of nesting, but stop at `limit`."""
    if limit == 0 or not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max((_depth(item, limit - 1) for item in inner), default=0)


def _keys(value: Any) -> int:
    if isinstance(value, dict):
        return len(value) + sum(map(_keys, value.values()))
    return sum(map(_keys, value)) if isinstance(value, list) else 0


def _has_duplicates(text: str) -> bool:
    found = False

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        result = dict(pairs)
        found = found or len(result) < len(pairs)
        return result

    json.loads(text, object_pairs_hook=collect)
    return found


def _record(record: dict[str, Any], tags: list[str], read_at: int) -> RepairedRecord:
    fields: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    time = _take_time(record, extra)
    if time is None:
        tags.append("no_timestamp")
    for key, value in record.items():
        if value is None:
            continue
        field = FIELDS.get(key)
        if field is None or key in OURS:
            extra[key] = _indexable(value)
        elif _fits(field.kind, value):
            fields[key] = value
        else:
            extra[key] = _indexable(value)
            tags.append("moved")
    origin = _origin(fields, extra)
    if extra:
        fields["extra"] = extra
    if tags:
        fields["tags"] = list(dict.fromkeys(tags))
    traits = Traits(
        fields.get("logger", ""),
        fields.get("level", ""),
        fields.get("status", ""),
        fields.get("status_code", 0),
    )
    return RepairedRecord(fields, read_at if time is None else time, origin, traits)


def _take_time(record: dict[str, Any], extra: dict[str, Any]) -> int | None:
    """Take the time out of the record; keep how it was written unless it is canonical."""
    for key in TIME_KEYS:
        written = record.get(key)
        time = clock.parse(written)
        if time is not None:
            del record[key]
            if written != iso(time):
                extra[key] = written
            return time
    for key in ("timestamp", "@timestamp"):
        if record.get(key) is not None:
            extra[key] = _indexable(record.pop(key))
    return None


def _fits(kind: FieldKind, value: Any) -> bool:
    if kind is FieldKind.INTEGER:
        return isinstance(value, int) and not isinstance(value, bool) and -INT64 <= value < INT64
    if kind is FieldKind.FLOAT:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and -1e308 <= value <= 1e308
    return isinstance(value, str)


def _origin(fields: dict[str, Any], extra: dict[str, Any]) -> tuple[str, int] | None:
    """Take (run, seq) as origin; a run or seq of another meaning moves under `extra`."""
    run, seq = fields.get("run"), fields.get("seq")
    if is_run(run) and is_seq(seq):
        return str(run), int(str(seq))
    for key in ("run", "seq"):
        if key in fields:
            extra[key] = fields.pop(key)
    return None


def _indexable(value: Any) -> Any:
    """Return the value in a form that any store can index."""
    if isinstance(value, dict):
        return {str(key): _indexable(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_indexable(item) for item in value if item is not None]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -INT64 <= value < INT64:
        return str(value)
    return value
