"""
Lines that are not what `emit` writes: put right, kept, and tagged with what was odd.

Whatever the bytes are, `repair` gives one record: text that is not a JSON object becomes the
`message`; known fields are found by `known`; keys that are not in `shipper.fields`, and values that
their field can't have, move under `extra`; what no store could index (nesting without end, numbers
beyond 64 bits, NaN and Infinity) becomes text. The tags say why:

    not_json, not_an_object, duplicate_keys, too_deep    the line is the message
    truncated      longer than `max_line_bytes`: its beginning is the message
    invalid_utf8   bytes that are no UTF-8, and halves of surrogate pairs, stand as U+FFFD
    no_timestamp   no time could be read: `@timestamp` is the time of reading
    moved          a known field had a value that it can't have; it is under `extra`
    unindexed      an object or list of too much weight is its JSON, as a text
    unreadable     enrichment failed on the line, which is a bug: it is the message
"""

from __future__ import annotations

import codecs
import json
import math
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.enrich import clock, known
from shipper.enrich.classify import Traits
from shipper.enrich.origin import is_run, is_seq
from shipper.enrich.weight import lighten
from shipper.fields import FIELDS, TIME_KEYS, FieldKind
from shipper.times import iso

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)

UTF8 = codecs.getincrementaldecoder("utf-8")

BOM = b"\xef\xbb\xbf"
BLANK = " \t\r\n"  # of JSON

MAX_DEPTH = 20  # Elasticsearch's default limit of object depth in a mapping
LONGEST_NUMBER = 400  # digits; a longer one is read by no field, and is slow to read

# What enrichment writes; a line that brings one of its own keeps it under `extra`.
OURS = frozenset(name for name, field in FIELDS.items() if field.kind is FieldKind.OBJECT) | {
    "tags",
    "@timestamp",
}


@dataclass(frozen=True, slots=True)
class RepairedRecord:
    """
    A record made of an odd line: its fields but for the enrichment, time, origin, traits.

    `error` is a message that the line has of its error, for the object that enrichment adds.
    """

    fields: dict[str, Any]
    time: int
    origin: tuple[str, int] | None
    traits: Traits
    error: str | None = None


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
        record = _object(_whole(text, tags))
    except _NotARecordError as odd:
        tags.append(str(odd))
        return _plain(text, tags, read_at)
    return _record(record, tags, read_at, line)


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
        value = _decoded(text)
    except RecursionError as error:
        raise _NotARecordError("too_deep") from error
    except ValueError as error:
        raise _NotARecordError("not_json") from error
    if not isinstance(value, dict):
        raise _NotARecordError("not_an_object")
    if depth_of(value) > MAX_DEPTH:
        raise _NotARecordError("too_deep")
    # Every key is followed by a colon, so more colons than keys is the only way to a double one.
    if text.count(":") > keys_of(value) and has_duplicates(text):
        raise _NotARecordError("duplicate_keys")
    return value


def _decoded(text: str) -> Any:
    """Decode JSON, and what Python and JavaScript write beyond it in objects: NaN and Infinity."""
    try:
        return msgspec.json.decode(text)
    except (*UNDECODABLE, UnicodeEncodeError):
        if not text.lstrip(BLANK).startswith("{"):
            raise
    return json.loads(text, parse_int=_number)


def _number(digits: str) -> int | str:
    return int(digits) if len(digits) <= LONGEST_NUMBER else digits


def _whole(text: str, tags: list[str]) -> str:
    """Return JSON with U+FFFD for each escape of half a surrogate pair."""
    if not text.lstrip(BLANK).startswith("{") or _SURROGATE.search(text) is None:
        return text
    whole = _ESCAPE.sub(lambda found: "\\ufffd" if found["half"] else found[0], text)
    if whole != text and "invalid_utf8" not in tags:
        tags.append("invalid_utf8")
    return whole


def depth_of(value: Any, limit: int = MAX_DEPTH + 1) -> int:
    """Count the levels of nesting, but stop at `limit`."""
    if limit == 0 or not isinstance(value, dict | list):
        return 0
    inner = value.values() if isinstance(value, dict) else value
    return 1 + max((depth_of(item, limit - 1) for item in inner), default=0)


def keys_of(value: Any) -> int:
    """Count the keys of an object, and of those in it."""
    if type(value) is dict:
        count = len(value)
        for item in value.values():
            if type(item) is dict or type(item) is list:
                count += keys_of(item)
        return count
    if type(value) is list:
        return sum(keys_of(item) for item in value if type(item) is dict or type(item) is list)
    return 0


def has_duplicates(text: str) -> bool:
    """Return whether an object in a text of JSON has a key twice."""
    found = False

    def collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal found
        result = dict(pairs)
        found = found or len(result) < len(pairs)
        return result

    json.loads(text, object_pairs_hook=collect, parse_int=str)
    return found


def _record(record: dict[str, Any], tags: list[str], read_at: int, line: bytes) -> RepairedRecord:
    extra: dict[str, Any] = {}
    time = _take_time(record, extra)
    if time is None:
        tags.append("no_timestamp")
    fields = known.take_ecs(record, extra)
    for key, value in record.items():
        if value is None:
            continue
        is_known = key in FIELDS and key not in OURS and key not in fields
        fitting = known.fit(key, value) if is_known else None
        if fitting is not None:
            fields[key] = fitting
        elif is_known:
            tags.append("moved")
        if fitting is None or known.is_changed(fitting, value):
            extra[key] = indexable(value)
    error = fields.pop(known.ERROR_MESSAGE, None)
    if "level" not in fields and (level := known.take_level(record)):
        fields["level"] = level
    origin = _origin(fields, extra)
    if extra:
        tags += lighten(extra, line)
        fields["extra"] = extra
    if tags:
        fields["tags"] = list(dict.fromkeys(tags))
    traits = Traits(
        fields.get("logger", ""),
        fields.get("level", ""),
        fields.get("status", ""),
        fields.get("status_code", 0),
    )
    return RepairedRecord(fields, read_at if time is None else time, origin, traits, error)


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
            extra[key] = indexable(record.pop(key))
    return None


def _origin(fields: dict[str, Any], extra: dict[str, Any]) -> tuple[str, int] | None:
    """Take (run, seq) as origin; a run or seq of another meaning moves under `extra`."""
    run, seq = fields.get("run"), fields.get("seq")
    if is_run(run) and is_seq(seq):
        return str(run), int(str(seq))
    for key in ("run", "seq"):
        if key in fields:
            extra[key] = fields.pop(key)
    return None


def indexable(value: Any) -> Any:
    """Return the value in a form that any store can index."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return {str(key): indexable(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [indexable(item) for item in value if item is not None]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int) and not -known.INT64 <= value < known.INT64:
        return str(value)
    return value
