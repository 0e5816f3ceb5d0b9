"""
JSON of other loggers: to the fields of its record, by one table of their keys.

Only lines that are as they should be: objects without a key twice, and not too deep. Any other line
is for `odd`, and so is one of emit. A field that a record has under two keys has the value of its
own name; the other stays under `extra`. What was written stays there, too, where the field says it
in another way, or can't have it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from shipper.enrich import clock, known
from shipper.enrich.classify import Classification, Traits, classify
from shipper.enrich.odd import MAX_DEPTH, depth_of, has_duplicates, indexable
from shipper.enrich.patterned import ReadLine
from shipper.enrich.shapes import OWN, TEXTS, MoreOfShape, ShapePlan, plan_of
from shipper.enrich.weight import lighten
from shipper.formats.dialects import ERROR_MESSAGE, INSTANTS, OBJECTS
from shipper.times import iso

MISFITS = (msgspec.DecodeError, UnicodeDecodeError, UnicodeEncodeError, RecursionError)
SHAPES_REMEMBERED = 1024
REMEMBERED = 4096
LONGEST_SHAPE = 4096  # characters of all its keys
LONGEST_REMEMBERED = 256  # characters; what is longer comes from nobody who logs much

_PLAIN: Final = frozenset({str, bool, float})  # of JSON, these are what any store can index
_MOVED: Final = "moved"
SURE_MS: Final = (10**12, 7 * 10**12)  # numbers that are times of this unit
SURE_SECONDS: Final = (1e9, 7e9)
CANONICAL: Final = 24  # characters of a time
MILLISECONDS: Final = {f"{number:03d}": number for number in range(1000)}


class JsonReader:
    """Reads lines of JSON; used by one thread. `dataset` is that of all, if there is one."""

    def __init__(self, dataset: str = "") -> None:
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode
        self._dataset = dataset
        self._plans: dict[tuple[tuple[str, ...], tuple[type, ...]], ShapePlan | None] = {}
        self._levels: dict[str | int, str | None] = {}
        self._seconds: dict[str, int] = {}  # canonical times without their milliseconds
        self._classes: dict[tuple[str, str, str, int], Classification] = {}

    def read(self, line: bytes, read_at: int) -> ReadLine | None:
        """Return what a line says; None if it needs a closer look."""
        if line[:1] != b"{":
            return None
        try:
            record = self._decode(line)
            return self.read_record(record, read_at, line)
        except MISFITS:
            return None

    def read_record(
        self, record: dict[str, Any], read_at: int, line: bytes = b""
    ) -> ReadLine | None:
        """
        Return what a record says, which is taken apart; None if it needs a closer look.

        With the line that it was read from, a key that stands twice in that is one of the reasons.
        """
        shape = (*record,), (*map(type, record.values()),)
        plan = self._plans.get(shape) or self._plan_of(shape)
        if plan is None or (line and _has_key_twice(line, plan, record)):
            return None
        fields: dict[str, Any] = {}
        take = record.pop
        for key in plan.nulls:
            take(key)
        for key, field in plan.straight:
            fields[field] = take(key)
        if plan.level is not None:
            self._take_level(plan.level, fields, record)
        time = self._take_time(plan.times, record)
        _keep_integers(plan.integers, record)
        error = None
        if plan.more is not None:
            if not _take_more(plan.more, fields, record):
                return None
            error = fields.pop(ERROR_MESSAGE, None)
        tags = lighten(record, line)
        if time is None:
            tags = ("no_timestamp", *tags)
            time = read_at
        if tags:
            fields["tags"] = [*tags, *fields.get("tags", ())]
        get = fields.get
        traits = get("logger", ""), get("level", ""), get("status", ""), get("status_code", 0)
        found = self._classes.get(traits) or self._class_of(traits)
        return ReadLine(fields, record, time, found, error)

    def _plan_of(self, shape: tuple[tuple[str, ...], tuple[type, ...]]) -> ShapePlan | None:
        if len(",".join(shape[0])) > LONGEST_SHAPE:
            return plan_of(*shape)
        if len(self._plans) >= SHAPES_REMEMBERED:
            self._plans.clear()
        return self._plans.setdefault(shape, plan_of(*shape))

    def _class_of(self, traits: tuple[str, str, str, int]) -> Classification:
        found = classify(Traits(*traits))
        if self._dataset:
            found = Classification(self._dataset, found.categories, found.error)
        if sum(map(len, traits[:3])) > LONGEST_REMEMBERED:
            return found
        if len(self._classes) >= REMEMBERED:
            self._classes.clear()
        return self._classes.setdefault(traits, found)

    def _take_time(self, keys: tuple[str, ...], extra: dict[str, Any]) -> int | None:
        """Return the first time that a key has; keep how it is written unless canonically."""
        for key in keys:
            value = extra[key]
            kind = type(value)
            if kind is str:
                second = self._seconds.get(value[:20] + value[23:])
                after = MILLISECONDS.get(value[20:23])
                if second is not None and after is not None and len(value) == CANONICAL:
                    del extra[key]
                    return second + after
            elif kind is int and SURE_MS[0] <= value < SURE_MS[1]:
                return int(value)
            elif kind is float and SURE_SECONDS[0] <= value < SURE_SECONDS[1]:
                return int(value * 1000 + 0.01)  # see `clock`
            found = _time_of(key, value)
            if found is not None and kind is str and value == iso(found):
                del extra[key]
                if len(self._seconds) >= REMEMBERED:
                    self._seconds.clear()
                self._seconds[value[:20] + value[23:]] = found - found % 1000
            elif kind is not str and kind is not float:
                extra[key] = _made_indexable(value)
            if found is not None:
                return found
        return None

    def _take_level(self, key: str, fields: dict[str, Any], extra: dict[str, Any]) -> None:
        written = extra[key]
        level = self._levels.get(written) or self._level(written)
        if level is None:
            _leave(key, fields, extra)
            _take_another_level(fields, extra)
            return
        fields["level"] = level
        if level == written:
            del extra[key]

    def _level(self, written: str | int) -> str | None:
        level: str | None = known.fit("level", written)
        if len(str(written)) > LONGEST_REMEMBERED:
            return level
        if len(self._levels) >= REMEMBERED:
            self._levels.clear()
        return self._levels.setdefault(written, level)


def _take_more(more: MoreOfShape, fields: dict[str, Any], extra: dict[str, Any]) -> bool:
    """Do what a record needs besides; False if it is too deep."""
    for key, field, least, most in more.numbers:
        if least <= extra[key] <= most:
            fields[field] = extra.pop(key)
        else:
            _take(key, field, fields, extra)
    for key, field in more.others:
        _take(key, field, fields, extra)
    for key in more.objects:
        _take_object(key, fields, extra)
    if more.others and "level" not in fields:
        _take_another_level(fields, extra)
    if more.nested and not _make_indexable(more.nested, extra):
        return False
    for key, name in more.traces:
        if key in extra:
            extra[name] = extra.pop(key)
    return True


def _keep_integers(keys: tuple[str, ...], extra: dict[str, Any]) -> None:
    """Make a text of each integer beyond 64 bits."""
    for key in keys:
        if not -known.INT64 <= extra[key] < known.INT64:
            extra[key] = str(extra[key])


def _has_key_twice(line: bytes, plan: ShapePlan, record: dict[str, Any]) -> bool:
    """Return whether a key stands twice: by counting quotes, where that can't tell by a look."""
    quotes = line.count(b'"')
    if quotes == plan.quotes:
        return False
    if plan.more is not None:
        quotes -= sum([_quotes_of(record[key]) for key in plan.more.nested])
    if quotes != plan.quotes and b"\\\\" not in line:
        quotes -= line.count(b'\\"')  # those within a text
    return quotes != plan.quotes and has_duplicates(line.decode())


def _quotes_of(value: Any) -> int:
    """Return how many quotes stand around the keys and texts of an object or list."""
    if type(value) is dict:
        count = 2 * len(value)
        value = value.values()
    else:
        count = 0
    for item in value:
        kind = type(item)
        if kind is str:
            count += 2
        elif kind is dict or kind is list:
            count += _quotes_of(item)
    return count


def _take(key: str, field: str, fields: dict[str, Any], extra: dict[str, Any]) -> None:
    """Take a value that may need another type, or leave it where it is."""
    value = extra[key]
    fitting = None if isinstance(value, dict) else known.fit(field, value)
    if fitting is None:
        _leave(key, fields, extra)
        return
    fields[field] = fitting
    if known.is_changed(fitting, value):
        extra[key] = indexable(value)
    else:
        del extra[key]


def _leave(key: str, fields: dict[str, Any], extra: dict[str, Any]) -> None:
    """Leave a value under `extra` that its field can't have."""
    extra[key] = _made_indexable(extra[key])
    if key in OWN:
        fields["tags"] = [_MOVED]


def _take_another_level(fields: dict[str, Any], extra: dict[str, Any]) -> None:
    """Take the level that another key names, where that of the first can't be one."""
    level = known.take_level(extra)
    if level is not None:
        fields["level"] = level


def _made_indexable(value: Any) -> Any:
    """Return a value in a form that any store can index; raise RecursionError if too deep."""
    if depth_of(value) >= MAX_DEPTH:
        raise RecursionError
    return indexable(value)


def _make_indexable(keys: tuple[str, ...], extra: dict[str, Any]) -> bool:
    """Bring objects and lists into a form that any store can index; False if too deep."""
    for key in keys:
        value = extra.get(key)
        if value is None or _is_plain(value, MAX_DEPTH - 1):
            continue
        if depth_of(value) >= MAX_DEPTH:
            return False
        extra[key] = indexable(value)
    return True


def _is_plain(value: Any, levels: int) -> bool:
    """Return whether any store can index an object or list as it is, of at most so many levels."""
    for item in value.values() if type(value) is dict else value:
        kind = type(item)
        if kind in _PLAIN:
            continue
        if kind is int:
            if not -known.INT64 <= item < known.INT64:
                return False
        elif item is None or levels == 1 or not _is_plain(item, levels - 1):
            return False
    return True


def _take_object(key: str, fields: dict[str, Any], extra: dict[str, Any]) -> None:
    """Take the fields out of an object that holds some; what is left of it stays."""
    table = OBJECTS[key]
    whole = extra[key]
    for name in [*whole]:
        field = table.get(name)
        if field is None or field in fields:
            continue
        value = whole[name]
        kind = type(value)
        if kind is str and field in TEXTS:
            fields[field] = whole.pop(name)
        elif kind is not dict:
            fitting = known.fit(field, _joined(value))
            if fitting is not None:
                fields[field] = fitting
                del whole[name]
    if not whole:
        del extra[key]


def _joined(value: Any) -> Any:
    """Return a stack that is a list of texts as one text."""
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "\n".join(value)
    return value


def _time_of(key: str, value: Any) -> int | None:
    if not isinstance(value, dict):
        return clock.parse(value)
    if key not in INSTANTS:
        return None
    seconds, nanos = (value.get(name, 0) for name in INSTANTS[key])
    if not isinstance(seconds, int) or not isinstance(nanos, int):
        return None
    return clock.parse(seconds * 1000 + nanos // 1_000_000)
