"""More files than may be open: what can be is read, the others wait and count as behind."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from shipper.tail import room
from shipper.tail.room import QUIET_SECONDS, RESERVE, most_open
from tests.tail.tailing import Reader, append

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def _room_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "most_open", lambda: 2)


def write(folder: Path, count: int) -> None:
    for number in range(count):
        append(folder / f"{number}.log", b"line %d\n" % number)


@pytest.mark.usefixtures("_room_for_two")
def test_files_for_which_there_is_no_room_wait(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are behind with all they hold, the log says so once, and their turn comes."""
    write(tmp_path, 5)
    reader = Reader(tmp_path, held_bytes=1 << 20)
    found = reader.lines()
    assert len(found) == 2
    lags = reader.tailer.scanner.waiting()
    assert [(lag.read, lag.acked, lag.size, lag.is_current) for lag in lags] == [
        (0, 0, 7, False)
    ] * 3
    assert len(reader.tailer.lags(reader.now)) == 5

    for _ in range(4):
        found += reader.lines(after=QUIET_SECONDS)

    assert sorted(found) == [b"line %d" % number for number in range(5)]
    assert reader.tailer.scanner.waiting() == []
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "LimitNOFILE" in caplog.text
    reader.close()


@pytest.mark.usefixtures("_room_for_two")
def test_a_file_that_was_closed_for_others_is_read_on(tmp_path: Path) -> None:
    """It is opened again when it has grown, and no line of it comes twice."""
    write(tmp_path, 3)
    reader = Reader(tmp_path)
    found = [*reader.lines(), *reader.lines(after=QUIET_SECONDS)]
    for number in range(3):
        append(tmp_path / f"{number}.log", b"more %d\n" % number)
    for _ in range(3):
        found += reader.lines(after=QUIET_SECONDS)
    reader.restart()
    found += reader.lines()

    assert sorted(found) == [b"%s %d" % (kind, n) for kind in (b"line", b"more") for n in range(3)]
    reader.close()


@pytest.mark.usefixtures("_room_for_two")
def test_what_is_not_acked_stays_open(tmp_path: Path) -> None:
    """No room is made by closing a file of which something is on its way."""
    write(tmp_path, 3)
    reader = Reader(tmp_path)
    for _ in range(3):
        reader.lines(after=QUIET_SECONDS, ack=False)
    assert len(reader.tailer.scanner.waiting()) == 1
    reader.close()


@pytest.mark.usefixtures("_room_for_two")
def test_a_file_that_is_deleted_while_it_waits_is_read(tmp_path: Path) -> None:
    """It is held like any other, and read from its hold."""
    write(tmp_path, 4)
    reader = Reader(tmp_path, held_bytes=1 << 20)
    found = reader.lines()
    for number in range(4):
        (tmp_path / f"{number}.log").unlink()
    for _ in range(6):
        found += reader.lines(after=6.0)

    assert sorted(found) == [b"line %d" % number for number in range(4)]
    reader.close()


@pytest.mark.parametrize(
    ("allowed", "expected"), [(1024, 1024 - RESERVE), (100, 50), (RESERVE, RESERVE // 2)]
)
def test_descriptors_are_kept_for_all_else(
    monkeypatch: pytest.MonkeyPatch, allowed: int, expected: int
) -> None:
    """The files of the inputs never take all that the process may open."""
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (allowed, allowed))
    assert most_open() == expected
