"""A file that was rotated away is read as long as somebody writes to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.tail import scanner
from shipper.tail.harvester import SETTLE_SECONDS
from shipper.tail.scanner import LATE_SECONDS
from shipper.tail.writers import has_writer
from tests.tail.tailing import Reader, append


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.close()


def test_whether_a_file_has_a_writer(tmp_path: Path) -> None:
    """The kernel knows who has a file open for writing."""
    path = tmp_path / "app.log"
    with path.open("ab") as writer, path.open("rb") as file:
        assert has_writer(file.fileno())
        writer.close()
        assert not has_writer(file.fileno())


@pytest.mark.parametrize("how", ["moved", "deleted", "rotated"])
def test_a_writer_that_reopens_late(reader: Reader, tmp_path: Path, how: str) -> None:
    """Nobody told the application of the rotation: what it writes for hours is read."""
    log, old = tmp_path / "app.log", tmp_path / "old"
    old.mkdir()
    with log.open("ab", buffering=0) as writer:
        writer.write(b"line 0\n")
        assert reader.lines() == [b"line 0"]
        if how == "deleted":
            log.unlink()
        else:
            log.rename(old / "app.log-1" if how == "moved" else tmp_path / "app.log.1")
        append(log, b"new\n")
        assert reader.lines() == [b"new"]
        for number, pause in enumerate((2, 8, 60, 4000, 20000)):
            assert reader.lines(pause) == []
            writer.write(b"line %d\n" % number)
            assert reader.lines() == [b"line %d" % number]
    reader.settle()
    assert len(reader.tailer.harvesters()) == 1


def test_a_writer_that_nothing_is_known_of(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the kernel doesn't say, a file without a name is kept open for an hour."""
    monkeypatch.setattr(scanner, "has_writer", lambda _fd: None)
    log = tmp_path / "app.log"
    with log.open("ab", buffering=0) as writer:
        writer.write(b"1\n")
        reader.lines()
        log.unlink()
        for _ in range(2):
            assert reader.lines(LATE_SECONDS - 60) == []
            writer.write(b"2\n")
            assert reader.lines() == [b"2"]
    assert reader.lines(LATE_SECONDS + SETTLE_SECONDS) == []
    assert reader.tailer.harvesters() == []
