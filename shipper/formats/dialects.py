"""
The keys under which loggers write JSON: one table for all of them.

zap, pino, bunyan, structlog, logrus, winston, Log4j 2, Logback's encoders, ecs-logging, Google
Cloud, python-json-logger, Serilog, Monolog, klog. A key of the table is the field, unless the
record has the field by its own name. Which of them wrote a line need not be known: no two mean
different things by one key.
"""

from __future__ import annotations

from typing import Final

ERROR_MESSAGE: Final = "error message"  # no field of its own; in the object `error`
TIME: Final = "@timestamp"

# Field → the keys that loggers have for it.
_KEYS: Final[dict[str, str]] = {
    "message": "msg event @m @mt Message RenderedMessage MessageTemplate textPayload short_message",
    "level": "severity levelname loglevel log_level lvl @l Level LogLevel level_name log.level",
    "logger": (
        "logger_name loggerName name SourceContext channel log.logger category Logger logger.name"
    ),
    "exc_info": (
        "exception stack_trace stackTrace stacktrace stack errorVerbose @x Exception error.stack "
        "error.stack_trace"
    ),
    "error_type": "exception_type exc_type error.type errorType error.kind",
    "request_id": "requestId req_id x_request_id RequestId http.request.id",
    "method": "http.request.method",
    "path": "url.path",
    "route": "http.route",
    "status_code": "http.response.status_code",
    "duration_ms": "responseTime duration_in_ms",
    "client_ip": "client.ip",
    "user_agent": "user_agent.original",
    TIME: "timestamp time ts asctime datetime @t Timestamp timeMillis eventTime instant",
    ERROR_MESSAGE: "error.message error",
}
FIELD_OF: Final[dict[str, str]] = {
    key: field for field, keys in _KEYS.items() for key in keys.split()
}

# Under `extra`: ids of traces, by one name each.
_TRACE_KEYS: Final = {
    "trace_id": "traceId trace.id dd.trace_id TraceId @tr logging.googleapis.com/trace",
    "span_id": "spanId span.id dd.span_id SpanId @sp logging.googleapis.com/spanId",
}
EXTRA_OF: Final[dict[str, str]] = {
    key: name for name, keys in _TRACE_KEYS.items() for key in keys.split()
}

_ERROR: Final = {
    **dict.fromkeys(["type", "name", "kind", "class"], "error_type"),
    **dict.fromkeys(["stack", "stack_trace", "stacktrace", "extendedStackTrace"], "exc_info"),
    "message": ERROR_MESSAGE,
}

# Objects that hold fields: the key of the object, and what it has under which key.
OBJECTS: Final[dict[str, dict[str, str]]] = {
    **dict.fromkeys(("err", "error", "exception", "thrown", "exc"), _ERROR),
    "req": {"id": "request_id", "method": "method", "url": "path"},
    "res": {"statusCode": "status_code"},
    "log": {"level": "level", "logger": "logger"},
    "url": {"path": "path"},
    "client": {"ip": "client_ip"},
    "user_agent": {"original": "user_agent"},
    "httpRequest": {
        "requestMethod": "method",
        "requestUrl": "path",
        "status": "status_code",
        "remoteIp": "client_ip",
        "userAgent": "user_agent",
    },
}

# Objects that are times: seconds and nanoseconds since 1970.
INSTANTS: Final = {
    "instant": ("epochSecond", "nanoOfSecond"),
    "timestamp": ("seconds", "nanos"),
}
