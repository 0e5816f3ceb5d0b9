"""
Reads the characters of a query: symbols, keywords, field names and values.

Every method that reads a token skips the white space behind it, so the cursor always stands at the
beginning of the next token, or at the end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_NAME: Final = r"((?:[^\W\d]|[@\\])(?:\\.|[^\s:()\[\]{}\"'<>*?\\])*)"
_FIELD_NAME: Final = re.compile(_NAME + r"\s*(?::|(?=[<>]))")
_EQUALITY: Final = re.compile(r"((?:[^\W\d]|@)[^\s:()\[\]{}\"'<>*?\\=!]*)\s*(==?|!=)\s*([^\s()]*)")
# Wildcards in the name of a field, which is another's syntax.
_WILD_NAME: Final = re.compile(r"([^\s:()\[\]{}\"'<>\\]*[*?][^\s:()\[\]{}\"'<>\\]*):\s*(?=[^\s)])")
_IN_LIST: Final = re.compile(r"([^\W\d][^\s:()\[\]{}\"'<>*?\\]*)\s+(?=(?i:in)\s*[\[(])")
_NEGATED: Final = re.compile(r"NOT\s+(?!(?i:and|or)\b)[^\s)]")
TYPOGRAPHIC: Final = "\u201c\u201d\u201e\u2018\u201a\u00ab\u00bb"  # what is typed for quotes
_LIST: Final = re.compile(r"IN\s*\[|IN(?=[\s(]|$)|(?i:in)(?=\s*[\[(])")
_REGEX: Final = re.compile(r"/.*[.*+?|^$\[\\].*/")
_FUZZY: Final = re.compile(r".+(~\d*|\^[\d.]+)")


class QuerySyntaxError(Exception):
    """A fault at one place of a query; `parse` turns it into a `QueryError` that points there."""

    def __init__(self, at: int, fault: str, remedy: str) -> None:
        super().__init__(at, fault, remedy)
        self.at = at
        self.fault = fault
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Word:
    """
    A value: where it begins, its text without escapes.

    `pattern` is the text as a wildcard pattern, None if it has no wildcards.
    """

    at: int
    text: str
    pattern: str | None = None
    is_quoted: bool = False


class Cursor:
    """A position in the text of a query; the parser moves it forward only."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0
        self._skip_space()

    def at_end(self) -> bool:
        """Return whether everything has been read."""
        return self.at >= len(self._text)

    def peek(self) -> str:
        """Return the next character, "" at the end."""
        return self._text[self.at : self.at + 1]

    def take(self, symbol: str) -> bool:
        """Read a symbol if it comes next; return whether it did."""
        found = self._text.startswith(symbol, self.at)
        if found:
            self.at += len(symbol)
            self._skip_space()
        return found

    def sees(self, keyword: str) -> bool:
        """Return whether this keyword comes next, in any case, as a word of its own."""
        end = self.at + len(keyword)
        following = self._text[end : end + 1]
        ends = not following or following.isspace() or following in "()["
        return ends and self._text[self.at : end].upper() == keyword

    def take_keyword(self, keyword: str) -> bool:
        """Read a keyword if it comes next; return whether it did."""
        return self.sees(keyword) and self.take(self._text[self.at : self.at + len(keyword)])

    def take_not(self) -> bool:
        """
        Read a NOT if it comes next; return whether it did.

        Raises:
            QuerySyntaxError: it is a `not` that may be a word to search for.
        """
        if not self.sees("NOT"):
            return False
        start = self.at
        is_operator = self._text.startswith("NOT", start)
        self.take(self._text[start : start + len("NOT")])
        if not (is_operator or self.peek() == "(" or _FIELD_NAME.match(self._text, self.at)):
            raise QuerySyntaxError(
                start,
                "this may be the operator or a word",
                'write NOT to exclude what follows, or "not" in quotes for the word',
            )
        return True

    def take_list(self) -> bool:
        """Read IN before a list of values; return whether it came next."""
        match = _LIST.match(self._text, self.at)
        return match is not None and self.take(self._text[self.at : self.at + len("IN")])

    def refuse_equality(self) -> None:
        """Raise `QuerySyntaxError` if `field=value` comes next, which would mean plain words."""
        match = _EQUALITY.match(self._text, self.at)
        if match is None:
            return
        name, sign, value = match.groups()
        written = f"{name}:{value or 'x'}"
        raise QuerySyntaxError(
            self.at,
            f"{sign} is not an operator",
            f"write {written if sign != '!=' else f'NOT {written}'}, or quote the text",
        )

    def refuse_wild_name(self) -> None:
        """Raise `QuerySyntaxError` if `field*:value` comes next, which would mean a plain word."""
        match = _WILD_NAME.match(self._text, self.at)
        if match is not None:
            raise QuerySyntaxError(
                self.at,
                f"{match[1]} has a wildcard, and is the name of a field",
                "write the names with OR between them, or the value alone for any text",
            )

    def refuse_negation(self, field: str) -> None:
        """Raise `QuerySyntaxError` if `field:NOT value` comes next, which would mean a word."""
        if _NEGATED.match(self._text, self.at):
            raise QuerySyntaxError(
                self.at, "NOT is a value here", f"write NOT {field}:x, or quote it"
            )

    def take_star(self) -> bool:
        """Read a `*` that stands alone; return whether it did."""
        following = self._text[self.at + 1 : self.at + 2]
        return (not following or following.isspace() or following == ")") and self.take("*")

    def take_sign(self) -> str:
        """
        Read a `+` or `-` that stands directly before a term; return it, "" if none comes next.

        Raises:
            QuerySyntaxError: no term follows it.
        """
        sign = self.peek()
        if sign not in ("+", "-"):
            return ""
        self.at += 1
        if self.at_end() or self.peek().isspace():
            raise QuerySyntaxError(
                self.at - 1,
                f"this {sign} stands alone",
                f"write it directly before a term: {sign}x",
            )
        return sign

    def take_field_name(self) -> str | None:
        """
        Read a field name with its colon, or before < or >; return it without escapes.

        None if none comes next.
        """
        match = _FIELD_NAME.match(self._text, self.at) or _IN_LIST.match(self._text, self.at)
        if match is None:
            return None
        self.at = match.end()
        self._skip_space()
        return re.sub(r"\\(.)", r"\1", match[1])

    def take_word(self, closing: str = "") -> Word:
        """
        Read a word or a quoted text; a character of `closing` ends a word, too.

        Raises:
            QuerySyntaxError: there is none, or it is of a form that the language does not have.
        """
        if self.peek() in ('"', "'"):
            return self._take_quoted(closing)
        start = self.at
        text, pattern, is_wild = [], [], False
        while not self.at_end():
            character = self.peek()
            if character.isspace() or character in "()" or character in closing:
                break
            self.at += 1
            if character == "\\":
                if self.at_end():
                    raise QuerySyntaxError(
                        start,
                        "nothing follows the backslash",
                        "write two for a backslash, or quote the text",
                    )
                character = self.peek()
                self.at += 1
                pattern.append("\\" + character)
            else:
                is_wild = is_wild or character in "*?"
                pattern.append(character)
            text.append(character)
        _refuse_unsupported(start, self._text[start : self.at])
        self._skip_space()
        return Word(start, "".join(text), "".join(pattern) if is_wild else None)

    def _take_quoted(self, closing: str) -> Word:
        start, quote = self.at, self.peek()
        self.at += 1
        text = []
        while not self.at_end() and self.peek() != quote:
            if self.peek() == "\\" and self._text[self.at + 1 : self.at + 2] in ("\\", quote):
                self.at += 1
            text.append(self.peek())
            self.at += 1
        if self.at_end():
            raise QuerySyntaxError(start, "the quoted text is not closed", f"add {quote}")
        self.at += 1
        if not (self.at_end() or self.peek().isspace() or self.peek() in ")" + closing):
            raise QuerySyntaxError(
                self.at,
                "something is attached to the quoted text",
                "put a space between them, and use no ~, ^ or wildcards after quotes",
            )
        self._skip_space()
        return Word(start, "".join(text), is_quoted=True)

    def _skip_space(self) -> None:
        while self.peek().isspace():
            self.at += 1


def escaped(name: str) -> str:
    """Return the name of a field as it is written in a query."""
    return re.sub(r"([\s:()\[\]{}\"'<>*?\\=!])", r"\\\1", name)


def _refuse_unsupported(at: int, raw: str) -> None:
    """Raise `QuerySyntaxError` for syntax of other languages, which would mean plain words."""
    if not raw:
        raise QuerySyntaxError(at, "a value is missing here", "write one")
    if raw[0] in TYPOGRAPHIC:
        raise QuerySyntaxError(at, f"{raw[0]} is no quote of a query", 'write " instead')
    if raw[0] == "=" and len(raw) > 1:
        raise QuerySyntaxError(at, "= is not an operator", "leave it out, or quote the text")
    if raw in ("&&", "||") or (raw[0] == "!" and len(raw) > 1):
        raise QuerySyntaxError(at, "&&, || and ! are not operators", "write AND, OR or NOT")
    if raw.startswith("//"):
        raise QuerySyntaxError(at, "this looks like a URL", "put all of it in quotes")
    if _REGEX.fullmatch(raw):
        raise QuerySyntaxError(
            at, "regular expressions are not supported", "use * and ?, or quote the text"
        )
    if _FUZZY.fullmatch(raw):
        raise QuerySyntaxError(
            at, "~ and ^ (fuzzy, boost) are not supported", "leave them out, or quote the text"
        )
