"""Values in a query: what a typed word means in a field of a given kind."""

from __future__ import annotations

import math
import re
from ipaddress import IPv6Network, ip_network
from typing import Final

from shipper.fields import LEVELS_IN_ORDER, FieldKind, level_of, resolve
from shipper.store.query.tokens import QuerySyntaxError, Word
from shipper.store.query.tree import Match, Node, Or, Range, Wildcard
from shipper.times import parse_period

# Of a range of values that may be texts as well: numbers beyond 64 bits are stored as texts, and
# above this every float is whole.
MAX_BOUND: Final = 2**52

LEVEL: Final = "level"  # asked for in any case and by any name, as it was stored

# Keys of objects that hold the same kind in every record.
KINDS_OF_KEYS: Final = {"event.created": FieldKind.DATE, "log.offset": FieldKind.INTEGER}

_NETWORK: Final = re.compile(r"[0-9a-fA-F.:]+/[0-9]{1,3}", re.ASCII)
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)


def find_field(name: str) -> tuple[str, FieldKind]:
    """Return the path and the kind of the field that a user names."""
    path, kind = resolve(name)
    return path, KINDS_OF_KEYS.get(path, kind)


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
    if kind in (FieldKind.KEYWORD, FieldKind.OBJECT) and not word.is_quoted:
        if word.text.endswith(","):
            raise QuerySyntaxError(
                word.at, "this value ends with a comma", "write OR between values, or quote it"
            )
        if _NETWORK.fullmatch(word.text):
            return _in_network(field, kind, word)
    if word.pattern is not None and kind in (FieldKind.TEXT, FieldKind.KEYWORD, FieldKind.OBJECT):
        pattern = word.pattern.lower() if kind is FieldKind.TEXT else word.pattern
        return Wildcard(field, kind, pattern.upper() if field == LEVEL else pattern)
    if kind is FieldKind.DATE:
        return Range(field, kind, *_date(field, word))
    if kind in (FieldKind.INTEGER, FieldKind.FLOAT):
        return Match(field, kind, _number(field, kind, word))
    return _level(word.text) if field == LEVEL else Match(field, kind, word.text)


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


def _level(text: str) -> Node:
    """Match a level by its own name, and by that which was typed: earlier versions stored it so."""
    names = dict.fromkeys((level_of(text), text.upper()))
    matches = tuple(Match(LEVEL, FieldKind.KEYWORD, name) for name in names)
    return matches[0] if len(matches) == 1 else Or(matches)


def _date(field: str, word: Word) -> tuple[int, int]:
    """Return the first and the last millisecond of the day, minute or second that is named."""
    span = parse_period(word.text)
    if span is None:
        raise QuerySyntaxError(
            word.at,
            f"{field} is a date, and {word.text!r} is not",
            "write 2026-02-05 or 2026-02-05T14:30:45.123Z",
        )
    return span


def _number(field: str, kind: FieldKind, word: Word) -> int | float:
    number = number_of(word.text)
    if isinstance(number, int) and kind in (FieldKind.INTEGER, FieldKind.OBJECT):
        return number
    if number is not None and kind in (FieldKind.FLOAT, FieldKind.OBJECT):
        return float(number)
    if kind in (FieldKind.KEYWORD, FieldKind.TEXT):
        raise QuerySyntaxError(
            word.at, f"{field} is text and has no ranges", "use ranges for numbers and dates only"
        )
    noun = "an integer" if kind is FieldKind.INTEGER else "a number"
    fault = f"{field} is {noun}" if kind is not FieldKind.OBJECT else "a range needs numbers"
    raise QuerySyntaxError(
        word.at,
        f"{fault}, and {word.text!r} is not",
        f"write a number, or a range such as {field}:[200 TO 299]",
    )
