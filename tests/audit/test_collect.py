"""What waits in the files: counted with a bound on memory and time, whatever the files hold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from shipper.audit import collect
from shipper.audit.account import WINDOW, UnreadLines
from shipper.audit.collect import SavedNumbers, _Unread, _UnreadFile, _waiting
from shipper.config.inputs import InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import ConsoleOutput
from shipper.registry.identity import identity
from shipper.registry.records import Receipt
from shipper.tail import inventory
from shipper.tail.inventory import ListedFile
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
    found = unread.read(_UnreadFile("a", [str(path)], identity(path.stat()), offset))
    assert found is not None
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


def test_a_file_that_is_renamed_meanwhile_is_counted_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A rotation between the listing and the opening neither hides a file nor counts one twice."""
    current, first, second = (tmp_path / name for name in ("a.log", "a.log.1", "a.log.2"))
    current.write_bytes(b"three\nfour\n")
    first.write_bytes(b"one\ntwo\nthree\n")
    listed = inventory.list_files

    def list_and_rotate(*args: Any) -> list[ListedFile]:
        files = [*listed(*args)]
        if not second.exists():
            first.rename(second)
            current.rename(first)
            current.write_bytes(b"five\n")
        return files

    monkeypatch.setattr(collect, "list_files", list_and_rotate)
    config = Config(
        service=ServiceOptions("app"),
        data_dir=tmp_path / "data",
        inputs=(InputOptions((f"{tmp_path}/a.log*",)),),
        output=ConsoleOutput(),
    )

    found = _waiting(config, [], _Unread({}, []))

    assert sorted(each.lines for each in found) == [1, 2, 3]


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
