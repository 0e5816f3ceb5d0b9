"""The query language: the tree of a text, and the place an error points to."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.errors import QueryError
from shipper.fields import FieldKind
from shipper.store.query.parser import MAX_LEVELS, parse
from shipper.store.query.tree import And, Match, Not, Or, Range, Wildcard

A, B, C = (Match("tags", FieldKind.KEYWORD, x) for x in "abc")


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("tags:a tags:b", And((A, B))),
        ("tags:a AND tags:b", And((A, B))),
        ("tags:a tags:b OR tags:c", Or((And((A, B)), C))),
        ("tags:a OR tags:b tags:c", Or((A, And((B, C))))),
        ("tags:(a OR b) tags:c", And((Or((A, B)), C))),
        ("tags:a NOT tags:b", And((A, Not(B)))),
        ("tags:a -tags:b", And((A, Not(B)))),
        ("+tags:a", A),
        ("((tags:a))", A),
        ("tags:IN [a b]", Or((A, B))),
        ("tags:IN [ 'a' \"b\" ]", Or((A, B))),
        ("tags:a\n\tOR\ntags:b", Or((A, B))),
        ("tags:a or tags:b and tags:c", Or((A, And((B, C))))),
        ("tags:or", Match("tags", FieldKind.KEYWORD, "or")),
        ("tags:in", Match("tags", FieldKind.KEYWORD, "in")),
        ("tags : a", A),
        ("tags:IN [a, b]", Or((A, B))),
        ("seq >= 1", Range("seq", FieldKind.INTEGER, 1, None)),
        ("tags:ORDER", Match("tags", FieldKind.KEYWORD, "ORDER")),
        ("tags:-5", Match("tags", FieldKind.KEYWORD, "-5")),
        ("tags:a:b", Match("tags", FieldKind.KEYWORD, "a:b")),
        ('tags:"a\\"b\\\\c\\d"', Match("tags", FieldKind.KEYWORD, 'a"b\\c\\d')),
        ("tags:a\\*b*", Wildcard("tags", FieldKind.KEYWORD, "a\\*b*")),
        ("tags:a\\\\*", Wildcard("tags", FieldKind.KEYWORD, "a\\\\*")),
        ("tags:a\\*", Match("tags", FieldKind.KEYWORD, "a*")),
        ("tags:/a/", Match("tags", FieldKind.KEYWORD, "/a/")),
        ("x:1", Match("extra.x", FieldKind.OBJECT, "1")),
        ("seq:{1 TO 2]", Range("seq", FieldKind.INTEGER, 1, 2, lower_included=False)),
        ("tags IN [a, b]", Or((A, B))),
        ("tags.keyword:a", A),
        ("tags:a (tags:b OR (tags:c OR tags:a))", And((A, Or((B, C, A))))),
        ("NOT (NOT tags:a)", A),
        ("host.name.keyword:a", Match("host.name", FieldKind.OBJECT, "a")),
        ("x.keyword:1", Match("extra.x.keyword", FieldKind.OBJECT, "1")),
        ("seq:>-5", Range("seq", FieldKind.INTEGER, -5, None, lower_included=False)),
    ],
)
def test_a_text_becomes_a_tree(text: str, tree: object) -> None:
    """Terms beside each other mean AND, which binds tighter than OR."""
    assert parse(text) == tree


@pytest.mark.parametrize(
    ("text", "fault", "at"),
    [
        ("status_code:abc", "status_code is an integer", 12),
        ("level:ERROR status_code:5*", "status_code is an integer", 24),
        ("status_code:1.5", "is an integer", 12),
        ("status_code:99999999999999999999", "is an integer", 12),
        ("duration_ms:fast", "duration_ms is a number", 12),
        ("duration_ms:nan", "duration_ms is a number", 12),
        ("@timestamp:yesterday", "@timestamp is a date", 11),
        ("@timestamp:2026-02-30", "@timestamp is a date", 11),
        ("level:>CRITICAL", "no level is beyond", 7),
        ("level >= loud", "no level is beyond", 9),
        ("level:[A TO B]", "level is text", 7),
        ("message:[a TO b]", "message is text", 9),
        ("extra.x:[a TO b]", "a range needs numbers", 9),
        ("message:--", "searched by words", 8),
        ("message:a.b*", "searched by words", 8),
        ("host:web", "host is an object", 0),
        ("level:", "level has no value", 0),
        ("(level:)", "level has no value", 1),
        ("(a", "not closed", 0),
        ("a)", "no opening one", 1),
        ("()", "a term is missing", 1),
        ("a AND", "a term is missing", 5),
        ("AND a", "a term is missing", 0),
        ("a OR OR b", "a term is missing", 5),
        ("NOT", "a term is missing", 3),
        ("a - b", "stands alone", 2),
        ('"a', "not closed", 0),
        ('"a"~2', "attached", 3),
        ('"a"*', "attached", 3),
        ("a~", "fuzzy", 0),
        ("a~1", "fuzzy", 0),
        ("a^2", "fuzzy", 0),
        ("path:/a.*/", "regular expressions", 5),
        ("a && b", "not operators", 2),
        ("a || b", "not operators", 2),
        ("!a", "not operators", 0),
        ("http://x", "URL", 5),
        ("[1 TO 2]", "needs a field", 0),
        (">5", "needs a field", 0),
        ("IN [a]", "needs a field", 0),
        ("level:IN a", "needs a list", 9),
        ("level:IN []", "is empty", 9),
        ("level:IN [a", "not closed", 9),
        ("seq:[1 2]", "not a range", 0),
        ("seq:[1 TO 2", "not closed", 0),
        ("seq:[1 TO ", "not closed", 0),
        ("seq:>", "bound is missing", 5),
        ("a\\", "backslash", 0),
        ("level=error", "= is not an operator", 0),
        ("a level == error", "== is not an operator", 2),
        ("level != error", "!= is not an operator", 0),
        ("not found", "may be the operator or a word", 0),
        ("connection not refused", "may be the operator or a word", 11),
        ("level:(not error)", "may be the operator or a word", 7),
        ("and a", "a term is missing", 0),
        ("level:error | head", "is not a word", 12),
        ("tenant:(acme, beta)", "ends with a comma", 8),
        ("x:IN (a, b)", "needs a list", 5),
        ("client_ip:2001:db8::/32", "networks of IPv6", 10),
        ("level:ERROR,CRITICAL", "is no value", 6),
        ("level:ERROR;", "is no value", 6),
        ("level:-ERROR", "is no value", 6),
        ("level:NOT ERROR", "NOT is a value", 6),
        ("level:=error", "= is not an operator", 6),
        ("level:\u201cerror\u201d", "is no quote", 6),
        ("\u201cquick fox\u201d", "is no quote", 0),
        ("level:(ERROR CRITICAL)", "no level is both ERROR and CRITICAL", 13),
        ("level:warn level:error", "no level is both WARN and ERROR", 11),
        ("status_code:(500 503)", "no status_code is both", 17),
        ("level:[WARNING TO ERROR]", "has no ranges", 7),
        ("ext*:acme", "has a wildcard", 0),
        ("extra.*: acme", "has a wildcard", 0),
        ("a *:acme", "has a wildcard", 2),
        ("_exists_:*", "is no field", 9),
        ("_missing_:level", "is not supported", 0),
        ("client_ip:10.0.0.0/33", "is no network", 10),
        ("client_ip:[10.0.0.0 TO 10.0.0.9]", "has no ranges", 11),
        ("@timestamp:>now-1h", "is a date", 12),
        ('message:"' + "a " * 1025 + '"', "more than 1,024 words", 8),
        ("huge:>1e200", "limited to", 6),
        ("x:>1e999", "a range needs numbers", 3),
        ("(" * 51 + "a" + ")" * 51, "deep", 50),
        ("a " * 1025, "terms", 2048),
    ],
)
def test_an_error_points_at_its_place(text: str, fault: str, at: int) -> None:
    """What cannot be asked is an error with place and remedy, never another question's answer."""
    with pytest.raises(QueryError, match=fault) as caught:
        parse(text)

    reason, line, caret = str(caught.value).split("\n")
    assert ";" in reason
    assert caret.index("^") == 2 + min(at, 60)
    assert line[2:] in text.replace("\n", " ") or len(text) > 60


@pytest.mark.parametrize(
    ("text", "remedy"),
    [
        ("@timestamp:>=now-7d", "--since"),
        ("@timestamp:today", "--since"),
        ("level:[WARNING TO ERROR]", "level:>=WARNING"),
        ("client_ip:[10.0.0.0 TO 10.0.0.9]", "client_ip:10.0.0.0/8"),
        ("level:(ERROR CRITICAL)", "level:(ERROR OR CRITICAL)"),
        ("level:NOT ERROR", "NOT level:x"),
        ("_missing_:level", "NOT x:*"),
    ],
)
def test_an_error_says_what_to_write(text: str, remedy: str) -> None:
    """What other languages write is refused with how it is written here."""
    with pytest.raises(QueryError, match=re.escape(remedy)):
        parse(text)


def nested(levels: int) -> str:
    text = "tags:a"
    for level in range(levels):
        text = f"(tags:b {'OR' if level % 2 else 'AND'} {text})"
    return text


def test_a_query_is_as_deep_as_every_store_can_answer() -> None:
    """The levels of a tree are limited, not the brackets around it."""
    parse(nested(MAX_LEVELS))
    parse("(" * 50 + "a" + ")" * 50)

    with pytest.raises(QueryError, match="nested more than"):
        parse(nested(MAX_LEVELS + 1))


@pytest.mark.parametrize("text", ["\udcff", "path:\udcff", "\udcff:1", "message:a\ud800*"])
def test_bytes_that_are_no_utf8(text: str) -> None:
    """What a terminal hands over of such bytes is an error, no fault of the store."""
    with pytest.raises(QueryError, match="no UTF-8"):
        parse(text)


def documented_queries() -> list[str]:
    text = (Path(__file__).parents[2] / "docs/search.md").read_text()
    table = text.split("| you type |")[1].split("\n\n")[0]
    return re.findall(r"`([^`]+)`", "\n".join(row.split("|")[1] for row in table.split("\n")[2:]))


@pytest.mark.parametrize("text", documented_queries())
def test_what_the_docs_show_is_a_query(text: str) -> None:
    """Every query in the table of docs/search.md can be typed as it stands there."""
    parse(text)


def test_a_query_has_a_length() -> None:
    """A text longer than anybody types is refused before it is parsed."""
    with pytest.raises(QueryError, match="characters"):
        parse("a" * 70_000)


@given(st.text(alphabet="ab:*?\\\"'()[]{}<>=+-/ ANDORTI~^!&|.\n", max_size=40))
def test_any_text_is_a_query_or_an_error(text: str) -> None:
    """Any text either parses or raises `QueryError`."""
    with suppress(QueryError):
        parse(text)
