"""Fields of a document by their paths: found, written and removed."""

from __future__ import annotations

import math
from typing import Any, Final

from shipper.errors import ConfigError
from shipper.fields import FIELDS, FieldKind, resolve

INT64: Final = 2**63
MAX_DEPTH: Final = 16  # of a value that is written under `extra`
# What identifies a record, and what enrichment adds: no processor may change it.
FIXED: Final = frozenset(
    (
        *("@timestamp", "timestamp", "run", "seq", "tags", "host", "service", "event", "log"),
        *("data_stream", "error"),
    )
)


def path_of(place: str, name: str, *, target: bool = False) -> str:
    """
    Return the path of a field by the name that queries have for it.

    Raises:
        ConfigError: it is a `target`, and may not be changed.
    """
    path, _ = resolve(name)
    if target and (path.partition(".")[0] in FIXED or path == "extra"):
        raise ConfigError(f"{place}: {name} cannot be changed", "use another field")
    return path


def find(document: dict[str, Any], path: str) -> tuple[dict[str, Any], str] | None:
    """Return the object in which a field is, and its key there; a key may have dots in it."""
    if path in document:
        return document, path
    at = path.find(".")
    while at > 0:
        inner = document.get(path[:at])
        found = find(inner, path[at + 1 :]) if isinstance(inner, dict) else None
        if found is not None:
            return found
        at = path.find(".", at + 1)
    return None


def put(document: dict[str, Any], path: str, value: Any) -> bool:
    """Write a field; return False if it cannot have such a value."""
    known = FIELDS.get(path)
    value = _indexable(value) if known is None else _fitting(known.kind, value)
    if value is None:
        return False
    there = find(document, path)
    if there is not None:
        there[0][there[1]] = value
        return True
    *objects, last = path.split(".")
    within = document
    for key in objects:
        inner = within.setdefault(key, {})
        if not isinstance(inner, dict):
            return False
        within = inner
    within[last] = value
    return True


def take(document: dict[str, Any], path: str) -> Any:
    """Remove a field and return its value; None if there is none."""
    found = find(document, path)
    return found[0].pop(found[1]) if found is not None else None


def _fitting(kind: FieldKind, value: Any) -> Any:
    """Return a value that a known field may have; None if this is none."""
    if isinstance(value, dict | list) or value is None:
        return None
    if kind in (FieldKind.KEYWORD, FieldKind.TEXT):
        return value if isinstance(value, str) else str(value)
    try:
        number = int(value) if kind is FieldKind.INTEGER else float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < INT64 else None


def _indexable(value: Any, depth: int = 0) -> Any:
    """Return a value that any store can index; None for one that is nested too deeply."""
    if isinstance(value, dict | list) and depth == MAX_DEPTH:
        return None
    if isinstance(value, dict):
        items = ((str(key), _indexable(item, depth + 1)) for key, item in value.items())
        return {key: item for key, item in items if item is not None}
    if isinstance(value, list):
        found = (_indexable(item, depth + 1) for item in value)
        return [item for item in found if item is not None]
    is_float = isinstance(value, float)
    is_odd = not math.isfinite(value) if is_float else type(value) is int and abs(value) >= INT64
    return str(value) if is_odd else value
