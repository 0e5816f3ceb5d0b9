"""Tests of the schema for editors: it is fresh, and knows every rule that is shipped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from shipper.alerts.rules.schema import rule_schema

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "config/rules").glob("*.yml"))


def test_the_schema_is_fresh() -> None:
    """It is written from the declarations by `make docs`."""
    written = json.loads((ROOT / "config/rules/rule.schema.json").read_text())

    assert written == rule_schema()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_shipped_rules_fit_the_schema(path: Path) -> None:
    """An editor that goes by the schema marks nothing in them."""
    assert list(misfits(yaml.safe_load(path.read_text()), rule_schema())) == []


@pytest.mark.parametrize(
    ("text", "misfit"),
    [
        ("severity: awful", "severity: not one of critical, high, medium, low"),
        ("colour: red", "colour: unknown"),
        ("ratio: {of: a}", "ratio.to: missing"),
        ("group_by: a", "group_by: no array"),
    ],
)
def test_the_schema_marks_what_the_reader_refuses(text: str, misfit: str) -> None:
    """What is wrong in form shows while it is typed."""
    assert misfit in list(misfits(yaml.safe_load(text), rule_schema()))


def misfits(value: Any, schema: dict[str, Any], place: str = "") -> Iterator[str]:
    """Walk a value beside its schema, as far as the schema goes."""
    if "enum" in schema:
        if value not in schema["enum"]:
            yield f"{place}: not one of {', '.join(schema['enum'])}"
    elif schema["type"] == "object":
        yield from misfits_below(value, schema, place)
    elif schema["type"] == "array":
        if not isinstance(value, list):
            yield f"{place}: no array"
        else:
            for item in value:
                yield from misfits(item, schema["items"], place)


def misfits_below(value: dict[str, Any], schema: dict[str, Any], place: str) -> Iterator[str]:
    for key in schema["required"]:
        if key not in value:
            yield f"{place}.{key}: missing".lstrip(".")
    for key, below in value.items():
        at = f"{place}.{key}".lstrip(".")
        if key not in schema["properties"]:
            yield f"{at}: unknown"
        else:
            yield from misfits(below, schema["properties"][key], at)
