"""What waits in the files: counted with a bound on memory and time, whatever the files hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from shipper.audit import collect
from shipper.audit.account import UnreadLines
from shipper.audit.collect import _Unread
from tests.enrich.enriching import RUN, line_of

if TYPE_CHECKING:
    from pathlib import Path


def read(path: Path, offset: int = 0) -> tuple[UnreadLines, set[int]]:
    unread = _Unread()
    found = unread.read("a", str(path), offset)
    return found, unread.numbers[RUN]


def test_lines_and_numbers_are_counted(tmp_path: Path) -> None:
    """Blank lines and a half one do not count; the number of a half one does."""
    path = tmp_path / "a.log"
    path.write_bytes(b"old\n" + line_of(1) + b"\n\n \nplain\n" + line_of(2))
    found, numbers = read(path, 4)
    assert (found.size, found.lines, numbers) == (path.stat().st_size - 4, 2, {1, 2})


def test_a_hole_is_passed_over(tmp_path: Path) -> None:
    """A hole of 2 TiB takes neither time nor memory, and the record behind it is found."""
    path, size = tmp_path / "a.log", 2 << 40
    path.write_bytes(b"one\n")
    os.truncate(path, size)
    with path.open("ab") as file:
        file.write(line_of(1) + b"\n")
    found, numbers = read(path)
    assert (found.lines, numbers) == (2, {1})


def test_a_long_line_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a long line the beginning is looked at, and it counts once."""
    monkeypatch.setattr(collect, "LINE_BYTES", 200)
    path = tmp_path / "a.log"
    path.write_bytes(line_of(1, message="x" * 1000) + b"\n" + line_of(2) + b"\n")
    found, numbers = read(path)
    assert (found.lines, numbers) == (2, {2})


def test_a_fifo_is_nothing(tmp_path: Path) -> None:
    """A FIFO in the place of a log is not waited for."""
    os.mkfifo(tmp_path / "a.log")
    assert read(tmp_path / "a.log") == (UnreadLines("a", 0, 0), set())
