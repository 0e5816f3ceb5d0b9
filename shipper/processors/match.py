"""
Queries of the query language, evaluated on one document in memory.

The answer is that of the stores. It needs no index, so a query costs about a microsecond a term.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from shipper.errors import QueryError
from shipper.fields import FieldKind
from shipper.store import untyped
from shipper.store.query import tree
from shipper.store.query.parser import parse
from shipper.store.query.values import lowered, number_of

Matcher = Callable[[dict[str, Any]], bool]

_WORD = re.compile(r"[^\W_]+")


def matcher(query: str) -> Matcher:
    """Return the function that says whether a document matches; raise QueryError for a bad one."""
    return _compiled(parse(query))


def values_at(document: Any, path: str) -> Iterator[Any]:
    """Yield the values of a field, of lists each; a key may have dots in it."""
    if isinstance(document, list):
        for each in document:
            yield from values_at(each, path)
    elif not path:
        if document is not None and not isinstance(document, dict):
            yield document
    elif isinstance(document, dict):
        for key, value in document.items():
            if key == path:
                yield from values_at(value, "")
            elif path.startswith(f"{key}."):
                yield from values_at(value, path[len(key) + 1 :])


def _compiled(node: tree.Node) -> Matcher:  # noqa: PLR0911 - one per node
    match node:
        case tree.All():
            return lambda _document: True
        case tree.And(items):
            parts = [_compiled(item) for item in items]
            return lambda document: all(part(document) for part in parts)
        case tree.Or(items):
            parts = [_compiled(item) for item in items]
            return lambda document: any(part(document) for part in parts)
        case tree.Not(item):
            inner = _compiled(item)
            return lambda document: not inner(document)
        case tree.Match():
            return _any(node.field, _match(node))
        case tree.Wildcard():
            return _any(node.field, _wildcard(node))
        case tree.Range():
            return _any(node.field, _range(node))
        case tree.Exists(field=field) if field.startswith("extra."):
            return _any(field, lambda _value: True)
        case tree.Exists(field=field):
            return lambda document: _exists(document, field)


def _any(field: str, holds: Callable[[Any], bool]) -> Matcher:
    return lambda document: any(map(holds, values_at(document, field)))


def _exists(document: Any, path: str) -> bool:
    """Return whether a field has a value, or a key below it has one."""
    if isinstance(document, list):
        return any(_exists(each, path) for each in document)
    if not isinstance(document, dict):
        return document is not None and not path
    if not path:
        return any(_exists(value, "") for value in document.values())
    return any(
        _exists(value, "" if key == path else path[len(key) + 1 :])
        for key, value in document.items()
        if key == path or path.startswith(f"{key}.")
    )


def _match(node: tree.Match) -> Callable[[Any], bool]:
    wanted = node.value
    if node.kind is FieldKind.TEXT:
        phrase = _words(str(wanted))
        return lambda value: _has_phrase(_words(str(value)), phrase)
    if node.kind is not FieldKind.OBJECT:
        return lambda value: type(value) is not bool and value == wanted
    text = str(wanted)
    meant = untyped.read(text) if number_of(text) is None else number_of(text)

    def holds(value: Any) -> bool:
        read = untyped.read(value) if isinstance(value, str) else value
        return value == text or (
            isinstance(read, bool) == isinstance(meant, bool) and read == meant
        )

    return holds


def _words(text: str) -> list[str]:
    return [lowered(word) for word in _WORD.findall(text)]


def _has_phrase(words: list[str], phrase: list[str]) -> bool:
    size = len(phrase)
    return any(words[at : at + size] == phrase for at in range(len(words) - size + 1))


def _wildcard(node: tree.Wildcard) -> Callable[[Any], bool]:
    fits = untyped.wildcard_regex(node.pattern).fullmatch
    if node.kind is FieldKind.TEXT:
        return lambda value: any(map(fits, _words(str(value))))
    if node.kind is FieldKind.OBJECT:
        return lambda value: fits(untyped.write(_read(value))) is not None
    return lambda value: fits(str(value)) is not None


def _read(value: Any) -> untyped.Value:
    if isinstance(value, str):
        return untyped.read(value)
    return value if abs(value) < 2**63 else str(value)  # no store has such a number


def _range(node: tree.Range) -> Callable[[Any], bool]:
    if node.kind is FieldKind.DATE:
        return lambda value: untyped.in_range(_milliseconds(value), node)
    if node.kind is FieldKind.OBJECT:
        return lambda value: untyped.in_range(_read(value), node)
    return lambda value: untyped.in_range(value, node)


def _milliseconds(value: Any) -> untyped.Value:
    try:
        return round(datetime.fromisoformat(str(value)).timestamp() * 1000)
    except ValueError:
        return ""


def checked(query: str) -> Matcher:
    """Return the matcher of a query that is not empty."""
    if not query.strip():
        raise QueryError("the query is empty", "write one, such as level:DEBUG")
    return matcher(query)
