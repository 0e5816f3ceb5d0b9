"""
Lines of W3C extended logs, as of IIS: to the fields of their records.

Which column is what is said by the last `#Fields:` before a line: in its block, or the preamble of
that. A line with another number of values, or before any `#Fields:`, does not have the format. The
directives are no records.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from shipper.enrich import known
from shipper.enrich.classify import Classification, fault_of
from shipper.enrich.patterned import ReadLine
from shipper.enrich.zoned import ZonedTimes
from shipper.events import LONGEST_PREAMBLE
from shipper.formats.definition import ISO, TIME_OF_DAY
from shipper.formats.web import W3C, W3C_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_COLUMNS: Final = 256
LONGEST_NAME: Final = 100
KINDS_REMEMBERED: Final = 1000

_DIRECTIVE: Final = re.compile(rb"#(?:Version|Fields|Software|Date|Start-Date|End-Date|Remark):")
_VALUE: Final = re.compile(r'"(?:[^"]|"")*"|[^ \t"][^ \t]*')
_NO_NAME: Final = re.compile(r"[^a-z0-9]+")
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_SECONDS: Final = re.compile(r"[0-9]{1,15}\.[0-9]{1,15}", re.ASCII)
_ABSENT: Final = frozenset({"-", ""})


class _Columns(NamedTuple):
    """What the columns are, by their places."""

    width: int
    date: int
    time: int
    fields: tuple[tuple[int, str, Callable[[str], Any]], ...]
    extra: tuple[tuple[int, str], ...]


class W3cReader:
    """Reads the lines of W3C logs; used by one thread. Times are in UTC unless `zone` says else."""

    def __init__(self, zone: str, dataset: str = "") -> None:
        zone = zone or "UTC"
        self._times = ZonedTimes(ISO, zone)
        self._times_of_day = ZonedTimes(TIME_OF_DAY, zone)
        self._dataset = dataset or W3C.layouts[-1].dataset
        self._known: dict[bytes, _Columns | None] = {}
        self._columns: _Columns | None = None
        self._classes: dict[int, Classification] = {}

    def begin(self, preamble: bytes) -> None:
        """Begin with a block; `preamble` is the last `#Fields:` before it."""
        self._columns = self._columns_of(preamble)

    def is_comment(self, line: bytes) -> bool:
        """Return whether a line is a directive, which is no record; note the columns."""
        is_long = len(line) >= LONGEST_PREAMBLE
        if line[:1] != b"#" or is_long or _DIRECTIVE.match(line) is None:
            return False
        if line.startswith(W3C_FIELDS):
            self._columns = self._columns_of(line.rstrip(b"\r"))
        return True

    def read(self, line: bytes, read_at: int) -> ReadLine | None:
        """Return what a line says; None if it does not have the columns."""
        columns = self._columns
        if columns is None or line[:1] in (b"#", b"{"):
            return None
        try:
            text = line.decode().rstrip("\r")
        except UnicodeDecodeError:
            return None
        values = _VALUE.findall(text)
        if len(values) != columns.width:
            return None
        fields: dict[str, Any] = {"message": text}
        for place, name, read in columns.fields:
            if values[place] not in _ABSENT and (value := read(values[place])) is not None:
                fields[name] = value
        extra = {
            name: _plain(values[place])
            for place, name in columns.extra
            if values[place] not in _ABSENT
        }
        time = self._time(columns, values, read_at)
        if time is None:
            fields["tags"] = ["no_timestamp"]
        found = self._class_of(fields.get("status_code", 0))
        return ReadLine(fields, extra, read_at if time is None else time, found)

    def _time(self, columns: _Columns, values: list[str], read_at: int) -> int | None:
        if columns.time < 0:
            return None
        time = _plain(values[columns.time])
        if columns.date < 0:
            return self._times_of_day.parse(str(time), read_at)
        return self._times.parse(f"{_plain(values[columns.date])} {time}", read_at)

    def _class_of(self, status_code: int) -> Classification:
        found = self._classes.get(status_code)
        if found is None:
            found = Classification(self._dataset, ("web",), fault_of(status_code))
            if len(self._classes) < KINDS_REMEMBERED:
                self._classes[status_code] = found
        return found

    def _columns_of(self, directive: bytes) -> _Columns | None:
        if directive not in self._known:
            if len(self._known) >= KINDS_REMEMBERED:
                self._known.clear()
            self._known[directive] = _columns_of(directive)
        return self._known[directive]


def _columns_of(directive: bytes) -> _Columns | None:
    names = directive.removeprefix(W3C_FIELDS).decode(errors="replace").lower().split()
    if not names or len(names) > MOST_COLUMNS or max(map(len, names)) > LONGEST_NAME:
        return None
    fields, extra, used = [], [], {"date", "time"}
    for place, name in enumerate(names):
        field = _FIELDS.get(name, ("", str))
        plain = _EXTRA.get(name) or _NO_NAME.sub("_", name).strip("_") or f"column_{place + 1}"
        if field[0] and field[0] not in used:
            used.add(field[0])
            fields.append((place, *field))
        elif name not in ("date", "time"):
            unique = plain if plain not in used else f"{plain}_{place + 1}"
            used.add(unique)
            extra.append((place, unique))
    places = [names.index(name) if name in names else -1 for name in ("date", "time")]
    return _Columns(len(names), places[0], places[1], tuple(fields), tuple(extra))


def _plain(value: str) -> str | int:
    """Return a value without quotes, a whole number as such."""
    if value[:1] == '"':
        return value[1:-1].replace('""', '"')
    return int(value) if _NUMBER.fullmatch(value) else value


def _text(value: str) -> str:
    return str(_plain(value)) if value[:1] == '"' else value


def _spaced(value: str) -> str:
    """Return a text in which a plus stands for each space, as IIS has it."""
    return _text(value).replace("+", " ")


def _milliseconds(value: str) -> float | None:
    """Return a duration: IIS writes whole milliseconds, others seconds with a fraction."""
    if _SECONDS.fullmatch(value):
        return round(float(value) * 1000, 6)
    return int(value) if _NUMBER.fullmatch(value) else None


def _status(value: str) -> int | None:
    found: int | None = known.fit("status_code", value)
    return found


_FIELDS: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "c-ip": ("client_ip", _text),
    "cs-method": ("method", _text),
    "cs-uri-stem": ("path", _text),
    "sc-status": ("status_code", _status),
    "time-taken": ("duration_ms", _milliseconds),
    "cs(user-agent)": ("user_agent", _spaced),
}
_EXTRA: Final = {
    "cs-uri-query": "query",
    "cs-username": "user",
    "cs-version": "protocol",
    "cs-protocol-version": "protocol",
    "cs-host": "host",
    "cs(host)": "host",
    "cs(referer)": "referrer",
    "cs-bytes": "bytes_received",
    "sc-bytes": "bytes",
    "s-ip": "server_ip",
    "s-port": "server_port",
    "s-sitename": "site",
    "s-computername": "server",
    "sc-substatus": "substatus",
    "sc-win32-status": "win32_status",
}
