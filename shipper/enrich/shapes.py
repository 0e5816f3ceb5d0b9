"""
Shapes of foreign records: what is done with those of the same keys and types, in the same order.

A program writes its records in a few shapes, each many times. What each key of a shape is, and
which of two keys a field is taken from, is decided once; a record is then put together by its plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from shipper.enrich import known
from shipper.enrich.odd import OURS
from shipper.fields import FIELDS, TIME_KEYS, FieldKind
from shipper.formats.dialects import ERROR_MESSAGE, EXTRA_OF, FIELD_OF, OBJECTS, TIME

Key = tuple[str, str]  # of a record, and its field

OF_EMIT: Final = frozenset({"run", "seq"})
OWN: Final = frozenset(name for name in FIELDS if name not in OURS and name not in OF_EMIT)
_FIELD_OF: Final = {**FIELD_OF, **{name: name for name in OWN}, TIME: TIME}
_NOTHING: Final = type(None)
_CONTAINERS: Final = (dict, list)
_FLOATS: Final = (-known.LARGEST, known.LARGEST)
# Field and type of a number → the least and the greatest that it can have.
RANGES: Final[dict[tuple[str, type], tuple[float, float]]] = {
    (name, kind): limits
    for name in OWN
    for of, kind, limits in (
        (FieldKind.INTEGER, int, (-known.INT64, known.INT64 - 1)),
        (FieldKind.FLOAT, int, _FLOATS),
        (FieldKind.FLOAT, float, _FLOATS),
    )
    if FIELDS[name].kind is of
}
TEXTS: Final = frozenset(
    name for name in OWN if FIELDS[name].kind in (FieldKind.KEYWORD, FieldKind.TEXT)
) - {"level"} | {ERROR_MESSAGE}


class MoreOfShape(NamedTuple):
    """What is done with values that few records have."""

    numbers: tuple[tuple[str, str, float, float], ...]  # with what their field can have
    others: tuple[Key, ...]  # values that need another type, or are of none
    objects: tuple[str, ...]  # that hold fields
    nested: tuple[str, ...]  # objects and lists
    traces: tuple[Key, ...]  # keys and their names under `extra`


class ShapePlan(NamedTuple):
    """What is done with the values of a record, key by key; what no field takes is `extra`."""

    quotes: int  # that a line of it has at least
    nulls: tuple[str, ...]
    straight: tuple[Key, ...]  # texts that a field has as they are
    level: str | None
    times: tuple[str, ...]  # keys that may hold the time, the first that does has it
    integers: tuple[str, ...]
    more: MoreOfShape | None


def plan_of(names: tuple[str, ...], types: tuple[type, ...]) -> ShapePlan | None:
    """Return what is done with a record of these keys and types; None if `emit` wrote it."""
    if {*names} >= OF_EMIT:
        return None
    shape = dict(zip(names, types, strict=True))
    nulls = tuple(key for key, kind in shape.items() if kind is _NOTHING)
    for key in nulls:
        del shape[key]
    times = _times(shape)
    taken = _taken(shape)
    straight = [(key, field) for key, field in taken if field in TEXTS and shape[key] is str]
    level = next((key for key, field in taken if _is_level(field, shape[key])), None)
    numbers = [
        (key, field, *RANGES[field, shape[key]])
        for key, field in taken
        if (field, shape[key]) in RANGES
    ]
    placed = {level, *times, *(each[0] for each in (*straight, *numbers))}
    others = [(key, field) for key, field in taken if key not in placed]
    placed.update(key for key, _ in others)
    rest = {key: kind for key, kind in shape.items() if key not in placed}
    more = MoreOfShape(
        tuple(numbers),
        tuple(others),
        tuple(key for key, kind in rest.items() if kind is dict and key in OBJECTS),
        tuple(key for key, kind in rest.items() if kind in _CONTAINERS),
        _traces(rest),
    )
    has_error = any(field == ERROR_MESSAGE for _, field in straight)
    return ShapePlan(
        2 * (len(names) + types.count(str)),
        nulls,
        tuple(straight),
        level,
        times,
        tuple(key for key, kind in rest.items() if kind is int),
        more if any(more) or has_error else None,
    )


def _times(shape: Mapping[str, type]) -> tuple[str, ...]:
    keys = (key for key in (*TIME_KEYS, *shape) if key in shape and _FIELD_OF.get(key) == TIME)
    return tuple(dict.fromkeys(keys))


def _taken(shape: Mapping[str, type]) -> list[Key]:
    """Return the keys that fields are taken from; a field's own name comes first."""
    found: dict[str, str] = {}
    for key in sorted(shape, key=lambda name: name not in OWN):
        field = _FIELD_OF.get(key, TIME)
        if field != TIME and (key in OWN or shape[key] is not dict):
            found.setdefault(field, key)
    return [(key, field) for field, key in found.items()]


def _is_level(field: str, kind: type) -> bool:
    return field == "level" and kind in (str, int)


def _traces(rest: Mapping[str, type]) -> tuple[Key, ...]:
    """Return the ids of traces that get another name, if nothing has that."""
    names = {EXTRA_OF[key]: key for key in reversed([*rest]) if key in EXTRA_OF}
    return tuple((key, name) for name, key in names.items() if name not in rest)
