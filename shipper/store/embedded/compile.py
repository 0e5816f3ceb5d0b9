"""
Compiles the tree of a query to a condition of SQL.

Nothing that a user typed stands in the SQL: values are parameters. A condition may be NULL, which
means no. A key of an object is looked up in its column, if it has one, and among the leaves.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from shipper.errors import QueryError
from shipper.fields import HEARTBEAT, FieldKind
from shipper.store import untyped
from shipper.store.embedded.columns import OBJECT_KEYS, literal, quoted
from shipper.store.query import tree
from shipper.store.query.parser import parse
from shipper.store.query.values import lowered, number_of, wildcard_steps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.store.api import Selection

MAX_EXTRA_BOUND: Final = 2**52  # above it every float is whole
MAX_WORD_BYTES: Final = 255
LEAST_JOINED: Final = 4  # a LIKE takes a quarter of the time of a regular expression
MAX_JOINED_CHARACTERS: Final = 4000
_ONE_VALUE: Final = (FieldKind.KEYWORD, FieldKind.INTEGER, FieldKind.FLOAT)
LETTER: Final = r"[\p{L}\p{N}]"
_OTHER: Final = r"[^\p{L}\p{N}]"
_WORD: Final = re.compile(r"[^\W_]+")
_PARAMETER: Final = re.compile(r"\$(p\d+)\b")


class Compiler:
    """
    Compiles conditions; keeps the values of their parameters.

    If no record is `odd`, the keys of an object have their values in their columns alone.
    """

    def __init__(self, *, odd: bool = True) -> None:
        self.odd = odd
        self._values: dict[str, Any] = {}

    def parameters(self, sql: str) -> dict[str, Any]:
        """Return the values of the parameters in a statement."""
        return {name: self._values[name] for name in set(_PARAMETER.findall(sql))}

    def inlined(self, sql: str) -> str:
        """Return a statement with the values of its parameters in it, where none are allowed."""
        return _PARAMETER.sub(lambda match: _literal(self._values[match[1]]), sql)

    def value(self, value: Any) -> str:
        """Return the parameter that stands for a value."""
        name = f"p{len(self._values)}"
        self._values[name] = value
        return f"${name}"

    def selection(self, selection: Selection) -> str:
        """Return the condition of a selection; raise QueryError if it cannot be answered."""
        node = parse(selection.query)
        chosen = [self.node(node)]
        if selection.since is not None:
            chosen.append(f"_ms >= {self.value(selection.since)}")
        if selection.until is not None:
            chosen.append(f"_ms < {self.value(selection.until)}")
        if not tree.names_heartbeats(node):
            chosen.append(f"\"event.dataset\" IS DISTINCT FROM '{HEARTBEAT}'")
        return " AND ".join(f"({each})" for each in chosen)

    def node(self, node: tree.Node) -> str:  # noqa: PLR0911 - one per node
        """Return the condition of a tree."""
        match node:
            case tree.All():
                return "TRUE"
            case tree.And(items):
                return " AND ".join(f"({self.node(item)})" for item in items)
            case tree.Or(items):
                return " OR ".join(f"({each})" for each in self._alternatives(items))
            case tree.Not(item):
                return f"({self.node(item)}) IS NOT TRUE"
            case tree.Match():
                return self._match(node)
            case tree.Wildcard():
                return self._wildcard(node)
            case tree.Range():
                return self._range(node)
            case tree.Exists():
                return _exists(node, self)

    def _alternatives(self, items: Sequence[tree.Node]) -> Iterator[str]:
        """Yield the conditions of items; of many values or parts of one text, one for all."""
        parts: dict[str, list[str]] = {}
        for item in items:
            part = _part(item)
            if isinstance(item, tree.Wildcard) and part is not None:
                parts.setdefault(item.field, []).append(part)
        joined = {name for name, found in parts.items() if _are_joined(found)}
        values: dict[str, list[str]] = {}
        for item in items:
            if isinstance(item, tree.Match) and item.kind in _ONE_VALUE and item.field != "tags":
                values.setdefault(item.field, []).append(self.value(item.value))
            elif not (isinstance(item, tree.Wildcard) and item.field in joined and _part(item)):
                yield self.node(item)
        for name, parameters in values.items():
            yield f"{quoted(name)} IN ({', '.join(parameters)})"
        for name, found in parts.items():
            if name in joined:
                whole = self.value(f"(?s){'|'.join(found)}")
                # Unlike `regexp_matches`, once per value of a dictionary; no part is empty.
                yield f"regexp_extract({quoted(name)}, {whole}) <> ''"

    def _match(self, node: tree.Match) -> str:
        if node.kind is FieldKind.TEXT:
            return self._phrase(node.field, str(node.value))
        if node.kind is FieldKind.OBJECT:
            return self._key_equals(node.field, str(node.value))
        value = self.value(node.value)
        if node.field == "tags":
            return f"list_contains(tags, {value})"
        return f"{quoted(node.field)} = {value}"

    def _key_equals(self, field: str, text: str) -> str:
        number = number_of(text)
        texts = [text] if number is None else [text, str(number)]
        tagged = [f"s{each}" for each in texts]
        if number is not None:
            tagged.append(f"n{untyped.write(number)}")
        if text in ("true", "false"):
            tagged.append(f"b{text}")
        return self._any_value(
            field,
            lambda column: f"{column} IN ({', '.join(map(self.value, texts))})",
            lambda leaf: f"list_contains({self.value(tagged)}, {leaf}.t || {leaf}.v)",
        )

    def _any_value(self, field: str, of_column: Any, of_leaf: Any) -> str:
        """Return the condition that a value of a key holds, in its column or among the leaves."""
        kind = OBJECT_KEYS.get(field)
        if self.odd or untyped.in_extra(field):
            leaf = f"x.k = {self.value(field)} AND {of_leaf('x')}"
            found = f"len(list_filter(_leaves, lambda x: {leaf})) > 0"
        else:
            found = "FALSE"
        if kind is None:
            return found
        column = quoted(field)
        if kind == "VARCHAR[]":
            return f"len(list_filter({column}, lambda y: {of_column('y')})) > 0 OR ({found})"
        return f"({of_column(column)}) OR ({found})"

    def _phrase(self, field: str, text: str) -> str:
        words = [lowered(w) for w in _WORD.findall(text) if len(w.encode()) <= MAX_WORD_BYTES]
        if not words:
            return "FALSE"
        column = f"lower({quoted(field)})"
        contained = [f"contains({column}, {self.value(word)})" for word in dict.fromkeys(words)]
        pattern = f"{_OTHER}+".join(map(_escaped, words))
        whole = self.value(f"(?s)(^|{_OTHER}){pattern}($|{_OTHER})")
        return " AND ".join([*contained, f"regexp_matches({column}, {whole})"])

    def _wildcard(self, node: tree.Wildcard) -> str:
        if node.kind is FieldKind.TEXT:
            forms = {None: f"{LETTER}*", "": LETTER}
            steps = wildcard_steps(node.pattern)
            word = "".join(forms.get(step) or _escaped(str(step)) for step in steps)
            whole = self.value(f"(?s)(^|{_OTHER}){word}($|{_OTHER})")
            return f"regexp_matches(lower({quoted(node.field)}), {whole})"
        like = f"LIKE {self.value(_like(node.pattern))} ESCAPE '\\'"
        if node.kind is not FieldKind.OBJECT:
            if node.field == "tags":
                return f"len(list_filter(tags, lambda x: x {like})) > 0"
            return f"{quoted(node.field)} {like}"
        texts = "" if untyped.in_extra(node.field) else " AND {0}.t = 's'"
        return self._any_value(
            node.field,
            lambda column: f"{column} {like}",
            lambda leaf: f"{leaf}.v {like}{texts.format(leaf)}",
        )

    def _range(self, node: tree.Range) -> str:
        if node.lower is None and node.upper is None:
            return _exists(tree.Exists(node.field, node.kind), self)
        if node.kind is not FieldKind.OBJECT:
            column = {"@timestamp": "_ms"}.get(node.field) or quoted(node.field)
            return self._bounds(column, node)
        for number in (node.lower, node.upper):
            if number is not None and abs(number) >= MAX_EXTRA_BOUND:
                raise QueryError(
                    f"ranges of {node.field} are limited to {MAX_EXTRA_BOUND}",
                    "use * instead of this bound",
                )
        return self._any_value(
            node.field, lambda _: "FALSE", lambda leaf: self._bounds(f"{leaf}.n", node)
        )

    def _bounds(self, column: str, node: tree.Range) -> str:
        parts = []
        if node.lower is not None:
            sign = ">=" if node.lower_included else ">"
            parts.append(f"{column} {sign} {self.value(node.lower)}")
        if node.upper is not None:
            sign = "<=" if node.upper_included else "<"
            parts.append(f"{column} {sign} {self.value(node.upper)}")
        return " AND ".join(parts)


def _exists(node: tree.Exists, compiler: Compiler) -> str:
    field = node.field
    if field == "@timestamp":
        return "TRUE"
    if node.kind is not FieldKind.OBJECT:
        column = quoted(field)
        return f"len({column}) > 0" if field == "tags" else f"{column} IS NOT NULL"
    found = ["FALSE"]
    if compiler.odd or untyped.in_extra(field):
        below = "FALSE"
        if not field.startswith("extra."):
            below = f"starts_with(x.k, {compiler.value(field + '.')})"
        is_it = f"x.k = {compiler.value(field)} OR {below}"
        found = [f"len(list_filter(_leaves, lambda x: {is_it})) > 0"]
    for name, kind in OBJECT_KEYS.items():
        if name == field or name.startswith(f"{field}."):
            column = quoted(name)
            found.append(f"len({column}) > 0" if kind == "VARCHAR[]" else f"{column} IS NOT NULL")
    return " OR ".join(f"({each})" for each in found)


def _literal(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return literal(value) if isinstance(value, str) else repr(value)


def _escaped(text: str) -> str:
    """Return a text as a regular expression of RE2."""
    return "".join(c if c.isalnum() else f"\\x{{{ord(c):x}}}" for c in text)


def _part(node: tree.Node) -> str | None:
    """
    Return the regular expression of a keyword that begins with, ends with or contains a text.

    Of these together RE2 makes an automaton that grows with their length only; of patterns with a
    wildcard within it may not.
    """
    if not isinstance(node, tree.Wildcard) or node.kind is not FieldKind.KEYWORD:
        return None
    steps = wildcard_steps(node.pattern)
    first = steps[:1] == [None]
    last = len(steps) > 1 and steps[-1] is None
    inner = steps[first : len(steps) - last]
    if node.field == "tags" or not inner or not all(inner):
        return None
    text = "".join(_escaped(str(step)) for step in inner)
    return f"{'' if first else '^'}{text}{'' if last else '$'}"


def _are_joined(parts: Sequence[str]) -> bool:
    """Return whether one regular expression is cheaper than a LIKE each."""
    return len(parts) >= LEAST_JOINED and sum(map(len, parts)) <= MAX_JOINED_CHARACTERS


def _like(pattern: str) -> str:
    forms = {None: "%", "": "_", "%": "\\%", "_": "\\_", "\\": "\\\\"}
    return "".join(forms.get(step) or str(step) for step in wildcard_steps(pattern))
