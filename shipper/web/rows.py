"""
Records as the list shows them: a line, all fields, and where to go from each.

Whatever a field holds is text for the template, which escapes it; control characters and marks of
direction are shown as escapes. Fields and lengths are bounded, and a cut text says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from shipper.fields import FieldKind
from shipper.store.context import quoted
from shipper.store.elasticsearch.curl import curl_of_record
from shipper.store.hit_text import hit_json
from shipper.store.inventory import value_at
from shipper.store.query.tokens import escaped
from shipper.store.query.values import find_field
from shipper.text import plain, safe
from shipper.times import iso
from shipper.web.place import PagePlace
from shipper.web.zones import shown

if TYPE_CHECKING:
    from shipper.store.api import Hit
    from shipper.store.elasticsearch.curl import CurlPlace

MOST_FIELDS: Final = 150
MOST_CHARS: Final = 8000
LINE_CHARS: Final = 400
COLUMN_CHARS: Final = 200
FILTER_CHARS: Final = 300
DEEPEST: Final = 6
AROUND: Final = 25  # records before and after, of the same process
AROUND_MS: Final = 600_000  # where a trace or a file is looked for
SHOWN: Final = ("status_code", "status", "duration_ms", "execution_time_ms", "path", "workflow_id")
_ELSEWHERE: Final = {"message", "exc_info"}


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A field of a record: name, text, and the addresses that filter for it and against it."""

    name: str
    text: str
    only: str = ""
    without: str = ""
    column: str = ""  # the address with the field as a column


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A record in the list; `links` lead to the records around it, `columns` are asked for."""

    at: int  # epoch milliseconds
    host: str
    time: str
    level: str
    origin: str
    message: str
    notes: str  # the cause and the fields that help to go on
    whole: str  # the message, where the line has less of it
    trace: str
    fields: tuple[FieldRow, ...]
    links: tuple[tuple[str, str], ...]
    columns: tuple[tuple[str, str], ...]
    json: str
    command: str  # finds it in a terminal
    curl: str  # gets it from Elasticsearch; empty where the records are elsewhere


def row_of(hit: Hit, place: PagePlace, curl: CurlPlace | None = None) -> RecordRow:
    """Return what the list shows of a hit on a page; `curl` is where Elasticsearch has it."""
    source = hit.source
    message = str(source.get("message", ""))
    first, _, rest = message.partition("\n")
    line = _cut(safe(first), LINE_CHARS)
    is_whole = not rest and line == safe(first)
    return RecordRow(
        at=hit.time,
        host=_cut(plain(value_at(source, "host.name") or ""), 60),
        time=shown(hit.time, unit_ms=1),
        level=plain(source.get("level", "")),
        origin=_origin(source),
        message=line,
        notes=_notes(source, message),
        whole="" if is_whole else _lines(message),
        trace=_lines(source["exc_info"]) if isinstance(source.get("exc_info"), str) else "",
        fields=tuple(_fields(source, place)),
        links=tuple(_links(hit, place)),
        columns=tuple(_columns(source, place)),
        json=_cut(hit_json(hit), MOST_CHARS),
        command=_command_of(hit),
        curl=curl_of_record(curl, hit.id) if curl else "",
    )


def _command_of(hit: Hit) -> str:
    """Return the command that finds a record, alone as far as its fields tell it apart."""
    source = hit.source
    run, seq = source.get("run"), source.get("seq")
    if _can_be_typed(run) and isinstance(seq, int):
        query = f"run:{quoted(str(run))} AND seq:{seq}"
    else:
        names = ("log.file.path", "log.offset", "host.name")
        found = (condition(name, value_at(source, name)) for name in names)
        query = " AND ".join(filter(None, found)) or "*"
    since, until = iso(hit.time), iso(hit.time + 1)
    return shlex.join(["shipper", "search", query, "--since", since, "--until", until, "--json"])


def line_of(hit: Hit) -> dict[str, str]:
    """Return what the live tail shows of a hit."""
    message = str(hit.source.get("message", ""))
    return {
        "time": shown(hit.time, unit_ms=1),
        "level": plain(hit.source.get("level", "")),
        "origin": _origin(hit.source),
        "message": _cut(safe(message.partition("\n")[0]), LINE_CHARS),
        "notes": _notes(hit.source, message),
        "link": _alone(hit),
    }


def _alone(hit: Hit) -> str:
    """Return the address of the page with this record, as far as it has a number."""
    run, seq = hit.source.get("run"), hit.source.get("seq")
    near = PagePlace("", "", hit.time - AROUND_MS, hit.time + AROUND_MS)
    if _can_be_typed(run) and isinstance(seq, int):
        return near.link(q=f"run:{quoted(str(run))} AND seq:{seq}")
    return PagePlace("", "", hit.time, hit.time + 1).link()


def _notes(source: Mapping[str, Any], message: str) -> str:
    """Return the last line of the traceback and the outcome, where the message does not say it."""
    trace = source.get("exc_info")
    last = trace.rstrip().rpartition("\n")[2].strip() if isinstance(trace, str) else ""
    cause = _cut(safe(last), 200)
    fields = [f"{name}={plain(source[name])}"[:80] for name in SHOWN if source.get(name)]
    parts = [cause, *fields] if cause and cause not in message else fields
    return "  ".join(parts)


def condition(name: str, value: Any) -> str:
    """Return the query for the records whose field has this value, empty where there is none."""
    kind = find_field(name)[1]
    if kind in (FieldKind.TEXT, FieldKind.DATE) or value is None:
        return ""
    if isinstance(value, bool):
        return f"{escaped(name)}:{str(value).lower()}"
    if isinstance(value, int | float):
        return f"{escaped(name)}:{quoted(str(value))}"
    return f"{escaped(name)}:{quoted(value)}" if _can_be_typed(value) else ""


def _can_be_typed(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= FILTER_CHARS and value == safe(value)


def _origin(source: Mapping[str, Any]) -> str:
    logger = source.get("logger")
    if isinstance(logger, str) and logger:
        return _cut(safe(logger).rpartition(".")[2] or safe(logger), 24)
    return _cut(safe(str(value_at(source, "event.dataset") or "")).rpartition(".")[2], 24)


def _fields(source: Mapping[str, Any], place: PagePlace) -> Iterator[FieldRow]:
    for number, (name, value) in enumerate(_leaves(source, "", 0)):
        if number == MOST_FIELDS:
            yield FieldRow("…", "there are more fields; see the JSON")
            return
        if name in _ELSEWHERE or value in (None, [], ""):
            continue
        found = condition(name, value)
        yield FieldRow(
            safe(name),
            _cut(plain(value), MOST_CHARS),
            place.link(q=place.adding(found)) if found else "",
            place.link(q=place.adding(f"NOT {found}")) if found else "",
            place.with_column(name),
        )


def _columns(source: Mapping[str, Any], place: PagePlace) -> Iterator[tuple[str, str]]:
    for name in place.columns:
        value = value_at(source, name)
        if value not in (None, [], ""):
            yield name, _cut(plain(value), COLUMN_CHARS)


def _leaves(value: Mapping[str, Any], before: str, depth: int) -> Iterator[tuple[str, Any]]:
    for key, inner in value.items():
        name = f"{before}{key}"
        if isinstance(inner, Mapping) and inner and depth < DEEPEST:
            yield from _leaves(inner, f"{name}.", depth + 1)
        else:
            yield name, inner


def _links(hit: Hit, place: PagePlace) -> Iterator[tuple[str, str]]:
    source = hit.source
    near = place.narrowed(hit.time - AROUND_MS, hit.time + AROUND_MS)
    for field, name in (("request_id", "this request"), ("workflow_id", "this workflow")):
        if found := condition(field, source.get(field)):
            yield name, near.link("/trace", q=found, sort="asc")
    run, seq = source.get("run"), source.get("seq")
    if _can_be_typed(run) and isinstance(seq, int):
        around = f"run:{quoted(str(run))} AND seq:[{max(0, seq - AROUND)} TO {seq + AROUND}]"
        yield "before and after", near.link(q=around, sort="asc")
    elif found := condition("log.file.path", value_at(source, "log.file.path")):
        minute = place.narrowed(hit.time - 60_000, hit.time + 60_000)
        yield "before and after in the file", minute.link(q=found, sort="asc")


def _lines(text: str) -> str:
    return _cut("\n".join(safe(line) for line in text.split("\n")), MOST_CHARS)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"
