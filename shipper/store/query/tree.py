"""The tree of a query: what `parse` returns and every store compiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from shipper.fields import HEARTBEAT, FieldKind

Value = str | int | float

# The fields that mark a record as a heartbeat.
DATASETS: Final = ("event.dataset", "data_stream.dataset")
HEARTBEAT_KEYS: Final = "extra.heartbeat"


@dataclass(frozen=True, slots=True)
class All:
    """Every record."""


@dataclass(frozen=True, slots=True)
class And:
    """Records that match all of the items."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Records that match at least one of the items."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Records that do not match the item."""

    item: Node


@dataclass(frozen=True, slots=True)
class Match:
    """
    Records whose field has this value.

    In a text field the words of the value stand in a row; a keyword equals the value; a key of an
    object holds the value as text, or as the number or boolean that the text spells.
    """

    field: str
    kind: FieldKind
    value: Value


@dataclass(frozen=True, slots=True)
class Wildcard:
    """
    Records whose keyword, or one word of whose text, matches the pattern.

    `*` stands for any characters, `?` for one; a backslash makes the next character literal.
    Patterns for text fields are lower-case.
    """

    field: str
    kind: FieldKind
    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """Records whose number or time (epoch ms) lies between the bounds; None: no bound."""

    field: str
    kind: FieldKind
    lower: int | float | None = None
    upper: int | float | None = None
    lower_included: bool = True
    upper_included: bool = True


@dataclass(frozen=True, slots=True)
class Exists:
    """Records that have a value in the field, or in a key below it."""

    field: str
    kind: FieldKind


Node = All | And | Or | Not | Match | Wildcard | Range | Exists


def parts_of(node: Node, kind: type[And | Or]) -> tuple[Node, ...]:
    """Return the items of a node of this kind, and any other node alone."""
    return node.items if isinstance(node, kind) else (node,)


def levels_of(node: Node) -> int:
    """Return how deep a tree is."""
    match node:
        case And(items) | Or(items):
            return 1 + max(map(levels_of, items))
        case Not(item):
            return 1 + levels_of(item)
        case _:
            return 0


def fields_of(node: Node) -> Iterator[tuple[str, FieldKind]]:
    """Yield the fields that a query asks for, with their kinds."""
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from fields_of(item)
        case Not(item):
            yield from fields_of(item)
        case Match() | Wildcard() | Range() | Exists():
            yield node.field, node.kind
        case All():
            pass


def words_of(node: Node) -> Iterator[str]:
    """Yield the words and phrases that a text has to hold for a query to find it."""
    match node:
        case And(items) | Or(items):
            for item in items:
                yield from words_of(item)
        case Match(kind=FieldKind.TEXT, value=value):
            yield str(value)
        case _:
            pass


def names_heartbeats(node: Node) -> bool:
    """
    Return whether a query asks for heartbeats; every store leaves them out of any other query.

    It does if it names their dataset, `event.dataset:orchestrator.heartbeat`, or one of their keys,
    `extra.heartbeat.…`.
    """
    match node:
        case And(items) | Or(items):
            return any(map(names_heartbeats, items))
        case Not(item):
            return names_heartbeats(item)
        case Match(field=field, value=value) if field in DATASETS:
            return value == HEARTBEAT
        case Match(field=field) | Wildcard(field=field) | Range(field=field) | Exists(field=field):
            return field == HEARTBEAT_KEYS or field.startswith(f"{HEARTBEAT_KEYS}.")
        case All():
            return False
