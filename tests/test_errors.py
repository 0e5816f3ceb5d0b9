"""What errors say."""

from __future__ import annotations

from shipper.errors import bug_of


def test_a_bug_is_described_without_what_it_quotes() -> None:
    """The log says kind and place; the message of an exception may hold a record."""
    try:
        int("password=hunter2")
    except ValueError as error:
        text = bug_of(error)

    assert text.startswith("ValueError\n")
    assert "test_errors.py" in text
    assert "invalid literal" not in text
