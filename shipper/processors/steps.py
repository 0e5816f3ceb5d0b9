"""
The kinds of processors: each takes one document, and changes it in its place.

A step whose query does not match, or that finds nothing to do, leaves the document as it is. One
that cannot do what it should (a text that is no JSON, a value that a field cannot have) does so,
too, and says that it failed.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Mapping
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Any, Final
from zlib import crc32

import msgspec

from shipper.config.processors import (
    DropStep,
    GeoStep,
    LookupStep,
    ParseStep,
    RemoveStep,
    RenameStep,
    SampleStep,
    SetStep,
    StepOptions,
    TruncateStep,
)
from shipper.decoding import UNDECODABLE
from shipper.enrich.weight import lighten
from shipper.errors import ConfigError, QueryError
from shipper.files import open_regular
from shipper.processors.geo import GeoDatabase
from shipper.processors.match import Matcher, checked
from shipper.processors.paths import find, path_of, put, take

MAX_FILE: Final = 64 << 20  # bytes of a file of `lookup`
WEIGHT: Final = "extra.weight"
_PAIR: Final = r'([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))'
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)


class StepResult(Enum):
    """What a step did."""

    NOTHING = "nothing"
    CHANGED = "changed"
    DROPPED = "dropped"
    FAILED = "failed"


Action = Callable[[dict[str, Any], str], StepResult]  # of a document and its id


class Step:
    """One processor of the config, at `place`."""

    def __init__(self, place: str, options: StepOptions) -> None:
        self.place = place
        try:
            self._where: Matcher | None = checked(options.where) if options.where else None
        except QueryError as error:
            raise ConfigError(f"{place}.where: {error.fault}", error.remedy) from error
        self._act = _action(place, options)

    def apply(self, document: dict[str, Any], origin: str) -> StepResult:
        """Do it to one document, whose `_id` is `origin`."""
        if self._where is not None and not self._where(document):
            return StepResult.NOTHING
        return self._act(document, origin)


def _action(place: str, options: StepOptions) -> Action:  # noqa: C901, PLR0911 - one per kind
    """Return what a step does; raise ConfigError if it cannot be done."""
    match options:
        case DropStep():
            return lambda _document, _origin: StepResult.DROPPED
        case SampleStep(count=count):
            return partial(_sample, count)
        case RenameStep(field=field, to=to):
            paths = path_of(place, field, target=True), path_of(place, to, target=True)
            return partial(_rename, *paths)
        case RemoveStep(fields=fields):
            return partial(_remove, [path_of(place, each, target=True) for each in fields])
        case SetStep(field=field, value=value):
            return partial(_set, path_of(place, field, target=True), value)
        case ParseStep(field=field, form=form, into=into):
            path = path_of(f"{place}.into", into, target=True)
            if not path.startswith("extra."):
                raise ConfigError(f"{place}.into: {into} holds no objects", "use extra.NAME")
            return partial(_parse, PARSERS[form], path_of(place, field), path)
        case LookupStep(field=field, into=into, file=file):
            path = path_of(f"{place}.into", into, target=True)
            return partial(_look_up, _table(place, file), path_of(place, field), path)
        case GeoStep(field=field, into=into, file=file):
            path = path_of(f"{place}.into", into, target=True)
            if not path.startswith("extra."):
                raise ConfigError(f"{place}.into: {into} holds no objects", "use extra.NAME")
            return partial(_locate, GeoDatabase(place, file), path_of(place, field), path)
        case TruncateStep(field=field, max_bytes=most):
            return partial(_truncate, path_of(place, field, target=True), most)


def _sample(count: int, document: dict[str, Any], origin: str) -> StepResult:
    if crc32(origin.encode()) % count:
        return StepResult.DROPPED
    there = find(document, WEIGHT)
    before = there[0][there[1]] if there is not None else 1
    weight = before * count if isinstance(before, int) else count
    return StepResult.CHANGED if put(document, WEIGHT, weight) else StepResult.FAILED


def _rename(field: str, to: str, document: dict[str, Any], _origin: str) -> StepResult:
    there = find(document, field)
    if there is None:
        return StepResult.NOTHING
    if not put(document, to, there[0][there[1]]):
        return StepResult.FAILED
    if field != to:
        take(document, field)
    return StepResult.CHANGED


def _remove(fields: list[str], document: dict[str, Any], _origin: str) -> StepResult:
    removed = [take(document, field) for field in fields]
    return StepResult.CHANGED if any(each is not None for each in removed) else StepResult.NOTHING


def _set(field: str, value: str, document: dict[str, Any], _origin: str) -> StepResult:
    return StepResult.CHANGED if put(document, field, value) else StepResult.FAILED


def _parse(
    parse: Callable[[str], dict[str, Any] | None],
    field: str,
    into: str,
    document: dict[str, Any],
    _origin: str,
) -> StepResult:
    there = find(document, field)
    if there is None:
        return StepResult.NOTHING
    text = there[0][there[1]]
    found = parse(text) if isinstance(text, str) else None
    if not found or not put(document, into, found):
        return StepResult.FAILED
    written = {into: take(document, into)}
    for tag in lighten(written, text.encode(errors="replace")):
        add_tag(document, tag)
    put(document, into, written[into])
    return StepResult.CHANGED


def _json(text: str) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(text)
    except (*UNDECODABLE, UnicodeEncodeError):
        return None
    return found if isinstance(found, dict) else None


def _logfmt(text: str) -> dict[str, Any] | None:
    import re2  # noqa: PLC0415 -- only for those who have logfmt; linear in time

    data = text.encode(errors="replace")
    pairs = (found.groups() for found in re2.compile(_PAIR).finditer(data))
    return {
        name.decode(): _ESCAPED.sub(r"\1", quoted.decode()) if bare is None else bare.decode()
        for name, quoted, bare in pairs
    }


PARSERS: Final = {"json": _json, "logfmt": _logfmt}


def _look_up(
    table: Mapping[str, Mapping[str, str]],
    field: str,
    into: str,
    document: dict[str, Any],
    _origin: str,
) -> StepResult:
    there = find(document, field)
    row = table.get(str(there[0][there[1]])) if there is not None else None
    if row is None:
        return StepResult.NOTHING
    return StepResult.CHANGED if put(document, into, dict(row)) else StepResult.FAILED


def _locate(
    database: GeoDatabase, field: str, into: str, document: dict[str, Any], _origin: str
) -> StepResult:
    there = find(document, field)
    address = there[0][there[1]] if there is not None else None
    places = database.places_of(address) if isinstance(address, str) else None
    if not places:
        return StepResult.NOTHING
    is_put = [put(document, f"{into}.{name}", value) for name, value in places.items()]
    return StepResult.CHANGED if all(is_put) else StepResult.FAILED


def _table(place: str, path: Path) -> dict[str, dict[str, str]]:
    remedy = "name a CSV file in UTF-8 with a heading"
    try:
        with open(open_regular(path, follow=True), encoding="utf-8-sig", newline="") as file:
            if file.seek(0, 2) > MAX_FILE:
                raise ConfigError(f"{place}.file: {path} is larger than 64 MiB", remedy)
            file.seek(0)
            rows = csv.reader(file, strict=True)
            names = next(rows)[1:]
            return {row[0]: dict(zip(names, row[1:], strict=True)) for row in rows if row}
    except OSError as error:
        raise ConfigError(f"{place}.file: cannot read {path}: {error.strerror}", remedy) from error
    except (ValueError, csv.Error, StopIteration) as error:
        reason = "it has no heading" if isinstance(error, StopIteration) else str(error)
        raise ConfigError(f"{place}.file: {path} is no such table: {reason}", remedy) from error


def _truncate(field: str, most: int, document: dict[str, Any], _origin: str) -> StepResult:
    there = find(document, field)
    text = there[0][there[1]] if there is not None else None
    if there is None or not isinstance(text, str) or len(text) * 4 <= most:
        return StepResult.NOTHING
    data = text.encode(errors="replace")
    if len(data) <= most:
        return StepResult.NOTHING
    there[0][there[1]] = data[:most].decode(errors="ignore")
    add_tag(document, "truncated")
    return StepResult.CHANGED


def add_tag(document: dict[str, Any], tag: str) -> None:
    """Tag a document, once."""
    tags = document.get("tags")
    there = tags if isinstance(tags, list) else []
    if tag not in there:
        document["tags"] = [*there, tag]
