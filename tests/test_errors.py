"""What errors say."""

from __future__ import annotations

import errno
import os

import pytest

from shipper.errors import bug_of, remedy_of


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        (errno.EACCES, "run this as a user"),
        (errno.ENOSPC, "free some space"),
        (errno.ENOENT, "correct the path"),
        (errno.EIO, "what else"),
    ],
)
def test_an_error_of_the_system_says_what_to_do(code: int, remedy: str) -> None:
    """What helps depends on what the system refused: space does not help who may not read."""
    assert remedy_of(OSError(code, os.strerror(code)), "what else").startswith(remedy)


def test_a_bug_is_described_without_what_it_quotes() -> None:
    """The log says kind and place; the message of an exception may hold a record."""
    try:
        int("password=hunter2")
    except ValueError as error:
        text = bug_of(error)

    assert text.startswith("ValueError\n")
    assert "test_errors.py" in text
    assert "invalid literal" not in text
