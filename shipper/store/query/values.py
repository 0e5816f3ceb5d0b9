"""Values in a query: what a typed word means in a field of a given kind."""

from __future__ import annotations

import math
import re
from ipaddress import IPv6Network, ip_network
from typing import Final

from shipper.errors import QueryError
from shipper.fields import LEVELS_IN_ORDER, FieldKind, level_of, resolve
from shipper.store.query.tokens import QuerySyntaxError, Word
from shipper.store.query.tree import Match, Node, Or, Range, Value, Wildcard
from shipper.times import parse_period

# Of a range of values that may be texts as well: numbers beyond 64 bits are stored as texts, and
# above this every float is whole.
MAX_BOUND: Final = 2**52

SINGLE: Final = (FieldKind.KEYWORD, FieldKind.INTEGER, FieldKind.FLOAT)
MAX_WORDS: Final = 1024  # of a phrase

LEVEL: Final = "level"  # asked for in any case and by any name, as it was stored

EXACT: Final = ".keyword"  # what Elasticsearch calls the whole value of a field elsewhere

# Keys of objects that hold the same kind in every record.
KINDS_OF_KEYS: Final = {"event.created": FieldKind.DATE, "log.offset": FieldKind.INTEGER}

_NETWORK: Final = re.compile(r"[0-9a-fA-F.:]+/[0-9]{1,3}", re.ASCII)
_IPV4: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,3}", re.ASCII)
_NO_LEVEL: Final = re.compile(r"[-+|&,;]|.*[,;|]")
_RELATIVE: Final = re.compile(r"now\b.*|today|yesterday|tomorrow|.*\|\|.*", re.IGNORECASE)
_WORD: Final = re.compile(r"[^\W_]+")
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def check_utf8(text: str) -> None:
    """Raise QueryError for a text from a terminal with bytes that are no UTF-8."""
    if not text.isascii() and text != text.encode(errors="replace").decode():
        raise QueryError("the query has bytes that are no UTF-8", "write it in UTF-8")


def find_field(name: str) -> tuple[str, FieldKind]:
    """
    Return the path and the kind of the field that a user names.

    Raises:
        QueryError: the name has bytes that are no UTF-8.
    """
    check_utf8(name)
    path, kind = resolve(name)
    if name.endswith(EXACT):
        exact, kind_of_it = resolve(name.removesuffix(EXACT))
        is_key = kind_of_it is FieldKind.OBJECT and not exact.startswith("extra.")
        if is_key or kind_of_it is FieldKind.KEYWORD:
            return exact, kind_of_it
    return path, KINDS_OF_KEYS.get(path, kind)


def lowered(text: str) -> str:
    """Return a text in lower case as the stores have it: each character by itself."""
    return text.replace("\u0130", "i").replace("\u03a3", "\u03c3").lower()


def number_of(text: str) -> int | float | None:
    """Return the number that a text spells, None if it spells none; a float beyond 64 bits."""
    if _INTEGER.fullmatch(text) and -(2**63) <= int(text) < 2**63:
        return int(text)
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else None


def wildcard_steps(pattern: str) -> list[str | None]:
    """Split a wildcard pattern: literal characters as they are, `?` as "", `*` as None."""
    steps: list[str | None] = []
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            steps.append(next(characters, "\\"))
        else:
            steps.append({"*": None, "?": ""}.get(character, character))
    return steps


def is_searchable(word: Word) -> bool:
    """Return whether a text field can be searched for a word: it has letters or digits."""
    if word.pattern is None:
        return any(map(str.isalnum, word.text))
    return all(
        step is None or step == "" or step.isalnum() for step in wildcard_steps(word.pattern)
    )


def match_word(field: str, kind: FieldKind, word: Word) -> Node:
    """
    Return the node for the records whose field has this value.

    Raises:
        QuerySyntaxError: the field cannot have it.
    """
    if kind is FieldKind.TEXT and not is_searchable(word):
        raise QuerySyntaxError(
            word.at,
            f"{field} is searched by words, and {word.text!r} is not one",
            "use letters and digits, with * and ? only inside one word",
        )
    if kind is FieldKind.TEXT and len(word.text) > MAX_WORDS and _words(word.text) > MAX_WORDS:
        raise QuerySyntaxError(
            word.at, f"a phrase of more than {MAX_WORDS:,} words", "search for a part of it"
        )
    if kind in (FieldKind.KEYWORD, FieldKind.OBJECT) and not word.is_quoted:
        if word.text.endswith(",") or (field == LEVEL and _NO_LEVEL.match(word.text)):
            raise QuerySyntaxError(
                word.at,
                f"{word.text} is no value" if field == LEVEL else "this value ends with a comma",
                "write OR between values, NOT before the field, or quote it",
            )
        if _NETWORK.fullmatch(word.text):
            return _in_network(field, kind, word)
    if word.pattern is not None and kind in (FieldKind.TEXT, FieldKind.KEYWORD, FieldKind.OBJECT):
        pattern = lowered(word.pattern) if kind is FieldKind.TEXT else word.pattern
        return Wildcard(field, kind, pattern.upper() if field == LEVEL else pattern)
    if kind is FieldKind.DATE:
        return Range(field, kind, *_date(field, word))
    if kind in (FieldKind.INTEGER, FieldKind.FLOAT):
        return Match(field, kind, _number(field, kind, word))
    return _level(word.text) if field == LEVEL else Match(field, kind, word.text)


def refuse_two_values(before: Node, node: Node, at: int) -> None:
    """
    Raise `QuerySyntaxError` if two terms beside each other are two values of a field that has one.

    Beside each other means both; elsewhere it means one of them.
    """
    one, other = _plain(before), _plain(node)
    if one and other and one[0] == other[0] and not one[1] & other[1]:
        field, first, second = one[0], *(min(each[1], key=str) for each in (one, other))
        raise QuerySyntaxError(
            at,
            f"no {field} is both {first} and {second}",
            f"write OR between them, as in {field}:({first} OR {second})",
        )


def _plain(node: Node) -> tuple[str, set[Value]] | None:
    """Return field and values of a term, if a record has one value of that field."""
    items = node.items if isinstance(node, Or) else (node,)
    found: dict[str, set[Value]] = {}
    for item in items:
        if not isinstance(item, Match) or item.kind not in SINGLE or item.field == "tags":
            return None
        found.setdefault(item.field, set()).add(item.value)
    return next(iter(found.items())) if len(found) == 1 else None


def bound(
    field: str, kind: FieldKind, word: Word, *, is_lower: bool, included: bool
) -> int | float | None:
    """
    Return a bound of a range, None for `*`; times in epoch milliseconds.

    Raises:
        QuerySyntaxError: the field has no ranges, or the word is no bound of one.
    """
    if word.pattern == "*":
        return None
    if kind is FieldKind.DATE:
        first, last = _date(field, word)
        return first if is_lower == included else last
    number = _number(field, kind, word)
    if kind is FieldKind.OBJECT and abs(number) >= MAX_BOUND:
        raise QuerySyntaxError(
            word.at, f"ranges of {field} are limited to {MAX_BOUND}", "use * instead of this bound"
        )
    return number


def levels_beyond(word: Word, *, is_lower: bool, included: bool) -> Node:
    """
    Return the node for the levels from one on, or up to it.

    Raises:
        QuerySyntaxError: it is none of the five, or there is none beyond it.
    """
    order = LEVELS_IN_ORDER if is_lower else LEVELS_IN_ORDER[::-1]
    level = level_of(word.text)
    names = order[order.index(level) + (not included) :] if level in order else ()
    if not names:
        raise QuerySyntaxError(
            word.at, f"no level is beyond {word.text!r}", f"use one of {', '.join(LEVELS_IN_ORDER)}"
        )
    return Or(tuple(Match(LEVEL, FieldKind.KEYWORD, name) for name in names))


def _in_network(field: str, kind: FieldKind, word: Word) -> Node:
    """Match the addresses of a network such as 10.0.0.0/8 by what they begin with, or its text."""
    written = Match(field, kind, word.text)
    try:
        network = ip_network(word.text, strict=False)
    except ValueError:
        if _IPV4.fullmatch(word.text):
            raise QuerySyntaxError(
                word.at, f"{word.text} is no network", "write one such as 10.0.0.0/8, or quote it"
            ) from None
        return written
    if isinstance(network, IPv6Network):
        raise QuerySyntaxError(
            word.at,
            "networks of IPv6 can't be asked for",
            "write what the addresses begin with, such as 2001:db8:*, or quote the text",
        )
    octets, (whole, bits) = network.network_address.packed, divmod(network.prefixlen, 8)
    heads = [[*octets[:whole]]]
    if bits:
        heads = [[*heads[0], octets[whole] + each] for each in range(2 ** (8 - bits))]
    patterns = [".".join(map(str, [*head, *"*" * (4 - len(head))])) for head in heads]
    return Or((written, *(Wildcard(field, kind, pattern) for pattern in patterns)))


def _words(text: str) -> int:
    return len(_WORD.findall(text))


def _level(text: str) -> Node:
    """Match a level by its own name, and by that which was typed: earlier versions stored it so."""
    names = dict.fromkeys((level_of(text), text.upper()))
    matches = tuple(Match(LEVEL, FieldKind.KEYWORD, name) for name in names)
    return matches[0] if len(matches) == 1 else Or(matches)


def _date(field: str, word: Word) -> tuple[int, int]:
    """Return the first and the last millisecond of the day, minute or second that is named."""
    span = parse_period(word.text)
    if span is None:
        remedy = "write 2026-02-05 or 2026-02-05T14:30:45.123Z"
        if _RELATIVE.fullmatch(word.text):
            remedy += "; times like 1h, today or 03:00 are for --since and --until"
        raise QuerySyntaxError(word.at, f"{field} is a date, and {word.text!r} is not", remedy)
    return span


def _number(field: str, kind: FieldKind, word: Word) -> int | float:
    number = number_of(word.text)
    if isinstance(number, int) and kind in (FieldKind.INTEGER, FieldKind.OBJECT):
        return number
    if number is not None and kind in (FieldKind.FLOAT, FieldKind.OBJECT):
        return float(number)
    if kind in (FieldKind.KEYWORD, FieldKind.TEXT):
        remedy = "use ranges for numbers and dates only"
        if field == LEVEL:
            remedy = "write level:>=WARNING, or level:(WARNING OR ERROR)"
        elif field == "client_ip":
            remedy = "write a network, such as client_ip:10.0.0.0/8"
        raise QuerySyntaxError(word.at, f"{field} is text and has no ranges", remedy)
    noun = "an integer" if kind is FieldKind.INTEGER else "a number"
    fault = f"{field} is {noun}" if kind is not FieldKind.OBJECT else "a range needs numbers"
    raise QuerySyntaxError(
        word.at,
        f"{fault}, and {word.text!r} is not",
        f"write a number, or a range such as {field}:[200 TO 299]",
    )
