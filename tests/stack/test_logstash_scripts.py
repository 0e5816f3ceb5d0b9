"""
The scripts of the pipelines, run on Ruby: they make what the shipper makes.

What is not run here is Logstash itself: its Event is stood in for by `run_scripts.rb`, so how a
codec or an output treats an event is not seen.
"""

from __future__ import annotations

import json
import random
import string
from typing import Any

import pytest

from shipper.deliver.wrap import RefusedEvents, wrap
from shipper.enrich.enricher import Enricher, RecordContext
from shipper.events import Block, Events
from shipper.fields import FIELDS
from shipper.times import iso
from tests.stack.ruby import run_script

pytestmark = [pytest.mark.server, pytest.mark.slow]

SENDER = "10.0.0.7"
READ_AT = 1_770_301_850_000
RUN = "01JKABCDEFGHJKMNPQRSTVWXYZ"
PARAMS = {"namespace": "blue", "service": "orchestrator", "environment": "staging"}
CONTEXT = RecordContext(SENDER, "orchestrator", "staging", "unknown", "blue")

LOGGERS = [
    *("automation_orchestrator.access", "automation_orchestrator.workflows", "a.workflow.b"),
    *("automation_orchestrator.worker", "slow_queries", "a.auth", "database", "x", "", "access."),
]
VALUES: list[Any] = [
    *("text", "", "5", 5, 0, -1, 404, 500, 399, 2**53, 2**63, -(2**63), 10**30, 1.5, 1e300, 2e308),
    *(
        True,
        None,
        [],
        [1, None, "x"],
        {},
        {"a": {"b": None, "c": 1}},
        RUN,
        RUN.lower(),
        "é\u2028🙂",
    ),
]
TIMES: list[Any] = [
    *("2026-02-05T14:30:45.123Z", "2026-02-05T14:30:45Z", "2026-02-05 14:30:45+01:00"),
    *("2026-02-05T14:30:45.1236", "2026-02-05T14:30", "2026-02-05", "2026-02-05T23:59:59.999999Z"),
    *("2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-02-05T25:00:00Z", "yesterday", ""),
    *("1969-12-31T23:59:59Z", "2200-01-01T00:00:00Z", "2026-02-05T14:30:45.1-0530"),
    *(1_770_301_845, 1_770_301_845.5, 1_770_301_845_123, 0, -1, 1e14, True, None, {}, [1]),
    *(1_770_301_845.123, 1_770_301_845_123_456, 1_770_301_845_123_456_789, 1e20, 1e17, -1e300),
    *(
        "1770301845",
        "1770301845.123",
        "1770301845123",
        "1770301845123456789",
        "17703018451234567890",
    ),
    *("2026-02-05 14:30:45 UTC", "2026-02-05 14:30:45GMT", "2026-02-05 14:30:45.5 +0100 UTC"),
    *(
        "2026/02/05 14:30:45,123",
        "2026/02/05",
        "05/Feb/2026:14:30:45 -0700",
        "31/Feb/2026:14:30:45",
    ),
    *("Thu, 05 Feb 2026 14:30:45 GMT", "5 FEB 2026 14:30:45", "5 Foo 2026 14:30:45"),
    *(" 2026-02-05T14:30:45Z\n", "05-Feb-2026 25:30:45", "2026-02-05UTC", "2026-02-05 UTC"),
]
LEVEL_NAMES: list[Any] = [
    *("error", "Err", " warn ", "NOTICE", "fatal", "panic", "trace", "I", "success", "straße", " "),
    *(10, 20, 30, 35, 40, 50, 60, 69, 70, 9, 5, -10, 30.0, 30.5, 1e300, "30", "05", "99", False),
]
NUMBER_TEXTS: list[Any] = [
    *("500", " 404 ", "+5", "-1", "5e2", "1.5", "1.", ".5", "0x10", "NaN", "Infinity", "1e999"),
    *("9" * 19, "9" * 20, "-9223372036854775808", "٣", 404.0, 1e15, 1e16, 0.0001, 0.00001, -0.0),
]
ECS_RECORDS: list[dict[str, Any]] = [
    {"log.level": "error", "log.logger": "shop.db", "error.message": "m", "error.type": "E"},
    {"log": {"level": "warn", "logger": "a.workflows", "origin": {"line": 1}}, "message": "x"},
    {"log": {"level": "warn"}, "level": "info"},
    {"log": {"level": {"a": 1}}, "log.logger": 5},
    {"log.level": None, "log": {"level": "error"}},
    {"http": {"response": {"status_code": "503"}, "request": {"method": "GET", "id": 5}}},
    {"http": {"response": {"status_code": "x"}}, "http.route": "/a", "url": {"path": "/a"}},
    {"http": "text", "url": [], "client": {"ip": "10.0.0.1"}, "client.ip": "10.0.0.2"},
    {"user_agent": {"original": "curl", "name": "c"}, "error": {"stack_trace": "t", "message": 5}},
    {"user_agent": {"original": "curl"}, "error": {"message": ["x"]}},
    {"status_code": {"a": 1}, "http.response.status_code": 503},
    {"severity": "error"},
    {"levelname": "WARN", "severity": "low"},
    {"severity": 3, "lvl": "dbg"},
    {"level": None, "severity": "E"},
    {"level": [], "severity": "E"},
]
LINES = [
    "plain text",
    "",
    "  \t ",
    "\ufeff" + json.dumps({"message": "after a byte order mark"}),
    json.dumps({"message": "windows"}) + "\r",
    "42",
    "null",
    "[1,2,3]",
    '"a string"',
    '{"half": ',
    '{"a":NaN}',
    '{"a":[NaN,Infinity,-Infinity],"duration_ms":NaN,"level":Infinity,"message":-Infinity}',
    "NaN",
    "[NaN]",
    "[1e400]",
    '{"a":NaN,"a":1}',
    r'{"a":"\ud800","b":"\ude00\ud83d","c":"\ud83d\ude00","\udc00":1}',
    r'{"message":"\ud800x","level":"err"}',
    '{"a":1e400}',
    '{"a":{"b":[1e400]}}',
    '{"a":1,"a":2}',
    '{"a":{"b":[{"c":1,"c":1}]}}',
    '{"a":' * 19 + "[1]" + "}" * 19,
    '{"a":' * 20 + "[1]" + "}" * 20,
    "[" * 10_000,
    "é" * 1000,
    "é" * (1 << 19) + "!",
    "x" + "é" * (1 << 19),
    json.dumps({"message": "x" * (1 << 20)}),
]

LONG = "k" * 8000
# What would be an index of many times the line, and what is just not.
HEAVY: list[dict[str, Any]] = [
    {LONG: [*range(20_000)]},
    {LONG: {f"k{number}": 1 for number in range(5000)}},
    {"a": {LONG: {"b": [*range(20_000)]}}, "b": {"c": [1, None, 2**64]}},
    {"a": [{f"{LONG}{i}": {str(j): j for j in range(99)}} for i in range(9)], "level": "error"},
    {"logger": {LONG: [*range(20_000)]}},
    {"timestamp": {LONG: [*range(20_000)]}, "ts": {LONG: [*range(20_000)]}},
    {"extra": {"é" * 4000: ["é", '"', "/", 1.5, True] * 500}},
    {"durations": [number * 0.25 for number in range(10_000)]},
    *({"k" * length: [*range(40)]} for length in range(300, 1200, 20)),
    *({"é" * 300: [*range(count)], "b": [1]} for count in range(30, 140)),
]
NOT_UTF8 = [
    b"caf\xe9",
    b'{"level":"ERROR","message":"caf\xe9","status_code":500}',
    b'{"message":"\xc3\xa9\xff\xfe","x":"\xe2\x82"}',
    b"\xff" * 5,
]


def records() -> list[dict[str, Any]]:
    """Return records that are odd in every place, and many that are odd in several."""
    found: list[dict[str, Any]] = [{key: value} for key in FIELDS for value in VALUES]
    found += [{key: time} for key in ("timestamp", "@timestamp", "time", "ts") for time in TIMES]
    found += [{"timestamp": "x", "time": time} for time in TIMES]
    found += [{"timestamp": {}, "ts": time} for time in TIMES]
    found += [
        {"logger": logger, "level": level, "status": status, "status_code": code}
        for logger in LOGGERS
        for level in ("INFO", "ERROR", "CRITICAL", "error")
        for status in ("success", "failed", "timeout", "FAILED")
        for code in (0, 200, 404, 503, "500")
    ]
    found += [{"level": level} for level in LEVEL_NAMES]
    found += [
        {key: value}
        for key in ("level", "status_code", "duration_ms", "path")
        for value in NUMBER_TEXTS
    ]
    found += ECS_RECORDS
    found += [{"run": RUN, "seq": seq} for seq in VALUES]
    found += [{"run": run, "seq": 7} for run in [*VALUES, "8" + RUN[1:], RUN + "\n", RUN[:-1]]]
    chance = random.Random(20260205)
    keys = [
        *FIELDS,
        "timestamp",
        "time",
        "a.b",
        "a[b]",
        "",
        *("log.level", "severity", "error.message", "http.response.status_code"),
        *("@metadata", "@version", "ünïcode"),
    ]
    for _ in range(300):
        chosen = chance.sample(keys, chance.randint(1, 8))
        found.append({key: chance.choice([*VALUES, *TIMES, *LOGGERS]) for key in chosen})
    return found


def lines() -> list[str]:
    chance = random.Random(7)
    noise = ["".join(chance.choices(string.printable, k=40)) for _ in range(50)]
    return LINES + noise + [json.dumps(record, ensure_ascii=False) for record in records()]


def arriving(line: str | bytes, **brought: Any) -> dict[str, Any]:
    """Return an event of port 5000, which has a character for each byte of the line."""
    data = line if isinstance(line, bytes) else line.encode()
    fields = {"@timestamp": iso(READ_AT), "message": data.decode("latin-1"), **brought}
    return {"fields": fields, "metadata": {"input": {"tcp": {"source": {"ip": SENDER}}}}}


def from_beat(line: str, **brought: Any) -> dict[str, Any]:
    """Return an event of port 5044 that another shipper sent."""
    fields = {"@timestamp": iso(READ_AT), "message": line, "event": {"original": line}, **brought}
    return {"fields": fields, "metadata": {}}


def shipped(line: str | bytes) -> tuple[str, dict[str, Any]] | None:
    """Return origin and document as the shipper makes them, but for what only a file has."""
    data = (line if isinstance(line, bytes) else line.encode()) + b"\n"
    block = Block(1, "x.log", "stream", 0, len(data), data, READ_AT, 1 << 20)
    events = Enricher(CONTEXT).enrich(block)
    if not events.docs:
        return None
    document = json.loads(events.docs[0])
    del document["log"]
    return events.ids[0], document


def test_foreign_lines_become_what_the_shipper_makes_of_them() -> None:
    """Whatever a sender writes, port 5000 and a shipper store the same fields and run."""
    # A line of several lines of text is several lines to both.
    given: list[str | bytes] = [line for line in lines() if "\n" not in line and "\x0b" not in line]
    given += [json.dumps(record, ensure_ascii=False, separators=(",", ":")) for record in HEAVY]
    given += NOT_UTF8
    came = run_script("foreign.rb", PARAMS, [arriving(line) for line in given])

    for line, found in zip(given, came, strict=True):
        expected = shipped(line)
        if expected is None:
            assert found is None, line
            continue
        origin, document = expected
        assert found is not None, line
        assert found["fields"].pop("@version") == "1"
        assert found["fields"] == document, line
        is_run = origin.startswith(RUN)
        assert found["metadata"].get("origin") == (origin if is_run else None), line


def test_the_identity_of_a_foreign_line() -> None:
    """A line with a time is the same when it is sent again; one without is not; senders differ."""
    timed, untimed = '{"timestamp":"2026-02-05T14:30:45.123Z"}', "still alive"
    later = "2026-02-05T15:00:00.000Z"
    other = arriving(timed)
    other["metadata"]["input"]["tcp"]["source"]["ip"] = "10.0.0.8"
    events = [
        *(arriving(timed), arriving(timed, **{"@timestamp": later}), other),
        *(arriving(untimed), arriving(untimed, **{"@timestamp": later}), arriving(untimed)),
    ]

    first, again, elsewhere, text, text_later, text_again = (
        event["metadata"]["identity"] for event in run_script("foreign.rb", PARAMS, events)
    )

    assert first == again
    assert first != elsewhere
    assert text == text_again  # out of the queue on disk a second time
    assert text != text_later


def test_what_a_foreign_beat_brings() -> None:
    """Fields of another shipper are kept under `extra`, where they break no mapping."""
    (found,) = run_script(
        "foreign.rb", PARAMS, [from_beat("text", host={"name": "web"}, tags=["t"], agent="beat")]
    )

    assert found["fields"]["extra"] == {"host": {"name": "web"}, "agent": "beat"}
    assert found["fields"]["host"] == {"name": "web"}
    assert found["fields"]["tags"] == ["not_json"]


def test_an_event_of_fields_alone() -> None:
    """An event without a text is stored, each once; a message that is no text is kept as JSON."""
    measured: list[dict[str, Any]] = [
        {"host": {"name": "web"}, "system": {"load": load}} for load in (1, 2)
    ]
    given = [*measured, measured[0], {"message": {"a": [1]}}, {"message": " "}, {}]
    events: list[dict[str, Any]] = [
        {"fields": {"@timestamp": iso(READ_AT), **fields}, "metadata": {}} for fields in given
    ]

    first, second, again, odd, *nothing = run_script("foreign.rb", PARAMS, events)

    assert first["fields"]["extra"] == measured[0]
    assert first["fields"]["@timestamp"] == iso(READ_AT)
    identities = [each["metadata"]["identity"] for each in (first, second, again)]
    assert identities[0] == identities[2] != identities[1]
    assert odd["fields"]["extra"] == {"a": [1]}
    assert nothing == [None, None]


def test_heavy_fields_of_another_shipper() -> None:
    """What would be an index of many times an event is a text; large usual fields stay."""
    heavy, usual = {LONG: [*range(2000)]}, {"load": [*range(2000)]}
    events = [
        *(from_beat('{"message":"x"}', system=heavy), from_beat('{"message":"x"}', system=usual)),
        {"fields": {"@timestamp": iso(READ_AT), "system": heavy}, "metadata": {}},
        {"fields": {"@timestamp": iso(READ_AT), "system": usual}, "metadata": {}},
    ]

    found = [each["fields"] for each in run_script("foreign.rb", PARAMS, events)]

    for fields, given in zip(found, [heavy, usual] * 2, strict=True):
        system = fields["extra"]["system"]
        assert ("unindexed" in fields["tags"]) == (given is heavy) == isinstance(system, str)
        assert (json.loads(system) if given is heavy else system) == given


def test_equal_lines_of_another_shipper_are_apart() -> None:
    """Equal lines of one millisecond are two records if host, file or offset differ, else one."""
    timed = '{"timestamp":"2026-02-05T14:30:45.123Z","message":"tick"}'
    places = [("web-1", "/a.log", 0), ("web-2", "/a.log", 0), ("web-1", "/b.log", 0)]
    places += [("web-1", "/a.log", 60), ("web-1", "/a.log", 0)]
    events = [
        from_beat(timed, host={"name": host}, log={"file": {"path": path}, "offset": offset})
        for host, path, offset in places
    ]

    found = [each["metadata"]["identity"] for each in run_script("foreign.rb", PARAMS, events)]

    assert len(set(found)) == 4
    assert found[0] == found[4]


def test_times_of_logstash_have_milliseconds() -> None:
    """`event.created` has the form that a shipper writes, whatever precision Logstash has."""
    (found,) = run_script(
        "foreign.rb", PARAMS, [from_beat("x", **{"@timestamp": "2026-02-05T14:30:50.123456789Z"})]
    )

    assert found["fields"]["event"]["created"] == "2026-02-05T14:30:50.123Z"


def test_dead_letters_are_wrapped_as_the_shipper_wraps() -> None:
    """A record that was refused has the same last form, whoever delivered it."""
    documents = [
        json.loads(doc)
        for line in ('{"level":"ERROR","logger":"a","x":1}', "text", '{"status_code":500}')
        for doc in Enricher(CONTEXT)
        .enrich(Block(1, "x.log", "s", 0, 1, line.encode() + b"\n", READ_AT, 1 << 20))
        .docs
    ]
    reason = "mapper_parsing_exception: no " + "x" * 2000
    told = f'status: 400, action: ["create", {{…}}, response: {{…], response: {reason}'
    events: list[dict[str, Any]] = [
        {
            "fields": {**document, "@version": "1"},
            "metadata": {"origin": "a-1", "dead_letter_queue": {"reason": told}},
        }
        for document in documents
    ]

    found = run_script("wrap.rb", {"namespace": "blue"}, events)

    docs = [json.dumps(document).encode() for document in documents]
    ids, times = ["a-1"] * len(docs), [READ_AT] * len(docs)
    events_in = Events(ids, docs, times, ["orchestrator.app"] * len(docs))
    refused = RefusedEvents(events_in, [f"response: {reason}"] * len(documents))
    for came, expected in zip(found, wrap(refused).docs, strict=True):
        wrapped = json.loads(expected)
        assert json.loads(came["fields"].pop("message")) == json.loads(wrapped.pop("message"))
        assert {**came["fields"], "@timestamp": ""} == {**wrapped, "@timestamp": ""}
        assert came["metadata"]["origin"] == "a-1"


def test_a_dead_letter_of_any_shape() -> None:
    """What was refused before it was made into a document has a data stream all the same."""
    events: list[dict[str, Any]] = [
        {"fields": {"@timestamp": iso(READ_AT), "message": "x", "host": "h"}, "metadata": {}},
        {"fields": {"@timestamp": iso(READ_AT), "log": {"level": "info"}}, "metadata": {}},
        {"fields": {"@timestamp": iso(READ_AT), "data_stream": {"dataset": 5}}, "metadata": {}},
    ]

    for found in run_script("wrap.rb", {"namespace": "blue"}, events):
        fields = found["fields"]
        assert fields["data_stream"]["dataset"] == "orchestrator.app"
        assert fields["data_stream"]["namespace"] == "blue"
        assert fields["tags"] == ["rejected"]
        assert fields["error_type"] == "rejected"
        assert not {"host", "log"} & set(fields)


def test_a_dead_letter_with_fields_of_other_types() -> None:
    """What may be why it was refused is left out, so that the second form is not refused, too."""
    stream = {"type": "metrics", "dataset": "orchestrator.app", "namespace": "blue", "x": {}}
    fields: dict[str, Any] = {
        "data_stream": stream,
        "host": {"name": {"a": 1}, "ip": "x"},
        "service": {"name": "shop", "version": 5},
        "event": {"created": "2026-02-31T00:00:00Z", "category": ["web", 5], "kind": "event"},
        "log": {"file": {"path": "/a"}, "offset": 2**63},
        "level": {},
        "extra": {LONG: [*range(2000)]},
    }
    sound = {"event": {"created": "2026-02-05T14:30:45.123Z"}, "log": {"offset": 7}}
    events: list[dict[str, Any]] = [
        {"fields": {"@timestamp": iso(READ_AT), **each}, "metadata": {"origin": "a-1"}}
        for each in (fields, {**sound, "data_stream": stream})
    ]

    odd, fine = (each["fields"] for each in run_script("wrap.rb", {"namespace": "green"}, events))

    for found in (odd, fine):
        named = {"dataset": "orchestrator.app", "namespace": "blue"}
        assert found.pop("data_stream") == {"type": "logs", **named}
        for key in ("message", "error", "error_type", "tags", "@timestamp"):
            del found[key]
    assert odd == {
        "service": {"name": "shop"},
        "event": {"kind": "event"},
        "log": {"file": {"path": "/a"}},
    }
    assert fine == sound
