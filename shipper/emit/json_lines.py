"""
A record as one line of JSON, with the field names that people search for.

    {"timestamp":"2026-02-05T14:30:45.123Z","level":"INFO",
     "logger":"automation_orchestrator.workflows","message":"Workflow executed successfully",
     "request_id":"req_abc123","workflow_id":"workflow_123","execution_time_ms":245,
     "status":"success","run":"01KGQ5T4D3…","seq":17}

Guarantees: whatever an application logs becomes exactly one valid line; a field without a value is
left out; no extra can take the place of a field that is ours (it is kept as `extra_<name>`). No
line is longer, or nested deeper, than the shipper takes apart: what is deeper becomes text, and the
longest texts lose their middle (`bounds`).

Built on the msgspec formatter of python-json-logger, because it is faster than the one on `json`
and takes non-finite floats, bytes, sets, dates and dataclasses as they come. Measured with the
logger's own share: 14.1 µs a record with `json`, 11.0 with msgspec, 10.4 here, where the layout
is fixed, with `run` and `seq` (`python -m bench.emit`).
"""

from __future__ import annotations

import logging
import logging.config
import reprlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import msgspec
from pythonjsonlogger.msgspec import MsgspecFormatter, msgspec_default

from shipper.emit.bounds import bounded, is_within_bounds
from shipper.emit.numbering import Mark, mark_of, mark_records, origin_of

_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {
    "asctime",
    "message",
    "taskName",
    "color_message",  # uvicorn's copy of the message with terminal colours
}
_OURS = frozenset(
    ("timestamp", "level", "logger", "message", "exc_info", "stack_info", "run", "seq"),
)
_ALWAYS_KEPT = _OURS | {"request_id", "workflow_id", "error_type"}
# Attributes of a record that a format string may ask for; the others are in the line anyway.
_ON_REQUEST = frozenset(
    (
        *("created", "filename", "funcName", "levelno", "lineno", "module", "msecs", "pathname"),
        *("process", "processName", "relativeCreated", "taskName", "thread", "threadName"),
    ),
)

# A value that no encoder takes (a cycle, depth without end) is shown as this much of its repr.
_shorten = reprlib.Repr()
_shorten.maxlevel = 3
_shorten.maxdict = _shorten.maxlist = _shorten.maxtuple = _shorten.maxset = 20
_shorten.maxstring = _shorten.maxother = _shorten.maxlong = 1000


# Arguments of python-json-logger that say how its line looks; ours has the one form that is read.
_OF_NO_EFFECT = frozenset(("timestamp", "json_ensure_ascii", "rename_fields_keep_missing"))
_IMPOSSIBLE = frozenset(
    (
        *("prefix", "json_indent", "json_encoder", "json_serializer"),
        *("exc_info_as_array", "stack_info_as_array"),
    ),
)


class JsonFormatter(MsgspecFormatter):
    """
    Formats records for the files that the shipper reads.

    Takes the arguments of `logging.Formatter`. The fields do not depend on the format string,
    except that attributes of a LogRecord which it names, such as `%(process)d` or
    `%(threadName)s`, are added under their own names.

    Of python-json-logger it takes `static_fields` and `defaults` (in every record, unless the
    record has its own), `rename_fields` (of those that are not ours), `reserved_attrs` (left out)
    and `json_default`. `timestamp` and `json_ensure_ascii` change nothing.

    Raises:
        ValueError: an argument asks for a line that is no record.
    """

    def __init__(  # noqa: PLR0913 - as python-json-logger's
        self,
        fmt: str | None = None,
        datefmt: str | None = None,
        style: Literal["%", "{", "$"] = "%",
        validate: bool = True,  # noqa: FBT001, FBT002 - the order is logging.Formatter's
        *,
        static_fields: Mapping[str, object] | None = None,
        defaults: Mapping[str, object] | None = None,
        rename_fields: Mapping[str, str] | None = None,
        reserved_attrs: Iterable[str] = (),
        json_default: Callable[[Any], Any] | str | None = None,
        **others: object,
    ) -> None:
        for name, value in others.items():
            if name in _IMPOSSIBLE and value:
                raise ValueError(f"{name} makes lines that are no records; remove it")
            if name not in _IMPOSSIBLE | _OF_NO_EFFECT:
                raise TypeError(f"JsonFormatter has no argument {name!r}")
        super().__init__(fmt, datefmt, style, validate, json_default=_default)
        self.json_default = _or_ours(json_default)
        self._encoder = msgspec.json.Encoder(enc_hook=self.json_default)
        self._requested = tuple(name for name in self._required_fields if name in _ON_REQUEST)
        self._always = tuple({**(defaults or {}), **(static_fields or {})}.items())
        self._renamed = tuple((rename_fields or {}).items())
        self._left_out = _STANDARD | {*reserved_attrs}
        self._second = (0, "1970-01-01T00:00:00")
        mark_records()

    def format(self, record: logging.LogRecord) -> str:
        """Format a record as one line, without the newline."""
        fields = self._fields(record)
        try:
            line = self.jsonify_log_record(fields)
        except Exception:  # noqa: BLE001 - the values are the application's: anything can happen
            line = self.jsonify_log_record(self._encodable(fields))
        return line if is_within_bounds(line) else bounded(line, _ALWAYS_KEPT)

    def _fields(self, record: logging.LogRecord) -> dict[str, Any]:
        fields: dict[str, Any] = {
            "timestamp": self._timestamp(record.created),
            "level": record.levelname,
            "logger": record.name,
            "message": _message(record),
        }
        mark = mark_of(record) or Mark()
        if mark.workflow_id is not None:
            fields["workflow_id"] = mark.workflow_id
        if mark.request_id is not None:
            fields["request_id"] = mark.request_id
        if record.exc_info or record.exc_text or record.stack_info:
            self._add_stacks(fields, record)
        for name, value in self._always:
            _add(fields, name, value)
        if mark.fields:
            for name, value in mark.fields.items():
                _add(fields, name, value)
        self._add_extras(fields, record)
        for name, renamed in self._renamed:
            if name in fields and name not in _OURS:
                _add(fields, renamed, fields.pop(name))
        fields["run"], fields["seq"] = origin_of(record)
        return fields

    def _add_extras(self, fields: dict[str, Any], record: logging.LogRecord) -> None:
        for name in self._requested:
            _add(fields, name, record.__dict__.get(name))
        if isinstance(record.msg, dict):
            for name, value in record.msg.items():
                if name != "message":
                    _add(fields, name, value)
        left_out = self._left_out
        for name, value in record.__dict__.items():
            if name not in left_out:
                _add(fields, name, value)

    def _timestamp(self, created: float) -> str:
        """Write epoch seconds as UTC with milliseconds; the text of the last second is kept."""
        # A float cannot hold most milliseconds; the hundredth makes up for what it falls short.
        second, millisecond = divmod(int(created * 1000 + 0.01), 1000)
        known, text = self._second
        if second != known:
            text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))
            self._second = (second, text)
        return f"{text}.{millisecond:03d}Z"

    def _add_stacks(self, fields: dict[str, Any], record: logging.LogRecord) -> None:
        if isinstance(record.exc_info, tuple) and record.exc_info[0] is not None:
            fields["error_type"] = record.exc_info[0].__name__
            if record.exc_text is None:
                # As the formatters of logging do: the next handler finds it made.
                record.exc_text = str(self.formatException(record.exc_info))
        if record.exc_text:
            fields["exc_info"] = record.exc_text
        if record.stack_info:
            fields["stack_info"] = self.formatStack(record.stack_info)

    def _encodable(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Keep every field that can be encoded by itself, and put text for the others."""
        return {
            _text(name): value if self._is_encodable(value) else _text(value)
            for name, value in fields.items()
        }

    def _is_encodable(self, value: object) -> bool:
        try:
            self._encoder.encode(value)
        except Exception:  # noqa: BLE001 - the values are the application's: anything can happen
            return False
        return True


def _message(record: logging.LogRecord) -> str:
    if isinstance(record.msg, dict):
        return _text(record.msg.get("message", ""))
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - arguments that do not fit are no reason to lose a record
        return f"{_text(record.msg)} {_text(record.args)}"


def _add(fields: dict[str, Any], name: object, value: object) -> None:
    if value is None:
        return
    name = name if type(name) is str else _text(name)
    if not name.startswith("_"):
        fields[name if name not in _OURS else f"extra_{name}"] = value


def _default(value: object) -> object:
    """Encode what msgspec does not know: a number for subclasses of numbers, else text."""
    if isinstance(value, float):
        return float(value)
    if isinstance(value, int):
        return int(value)
    return msgspec_default(value)


def _or_ours(theirs: Callable[[Any], Any] | str | None) -> Callable[[Any], Any]:
    """Return what encodes a value that msgspec doesn't know: theirs, or ours where theirs fails."""
    known = (
        logging.config.BaseConfigurator({}).resolve(theirs) if isinstance(theirs, str) else theirs
    )
    if known is None:
        return _default

    def default(value: object) -> object:
        try:
            return known(value)
        except Exception:  # noqa: BLE001 - it is the application's: anything can happen
            return _default(value)

    return default


def _text(value: object) -> str:
    """Describe any value in characters that UTF-8 can hold."""
    try:
        text = value if isinstance(value, str) else _repr_or_str(value)
    except Exception:  # noqa: BLE001 - a broken __str__ must not cost the record
        text = f"<{type(value).__name__}>"
    return str.encode(text, "utf-8", "backslashreplace").decode()


def _repr_or_str(value: object) -> str:
    return _shorten.repr(value) if isinstance(value, (dict, list, tuple, set)) else str(value)
