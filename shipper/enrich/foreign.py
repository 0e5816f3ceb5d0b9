"""
JSON of other loggers: to the fields of its record, by one table of their keys.

Only lines that are as they should be: objects without a key twice, not too deep, with values of the
types that their fields have. Any other line is for `odd`, and so is one of emit. A field that a
record has under two keys has the value of its own name; the other stays under `extra`. What was
written stays there, too, where the field says it in another way.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import msgspec

from shipper.enrich import clock, known
from shipper.enrich.classify import Classification, Traits, classify
from shipper.enrich.odd import MAX_DEPTH, OURS, depth_of, indexable, keys_of
from shipper.enrich.patterned import ReadLine
from shipper.fields import FIELDS, TIME_KEYS
from shipper.formats.dialects import (
    ERROR_MESSAGE,
    EXTRA_OF,
    FIELD_OF,
    INSTANTS,
    OBJECTS,
    TIME,
)
from shipper.times import iso

MISFITS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
REMEMBERED = 4096

_PLAIN: Final = frozenset({str, bool, float})  # of JSON, these are what any store can index
_OF_EMIT = frozenset({"run", "seq"})
_OWN: Final = {name: name for name in FIELDS if name not in OURS and name not in _OF_EMIT}
_FIELD_OF: Final = {**FIELD_OF, **_OWN, TIME: TIME}
_TEXTS: Final = frozenset(
    name
    for name, field in FIELDS.items()
    if name in _OWN and field.kind in ("keyword", "text") and name != "level"
) | {ERROR_MESSAGE}


class _Plan(NamedTuple):
    """What is done with records of the same keys, in the same order."""

    time: str | None
    texts: tuple[tuple[str, str], ...]  # key and field
    others: tuple[tuple[str, str], ...]
    objects: tuple[str, ...]
    traces: tuple[tuple[str, str], ...]


class JsonReader:
    """Reads lines of JSON; used by one thread. `dataset` is that of all, if there is one."""

    def __init__(self, dataset: str = "") -> None:
        self._decoder = msgspec.json.Decoder(dict[str, Any])
        self._dataset = dataset
        self._plans: dict[tuple[str, ...], _Plan | None] = {}
        self._levels: dict[Any, str | None] = {}
        self._classes: dict[tuple[str, str, str, int], Classification] = {}

    def read(self, line: bytes, read_at: int) -> ReadLine | None:
        """Return what a line says; None if it needs a closer look."""
        if line[:1] != b"{":
            return None
        try:
            record = self._decoder.decode(line)
        except MISFITS:
            return None
        colons = line.count(b'":')
        if colons != len(record) and colons != keys_of(record):
            return None  # a key may be there twice
        return self.read_record(record, read_at)

    def read_record(self, record: dict[str, Any], read_at: int) -> ReadLine | None:
        """Return what a record says, which is taken apart; None if it needs a closer look."""
        names = tuple(record)
        plan = self._plans[names] if names in self._plans else self._plan_of(names)
        return None if plan is None else self._sorted(record, plan, read_at)

    def _plan_of(self, names: tuple[str, ...]) -> _Plan | None:
        if len(self._plans) >= REMEMBERED:
            self._plans.clear()
        self._plans[names] = None if _OF_EMIT & {*names} else _plan_of(names)
        return self._plans[names]

    def _sorted(  # noqa: C901 -- one step after the other
        self, extra: dict[str, Any], plan: _Plan, read_at: int
    ) -> ReadLine | None:
        """Take the fields out of a record; what is left is `extra`."""
        fields: dict[str, Any] = {}
        time: int | None = None
        if plan.time is not None:
            time = _take_time(plan.time, extra)
        for key, field in plan.texts:
            value = extra[key]
            if type(value) is str:
                fields[field] = value
                del extra[key]
            elif value is not None and not self._take(key, field, fields, extra):
                return None
        for key, field in plan.others:
            if not self._take(key, field, fields, extra):
                return None
        if plan.objects:
            _take_objects(plan.objects, fields, extra)
        others = [key for key, value in extra.items() if type(value) not in _PLAIN]
        if others and not _make_indexable(others, extra):
            return None
        for key, name in plan.traces:
            if key in extra:
                extra[name] = extra.pop(key)
        return self._line(fields, extra, time, read_at)

    def _line(
        self, fields: dict[str, Any], extra: dict[str, Any], time: int | None, read_at: int
    ) -> ReadLine:
        error = fields.pop(ERROR_MESSAGE, None)
        if time is None:
            fields["tags"] = ["no_timestamp"]
            time = read_at
        get = fields.get
        traits = get("logger", ""), get("level", ""), get("status", ""), get("status_code", 0)
        found = self._classes.get(traits)
        if found is None:
            found = classify(Traits(*traits))
            if self._dataset:
                found = Classification(self._dataset, found.categories, found.error)
            if len(self._classes) >= REMEMBERED:
                self._classes.clear()
            self._classes[traits] = found
        return ReadLine(fields, extra, time, found, error)

    def _take(self, key: str, field: str, fields: dict[str, Any], extra: dict[str, Any]) -> bool:
        """Take a value that may need another type; False if it can't have it."""
        value = extra[key]
        if value is None or isinstance(value, dict):
            return value is None or key not in _OWN
        fitting = self._level(value) if field == "level" else known.fit(field, value)
        if fitting is None:
            return key not in _OWN  # else it is moved, and says so
        fields[field] = fitting
        if not known.is_changed(fitting, value):
            del extra[key]
        return True

    def _level(self, value: Any) -> str | None:
        try:
            return self._levels[value]
        except KeyError:
            pass
        except TypeError:
            return None
        level: str | None = known.fit("level", value)
        if len(self._levels) >= REMEMBERED:
            self._levels.clear()
        self._levels[value] = level
        return level


def _plan_of(names: tuple[str, ...]) -> _Plan:
    """Return what is done with a record of these keys; a field's own name comes first."""
    times = [key for key in (*TIME_KEYS, *names) if key in names and _FIELD_OF.get(key) == TIME]
    found: dict[str, str] = {}
    for key in sorted(names, key=lambda name: name not in _OWN):
        field = _FIELD_OF.get(key)
        if field is not None and field != TIME:
            found.setdefault(field, key)
    texts = tuple((key, field) for field, key in found.items() if field in _TEXTS)
    others = tuple((key, field) for field, key in found.items() if field not in _TEXTS)
    objects = tuple(key for key in names if key in OBJECTS)
    traces = tuple((key, EXTRA_OF[key]) for key in names if key in EXTRA_OF)
    return _Plan(times[0] if times else None, texts, others, objects, traces)


def _make_indexable(keys: list[str], extra: dict[str, Any]) -> bool:
    """Bring the values of these keys into a form that any store can index; False if too deep."""
    for key in keys:
        value = extra[key]
        if value is None:
            del extra[key]
        elif depth_of(value) >= MAX_DEPTH:
            return False
        elif type(value) is not int or not -known.INT64 <= value < known.INT64:
            extra[key] = indexable(value)
    return True


def _take_objects(objects: tuple[str, ...], fields: dict[str, Any], extra: dict[str, Any]) -> None:
    """Take the fields out of the objects that hold some."""
    for key in objects:
        if isinstance(extra.get(key), dict):
            left = _taken(extra[key], OBJECTS[key], fields)
            if left:
                extra[key] = left
            else:
                del extra[key]


def _take_time(key: str, extra: dict[str, Any]) -> int | None:
    """Take the time out; keep how it was written unless it is canonical."""
    value = extra[key]
    time = _time_of(key, value)
    if time is not None and type(value) is str and value == iso(time):
        del extra[key]
    return time


def _taken(value: dict[str, Any], table: dict[str, str], fields: dict[str, Any]) -> dict[str, Any]:
    """Take the fields out of an object; return what is left of it."""
    left = {}
    for key, inner in value.items():
        field = table.get(key)
        fitting = None
        if field is not None and field not in fields and not isinstance(inner, dict):
            fitting = known.fit(field, _joined(inner))
        if fitting is None:
            left[key] = inner
        else:
            fields[str(field)] = fitting
    return left


def _joined(value: Any) -> Any:
    """Return a stack that is a list of texts as one text."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return value


def _time_of(key: str, value: Any) -> int | None:
    if isinstance(value, dict):
        if key not in INSTANTS:
            return None
        seconds, nanos = (value.get(name, 0) for name in INSTANTS[key])
        if not isinstance(seconds, int) or not isinstance(nanos, int):
            return None
        return clock.parse(seconds * 1000 + nanos // 1_000_000)
    return clock.parse(value)
