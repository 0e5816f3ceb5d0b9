"""Objects and lists of which a store would make too much: a text, and nothing else is changed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shipper.enrich.enricher import Enricher
from shipper.enrich.weight import OF_A_BYTE, OF_ANY
from shipper.events import Source
from tests.enrich.enriching import CONTEXT, TIME, block_of, documents, misfits

FORMATS = ["", "json", "docker", "cri"]
LONG = "k" * 8000

HEAVY: dict[str, Any] = {
    "a list under a long key": {LONG: [*range(20_000)]},
    "keys under a long key": {LONG: {f"k{number}": 1 for number in range(5000)}},
    "a long key within": {"a": {LONG: {"b": [*range(20_000)]}}},
    "many objects": {"a": [{f"{LONG}{i}": {str(j): j for j in range(99)}} for i in range(9)]},
    "in place of a text": {"logger": {LONG: [*range(20_000)]}},
    "in place of a time": {"ts": {LONG: [*range(20_000)]}},
    "in place of an id": {"request_id": [{LONG: [*range(20_000)]}]},
    "under extra": {"extra": {LONG: [*range(20_000)]}},
}


def written(fields: dict[str, Any], source_format: str) -> bytes:
    record = {"time": TIME, "severity": "ERROR", "message": "boom", **fields}
    line = json.dumps(record, separators=(",", ":"))
    if source_format == "docker":
        line = json.dumps({"log": line + "\n", "stream": "stdout", "time": TIME})
    return (f"{TIME} stdout F {line}" if source_format == "cri" else line).encode() + b"\n"


def made_of(fields: dict[str, Any], source_format: str) -> dict[str, Any]:
    line = written(fields, source_format)
    block = replace(block_of(line, limit=4 << 20), source=Source(format=source_format))
    (only,) = documents(Enricher(CONTEXT).enrich(block))
    assert not [*misfits(only)]
    return only


def weight(value: Any, path: str = "extra") -> int:
    """Return the bytes of all values, each with its path."""
    if isinstance(value, dict):
        return sum(weight(inner, f"{path}.{key}") for key, inner in value.items())
    if isinstance(value, list):
        return sum(weight(inner, path) for inner in value)
    return len(path) + len(str(value))


@pytest.mark.parametrize("source_format", FORMATS)
@pytest.mark.parametrize("name", HEAVY)
def test_what_is_too_heavy_is_a_text(name: str, source_format: str) -> None:
    """The rest of the record is as it was, and nothing is lost."""
    line = written(HEAVY[name], source_format)

    doc = made_of(HEAVY[name], source_format)

    assert (doc["message"], doc["level"]) == ("boom", "ERROR")
    assert "unindexed" in doc["tags"]
    (key,) = HEAVY[name]
    assert json.loads(doc["extra"][key]) == HEAVY[name][key]
    assert weight(doc) < OF_ANY + (OF_A_BYTE + 2) * len(line)


@pytest.mark.parametrize("source_format", FORMATS)
@pytest.mark.parametrize(
    "fields",
    [
        {"a": {"b": [*range(100)]}},
        {"request": {f"header_{i}": {"value": "x" * 20, "is_set": True} for i in range(200)}},
        {
            "items": [
                {"name": f"item {i}", "price": i * 1.5, "tags": ["a", "b"]} for i in range(500)
            ]
        },
        {"durations": [number * 0.25 for number in range(10_000)]},
    ],
)
def test_what_programs_write_stays(fields: dict[str, Any], source_format: str) -> None:
    """Large records of usual keys are indexed as they are."""
    doc = made_of(fields, source_format)

    assert {key: doc["extra"][key] for key in fields} == fields
    assert "tags" not in doc


@pytest.mark.parametrize("source_format", ["", "json"])
@pytest.mark.parametrize("values", [1, 10, 20, 40, 100, 1000])
@pytest.mark.parametrize("length", [1, 30, 100, 200, 400, 800, 1600, 10_000])
def test_no_line_is_much(values: int, length: int, source_format: str) -> None:
    """Whatever the numbers of values and the length of their path, there is a bound."""
    fields = {"k" * length: [*range(values)]}

    doc = made_of(fields, source_format)

    assert weight(doc["extra"]) < OF_ANY + (OF_A_BYTE + 2) * len(written(fields, source_format))


@pytest.mark.parametrize("key", ["time", "ts", "timestamp", "@t", "instant", "level", "seq"])
@pytest.mark.parametrize("depth", [25, 70, 950])
@pytest.mark.parametrize("source_format", FORMATS)
def test_a_time_or_a_level_that_is_nested_without_end(
    key: str, depth: int, source_format: str
) -> None:
    """A line is too deep wherever it is, and no document is."""
    line = f'{{"{key}":' + '{"a":' * depth + "1" + "}" * depth + "}"
    if source_format == "docker":
        line = json.dumps({"log": line + "\n", "stream": "stdout", "time": TIME})
    elif source_format == "cri":
        line = f"{TIME} stdout F {line}"
    block = replace(block_of(line.encode() + b"\n"), source=Source(format=source_format))

    events = Enricher(CONTEXT).enrich(block)

    (doc,) = documents(events)
    assert '{"a":{"a":' in doc["message"]
    assert key not in doc.get("extra", {})
