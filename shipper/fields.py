"""
The fields of a stored record: the one list that enrichment, both stores and the docs share.

A record keeps the names that the application wrote. A key that is not listed here is moved under
`extra`, where it stays searchable whatever its type and cannot break the mapping of other records.
ECS names that people and Kibana expect are aliases, not second copies.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

STREAM_ROOT = 24  # characters with which every `log.stream` of one file begins


class FieldKind(StrEnum):
    """How a field is stored and which queries it supports."""

    KEYWORD = "keyword"  # one exact term; wildcards; terms, cardinality
    TEXT = "text"  # words, lower-cased; phrases
    INTEGER = "integer"  # signed 64 bit; ranges, all aggregations
    FLOAT = "float"  # IEEE 754 double; ranges, all aggregations
    DATE = "date"  # UTC, milliseconds; ranges, date_histogram
    OBJECT = "object"  # keys inside are keywords or numbers, addressed as `object.key`


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, kind and meaning."""

    name: str
    kind: FieldKind
    meaning: str


FIELDS: dict[str, Field] = {
    field.name: field
    for field in (
        Field(
            "@timestamp",
            FieldKind.DATE,
            "time of the event; time of reading if the line has none",
        ),
        Field(
            "level",
            FieldKind.KEYWORD,
            "DEBUG, INFO, WARNING, ERROR or CRITICAL, whatever the line calls it; another name in "
            "upper case",
        ),
        Field("logger", FieldKind.KEYWORD, "name of the logger"),
        Field("message", FieldKind.TEXT, "message; the whole line if it is not JSON"),
        Field("exc_info", FieldKind.TEXT, "traceback"),
        Field("error_type", FieldKind.KEYWORD, "class of the exception"),
        Field("request_id", FieldKind.KEYWORD, "X-Request-ID of the HTTP request"),
        Field("workflow_id", FieldKind.KEYWORD, "workflow of the record"),
        Field("execution_time_ms", FieldKind.FLOAT, "duration of a workflow execution"),
        Field("status", FieldKind.KEYWORD, "outcome of a workflow execution"),
        Field("method", FieldKind.KEYWORD, "HTTP method (access)"),
        Field("path", FieldKind.KEYWORD, "path of the request (access)"),
        Field("route", FieldKind.KEYWORD, "route template of the request (access)"),
        Field("status_code", FieldKind.INTEGER, "HTTP status (access)"),
        Field("duration_ms", FieldKind.FLOAT, "time to the end of the response (access)"),
        Field("client_ip", FieldKind.KEYWORD, "address of the client (access)"),
        Field("user_agent", FieldKind.KEYWORD, "User-Agent header (access)"),
        Field("run", FieldKind.KEYWORD, "ULID of the process run that wrote the record"),
        Field("seq", FieldKind.INTEGER, "number of the record in its run: 0, 1, 2 …"),
        Field("tags", FieldKind.KEYWORD, "irregularities of the line; a list"),
        Field("host", FieldKind.OBJECT, "host.name"),
        Field("service", FieldKind.OBJECT, "service.name, service.environment, service.version"),
        Field(
            "event", FieldKind.OBJECT, "event.dataset, event.kind, event.category, event.created"
        ),
        Field("error", FieldKind.OBJECT, "error.category: user, server or workflow; error.message"),
        Field(
            "log",
            FieldKind.OBJECT,
            "log.file.path, log.offset; log.stream of a line without run and seq",
        ),
        Field("data_stream", FieldKind.OBJECT, "data_stream.type, .dataset, .namespace"),
        Field("extra", FieldKind.OBJECT, "every other key of the record"),
    )
}

ALIASES: dict[str, str] = {
    "timestamp": "@timestamp",
    "log.level": "level",
    "log.logger": "logger",
    "error.type": "error_type",
    "error.stack_trace": "exc_info",
    "http.request.method": "method",
    "http.request.id": "request_id",
    "http.response.status_code": "status_code",
    "http.route": "route",
    "url.path": "path",
    "client.ip": "client_ip",
    "user_agent.original": "user_agent",
    "event.sequence": "seq",
}

# The keys that may hold the time of a line, first the first.
TIME_KEYS = ("timestamp", "@timestamp", "time", "ts", "asctime", "datetime", "@t")

# From the least to the most severe.
LEVELS_IN_ORDER = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

# The levels of a record by the names that loggers give them: those of syslog, log4j, zap, winston,
# PostgreSQL, and the letters of klog.
LEVELS: dict[str, str] = {
    name: level
    for level, names in {
        "DEBUG": "TRACE VERBOSE DBG FINE FINER FINEST SILLY DEBUG1 DEBUG2 DEBUG3 DEBUG4 DEBUG5 T D",
        "INFO": "INFORMATION INFORMATIONAL NOTICE INF LOG HTTP I N",
        "WARNING": "WARN WRN W",
        "ERROR": "ERR SEVERE E",
        "CRITICAL": "CRIT FATAL PANIC DPANIC ALERT EMERG EMERGENCY FTL C F",
    }.items()
    for name in (level, *names.split())
}
# The tens of pino and bunyan: 30 is INFO, and so is 35, a level between it and the next.
LEVELS_OF_NUMBERS: dict[str, str] = {
    str(10 * ten + one): level
    for ten, level in enumerate(("DEBUG", "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"), start=1)
    for one in range(10)
}


def level_of(name: str) -> str:
    """Return the level that a name or a number of pino stands for, an unknown one in upper case."""
    name = name.strip(" \t\r\n").upper()
    return LEVELS.get(name) or LEVELS_OF_NUMBERS.get(name, name)


# The dataset of heartbeats. A query finds them only if it names them, so counts, rules and reports
# about the application do not have to exclude them.
HEARTBEAT = "orchestrator.heartbeat"


def resolve(name: str) -> tuple[str, FieldKind]:
    """
    Return the stored path and the kind of a field by the name that a user typed.

    An alias leads to its field, `object.key` of a known object stays, `extra.x` and any unknown
    name `x` both mean `extra.x`. The kind of a key inside an object is `FieldKind.OBJECT`: it holds
    a keyword in one record and a number in another.
    """
    name = ALIASES.get(name, name)
    field = FIELDS.get(name)
    if field is not None:
        return name, field.kind
    head = FIELDS.get(name.split(".", 1)[0])
    if head is not None and head.kind is FieldKind.OBJECT:
        return name, FieldKind.OBJECT
    return f"extra.{name}", FieldKind.OBJECT
