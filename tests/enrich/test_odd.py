"""Each oddity of a line: what is kept, where, and the tag that says why."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.enrich.enriching import (
    PATH,
    READ_AT,
    RUN,
    STREAM,
    TIME,
    document,
    documents,
    enrich,
    line_of,
    misfits,
)

BAD_RUNS: tuple[Any, ...] = (
    *("nightly-7", "", RUN[:-1], RUN + "A", RUN.lower(), "8" + RUN[1:], RUN[:-1] + "U"),
    *(RUN[:-1] + "\n", RUN + "\n", 7, 1.5, True, {"id": RUN}, [RUN], None),
)
BAD_NUMBERS: tuple[Any, ...] = (-1, 2**53, 2**63, 10**30, True, 1.0, 1.5, "7", [7], {}, None)


@pytest.mark.parametrize(
    ("line", "tag"),
    [
        ("plain text, as others write it", "not_json"),
        ('{"message":"half of a rec', "not_json"),
        ('{"message":"a"} and more', "not_json"),
        ("{'message': 'python'}", "not_json"),
        ('{"a":"\0"}', "not_json"),
        ("a\0\0\0\0", "not_json"),
        ('"a string"', "not_an_object"),
        ("[1,2,3]", "not_an_object"),
        ("42", "not_an_object"),
        ("null", "not_an_object"),
        ("NaN", "not_json"),
        ("[NaN]", "not_json"),
        ("[" * 10_000 + "]" * 10_000, "too_deep"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "too_deep"),
        ('{"a":' * 21 + "1" + "}" * 21, "too_deep"),
        ('{"a":1,"a":2}', "duplicate_keys"),
        ('{"a":1,"\\u0061":2}', "duplicate_keys"),
        ('{"a":{"b":[{"c":1,"c":1}]}}', "duplicate_keys"),
        ('{"timestamp":"' + TIME + '","message":"x","message":"y"}', "duplicate_keys"),
    ],
    ids=lambda value: value[:30],
)
def test_kept_as_text(line: str, tag: str) -> None:
    """A line that is no record is a message with a tag, at the time of reading."""
    doc = document(line.encode(), start=5)
    assert doc["message"] == line
    assert doc["tags"] == [tag]
    assert doc["@timestamp"] == "2026-02-05T14:30:50.000Z"
    assert doc["log"] == {"file": {"path": PATH}, "offset": 5, "stream": STREAM}
    assert not [*misfits(doc)]


def test_nesting_that_can_be_indexed_stays() -> None:
    """Nesting is text only where a store would refuse it."""
    line = '{"a":' * 20 + "1" + "}" * 20
    assert "message" not in document(line.encode())


def test_colons_are_no_duplicates() -> None:
    """A colon inside a text is not taken for a key."""
    doc = document(b'{"timestamp":"2026-02-05T14:30:45.123Z","a":"x:y:z","b":{"a":":"}}')
    assert doc["extra"] == {"a": "x:y:z", "b": {"a": ":"}}
    assert "tags" not in doc


@pytest.mark.parametrize("cut", [False, True])
def test_invalid_utf8(*, cut: bool) -> None:
    """Bytes that are no UTF-8 stand as U+FFFD, in a record and in a text."""
    doc = document(b"caf\xe9 \xed\xa0\x80!", cut=cut)
    assert doc["message"] == "caf\ufffd \ufffd\ufffd\ufffd!"
    assert "invalid_utf8" in doc["tags"]
    assert ("truncated" in doc["tags"]) is cut


def test_invalid_utf8_in_a_record() -> None:
    """A record with a wrong byte stays a record, with its origin."""
    events = enrich(line_of(7, message="caf?").replace(b"?", b"\xe9") + b"\n")
    (doc,) = documents(events)
    assert (doc["message"], doc["tags"]) == ("caf\ufffd", ["invalid_utf8"])
    assert events.ids == [f"{RUN}-7"]


def test_a_character_cut_in_half() -> None:
    """The half character at a cut is the cut's fault, not the file's."""
    doc = document("ääää".encode(), limit=5)
    assert (doc["message"], doc["tags"]) == ("ää", ["truncated"])


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("message", {"text": "x"}),
        ("message", ["x"]),
        ("message", 1e300),
        ("exc_info", True),
        ("level", [30]),
        ("level", {"name": "error"}),
        ("status_code", "404x"),
        ("status_code", ""),
        ("status_code", "٤٠٤"),
        ("status_code", "9223372036854775808"),
        ("status_code", 404.5),
        ("status_code", True),
        ("status_code", 2**63),
        ("status_code", -(2**63) - 1),
        ("status_code", 10**30),
        ("duration_ms", "12ms"),
        ("duration_ms", False),
        ("execution_time_ms", [1.0]),
        ("execution_time_ms", {}),
    ],
)
def test_another_type(key: str, value: Any) -> None:
    """A known field with a value it can't have is under `extra`, and the record keeps its id."""
    events = enrich(line_of(7, **{key: value}) + b"\n")
    (doc,) = documents(events)
    assert key not in doc
    is_large = isinstance(value, int) and not -(2**63) <= value < 2**63
    assert doc["extra"] == {key: str(value) if is_large else value}
    assert doc["tags"] == ["moved"]
    assert events.ids == [f"{RUN}-7"]
    assert not [*misfits(doc)]


@pytest.mark.parametrize("value", [10**20, -(10**20), 10**300, 2**64, 2**63, 1e300, 3, -0.0])
def test_any_number_is_a_float(value: float) -> None:
    """A whole number is good for a field of floats, however large it is, on both paths."""
    for line in (line_of(7, duration_ms=value), line_of(7, duration_ms=value, other=1)):
        doc = document(line)
        assert doc["duration_ms"] == value
        assert "tags" not in doc


def test_unknown_keys() -> None:
    """A key that no field has is under `extra`, with its value as it was, and tags nothing."""
    value = {"a": [1, 2.5, True, "x", {"b": {}}], "": "empty", "n": -(2**63), "m": 2**63 - 1}
    doc = document(line_of(7, taskName="t", **value))
    assert doc["extra"] == {"taskName": "t", **value}
    assert "tags" not in doc
    assert doc["seq"] == 7


@pytest.mark.parametrize(
    "key",
    [
        *("host", "service", "event", "error", "log", "data_stream", "extra", "tags"),
        "@timestamp",
    ],
)
@pytest.mark.parametrize("value", ["text", 7, {"name": "theirs", "dataset": "x"}, ["a"], []])
def test_keys_of_ours(key: str, value: Any) -> None:
    """A line cannot write what enrichment writes: its own value is kept under `extra`."""
    doc = document(line_of(7, **{key: value}))
    assert doc["extra"][key] == value
    assert {**doc, "extra": 0} == {**document(line_of(7)), "extra": 0, "log": doc["log"]}


def test_nulls_are_left_out() -> None:
    """A null says nothing: it is no value of another type."""
    doc = document(line_of(7, message=None, status_code=None, other=None, extra={"a": None}))
    assert "message" not in doc
    assert "status_code" not in doc
    assert doc["extra"] == {"extra": {}}
    assert "tags" not in doc


def test_large_numbers_under_extra() -> None:
    """A number that no store can hold is kept as text, at any depth."""
    doc = document(line_of(7, big=2**64, deep=[{"small": -(2**63) - 1}], ok=2**63 - 1))
    small = str(-(2**63) - 1)
    assert doc["extra"] == {"big": str(2**64), "deep": [{"small": small}], "ok": 2**63 - 1}


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2026-02-05T14:30:45.123+00:00", "2026-02-05T14:30:45.123Z"),
        ("2026-02-05T16:30:45.123+02:00", "2026-02-05T14:30:45.123Z"),
        ("2026-02-05T14:30:45", "2026-02-05T14:30:45.000Z"),
        ("2026-02-05 14:30:45,123", "2026-02-05T14:30:45.123Z"),
        ("2026-02-05T14:30:45.1234567Z", "2026-02-05T14:30:45.123Z"),
        (1_770_301_845, "2026-02-05T14:30:45.000Z"),
        (1_770_301_845.5, "2026-02-05T14:30:45.500Z"),
        (1_770_301_845.123, "2026-02-05T14:30:45.123Z"),
        (1_770_301_845_123, "2026-02-05T14:30:45.123Z"),
        (1_770_301_845_123_456, "2026-02-05T14:30:45.123Z"),
        (1_770_301_845_123_456_789, "2026-02-05T14:30:45.123Z"),
        ("1770301845", "2026-02-05T14:30:45.000Z"),
        ("1770301845.123", "2026-02-05T14:30:45.123Z"),
        ("1770301845123", "2026-02-05T14:30:45.123Z"),
        ("1770301845123456789", "2026-02-05T14:30:45.123Z"),
        ("2026-02-05 14:30:45 UTC", "2026-02-05T14:30:45.000Z"),
        ("2026-02-05 15:30:45.5 +0100", "2026-02-05T14:30:45.500Z"),
        ("2026-02-05 14:30:45.5 +0000 UTC", "2026-02-05T14:30:45.500Z"),
        ("2026/02/05 14:30:45", "2026-02-05T14:30:45.000Z"),
        ("05/Feb/2026:16:30:45 +0200", "2026-02-05T14:30:45.000Z"),
        ("Thu, 05 Feb 2026 14:30:45 GMT", "2026-02-05T14:30:45.000Z"),
    ],
)
@pytest.mark.parametrize(
    "key", ["timestamp", "@timestamp", "time", "ts", "asctime", "datetime", "@t"]
)
def test_other_times(key: str, written: Any, time: str) -> None:
    """A time in another form is the record's time; how it was written is kept."""
    doc = document(json.dumps({key: written, "message": "x"}).encode())
    assert doc["@timestamp"] == time
    assert doc["extra"] == {key: written}
    assert "tags" not in doc


@pytest.mark.parametrize(
    "written",
    [
        *("yesterday", "", "9999-12-31T23:59:59.999Z", "2200-01-01T00:00:00.000Z"),
        *("1969-12-31T23:59:59.000Z", "2026-02-30T00:00:00.000Z", "2026-02-05T25:00:00.000Z"),
        *("2026-02-05T14:30:60.000Z", "0001-01-01T00:00:00+14:00", "14:30:45"),
        "\u0662\u0660\u0662\u0666-02-05T14:30:45.123Z",
        *("2026-02-05UTC", "31/Feb/2026:14:30:45", "17703018451234567890", "1770301845Z"),
        *(-1, 1e14, 1e17, 1e20, 10**30, True, [TIME], {"time": TIME}),
    ],
)
def test_no_time(written: Any) -> None:
    """A time that cannot be is none: the time of reading, a tag, and what was written."""
    for line in (line_of(7, timestamp=written), json.dumps({"@timestamp": written}).encode()):
        events = enrich(line + b"\n")
        (doc,) = documents(events)
        assert doc["@timestamp"] == "2026-02-05T14:30:50.000Z"
        assert events.times == [READ_AT]
        assert doc["tags"] == ["no_timestamp"]
        kept = str(written) if written == 10**30 else written
        assert [*doc["extra"].values()] == [kept]
        assert not [*misfits(doc)]


@pytest.mark.parametrize("run", BAD_RUNS)
def test_a_run_of_another_meaning(run: Any) -> None:
    """A `run` that is no ULID is a field of a foreign application: never half of an id."""
    events = enrich(line_of(7, run=run) + b"\n", start=44)
    (doc,) = documents(events)
    assert events.ids == [f"{STREAM}-44"]
    assert events.origins == {}
    assert doc["log"]["stream"] == STREAM
    assert doc["extra"] == ({"seq": 7} if run is None else {"run": run, "seq": 7})
    assert "run" not in doc
    assert "seq" not in doc


@pytest.mark.parametrize("seq", BAD_NUMBERS)
def test_a_number_of_another_meaning(seq: Any) -> None:
    """A `seq` that `emit` can't have written makes no id, however near it comes to one."""
    line = json.dumps({"timestamp": TIME, "run": RUN, "seq": seq}).encode()
    events = enrich(line.replace(b" ", b"") + b"\n", start=44)
    (doc,) = documents(events)
    assert events.ids == [f"{STREAM}-44"]
    assert events.origins == {}
    assert doc["extra"]["run"] == RUN
    assert not [*misfits(doc)]


def test_numbers_at_the_limit() -> None:
    """The first and the last number that every JSON reader holds exactly are good."""
    assert enrich(line_of(0) + b"\n" + line_of(2**53 - 1) + b"\n").ids == [
        f"{RUN}-0",
        f"{RUN}-{2**53 - 1}",
    ]


def test_several_oddities_give_each_tag_once() -> None:
    """Tags say all that was odd, each once."""
    doc = document(line_of(7, timestamp="?", level=[1], message=[2]).replace(b'"?"', b'"\xff"'))
    assert sorted(doc["tags"]) == ["invalid_utf8", "moved", "no_timestamp"]


def test_the_tag_of_the_line_is_not_ours() -> None:
    """A line that brings tags is not counted as odd."""
    events = enrich(line_of(7, tags=["blue"]) + b"\n")
    assert events.tagged == 0
