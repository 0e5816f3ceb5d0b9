"""Known fields under other names and with other types; levels by any name."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shipper.enrich.enricher import Enricher
from shipper.events import Source
from shipper.fields import LEVELS
from tests.enrich.enriching import (
    CONTEXT,
    RUN,
    TIME,
    block_of,
    document,
    documents,
    enrich,
    line_of,
    misfits,
)


def foreign(**fields: Any) -> dict[str, Any]:
    """Return the document of a line that a logger of another kind wrote."""
    return document(json.dumps({"timestamp": "2026-02-05T14:30:45.123Z", **fields}).encode())


@pytest.mark.parametrize(
    ("written", "level"),
    [
        *(("error", "ERROR"), ("Err", "ERROR"), ("fatal", "CRITICAL"), ("panic", "CRITICAL")),
        *(("crit", "CRITICAL"), ("emerg", "CRITICAL"), ("warn", "WARNING"), (" WARN\n", "WARNING")),
        *(("notice", "INFO"), ("trace", "DEBUG"), ("W", "WARNING"), ("success", "SUCCESS")),
        *((10, "DEBUG"), (20, "DEBUG"), (30, "INFO"), (40, "WARNING"), (50, "ERROR")),
        *((60, "CRITICAL"), (35, "INFO"), (50.0, "ERROR"), ("50", "ERROR"), (7, "7")),
    ],
)
def test_a_level_by_any_name(written: Any, level: str) -> None:
    """A level has one name, in a line of `emit` and in any other; what was written is kept."""
    for doc in (foreign(level=written), document(line_of(7, level=written))):
        assert doc["level"] == level
        assert doc["extra"] == {"level": written}
        assert "tags" not in doc
        assert ("error" in doc) is (level in {"ERROR", "CRITICAL"})


def test_levels_of_a_block() -> None:
    """One level of another name in a block changes nothing about its neighbours."""
    lines = [line_of(seq, level=level) for seq, level in enumerate(("ERROR", "warn", "INFO"))]
    events = enrich(b"".join(line + b"\n" for line in lines))
    assert [doc["level"] for doc in documents(events)] == ["ERROR", "WARNING", "INFO"]
    assert [doc.get("extra") for doc in documents(events)] == [None, {"level": "warn"}, None]
    assert events.ids == [f"{RUN}-{seq}" for seq in range(3)]


def test_the_names_of_levels_stand_for_themselves() -> None:
    """The name that a record gets is one that means the same when it is asked for."""
    assert {LEVELS[level] for level in LEVELS.values()} == {*LEVELS.values()}
    assert all(level == LEVELS[level] for level in LEVELS.values())


@pytest.mark.parametrize("key", ["severity", "levelname", "loglevel", "log_level", "lvl"])
def test_a_level_under_another_key(key: str) -> None:
    """A line without `level` has that of a key that holds one, which stays what it is."""
    doc = foreign(**{key: "Err"})
    assert doc["level"] == "ERROR"
    assert doc["extra"] == {key: "Err"}
    assert foreign(level="info", **{key: "error"})["level"] == "INFO"
    assert "level" not in foreign(**{key: "low"})
    assert "level" not in foreign(**{key: 3})


@pytest.mark.parametrize("source_format", ["", "json"])
@pytest.mark.parametrize("key", ["severity", "levelname", "loglevel", "log_level", "lvl"])
@pytest.mark.parametrize("level", [[], ["info"], {}, {"a": 1}, " ", "\t", None])
def test_a_level_that_is_none(level: Any, key: str, source_format: str) -> None:
    """Another key that names a level counts, whatever the format; all that was written stays."""
    line = json.dumps({"timestamp": TIME, "level": level, key: "Err"}).encode() + b"\n"
    block = replace(block_of(line), source=Source(format=source_format))

    (doc,) = documents(Enricher(CONTEXT).enrich(block))

    assert doc["level"] == "ERROR"
    assert doc["error"]["category"] == "server"
    kept = {} if level is None else {"level": level}
    assert doc["extra"] == {**kept, key: "Err"}
    assert doc.get("tags", []) == ["moved"] * len(kept)


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        ("status_code", "500", 500),
        ("status_code", " 404 ", 404),
        ("status_code", 404.0, 404),
        ("duration_ms", "12.5", 12.5),
        ("duration_ms", "1e3", 1000.0),
        ("message", 7, "7"),
        ("logger", True, "true"),
        ("status", 1.5, "1.5"),
        ("workflow_id", 12, "12"),
        ("request_id", 2**70, str(2**70)),
    ],
)
def test_a_value_that_says_the_same(key: str, written: Any, value: Any) -> None:
    """A number as text, or a text as number, is the field's; how it was written is kept."""
    for doc in (foreign(**{key: written}), document(line_of(7, **{key: written}))):
        assert (doc[key], type(doc[key])) == (value, type(value))
        assert doc["extra"] == {key: str(written) if written == 2**70 else written}
        assert "tags" not in doc
        assert not [*misfits({**doc, "log": {}})]


def test_a_status_as_text_counts_as_an_error() -> None:
    """A 500 is an error of the server, however the proxy writes it."""
    doc = foreign(status_code="500", duration_ms="12.5")
    assert doc["error"] == {"category": "server"}
    assert doc["event"]["dataset"] == "orchestrator.access"


def test_names_of_ecs_as_one_key() -> None:
    """A line of ecs-logging has our fields."""
    doc = foreign(
        **{
            "log.level": "error",
            "log.logger": "shop.db",
            "error.type": "ValueError",
            "error.message": "no such order",
            "error.stack_trace": "Traceback …",
            "http.response.status_code": 503,
            "ecs.version": "1.6",
        }
    )
    assert (doc["level"], doc["logger"]) == ("ERROR", "shop.db")
    assert (doc["error_type"], doc["exc_info"]) == ("ValueError", "Traceback …")
    assert doc["status_code"] == 503
    assert doc["error"] == {"category": "server", "message": "no such order"}
    assert doc["extra"] == {"log.level": "error", "ecs.version": "1.6"}
    assert "tags" not in doc


def test_names_of_ecs_in_objects() -> None:
    """Objects of ECS are looked into; what else they hold stays under `extra`."""
    doc = foreign(
        log={"level": "warn", "origin": {"line": 5}},
        http={"response": {"status_code": "503"}},
        user_agent={"original": "curl", "name": "c"},
    )
    assert (doc["level"], doc["status_code"], doc["user_agent"]) == ("WARNING", 503, "curl")
    assert doc["extra"] == {
        "log.level": "warn",
        "http.response.status_code": "503",
        "log": {"origin": {"line": 5}},
        "user_agent": {"name": "c"},
    }
    assert "tags" not in doc


def test_our_own_name_wins() -> None:
    """A field under both names is that of its own; the other one stays as it is."""
    doc = foreign(level="INFO", log={"level": "error"}, **{"http.route": {"a": 1}})
    assert doc["level"] == "INFO"
    assert doc["extra"] == {"log": {"level": "error"}, "http.route": {"a": 1}}


def test_numbers_that_are_none_and_half_characters() -> None:
    """NaN, Infinity and half a surrogate pair cost a record nothing but themselves."""
    line = b'{"level":"ERROR","duration_ms":NaN,"a":[Infinity,-Infinity,1e400],"b":"\\ud83d!",'
    doc = document(line + b'"c":"\\ud83d\\ude00","d":"\\\\ud800","e":' + b"9" * 5000 + b"}")
    assert doc["level"] == "ERROR"
    assert doc["extra"] == {
        "duration_ms": "NaN",
        "a": ["Infinity", "-Infinity", "Infinity"],
        "b": "\ufffd!",
        "c": "\U0001f600",
        "d": "\\ud800",
        "e": "9" * 5000,
    }
    assert sorted(doc["tags"]) == ["invalid_utf8", "moved", "no_timestamp"]
