"""What errors say."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import msgspec
import pytest

from shipper.decoding import UNDECODABLE
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


def test_who_decodes_what_others_wrote_expects_all_that_may_be_wrong() -> None:
    """Invalid UTF-8 and deep nesting are no `DecodeError`: each ended a thread."""
    package = Path(__file__).parent.parent / "shipper"
    narrow = [
        f"{path.relative_to(package)}:{number}"
        for path in package.rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"except .*msgspec\.(DecodeError|MsgspecError)", line)
    ]
    assert not narrow, "use UNDECODABLE of shipper/decoding.py"


@pytest.mark.parametrize("data", [b"{", b'"\xff"', b"[" * 100_000, b"1"])
def test_what_cannot_be_decoded(data: bytes) -> None:
    """Each of these is one of the errors that a reader expects."""
    with pytest.raises(UNDECODABLE):
        msgspec.json.decode(data, type=str)
