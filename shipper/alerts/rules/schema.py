"""
The JSON schema of rule files, for editors; made of what the files are read by.

`config/rules/rule.schema.json` is written by `make docs`, and a rule file names it in its first
line: `# yaml-language-server: $schema=rule.schema.json`.
"""

from __future__ import annotations

from typing import Any

from shipper.alerts.rules import KINDS
from shipper.alerts.rules.rule import Rule
from shipper.config.options import ListOf, Option, OptionKind, Scalar, Section, options_of

Schema = dict[str, Any]


def rule_schema() -> Schema:
    """Return the schema of a rule file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A rule of shipper",
        **_section(Rule),
        "oneOf": [{"required": [kind]} for kind in KINDS],
    }


def _section(section: type[Any]) -> Schema:
    options = list(options_of(section))
    return {
        "description": section.__doc__,
        "type": "object",
        "properties": {each.key: _option(each) for each in options},
        "required": [each.key for each in options if each.required],
        "additionalProperties": False,
    }


def _option(option: Option) -> Schema:
    description = option.meaning
    if option.default not in (None, "none"):
        description += f" Default: {option.default}."
    return {**_kind(option.kind), "description": description}


def _kind(kind: OptionKind) -> Schema:
    if isinstance(kind, Section):
        return _section(kind.type)
    if isinstance(kind, ListOf):
        return {"type": "array", "items": _kind(kind.item), "minItems": kind.least}
    if isinstance(kind, Scalar) and kind.words:
        return {"enum": list(kind.words)}
    return {"type": ["string", "number", "boolean"], "title": kind.shown}
