"""
The grammar of the query language.

    query    = and { "OR" and }
    and      = not { ["AND"] not }              adjacent terms mean AND, which binds tighter than OR
    not      = { "NOT" | "-" | "+" } term
    term     = "(" query ")" | "*" | [ field ":" ] value | field comparison
    value    = word | "quoted" | range | comparison | "IN" "[" { word [","] } "]"
             | "(" query ")"                    the field applies to all words inside
             | "*"                              the field exists
    comparison = ( ">" | "<" ) ["="] word

It is a subset of Lucene's syntax, with what Kibana's language writes otherwise: `status >= 500`,
`level : error`, operators in lower case. A `not` that may be a word is refused.

`parse` resolves the field names, checks the values against the
kinds of the fields and turns dates into epoch milliseconds, so a tree holds only what a store can
answer. Everything else (regular expressions, boosts, fuzziness) is an error that points at its
place.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from shipper.errors import QueryError
from shipper.fields import FieldKind
from shipper.store.query.tokens import Cursor, QuerySyntaxError, Word
from shipper.store.query.tree import All, And, Exists, Node, Not, Or, Range, levels_of, parts_of
from shipper.store.query.values import (
    LEVEL,
    bound,
    check_utf8,
    find_field,
    is_searchable,
    levels_beyond,
    match_word,
    refuse_two_values,
)

# Where a word without a field is searched: among the words of a text, and as a whole keyword.
BARE_TEXTS: Final = ("message", "exc_info")
BARE_KEYWORDS: Final = ("request_id", "workflow_id", "error_type", "run")

EXISTS: Final = "_exists_"  # Lucene's `_exists_:field`
MISSING: Final = "_missing_"

MAX_CHARS: Final = 65_536
MAX_DEPTH: Final = 50
MAX_LEVELS: Final = 20  # of and, or and not within each other; Elasticsearch takes 28
MAX_TERMS: Final = 1024


@lru_cache(maxsize=256)  # every part of an index asks for the tree of the same text
def parse(text: str) -> Node:
    """
    Return the tree of a query; an empty text means all records.

    Raises:
        QueryError: the text is not a query, or asks for what the fields cannot answer.
    """
    if len(text) > MAX_CHARS:
        raise QueryError(
            f"the query has {len(text):,} characters", f"shorten it to {MAX_CHARS:,} or fewer"
        )
    check_utf8(text)
    try:
        node = _Parser(text).parse()
    except QuerySyntaxError as fault:
        before = text[max(0, fault.at - 60) : fault.at]
        line = (before + text[fault.at : fault.at + 40]).replace("\n", " ").replace("\t", " ")
        remedy = f"{fault.remedy}\n  {line}\n  {' ' * len(before)}^"
        raise QueryError(fault.fault, remedy) from None
    if levels_of(node) > MAX_LEVELS:
        raise QueryError(
            f"AND, OR and NOT are nested more than {MAX_LEVELS} levels deep", "simplify the query"
        )
    return node


class _Parser:
    """Recursive descent over the tokens of one query, from the loosest operator to the tightest."""

    def __init__(self, text: str) -> None:
        self._cursor = Cursor(text)
        self._depth = 0
        self._terms = 0

    def parse(self) -> Node:
        if self._cursor.at_end():
            return All()
        node = self._or(None)
        if not self._cursor.at_end():
            raise self._fault("this bracket has no opening one", "remove it, or add ( before it")
        return node

    def _or(self, field: str | None) -> Node:
        items = [self._and(field)]
        while self._cursor.take_keyword("OR"):
            items.append(self._and(field))
        if len(items) == 1:
            return items[0]
        return Or(tuple(each for item in items for each in parts_of(item, Or)))

    def _and(self, field: str | None) -> Node:
        cursor = self._cursor
        items = [self._not(field)]
        while True:
            joined = cursor.take_keyword("AND")
            if not joined and (cursor.at_end() or cursor.peek() == ")" or cursor.sees("OR")):
                if len(items) == 1:
                    return items[0]
                return And(tuple(each for item in items for each in parts_of(item, And)))
            start = cursor.at
            items.append(self._not(field))
            if not joined:
                refuse_two_values(items[-2], items[-1], start)

    def _not(self, field: str | None) -> Node:
        cursor = self._cursor
        negated = False
        while True:
            if cursor.take_not():
                negated = not negated
            elif sign := cursor.take_sign():
                negated ^= sign == "-"
            else:
                node = self._term(field)
                if negated:
                    return node.item if isinstance(node, Not) else Not(node)
                return node

    def _term(self, field: str | None) -> Node:
        cursor = self._cursor
        if cursor.at_end() or cursor.peek() == ")" or cursor.sees("AND") or cursor.sees("OR"):
            raise self._fault(
                "a term is missing here",
                "write one, such as level:ERROR or timeout, and quote the words and, or",
            )
        if cursor.peek() == "(":
            return self._group(field)
        self._terms += 1
        if self._terms > MAX_TERMS:
            raise self._fault(f"more than {MAX_TERMS} terms", "split it into several queries")
        start = cursor.at
        if field is not None:
            return self._value(field, start)
        if cursor.take("*:*"):
            return All()
        cursor.refuse_equality()
        cursor.refuse_wild_name()
        name = cursor.take_field_name()
        if name is None:
            return All() if cursor.take_star() else self._bare()
        if cursor.at_end() or cursor.peek() == ")":
            raise QuerySyntaxError(
                start, f"{name} has no value", f"write {name}:x, or {name}:* for any value"
            )
        return self._group(name) if cursor.peek() == "(" else self._value(name, start)

    def _group(self, field: str | None) -> Node:
        start = self._cursor.at
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._fault(f"brackets are more than {MAX_DEPTH} deep", "simplify the query")
        self._cursor.take("(")
        node = self._or(field)
        if not self._cursor.take(")"):
            raise QuerySyntaxError(start, "this bracket is not closed", "add )")
        self._depth -= 1
        return node

    def _value(self, name: str, start: int) -> Node:
        cursor = self._cursor
        if name == EXISTS:
            word = cursor.take_word()
            if word.pattern is not None:
                raise QuerySyntaxError(
                    word.at, f"{word.text} is no field", f"name one, such as {EXISTS}:exc_info"
                )
            return Exists(*find_field(word.text))
        if name == MISSING:
            raise QuerySyntaxError(start, f"{MISSING} is not supported", "write NOT x:* instead")
        cursor.refuse_negation(name)
        field, kind = find_field(name)
        if cursor.take_star():
            return Exists(field, kind)
        if kind is FieldKind.OBJECT and "." not in field:
            raise QuerySyntaxError(
                start, f"{field} is an object", f"name one of its keys, such as {field}.name"
            )
        if cursor.peek() in ("[", "{"):
            return self._range(field, kind, start)
        if cursor.peek() in ("<", ">"):
            return self._comparison(field, kind)
        if cursor.take_list():
            return self._one_of(field, kind)
        node = match_word(field, kind, cursor.take_word())
        self._terms += len(node.items) if isinstance(node, Or) else 0
        return node

    def _bare(self) -> Node:
        """Search a word without a field in the texts, and as the whole of a few keywords."""
        if self._cursor.peek() in ("[", "{", "<", ">") or self._cursor.sees("IN"):
            raise self._fault(
                "this needs a field", "write one before it, such as status_code:>=500"
            )
        word = self._cursor.take_word()
        if not (word.is_quoted or word.pattern or any(map(str.isalnum, word.text))):
            raise QuerySyntaxError(
                word.at, f"{word.text} is not a word", "leave it out, or quote the text"
            )
        fields = [(field, FieldKind.KEYWORD) for field in BARE_KEYWORDS]
        if is_searchable(word):
            fields = [*((field, FieldKind.TEXT) for field in BARE_TEXTS), *fields]
        return Or(tuple(match_word(field, kind, word) for field, kind in fields))

    def _one_of(self, field: str, kind: FieldKind) -> Node:
        start = self._cursor.at
        if not self._cursor.take("["):
            raise self._fault(
                "IN needs a list of values", 'write IN [a b c], or "IN" in quotes for the word'
            )
        items = []
        while not self._cursor.take("]"):
            if self._cursor.at_end():
                raise QuerySyntaxError(start, "this list is not closed", "add ]")
            word = self._cursor.take_word("],")
            items.append(match_word(field, kind, Word(word.at, word.text)))
            self._cursor.take(",")
        if not items:
            raise QuerySyntaxError(start, "this list is empty", "write at least one value in it")
        return Or(tuple(items))

    def _comparison(self, field: str, kind: FieldKind) -> Node:
        cursor = self._cursor
        is_lower = cursor.peek() == ">"
        included = cursor.take(">=") or cursor.take("<=")
        if not included:
            cursor.take(cursor.peek())
        if cursor.at_end():
            raise self._fault("the bound is missing", f"write one, such as {field}:>5")
        if field == LEVEL:
            return levels_beyond(cursor.take_word(), is_lower=is_lower, included=included)
        limit = bound(field, kind, cursor.take_word(), is_lower=is_lower, included=included)
        if is_lower:
            return Range(field, kind, limit, None, lower_included=included)
        return Range(field, kind, None, limit, upper_included=included)

    def _range(self, field: str, kind: FieldKind, start: int) -> Node:
        cursor = self._cursor
        lower_included = cursor.peek() == "["
        cursor.take(cursor.peek())
        lower = self._range_word()
        if lower is None or not cursor.take_keyword("TO"):
            raise QuerySyntaxError(
                start, "this is not a range", f"write {field}:[1 TO 5], with * for no bound"
            )
        upper = self._range_word()
        upper_included = cursor.peek() == "]"
        if upper is None or not (cursor.take("]") or cursor.take("}")):
            raise QuerySyntaxError(
                start, "this range is not closed", "add ], or } to exclude the upper bound"
            )
        return Range(
            field,
            kind,
            bound(field, kind, lower, is_lower=True, included=lower_included),
            bound(field, kind, upper, is_lower=False, included=upper_included),
            lower_included,
            upper_included,
        )

    def _range_word(self) -> Word | None:
        cursor = self._cursor
        return None if cursor.at_end() or cursor.peek() in "]}" else cursor.take_word("]}")

    def _fault(self, fault: str, remedy: str) -> QuerySyntaxError:
        """Return the error for the position of the cursor."""
        return QuerySyntaxError(self._cursor.at, fault, remedy)
