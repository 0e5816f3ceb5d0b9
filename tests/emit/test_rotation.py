"""Files of one process: sizes, backups, and what may happen to a file that is being written."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest

from shipper.emit import ProcessSafeRotatingFileHandler
from tests.emit.emit_files import family, handler_for, origins, read, record_of


def write(handler: logging.Handler, count: int) -> None:
    for _ in range(count):
        handler.handle(record_of("x" * 100))


def test_files_rotate_by_size_and_keep_every_record(tmp_path: Path) -> None:
    """No file is over its limit, the newest backup is .1, and nothing is lost or doubled."""
    handler = handler_for(tmp_path / "app.log", max_bytes=2000, backup_count=99)
    write(handler, 100)
    handler.close()

    assert all(path.stat().st_size <= 2000 for path in family(tmp_path / "app.log"))
    found = origins(tmp_path / "app.log")
    assert len(found) == 100
    assert set(found.values()) == {1}
    newest, older = read(tmp_path / "app.log.1"), read(tmp_path / "app.log.2")
    assert older[-1]["seq"] + 1 == newest[0]["seq"]


def test_the_oldest_backup_goes(tmp_path: Path) -> None:
    """No more backups are kept than were asked for."""
    handler = handler_for(tmp_path / "app.log", max_bytes=500, backup_count=2)
    write(handler, 20)
    handler.close()

    names = [path.name for path in family(tmp_path / "app.log")]
    assert names == ["app.log", "app.log.1", "app.log.2"]


@pytest.mark.parametrize(("max_bytes", "backup_count"), [(0, 5), (500, 0)])
def test_no_rotation_without_a_limit_or_a_backup(
    tmp_path: Path, max_bytes: int, backup_count: int
) -> None:
    """As with the handler of the standard library, 0 for either means never."""
    handler = handler_for(tmp_path / "app.log", max_bytes=max_bytes, backup_count=backup_count)
    write(handler, 20)
    handler.close()

    assert family(tmp_path / "app.log") == [tmp_path / "app.log"]
    assert len(read(tmp_path / "app.log")) == 20


def test_a_line_larger_than_a_file_is_written_whole(tmp_path: Path) -> None:
    """A line is never cut, and an empty file is not rotated for it."""
    handler = handler_for(tmp_path / "app.log", max_bytes=500, backup_count=9)
    handler.handle(record_of("x" * 5000))
    handler.handle(record_of("y"))
    handler.close()

    assert [len(read(path)) for path in family(tmp_path / "app.log")] == [1, 1]


def test_a_rotation_that_was_cut_short_is_mended(tmp_path: Path) -> None:
    """A gap that a dying process left in the numbers is filled; no older file is dropped for it."""
    for number in (2, 3):
        (tmp_path / f"app.log.{number}").write_text(f"{number}\n")
    (tmp_path / "app.log").write_text("0\n" * 300)
    handler = handler_for(tmp_path / "app.log", max_bytes=500, backup_count=3)
    write(handler, 1)
    handler.close()

    assert (tmp_path / "app.log.1").read_text() == "0\n" * 300
    assert (tmp_path / "app.log.2").read_text() == "2\n"
    assert (tmp_path / "app.log.3").read_text() == "3\n"


def test_a_file_that_was_moved_away_is_opened_anew(tmp_path: Path) -> None:
    """Rotation by somebody else (logrotate) needs no signal: the next record is in the new file."""
    handler = handler_for(tmp_path / "app.log")
    write(handler, 1)
    (tmp_path / "app.log").rename(tmp_path / "moved.log")
    write(handler, 2)
    handler.close()

    assert len(read(tmp_path / "moved.log")) == 1
    assert len(read(tmp_path / "app.log")) == 2


def test_a_truncated_file_has_no_hole(tmp_path: Path) -> None:
    """After copytruncate the next record is at the start of the file."""
    handler = handler_for(tmp_path / "app.log")
    write(handler, 3)
    os.truncate(tmp_path / "app.log", 0)
    write(handler, 1)
    handler.close()

    assert len(read(tmp_path / "app.log")) == 1


def test_a_deleted_folder_is_made_again(tmp_path: Path) -> None:
    """Deleting the logs, folder and all, costs no record that comes later."""
    handler = handler_for(tmp_path / "logs" / "app.log")
    write(handler, 1)
    (tmp_path / "logs" / "app.log").unlink()
    (tmp_path / "logs").rmdir()
    write(handler, 1)
    handler.close()

    assert len(read(tmp_path / "logs" / "app.log")) == 1


def test_a_half_written_line_does_not_swallow_the_next(tmp_path: Path) -> None:
    """Whoever left half a line, at start or meanwhile, the next record has a line of its own."""
    path = tmp_path / "app.log"
    path.write_bytes(b'{"half of an old pro')
    handler = handler_for(path)
    write(handler, 1)
    with path.open("ab") as other_process:
        other_process.write(b'{"half of a killed pro')
    write(handler, 2)
    handler.close()

    lines = path.read_bytes().splitlines()
    assert lines[0] == b'{"half of an old pro'
    assert lines[2] == b'{"half of a killed pro'
    assert [line[-1:] for line in lines[1::2] + lines[4:]] == [b"}", b"}", b"}"]


def test_a_pipe_is_written_as_it_is() -> None:
    """A file name may lead to something without a size or a position, such as /dev/stdout."""
    reading, writing = os.pipe()
    handler = handler_for(Path(f"/proc/self/fd/{writing}"), max_bytes=100, backup_count=5)
    write(handler, 3)
    handler.close()
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert pipe.read().count(b"}\n") == 3


def test_a_closed_handler_opens_again(tmp_path: Path) -> None:
    """A record that comes after logging was shut down is not lost."""
    handler = handler_for(tmp_path / "app.log")
    write(handler, 1)
    handler.close()
    write(handler, 1)
    handler.close()

    assert len(read(tmp_path / "app.log")) == 2


def test_only_modes_that_are_safe_are_taken(tmp_path: Path) -> None:
    """Erasing a file, or another encoding than the shipper reads, is refused at once."""
    with pytest.raises(ValueError, match="mode 'w' would erase"):
        ProcessSafeRotatingFileHandler(tmp_path / "app.log", mode="w")
    with pytest.raises(ValueError, match="log files are UTF-8"):
        ProcessSafeRotatingFileHandler(tmp_path / "app.log", encoding="latin-1")
    ProcessSafeRotatingFileHandler(tmp_path / "app.log", encoding="UTF8").close()
