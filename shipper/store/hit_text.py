"""
Hits as lines of text: one each for people, one JSON document each for programs.

    2026-02-05T14:30:45.123Z ERROR    workflows  Workflow failed  workflow_id=w_1 request_id=r_2
        TimeoutError: no answer in 5 s

The line for people has the fields that help to go on (ids, outcome, durations, what the application
added) and the last line of a traceback; the JSON document has every field.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, tzinfo
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from shipper.fields import ALIASES, TIME_KEYS
from shipper.text import Paint, instant, plain, safe, safe_json

if TYPE_CHECKING:
    from shipper.store.api import Hit

_RECENT = 1e9  # seconds since 1970: a smaller number is no time
_SHOWN = (
    "status_code",
    "duration_ms",
    "status",
    "execution_time_ms",
    "workflow_id",
    "error_type",
    "client_ip",
    "request_id",
    "tags",
)


def hit_json(hit: Hit, *, is_context: bool = False) -> str:
    """Return the record with its `_id` as one JSON object; `_context` marks a mere neighbour."""
    mark = {"_context": True} if is_context else {}
    return safe_json({"_id": hit.id, **mark, **hit.source})


def hit_text(hit: Hit, paint: Paint, zone: tzinfo = UTC, marks: Iterable[str] = ()) -> str:
    """
    Return the record as a line for people, with the last line of a traceback below it.

    The words `marks` are underlined in the message.
    """
    source = hit.source
    level = plain(source.get("level", "-"))
    message = plain(source.get("message", ""))
    parts = [
        paint.dim(instant(hit.time, zone=zone)),
        paint.level(f"{level:<8}", level),
        f"{_origin(source):<9}",
        paint.marked(message, marks),
        paint.dim(" ".join(_fields(source, message))),
    ]
    cause = _cause(source)
    is_known = cause in message or cause == source.get("error_type")
    below = "" if is_known else paint.level(f"\n    {cause}", level)
    return " ".join(parts).rstrip() + below


def _origin(source: Mapping[str, Any]) -> str:
    """Return the logger without the name of the service, or the file if there is no logger."""
    logger = source.get("logger")
    if not isinstance(logger, str):
        return safe(PurePath(str(_inner(source, "log", "file", "path") or "-")).name)
    service = str(_inner(source, "service", "name") or "").replace("-", "_")
    return safe(logger.removeprefix(f"{service}.") if service else logger)


def _inner(source: Mapping[str, Any], *keys: str) -> Any:
    value: Any = source
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _fields(source: Mapping[str, Any], message: str) -> Iterator[str]:
    """Yield the fields to show, except those whose value the message or another field says."""
    extra = source.get("extra")
    fields = [(name, source.get(name)) for name in _SHOWN]
    if isinstance(extra, Mapping):
        fields += [item for item in extra.items() if not _is_another_form(*item, source)]
    words = set(message.split())
    for name, value in fields:
        if value not in (None, [], "") and plain(value) not in words:
            yield _field(name, value)


def _is_another_form(key: str, value: Any, source: Mapping[str, Any]) -> bool:
    """Return whether a key under `extra` is how the line wrote the time or another field."""
    if key in TIME_KEYS:
        is_time = isinstance(value, str) or (isinstance(value, int | float) and value >= _RECENT)
        return is_time and "no_timestamp" not in (source.get("tags") or ())
    return ALIASES.get(key, key) in source


def _field(name: str, value: Any) -> str:
    text = plain(",".join(map(str, value)) if isinstance(value, list) else value)
    if isinstance(value, str) and (not text or any(mark in text for mark in ' "=')):
        text = '"' + text.replace('"', '\\"') + '"'
    return f"{safe(name)}={text}"


def _cause(source: Mapping[str, Any]) -> str:
    """Return the last line of the traceback: the exception and its message."""
    trace = source.get("exc_info")
    lines = trace.rstrip().splitlines() if isinstance(trace, str) else []
    return safe(lines[-1].strip()) if lines else ""
