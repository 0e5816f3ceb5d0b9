"""
Lines of a format with patterns: to the fields of their records.

The pattern has to match all of the first line of an event. What follows it is a traceback, which
is `exc_info`, or more of the message. A line without groups for a message is its own message.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from shipper.enrich import known
from shipper.enrich.classify import SEVERE, Classification, fault_of
from shipper.enrich.odd import OURS
from shipper.enrich.zoned import ZonedTimes
from shipper.fields import FIELDS, FieldKind, level_of
from shipper.formats.matching import compile_own, compile_ready

if TYPE_CHECKING:
    from shipper.formats.definition import Layout, LogFormat

TIME = "time"
ABSENT = frozenset({"", "-", None})
_NEVER_FIRST = (b"{", b"\0", b"", b"\xef", b"\r")  # JSON, holes, blank lines: see `odd`
NUMBER_DIGITS = 18
MOST_LEVELS = 1000  # remembered, of so many characters
LONGEST_LEVEL = 64

# Where a traceback names its error: Python at its end, Java at its beginning.
_TRACEBACK = re.compile(
    r"^(?:Traceback \(most recent call last\):|\s+at [\w.$/<>]+|[\w.$]*(?:Error|Exception)\b"
    r"|goroutine [0-9]|[^ \t:]{1,1000}:[0-9]{1,9}:in [`']|\tfrom [^ \t:]{1,1000}:[0-9])",
    re.MULTILINE,
)
_ERROR_TYPE = re.compile(
    r"^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Warning|Interrupt|Exit|Group|Iteration)"
    r"(?=[:\s]|$)",
    re.MULTILINE,
)


# Ruby names it at the end of the first line.
_OF_RUBY = re.compile(r"^(?:\tfrom )?[^ \t:]{1,1000}:[0-9]{1,9}:in [`']", re.MULTILINE)
_ERROR_IN_FIRST = re.compile(r"\(([A-Z]\w*(?:::[A-Z]\w*)*)\)$")


class ReadLine(msgspec.Struct, gc=False):
    """The fields of a line, what is under `extra`, the time in epoch milliseconds."""

    fields: dict[str, Any]
    extra: dict[str, Any]
    time: int
    classification: Classification
    error: str | None = None  # its message


class LineReader(Protocol):
    """Reads the events of one format."""

    def read(self, line: bytes, read_at: int) -> ReadLine | None:
        """Return what an event says; None if it does not have the format."""


class FormatReader:
    """Reads the lines of one format; used by one thread."""

    def __init__(self, log_format: LogFormat, zone: str, dataset: str = "") -> None:
        self._layouts = [
            _LayoutReader(each, zone, dataset, is_own=log_format.is_own)
            for each in log_format.layouts
        ]

    def read(self, line: bytes, read_at: int) -> ReadLine | None:
        """Return what an event says; None if it does not have this format."""
        if line[:1] in _NEVER_FIRST:
            return None
        try:
            text = line.decode()
        except UnicodeDecodeError:
            return None
        return self.read_text(_of_unix(text), read_at)

    def read_text(self, text: str, read_at: int) -> ReadLine | None:
        """Return what an event says; None if it does not have this format."""
        first, newline, rest = text.partition("\n")
        for layout in self._layouts:
            groups = layout.match(first)
            if groups is not None:
                found = layout.read(groups, text, read_at)
                if newline:
                    _add_rest(found.fields, rest)
                return found
        return None


class _LayoutReader:
    def __init__(self, layout: Layout, zone: str, dataset: str, *, is_own: bool) -> None:
        self.match, names = (compile_own if is_own else compile_ready)(layout.pattern)
        self._times = ZonedTimes(layout.time, zone)
        self._layout = layout
        self._dataset = dataset or layout.dataset
        self._has_message = "message" in names
        self._level_index = names.index("level") if "level" in names else -1
        self._time_index = names.index(layout.time_group) if layout.time_group in names else -1
        self._known: list[tuple[int, str]] = []
        self._typed: list[tuple[int, str]] = []  # of them those that are no texts
        self._extra: list[tuple[int, str, bool]] = []
        for index, name in enumerate(names):
            if index in (self._level_index, self._time_index):
                continue
            if name in FIELDS and name not in OURS and name not in ("run", "seq"):
                is_text = FIELDS[name].kind in (FieldKind.KEYWORD, FieldKind.TEXT)
                (self._known if is_text else self._typed).append((index, name))
            else:
                self._extra.append((index, name, name in layout.numbers))
        self._levels: dict[str, str] = {}
        self._fitting: dict[tuple[str, str | None], Any] = {}
        self._classes: dict[tuple[str, int], Classification] = {}

    def read(self, groups: tuple[str | None, ...], text: str, read_at: int) -> ReadLine:
        fields: dict[str, Any] = {}
        for index, name in self._known:
            value = groups[index]
            if value not in ABSENT:
                fields[name] = value
        for index, name in self._typed:
            value = groups[index]
            key = name, value
            fitting = self._fitting[key] if key in self._fitting else self._fit(name, value)
            if fitting is not None:
                fields[name] = fitting
        extra: dict[str, Any] = {}
        for index, name, is_number in self._extra:
            value = groups[index]
            if value not in ABSENT:
                extra[name] = _number(str(value)) if is_number else value
        if not self._has_message:
            fields["message"] = text.partition("\n")[0]
        level = ""
        if self._level_index >= 0 and (named := groups[self._level_index]):
            level = fields["level"] = self._levels.get(named) or self._level(named)
        time = self._time(groups, read_at)
        if time is None:
            fields["tags"] = ["no_timestamp"]
            time = read_at
        return ReadLine(fields, extra, time, self._classify(level, fields.get("status_code", 0)))

    def _fit(self, name: str, value: str | None) -> Any:
        """Return a number that a field can have; those of an HTTP status are remembered."""
        found = None if value in ABSENT else known.fit(name, value)
        is_short = value is None or len(value) <= LONGEST_LEVEL
        if name == "status_code" and is_short and len(self._fitting) < MOST_LEVELS:
            self._fitting[name, value] = found
        return found

    def _time(self, groups: tuple[str | None, ...], read_at: int) -> int | None:
        written = groups[self._time_index] if self._time_index >= 0 else None
        return self._times.parse(written, read_at) if written else None

    def _level(self, named: str) -> str:
        level = self._layout.levels.get(named)
        level = level_of(level or named)
        if len(self._levels) < MOST_LEVELS and len(named) <= LONGEST_LEVEL:
            self._levels[named] = level
        return level

    def _classify(self, level: str, status_code: int) -> Classification:
        known_class = self._classes.get((level, status_code))
        if known_class is None:
            fault = fault_of(status_code) or ("server" if level in SEVERE else None)
            category = (self._layout.category,) if self._layout.category else ()
            known_class = Classification(self._dataset, category, fault)
            if len(self._classes) < MOST_LEVELS and len(level) <= LONGEST_LEVEL:
                self._classes[level, status_code] = known_class
        return known_class


def _of_unix(text: str) -> str:
    """Return an event with newlines only, and none at its end."""
    if "\n" in text:
        return text.replace("\r\n", "\n").rstrip("\r\n")
    return text.removesuffix("\r")


def _number(text: str) -> Any:
    if text.isdecimal() and text.isascii() and len(text) <= NUMBER_DIGITS:
        return int(text)
    value = known.fit("duration_ms", text)
    return text if value is None else value


def _add_rest(fields: dict[str, Any], rest: str) -> None:
    """Add the lines that follow the first: a traceback, or more of the message."""
    if _TRACEBACK.search(rest) is None or "exc_info" in fields:
        fields["message"] = f"{fields.get('message', '')}\n{rest}"
        return
    fields["exc_info"] = rest
    if "error_type" not in fields:
        names = _ERROR_TYPE.findall(rest)
        if _OF_RUBY.search(rest):
            names = _ERROR_IN_FIRST.findall(fields.get("message", "")) or names
        if names:
            fields["error_type"] = names[-1 if "Traceback (" in rest else 0]
