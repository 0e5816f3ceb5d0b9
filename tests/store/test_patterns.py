"""Tests of the clusters of similar messages."""

from __future__ import annotations

import pytest

from shipper.store import patterns
from shipper.store.patterns import cluster, query_of


def test_messages_that_differ_in_numbers_are_one() -> None:
    """Numbers, ids and durations are variable whatever stands around them."""
    messages = [f"Task w_{n} failed after {n / 7:.1f}s: HTTP/1.{n % 2} [{n}]" for n in range(100)]

    (found,) = cluster(messages)

    assert (found.template, found.count) == ("Task <*> failed after <*>: HTTP/<*> [<*>]", 100)
    assert found.example == messages[0]


def test_messages_that_differ_in_a_word_are_one() -> None:
    """A name is variable if most of the message is the same."""
    found = cluster(f"user {name} has logged in" for name in ("anna", "bert", "carl"))

    assert [each.template for each in found] == ["user <*> has logged in"]


def test_short_messages_stay_apart() -> None:
    """`Task failed` and `Task done` have no more in common than a word."""
    found = cluster(["Task failed", "Task done", "Task done"])

    assert [(each.template, each.count) for each in found] == [("Task done", 2), ("Task failed", 1)]


def test_every_message_is_counted_once() -> None:
    """Beyond the bounds a message is counted as `<*>`, and empty ones have a pattern, too."""
    letters = [chr(97 + n % 26) * (n // 26 + 1) for n in range(6000)]
    messages = ["", *letters, "x " * 5000, "é" * 10**6]

    found = cluster(messages, most=10**6)

    assert sum(each.count for each in found) == len(messages)
    assert len(found) <= patterns.CLUSTERS + 1


def news(messages: list[str], before: list[str]) -> list[str]:
    return [each.template for each in cluster(messages, 10**6, before) if each.is_new]


def test_a_pattern_is_new_where_nothing_before_is_like_it() -> None:
    """Other numbers or another name do not make it new; without a time before nothing is."""
    messages = ["user anna has logged in", "Task 1 failed", "disk full", "disk full"]

    assert news(messages, ["user dora has logged in", "Task 7 failed"]) == ["disk full"]
    assert news(messages, messages) == []
    assert len(news(messages, [])) == 3
    assert not any(each.is_new for each in cluster(messages))


def test_what_the_first_message_is_like_is_not_new() -> None:
    """A pattern that has become wider since is compared as it began, too."""
    assert news(["a b c d e", "a b c x y"], ["a z c d e"]) == []


def test_what_cannot_be_compared_is_not_new() -> None:
    """Patterns behind the bounds are left alone."""
    letters = [chr(97 + n % 26) * (n // 26 + 1) for n in range(6000)]
    many = [f"same {one} {one}x" for one in letters[: patterns.COMPARED + 7]]

    assert len(news(many, [])) == patterns.COMPARED
    assert "<*>" not in news(letters, [])


@pytest.mark.parametrize(
    ("message", "query"),
    [
        (
            "user anna logged in",
            'message:"user" AND (message:"anna" OR message:"logged" OR message:"in")',
        ),
        ("17 users logged in", '(message:"users" OR message:"logged" OR message:"in")'),
        ("user 17 of x=17 logged in", 'message:"user"'),
        ("user = logged in", 'message:"user"'),
        ("17 = logged in", ""),
        ('the "pool" failed', 'message:"the" AND message:"\\"pool\\"" AND message:"failed"'),
        ("a b c \x1b[0m", 'message:"a"'),
        ("17 18", ""),
        ("word " * 400, ""),
        ("", ""),
        (f"a b c {'é' * 61}", 'message:"a"'),
        ("abc " * 59, 'message:"abc"'),
    ],
)
def test_the_query_of_a_pattern_finds_all_that_may_be_like_it(message: str, query: str) -> None:
    """It has the first word and any other; where a word cannot be asked for, less."""
    assert query_of(cluster([message])[0]) == query
