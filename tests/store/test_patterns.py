"""Tests of the clusters of similar messages."""

from __future__ import annotations

from shipper.store import patterns
from shipper.store.patterns import cluster


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
