"""What waits in the files: counted with a bound on memory and time, whatever the files hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from shipper.audit import collect
from shipper.audit.account import WINDOW, UnreadLines
from shipper.audit.collect import SavedNumbers, _Unread
from shipper.registry.records import Receipt
from tests.enrich.enriching import RUN, line_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read(
    path: Path, offset: int = 0, *, first: int = 0, last: int = 99, accepted: tuple[int, ...] = ()
) -> tuple[UnreadLines, set[int]]:
    """Read a file whose run was read from `first` to `last`, of which some were accepted."""
    known = {RUN: SavedNumbers()}
    for number in accepted:
        known[RUN].accept([number])
    span = Receipt(1, 1, "a.log", RUN, first, last, 1, 0, 9, 0, 0, 0)
    unread = _Unread(known, [span])
    found = unread.read("a", str(path), offset)
    return found, set(numbers_of(unread))


def numbers_of(unread: _Unread) -> Iterator[int]:
    for kept in unread.numbers.values():
        for base in kept.bases():
            window = kept.window(base)
            yield from (base + index for index in range(WINDOW) if window[index])


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


def test_only_numbers_that_matter_are_kept(tmp_path: Path) -> None:
    """A backlog lies behind what was read, or was read from another file: nothing of it is kept."""
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(line_of(number) + b"\n" for number in range(5000, 5050)))
    assert read(path, last=5009, accepted=tuple(range(5000, 5008)))[1] == {5008, 5009}
    assert read(path, last=4999)[1] == set()


def test_numbers_far_apart_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers that fill nothing cost memory each: no more of them are kept than may be."""
    monkeypatch.setattr(collect, "MOST_CHUNKS", 3)
    path = tmp_path / "a.log"
    far = [number * 10_000 for number in range(1, 6)]
    path.write_bytes(b"".join(line_of(number) + b"\n" for number in [*far, far[0] + 1]))
    assert read(path, last=90_000)[1] == {*far[:3], far[0] + 1}
