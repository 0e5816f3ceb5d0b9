# ruff: noqa: E501 -- lines as loggers write them
"""JSON of other loggers has its message, level, logger, time, error and trace, whatever they call it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.enrich import clock
from shipper.enrich.foreign import REMEMBERED, SHAPES_REMEMBERED, JsonReader
from tests.enrich.enriching import READ_AT
from tests.formats.reading import read_as

AT = "2026-02-05T14:30:45.123Z"
ERROR = {"message": "it broke", "level": "ERROR", "@timestamp": AT}
STACK = "Error: gone\n    at run (app.js:7:1)"

# Logger → a line as it writes it, and what has to be in the record.
LINES: dict[str, tuple[str, dict[str, Any]]] = {
    "zap": (
        (
            '{"level":"error","ts":1770301845.123,"logger":"svc","caller":"a/b.go:7","msg":"it broke",'
            '"error":"gone","stacktrace":"main.run\\n\\tapp.go:7"}'
        ),
        {**ERROR, "logger": "svc", "error.message": "gone", "exc_info": "main.run\n\tapp.go:7"},
    ),
    "pino": (
        '{"level":50,"time":1770301845123,"pid":7,"hostname":"x","name":"svc","msg":"it broke",'
        '"err":{"type":"TypeError","message":"gone","stack":"' + STACK.replace("\n", "\\n") + '"},'
        '"req":{"id":"r-1","method":"GET","url":"/a"},"res":{"statusCode":500},"responseTime":12.5}',
        {
            **ERROR,
            "logger": "svc",
            "error_type": "TypeError",
            "error.message": "gone",
            "exc_info": STACK,
            "request_id": "r-1",
            "method": "GET",
            "path": "/a",
            "status_code": 500,
            "duration_ms": 12.5,
            "error.category": "server",
        },
    ),
    "structlog": (
        (
            '{"event":"it broke","level":"error","logger":"svc","timestamp":"2026-02-05T14:30:45.123Z",'
            '"exception":"Traceback (most recent call last):\\nValueError: gone","order":7}'
        ),
        {**ERROR, "exc_info": "Traceback (most recent call last):\nValueError: gone", "x.order": 7},
    ),
    "logrus": (
        '{"level":"error","msg":"it broke","time":"2026-02-05T14:30:45.123Z","error":"gone"}',
        {**ERROR, "error.message": "gone"},
    ),
    "winston": (
        '{"level":"error","message":"it broke","timestamp":"2026-02-05T14:30:45.123Z","stack":"s"}',
        {**ERROR, "exc_info": "s"},
    ),
    "log4j2": (
        (
            '{"instant":{"epochSecond":1770301845,"nanoOfSecond":123000000},"thread":"main",'
            '"level":"ERROR","loggerName":"com.example.App","message":"it broke","thrown":{"name":'
            '"java.io.IOException","message":"gone","extendedStackTrace":"at x"},"endOfBatch":false}'
        ),
        {
            **ERROR,
            "logger": "com.example.App",
            "error_type": "java.io.IOException",
            "error.message": "gone",
            "exc_info": "at x",
            "x.thread": "main",
        },
    ),
    "logback": (
        (
            '{"@timestamp":"2026-02-05T14:30:45.123Z","@version":"1","message":"it broke","logger_name":'
            '"com.example.App","thread_name":"main","level":"ERROR","level_value":40000,"stack_trace":"s"}'
        ),
        {**ERROR, "logger": "com.example.App", "exc_info": "s", "x.level_value": 40000},
    ),
    "ecs-logging": (
        (
            '{"@timestamp":"2026-02-05T14:30:45.123Z","log.level":"error","message":"it broke",'
            '"ecs":{"version":"1.6.0"},"log":{"logger":"svc","origin":{"function":"f"}},'
            '"error":{"type":"ValueError","message":"gone","stack_trace":"s"},"trace.id":"t","span.id":"s"}'
        ),
        {
            **ERROR,
            "logger": "svc",
            "error_type": "ValueError",
            "error.message": "gone",
            "exc_info": "s",
            "x.trace_id": "t",
            "x.span_id": "s",
        },
    ),
    "google": (
        (
            '{"severity":"ERROR","message":"it broke","timestamp":{"seconds":1770301845,"nanos":123000000},'
            '"logging.googleapis.com/trace":"t","httpRequest":{"requestMethod":"GET","status":503}}'
        ),
        {**ERROR, "x.trace_id": "t", "method": "GET", "status_code": 503},
    ),
    "python-json-logger": (
        (
            '{"asctime":"2026-02-05 14:30:45,123","levelname":"ERROR","name":"svc","message":"it broke",'
            '"exc_info":"Traceback"}'
        ),
        {**ERROR, "logger": "svc", "exc_info": "Traceback"},
    ),
    "serilog": (
        (
            '{"@t":"2026-02-05T14:30:45.1230000Z","@m":"it broke","@i":"a","@l":"Error","@x":'
            '"System.Exception: gone","SourceContext":"App.Svc","@tr":"t"}'
        ),
        {
            **ERROR,
            "logger": "App.Svc",
            "exc_info": "System.Exception: gone",
            "x.trace_id": "t",
        },
    ),
}


def value_of(doc: dict[str, Any], name: str) -> Any:
    """Return a field, `error.…`, or under `x.` one of `extra`."""
    if name.startswith("x."):
        return doc["extra"][name[2:]]
    if name.startswith("error."):
        return doc["error"][name[6:]]
    return doc[name]


@pytest.mark.parametrize("logger", LINES)
def test_a_logger_is_understood(logger: str) -> None:
    """The record has the fields of our own, and no tag."""
    line, wanted = LINES[logger]

    (doc,) = read_as("format: json", line + "\n")

    assert {name: value_of(doc, name) for name in wanted} == wanted
    assert "tags" not in doc


@pytest.mark.parametrize("logger", LINES)
def test_auto_takes_it_for_json(logger: str) -> None:
    """A file of such lines needs no word in the config."""
    line, wanted = LINES[logger]

    (doc,) = read_as("format: auto", line + "\n")

    assert doc["level"] == wanted["level"]


def test_a_key_that_is_not_taken_stays() -> None:
    """A record that has a field twice keeps the value of its own name, and the other too."""
    line = '{"time":"2026-02-05T14:30:45Z","msg":"other","message":"own","lvl":"warn","a":null}\n'

    (doc,) = read_as("format: json", line)

    assert (doc["message"], doc["level"]) == ("own", "WARNING")
    assert doc["extra"] == {"msg": "other", "lvl": "warn", "time": "2026-02-05T14:30:45Z"}


ODD = [
    '{"msg":"a","msg":"b"}',
    '{"msg":' + "[" * 30 + "]" * 30 + "}",
    '{"msg":"x","n":123456789012345678901234567890,"deep":{"a":{"b":null,"c":[1,null]}}}',
    '{"msg":"x","level":{"a":1},"status_code":"many","duration_ms":"5"}',
    '{"msg":"\\ud800"}',
    '{"msg":"x","run":"01JKABCDEFGHJKMNPQRSTVWXYZ","seq":7}',
    '{"a":NaN}',
    "[1]",
    "{",
    '{"text":"with \\"quotes\\": in it","msg":"x"}',
]


@pytest.mark.parametrize("line", ODD)
def test_an_odd_line_is_one_that_any_store_takes(line: str) -> None:
    """What is not as it should be is put right, or kept as text with a tag: never lost."""
    (doc,) = read_as("format: json", line + "\n")

    assert "unreadable" not in doc.get("tags", [])
    json.dumps(doc, allow_nan=False)
    numbers = [value for value in doc.get("extra", {}).values() if type(value) is int]
    assert all(-(2**63) <= number < 2**63 for number in numbers)


def test_the_record_of_a_line_is_the_same_as_by_the_default() -> None:
    """Where a line has our own names, `json` and the default make the same record of it."""
    line = (
        '{"timestamp":"2026-02-05T14:30:45.123Z","level":"warn","logger":"a","message":"m",'
        '"status_code":"404","user":{"id":7,"roles":["a",null]},"ratio":0.5,"ok":true}\n'
    )

    assert read_as("format: json", line) == read_as("format: emit", line)


def of_pino(more: str) -> Any:
    """Return the record of a line of pino with something more in it."""
    line = '{"level":50,"time":1770301845123,"name":"svc",' + more + "}\n"
    (doc,) = read_as("format: json", line)
    return doc


def test_json_within_a_text_is_no_key_twice() -> None:
    """A message that quotes JSON, or a path that ends in a backslash, takes nothing from a line."""
    for text in (r"got {\"a\":1,\"a\":2}", r"C:\\", r"\"C:\\\", b", "\\u0022"):
        doc = of_pino(f'"msg":"{text}"')

        assert (doc["message"], doc["logger"]) == (json.loads(f'"{text}"'), "svc")
        assert "tags" not in doc


@pytest.mark.parametrize(
    "more",
    [
        '"a" : 1,"msg":"x","msg":"y"',
        '"a"\t:1,"msg":"x","msg":"y"',
        '"msg":"x","req":{"id":"1","id":"2"}',
        '"msg":"C:\\\\","path":"D:\\\\","n":1,"n":2',
        '"msg":"\\"","n":1,"n":2',
        '"err":{"a":[{"b":1,"b":2}]}',
    ],
)
def test_a_key_twice_is_found_however_it_is_written(more: str) -> None:
    """Neither value is taken for that of the key: the line is the message."""
    doc = of_pino(more)

    assert doc["tags"] == ["duplicate_keys"]
    assert doc["message"].startswith('{"level":50')


def test_half_an_origin_is_a_key_as_any_other() -> None:
    """A number that another logger calls `seq` does not hide what else its line says."""
    doc = of_pino('"seq":7,"msg":"it broke"')

    assert (doc["message"], doc["level"], doc["extra"]["seq"]) == ("it broke", "ERROR", 7)
    assert "seq" not in doc


def test_a_value_that_its_field_cannot_have_is_moved() -> None:
    """The others are taken all the same, and the record is tagged."""
    doc = of_pino('"status":{"code":7},"status_code":1e300,"msg":"it broke"')

    assert (doc["message"], doc["tags"]) == ("it broke", ["moved"])
    assert doc["extra"]["status"] == {"code": 7}
    assert doc["extra"]["status_code"] == 1e300


def test_the_first_key_with_a_time_has_it() -> None:
    """A key that has the name of a time and holds none is passed over."""
    doc = of_pino('"timestamp":"soon","msg":"x"')

    assert doc["@timestamp"] == AT
    assert doc["extra"] == {"level": 50, "time": 1770301845123, "timestamp": "soon"}


def test_a_field_without_a_value_leaves_its_place_to_another_key() -> None:
    """A key with null says nothing."""
    doc = of_pino('"message":null,"msg":"it broke"')

    assert doc["message"] == "it broke"


def test_many_shapes_are_forgotten() -> None:
    """What is known of records is bounded, whatever keys they have."""
    reader = JsonReader()
    for number in range(3 * SHAPES_REMEMBERED):
        line = f'{{"a{number}":{number},"level":"l{number}","time":"2026-02-05T14:30:45.123Z"}}'
        assert reader.read(line.encode(), READ_AT) is not None

    assert len(reader._plans) <= SHAPES_REMEMBERED
    assert len(reader._levels) <= REMEMBERED


@given(st.integers(86_400, 7_000_000_000), st.integers(0, 9), st.data())
def test_times_are_read_as_datetime_does(at: int, digits: int, data: st.DataObject) -> None:
    """However many digits a second has, and in whatever zone."""
    moment = datetime.fromtimestamp(at, UTC)
    zone = data.draw(st.sampled_from(["", "Z", "+02:00", "-0530", " UTC"]))
    fraction = data.draw(st.text("0123456789", min_size=digits, max_size=digits))
    text = moment.strftime("%Y-%m-%dT%H:%M:%S") + (f".{fraction}" if fraction else "")
    wanted = datetime.fromisoformat(text + zone.replace(" UTC", "Z"))
    wanted = wanted if wanted.tzinfo else wanted.replace(tzinfo=UTC)

    assert clock.parse(text + zone) == int(wanted.timestamp() * 1000 + 0.5)


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-30T14:30:45.123Z",
        "2026-02-05T24:00:00.1Z",
        "2026-02-05T14:30:45.1.2Z",
        "2026-02-05T14:30:45.,Z",
        "2026-02-05T14:30:45.\u0661\u0662\u0663Z",
        "\u0662\u066026-02-05T14:30:45.123Z",
    ],
)
def test_no_time_is_taken_for_one(text: str) -> None:
    """Neither by what is remembered of the seconds before."""
    assert clock.parse(text) is None
    (doc,) = read_as(
        "format: json", f'{{"time":"2026-02-05T14:30:45.123Z"}}\n{{"time":"{text}"}}\n'
    )[1:]
    assert doc["tags"] == ["no_timestamp"]
