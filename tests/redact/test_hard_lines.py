"""Lines made to be hard: time grows with their length, and what is too much is masked whole."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.redact.detectors import DETECTORS
from shipper.redact.rules import MOST_PLACES
from shipper.redact.texts import SEPARATORS
from tests.redact.redacting import card_of, events_of, iban_of, redacted, redactor

LENGTH = 1 << 18
# What a line is full of: candidates that are none, and secrets.
FILLINGS = [
    "AA00",
    "DE12ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEF,",
    "DE44500105175407324932 ",
    "4",
    "41 ",
    "4-11 1",
    "4111 1111 1111 1112 ",
    "4111 1111 1111 1111,",
    "0.4",
    "a:b::c:d:e:f:1.1.1.1 ",
    "1:2:",
    "://a:",
    "://a:b@ ",
    "a@b.cd ",
    'password="a\\"',
    "token: a ",
    "-----BEGIN PRIVATE KEY-----",
    "sk-",
    'cookie="',
]


@pytest.mark.parametrize("filling", FILLINGS)
def test_a_long_line_is_done(filling: str) -> None:
    """Full of anything; the loops over groups of digits hung for hours on some."""
    text = filling * (LENGTH // len(filling))

    found = redacted({"message": text, "level": "INFO"})

    assert found["level"] == "INFO"
    assert found.get("tags") is None


@pytest.mark.parametrize("action", ["mask", "hash", "remove"])
def test_a_text_with_too_many_places_is_masked_whole(action: str) -> None:
    """Nothing of it is let through; other texts of the record, that have none, stay."""
    secrets = "".join(f"{number}zqx@b.cd " for number in range(MOST_PLACES + 1))
    record = {"message": secrets, "extra": {"a": "x", "b": ["1zqx@b.cd", 7]}, "level": "INFO"}

    found = redacted(record, actions={"all": action}, key=b"k" * 16)

    assert "zqx" not in str(found)
    assert (found["level"], found["extra"]["a"], found["extra"]["b"][1]) == ("INFO", "x", 7)
    assert found.get("message") == (None if action == "remove" else "[redacted:email]")


def test_many_texts_share_what_a_record_may_have() -> None:
    """Small ones, too many of them together: all that have a secret are masked."""
    texts = [f"mail of {number}zqx@b.cd" for number in range(MOST_PLACES + 7)]
    found = redacted({"extra": {"list": [*texts, "nothing"]}})["extra"]["list"]

    assert "zqx" not in str(found)
    assert len(found) == len(texts) + 1
    assert found[-1] == "nothing"


def test_the_patterns_of_a_user_share_it() -> None:
    """They are applied text by text."""
    found = redacted(
        {"message": "zqx1 " * (MOST_PLACES + 1), "path": "/zqx1"}, patterns={"own": r"zqx\d"}
    )

    assert "zqx" not in str(found)


def test_as_many_places_as_a_line_may_have_are_masked_one_by_one() -> None:
    """What is between them stays."""
    found = redacted({"message": "a@b.cd " * MOST_PLACES})

    assert found["message"] == "[redacted:email] " * MOST_PLACES


def test_keys_that_are_masked_alike_are_all_there() -> None:
    """However many they are."""
    found = redacted({"extra": {f"{number}@b.cd": number for number in range(9)}})

    assert sorted(found["extra"].values()) == [*range(9)]
    assert "b.cd" not in str(found)


def spans(name: str, text: str) -> list[Any]:
    return [*DETECTORS[name].spans(text.encode(), b"", b"")]


def cards_one_by_one(text: str) -> list[Any]:
    """Return the spans of card numbers, as their definition says."""
    lengths = {"2": (16,), "3": (14, 15, 16), "4": (13, 16, 19), "5": range(16, 20)}
    groups = [match.span() for match in re.finditer("[0-9]{2,}", text)]
    found, at = [], int(text[1:2] == ".")
    while at < len(groups):
        for last in range(at, len(groups)):
            digits = "".join(text[first:end] for first, end in groups[at : last + 1])
            doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(digits[::-1])]
            total = sum(value - 9 * (value > 9) for value in doubled)
            fits = lengths.get(digits[0], range(16, 20) if digits[0] == "6" else ())
            if len(digits) in fits and total % 10 == 0:
                found.append((groups[at][0], groups[last][1]))
                at = last
                break
            if len(digits) > 19:
                break
        at += 1
    return found


CARDS = st.integers(0, 10**14 - 1).map(card_of)
DIGITS = st.lists(st.text("0123456789 -", max_size=30) | CARDS, max_size=6)


@given(DIGITS.map(" ".join))
def test_cards_are_found_by_sums_as_one_by_one(text: str) -> None:
    """In groups of any length, behind and before other digits."""
    assert spans("card", text) == cards_one_by_one(text)


def ibans_one_by_one(text: str) -> list[Any]:
    """Return the span of the longest IBAN that a text begins with, as its definition says."""
    for length in range(34, 14, -1):
        places = [place for place, letter in enumerate(text) if letter != " "][:length]
        whole = "".join(text[place] for place in places)
        number = "".join(str(int(letter, 36)) for letter in whole[4:] + whole[:4])
        if len(whole) == length and int(number) % 97 == 1:
            return [(0, places[-1] + 1)]
    return []


REST = st.text("AZ09 ", max_size=30)
CODES = st.builds("AZ{:02d}A0A0A0A0A0A{}".format, st.integers(0, 99), REST)
IBANS = st.builds("{}{}".format, st.integers(0, 10**18 - 1).map(iban_of), REST)


@given(CODES | IBANS)
def test_ibans_are_found_in_one_pass_as_one_by_one(text: str) -> None:
    """Whatever follows them."""
    assert spans("iban", text) == ibans_one_by_one(text)


def test_the_count_says_that_a_text_was_masked_whole() -> None:
    """It is one secret of its field."""
    redacting = redactor(by_field=True)
    record = {"message": "a@b.cd " * (MOST_PLACES + 1)}

    redacting.redact(events_of(record))

    assert redacting.found["email", "message"] == 1


def test_a_text_with_every_separator_is_redacted() -> None:
    """Characters by which texts are joined are no reason to withhold a record."""
    doc = redacted({"message": f"{SEPARATORS} password=hunter22", "extra": {"a": "b"}})

    assert "password=[redacted:password]" in doc["message"]
    assert doc["extra"] == {"a": "b"}
    assert "tags" not in doc
