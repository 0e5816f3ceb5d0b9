"""
The query language: text to a small tree that every store compiles.

    query    = and { "OR" and }
    and      = not { ["AND"] not }              adjacent terms mean AND, which binds tighter than OR
    not      = { "NOT" | "-" | "+" } term
    term     = "(" query ")" | "*" | [ field ":" ] value
    value    = word | "quoted" | range | ">" ["="] word | "IN" "[" { word } "]"
             | "(" query ")"                    the field holds for all words inside
             | "*"                              the field is there

It is Lucene's syntax as far as it goes. `parse` finds the fields, checks the values against their
kinds and turns times into epoch milliseconds, so a tree holds only what a store can be asked. What
it can't be asked (regular expressions, boosts, fuzziness) is an error that points at the place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NoReturn

from shipper.errors import QueryError
from shipper.fields import HEARTBEAT, FieldKind, resolve
from shipper.store.times import parse_span

Value = str | int | float

# Where a word without a field is looked for: as words of a text, and as the whole of a keyword.
BARE_TEXTS: Final = ("message", "exc_info")
BARE_KEYWORDS: Final = ("request_id", "workflow_id", "error_type", "run")
UPPER_CASE: Final = ("level",)

# Keys inside objects that always hold the same kind.
KINDS_OF_KEYS: Final = {"event.created": FieldKind.DATE, "log.offset": FieldKind.INTEGER}

# Where a record says that it is a heartbeat.
DATASETS: Final = ("event.dataset", "data_stream.dataset")
HEARTBEAT_KEYS: Final = "extra.heartbeat"

MAX_CHARS: Final = 65_536
MAX_DEPTH: Final = 50
MAX_TERMS: Final = 1024

_INTEGER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_FIELD_NAME: Final = re.compile(r"((?:[^\W\d]|[@\\])(?:\\.|[^\s:()\[\]{}\"'<>*?\\])*):")
_SPACE: Final = re.compile(r"\s*")
_REGEX: Final = re.compile(r"/.*[.*+?|^$\[\\].*/")
_FUZZY: Final = re.compile(r".+(~\d*|\^[\d.]+)")


@dataclass(frozen=True, slots=True)
class All:
    """Every record."""


@dataclass(frozen=True, slots=True)
class And:
    """Records that all of the items hold for."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Records that any of the items holds for."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """Records that the item does not hold for."""

    item: Node


@dataclass(frozen=True, slots=True)
class Match:
    """
    Records whose field has this value.

    A text field has it if its words stand there in a row; a keyword is compared as a whole; a key
    of an object has the value as text, or as the number or boolean that the text writes.
    """

    field: str
    kind: FieldKind
    value: Value


@dataclass(frozen=True, slots=True)
class Wildcard:
    """
    Records whose keyword, or a word of whose text, has the pattern's form.

    `*` is any run of characters, `?` any one; backslash takes the meaning from the next character.
    Patterns for text fields are lower-case.
    """

    field: str
    kind: FieldKind
    pattern: str


@dataclass(frozen=True, slots=True)
class Range:
    """Records whose number or time (epoch ms) lies between the bounds; None is no bound."""

    field: str
    kind: FieldKind
    lower: int | float | None = None
    upper: int | float | None = None
    lower_included: bool = True
    upper_included: bool = True


@dataclass(frozen=True, slots=True)
class Exists:
    """Records that have a value in the field, or in any key below it."""

    field: str
    kind: FieldKind


Node = All | And | Or | Not | Match | Wildcard | Range | Exists


@lru_cache(maxsize=256)  # every part of an index asks for the tree of the same text
def parse(text: str) -> Node:
    """
    Read a query.

    Raises:
        QueryError: the text is no query, or asks what the fields can't answer.
    """
    if len(text) > MAX_CHARS:
        raise QueryError(f"the query has {len(text)} characters; {MAX_CHARS} are the most")
    return _Parser(text).parse()


@lru_cache(maxsize=256)
def names_heartbeats(text: str) -> bool:
    """
    Tell whether a query is about heartbeats; any other leaves them out, in every store.

    It is if it names their dataset, `event.dataset:orchestrator.heartbeat`, or one of their keys,
    `extra.heartbeat.…`.
    """
    return _names_heartbeats(parse(text))


def _names_heartbeats(node: Node) -> bool:
    match node:
        case And(items) | Or(items):
            return any(map(_names_heartbeats, items))
        case Not(item):
            return _names_heartbeats(item)
        case Match(field=field, value=value) if field in DATASETS:
            return value == HEARTBEAT
        case Match(field=field) | Wildcard(field=field) | Range(field=field) | Exists(field=field):
            return field == HEARTBEAT_KEYS or field.startswith(f"{HEARTBEAT_KEYS}.")
        case All():
            return False


def find_field(name: str) -> tuple[str, FieldKind]:
    """Find the path and the kind of the field that a user means."""
    path, kind = resolve(name)
    return path, KINDS_OF_KEYS.get(path, kind)


def steps_of(pattern: str) -> list[str | None]:
    """Take a wildcard pattern apart: literal characters, `?` as "" and `*` as None."""
    steps: list[str | None] = []
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            steps.append(next(characters, "\\"))
        else:
            steps.append({"*": None, "?": ""}.get(character, character))
    return steps


def number_of(text: str) -> int | float | None:
    """Read a number; integers that don't fit into 64 bits become floats."""
    if _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else None


@dataclass(frozen=True, slots=True)
class _Word:
    """A value as it was typed: where, without escapes, and as a wildcard pattern or None."""

    at: int
    text: str
    pattern: str | None = None


class _Parser:
    """Recursive descent over the characters of one query."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._depth = 0
        self._terms = 0

    def parse(self) -> Node:
        self._skip_space()
        if self._at_end():
            return All()
        node = self._or(None)
        if not self._at_end():
            self._fail(self._at, "this bracket closes nothing", "open one before it or remove it")
        return node

    # The grammar, from the loosest to the tightest.

    def _or(self, field: str | None) -> Node:
        items = [self._and(field)]
        while self._keyword("OR"):
            items.append(self._and(field))
        return items[0] if len(items) == 1 else Or(tuple(items))

    def _and(self, field: str | None) -> Node:
        items = [self._not(field)]
        while True:
            joined = self._keyword("AND")
            if not joined and (self._at_end() or self._peek() == ")" or self._sees("OR")):
                return items[0] if len(items) == 1 else And(tuple(items))
            items.append(self._not(field))

    def _not(self, field: str | None) -> Node:
        negated = False
        while True:
            if self._keyword("NOT"):
                negated = not negated
            elif self._peek() in ("+", "-"):
                negated ^= self._peek() == "-"
                self._at += 1
                if self._at_end() or self._peek().isspace():
                    self._fail(self._at - 1, "this sign stands alone", "put it right before a term")
            else:
                node = self._term(field)
                return Not(node) if negated else node

    def _term(self, field: str | None) -> Node:
        if self._at_end() or self._peek() == ")" or self._sees("AND") or self._sees("OR"):
            self._fail(self._at, "a term is missing here", "add one, as level:ERROR or timeout")
        if self._peek() == "(":
            return self._group(field)
        self._terms += 1
        if self._terms > MAX_TERMS:
            self._fail(self._at, f"more than {MAX_TERMS} terms", "ask in several queries")
        if field is not None:
            return self._value(field, self._at)
        if self._take("*:*"):
            return All()
        start = self._at
        match = _FIELD_NAME.match(self._text, start)
        if match is None:
            return All() if self._star() else self._bare()
        self._at = match.end()
        self._skip_space()
        name = re.sub(r"\\(.)", r"\1", match[1])
        if self._at_end() or self._peek() == ")":
            self._fail(start, f"{name} has no value", f"add one, as {name}:x or {name}:*")
        return self._group(name) if self._peek() == "(" else self._value(name, start)

    def _group(self, field: str | None) -> Node:
        start = self._at
        self._depth += 1
        if self._depth > MAX_DEPTH:
            self._fail(start, f"brackets more than {MAX_DEPTH} deep", "write it flatter")
        self._at += 1
        self._skip_space()
        node = self._or(field)
        if not self._take(")"):
            self._fail(start, "this bracket is not closed", "add )")
        self._depth -= 1
        return node

    def _value(self, name: str, start: int) -> Node:
        field, kind = find_field(name)
        if self._star():
            return Exists(field, kind)
        if kind is FieldKind.OBJECT and "." not in field:
            self._fail(start, f"{field} is an object", f"name a key of it, as {field}.name")
        if self._peek() in ("[", "{"):
            return self._range(field, kind, start)
        if self._peek() in ("<", ">"):
            return self._comparison(field, kind)
        if self._keyword("IN"):
            return self._one_of(field, kind)
        return self._match(field, kind, self._word())

    def _bare(self) -> Node:
        """Look for a word without a field in the texts, and as the whole of a few keywords."""
        if self._peek() in ("[", "{", "<", ">") or self._sees("IN"):
            self._fail(self._at, "this needs a field", "write one before it, as status_code:>=500")
        word = self._word()
        fields = [
            *((f, FieldKind.TEXT) for f in BARE_TEXTS),
            *((f, FieldKind.KEYWORD) for f in BARE_KEYWORDS),
        ]
        searched = _searched_by_word(word)
        return Or(
            tuple(
                self._match(field, kind, word)
                for field, kind in fields
                if searched or kind is FieldKind.KEYWORD
            )
        )

    # Values.

    def _match(self, field: str, kind: FieldKind, word: _Word) -> Node:
        if kind is FieldKind.TEXT and not _searched_by_word(word):
            self._fail(
                word.at,
                f"{field} is searched by its words, and this is none",
                "use letters and digits, * and ? only within one word",
            )
        if word.pattern is not None and kind in (
            FieldKind.TEXT,
            FieldKind.KEYWORD,
            FieldKind.OBJECT,
        ):
            fold: Callable[[str], str] = str
            if kind is FieldKind.TEXT:
                fold = str.lower
            elif field in UPPER_CASE:
                fold = str.upper
            return Wildcard(field, kind, fold(word.pattern))
        if kind is FieldKind.DATE:
            first, last = self._span(field, word)
            return Range(field, kind, first, last)
        if kind in (FieldKind.INTEGER, FieldKind.FLOAT):
            return Match(field, kind, self._number(field, kind, word))
        return Match(field, kind, word.text.upper() if field in UPPER_CASE else word.text)

    def _one_of(self, field: str, kind: FieldKind) -> Node:
        start = self._at
        if not self._take("["):
            self._fail(start, "IN needs a list", "write it as IN [a b c]")
        items = []
        while not self._take("]"):
            if self._at_end():
                self._fail(start, "this list is not closed", "add ]")
            word = self._word("]")
            items.append(self._match(field, kind, _Word(word.at, word.text)))
        if not items:
            self._fail(start, "this list is empty", "name at least one value")
        return Or(tuple(items))

    def _comparison(self, field: str, kind: FieldKind) -> Node:
        above = self._peek() == ">"
        self._at += 1
        included = self._peek() == "="
        self._at += included
        self._skip_space()
        if self._at_end():
            self._fail(self._at, "a bound is missing here", f"add one, as {field}:>5")
        bound = self._bound(field, kind, self._word(), lower=above, included=included)
        if above:
            return Range(field, kind, bound, None, lower_included=included)
        return Range(field, kind, None, bound, upper_included=included)

    def _range(self, field: str, kind: FieldKind, start: int) -> Node:
        lower_included = self._peek() == "["
        self._at += 1
        self._skip_space()
        lower = self._range_word()
        if lower is None or not self._keyword("TO"):
            self._fail(start, "this is no range", f"write {field}:[1 TO 5], * for no bound")
        upper = self._range_word()
        closing = self._peek()
        if upper is None or closing not in ("]", "}"):
            self._fail(
                start, "this range is not closed", "add ] (with the bound) or } (without it)"
            )
        self._at += 1
        self._skip_space()
        upper_included = closing == "]"
        return Range(
            field,
            kind,
            self._bound(field, kind, lower, lower=True, included=lower_included),
            self._bound(field, kind, upper, lower=False, included=upper_included),
            lower_included,
            upper_included,
        )

    def _range_word(self) -> _Word | None:
        return None if self._at_end() or self._peek() in "]}" else self._word("]}")

    def _bound(
        self, field: str, kind: FieldKind, word: _Word, *, lower: bool, included: bool
    ) -> int | float | None:
        if word.pattern == "*":
            return None
        if kind is FieldKind.DATE:
            first, last = self._span(field, word)
            return first if lower == included else last
        return self._number(field, kind, word)

    def _span(self, field: str, word: _Word) -> tuple[int, int]:
        span = parse_span(word.text)
        if span is None:
            self._fail(
                word.at,
                f"{field} is a time, and {word.text!r} is none",
                "write 2026-02-05 or 2026-02-05T14:30:45.123Z",
            )
        return span

    def _number(self, field: str, kind: FieldKind, word: _Word) -> int | float:
        number = number_of(word.text)
        if isinstance(number, int) and kind in (FieldKind.INTEGER, FieldKind.OBJECT):
            return number
        if number is not None and kind in (FieldKind.FLOAT, FieldKind.OBJECT):
            return float(number)
        if kind in (FieldKind.KEYWORD, FieldKind.TEXT):
            self._fail(word.at, f"{field} is text", "ask for ranges of numbers and times only")
        noun = "an integer" if kind is FieldKind.INTEGER else "a number"
        fault = f"{field} is {noun}" if kind is not FieldKind.OBJECT else "a range needs numbers"
        return self._fail(
            word.at, f"{fault}, and {word.text!r} is none", f"write {field}:[200 TO 299]"
        )

    # Characters.

    def _word(self, closing: str = "") -> _Word:
        """Read a word or a quoted text; `closing` ends a word, too."""
        if self._peek() in ('"', "'"):
            return self._quoted(closing)
        start = self._at
        text, pattern, wild = [], [], False
        while not self._at_end():
            character = self._peek()
            if character.isspace() or character in "()" or character in closing:
                break
            self._at += 1
            if character == "\\":
                if self._at_end():
                    self._fail(start, "a backslash at the end", "double it, or quote the text")
                character = self._peek()
                self._at += 1
                pattern.append("\\" + character)
            else:
                wild = wild or character in "*?"
                pattern.append(character)
            text.append(character)
        raw = self._text[start : self._at]
        self._refuse_unsupported(start, raw)
        self._skip_space()
        return _Word(start, "".join(text), "".join(pattern) if wild else None)

    def _quoted(self, closing: str) -> _Word:
        start, quote = self._at, self._peek()
        self._at += 1
        text = []
        while not self._at_end() and self._peek() != quote:
            if self._peek() == "\\" and self._text[self._at + 1 : self._at + 2] in ("\\", quote):
                self._at += 1
            text.append(self._peek())
            self._at += 1
        if self._at_end():
            self._fail(start, "this quote is not closed", f"add {quote}")
        self._at += 1
        if not (self._at_end() or self._peek().isspace() or self._peek() in ")" + closing):
            self._fail(
                self._at,
                "something is attached to a quoted text",
                "put a space there; distances, boosts and wildcards don't go with quotes",
            )
        self._skip_space()
        return _Word(start, "".join(text))

    def _refuse_unsupported(self, start: int, raw: str) -> None:
        if not raw:
            self._fail(start, "a value is missing here", "add one")
        if raw in ("&&", "||") or (raw[0] == "!" and len(raw) > 1):
            self._fail(start, f"{raw} is no operator here", "write AND, OR or NOT")
        if raw.startswith("//"):
            self._fail(start, "this looks like a URL", "put all of it into quotes")
        if _REGEX.fullmatch(raw):
            self._fail(start, "regular expressions can't be asked", "use * and ?, or quote it")
        if _FUZZY.fullmatch(raw):
            self._fail(start, "~ and ^ (fuzzy, boost) can't be asked", "leave it out, or quote it")

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _at_end(self) -> bool:
        return self._at >= len(self._text)

    def _skip_space(self) -> None:
        while self._peek().isspace():
            self._at += 1

    def _take(self, symbol: str) -> bool:
        found = self._text.startswith(symbol, self._at)
        if found:
            self._at += len(symbol)
            self._skip_space()
        return found

    def _star(self) -> bool:
        """Take a `*` that stands alone."""
        behind = self._text[self._at + 1 : self._at + 2]
        return (not behind or behind.isspace() or behind == ")") and self._take("*")

    def _sees(self, keyword: str) -> bool:
        end = self._at + len(keyword)
        behind = self._text[end : end + 1]
        ends = not behind or behind.isspace() or behind in "()["
        return ends and self._text.startswith(keyword, self._at)

    def _keyword(self, keyword: str) -> bool:
        return self._sees(keyword) and self._take(keyword)

    def _fail(self, at: int, fault: str, remedy: str) -> NoReturn:
        before = self._text[max(0, at - 60) : at]
        line = (before + self._text[at : at + 40]).replace("\n", " ").replace("\t", " ")
        raise QueryError(f"{fault}; {remedy}\n  {line}\n  {' ' * len(before)}^")


def _searched_by_word(word: _Word) -> bool:
    """Whether a text field can be searched for it."""
    if word.pattern is None:
        return any(map(str.isalnum, word.text))
    return all(step is None or step == "" or step.isalnum() for step in steps_of(word.pattern))
