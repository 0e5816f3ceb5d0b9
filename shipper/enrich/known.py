"""
The values of known fields, whatever name and type a foreign line gives them.

A field is found under its own name, or under that of ECS, as one key (`"log.level"`) or as keys
in objects (`{"log": {"level": …}}`); its own name wins. A value of another type that says the same
becomes one of the field's: `"500"` is 500, and 12 is `"12"` where the field is text. A level has
one name, whoever logged it. What was written is kept under `extra` wherever it differs.

logstash/scripts/foreign.rb does the same; the tests of both compare them.
"""

from __future__ import annotations

import re
from typing import Any, Final

from shipper.fields import ALIASES, FIELDS, LEVELS, FieldKind, level_of

INT64: Final = 2**63
LARGEST: Final = 1e308  # of a field of floats

# The message of an error is no field of its own: enrichment adds the object that it belongs in.
ERROR_MESSAGE: Final = "error message"

# Names of ECS that a line may have a field under, in two parts; `event.sequence` is a number of
# something else.
ECS: Final = tuple(
    (name, *name.split(".", 1), field)
    for name, field in [*ALIASES.items(), ("error.message", ERROR_MESSAGE)]
    if "." in name and field != "seq"
)

# Keys that hold a level where a line has no `level`; they stay what they are besides.
LEVEL_KEYS: Final = ("severity", "levelname", "loglevel", "log_level", "lvl")

# Half of an id each, which only `emit` writes; and a traceback, for which some write `true`.
_AS_WRITTEN: Final = ("run", "seq", "exc_info")

_NUMERIC: Final = frozenset(
    name for name, field in FIELDS.items() if field.kind in (FieldKind.INTEGER, FieldKind.FLOAT)
)
_KINDS: Final = {name: field.kind for name, field in FIELDS.items()}
_INTEGERS: Final = frozenset(
    name for name, kind in _KINDS.items() if kind is FieldKind.INTEGER and name not in _AS_WRITTEN
)
_SPACE: Final = " \t\r\n"
_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,19}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?")


def fit(field: str, value: Any) -> Any:
    """Return a value as one that the field can have; None if it is none."""
    if type(value) is int and field in _INTEGERS:
        return value if -INT64 <= value < INT64 else None
    if field in _AS_WRITTEN:
        return _as_written(field, value)
    if field == "level":
        text = _text(int(value) if isinstance(value, float) and value.is_integer() else value)
        return text and (level_of(text) or None)
    if isinstance(value, str) and field not in _NUMERIC:
        return value
    kind = _KINDS.get(field, FieldKind.KEYWORD)
    if kind is FieldKind.INTEGER:
        return _integer(value)
    return _float(value) if kind is FieldKind.FLOAT else _text(value)


def take_ecs(record: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    """Take the fields that a record has under names of ECS out of it; return them by our names."""
    fields: dict[str, Any] = {}
    for name, head, rest, field in ECS:
        if name in record:
            value = record[name]
        elif isinstance(record.get(head), dict):
            value = _inside(record[head], rest)
        else:
            continue
        if value is None or field in fields or not isinstance(record.get(field), dict | None):
            continue
        known = fit(field, value)
        if known is None:
            continue
        _remove(record, name)
        fields[field] = known
        if is_changed(known, value):
            extra[name] = value
    return fields


def take_level(record: dict[str, Any]) -> str | None:
    """Return the level that another key of the record names."""
    for key in LEVEL_KEYS:
        value = record.get(key)
        if isinstance(value, str) and (level := LEVELS.get(value.strip(_SPACE).upper())):
            return level
    return None


def is_changed(known: Any, value: Any) -> bool:
    """Return whether a value is another than what was written: 404 is not "404", nor 404.0."""
    return type(known) is not type(value) or bool(known != value)


def _as_written(field: str, value: Any) -> Any:
    if field == "seq":
        is_fit = type(value) is int and -INT64 <= value < INT64
    else:
        is_fit = isinstance(value, str)
    return value if is_fit else None


def _integer(value: Any) -> int | None:
    is_text = isinstance(value, str) and _INTEGER.fullmatch(value.strip(_SPACE))
    if is_text or (isinstance(value, float) and value.is_integer() and abs(value) < 2**53):
        value = int(value)
    return value if type(value) is int and -INT64 <= value < INT64 else None


def _float(value: Any) -> int | float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip(_SPACE)):
        value = float(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and -LARGEST <= value <= LARGEST else None


def _text(value: Any) -> str | None:
    """Return a text, or a number or boolean as every JSON writer spells it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and (value == 0 or 1e-4 <= abs(value) < 1e16):
        return repr(value)
    return None


def _inside(value: Any, path: str) -> Any:
    """Return the value at a path of keys in an object, None if there is none."""
    for key in path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _remove(record: dict[str, Any], name: str) -> None:
    """Remove a key, or one in objects with those that it leaves empty."""
    if name in record:
        del record[name]
        return
    head, _, rest = name.partition(".")
    if rest:
        _remove(record[head], rest)
    else:
        del record[head]
    if rest and not record[head]:
        del record[head]
