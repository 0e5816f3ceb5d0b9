"""Holds: what is rotated away and deleted is read all the same, and nothing is left behind."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.errors import DataFolderError
from shipper.registry.identity import identity
from shipper.tail.discovery import Patterns
from shipper.tail.holds import Holds, held_in
from tests.tail.tailing import Reader, append, lines_of, open_folder, unprivileged

PLENTY = 1 << 20


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, held_bytes=PLENTY)
    yield reader
    reader.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def held(reader: Reader) -> list[str]:
    return [each.path for each in held_in(str(reader.holds))]


def test_deleted_while_down(reader: Reader, log: Path) -> None:
    """What was deleted unread while no shipper ran is read at the next start, from its offset."""
    append(log, b"1\n")
    assert reader.lines() == [b"1"]
    append(log, b"2\n3\n")
    reader.restart()
    reader.tailer.close()
    log.unlink()
    append(log, b"new\n")
    reader.crash()

    blocks = reader.take()

    assert sorted(lines_of(blocks)) == [b"2", b"3", b"new"]
    assert {block.path for block in blocks} == {str(log)}
    reader.ack(blocks)
    reader.settle()
    reader.save()
    assert held(reader) == [str(log)]  # that of the new file


def test_deleted_while_down_before_the_first_save(reader: Reader, log: Path) -> None:
    """A hold of which the registry knows nothing yet is read whole, under the path in its name."""
    append(log, b"1\n2\n")
    reader.scan()
    reader.tailer.close()
    log.unlink()
    reader.crash()

    blocks = reader.take()

    assert lines_of(blocks) == [b"1", b"2"]
    assert {block.path for block in blocks} == {str(log)}


def test_rotated_away_while_down(reader: Reader, log: Path) -> None:
    """A file that fell off the end of a rename chain while no shipper ran is read."""
    expected = []
    for number in range(3):
        append(log, b"%d\n" % number)
        expected.append(b"%d" % number)
        reader.scan()
        log.rename(f"{log}.1")
        Path(f"{log}.1").unlink()
    reader.save()
    reader.crash()
    assert sorted(reader.lines()) == expected


def test_a_hold_goes_when_its_file_is_delivered(reader: Reader, log: Path) -> None:
    """A hold stays until its file is rotated away, read, acked and saved, and no longer."""
    append(log, b"1\n")
    blocks = reader.take()
    Path(log).rename(f"{log}.1")
    reader.settle()  # acks only what it reads itself
    reader.save()
    assert held(reader) == [str(log)]
    reader.ack(blocks)
    reader.settle()
    assert held(reader) == [str(log)]
    reader.save()
    assert held(reader) == []
    reader.restart()
    reader.settle()
    reader.save()
    assert held(reader) == []


def test_the_folder_is_deleted_while_files_are_held(
    reader: Reader, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A folder of holds that somebody deletes is told and made again; open files are held anew."""
    append(log, b"1\n")
    assert reader.lines() == [b"1"]
    shutil.rmtree(reader.holds)
    append(log, b"2\n")
    other = log.with_name("other.log")
    append(other, b"3\n")
    reader.scan()
    assert "was deleted" in caplog.text
    assert sorted(held(reader)) == [str(log), str(other)]
    reader.save()
    log.unlink()
    other.unlink()
    reader.crash()

    assert sorted(reader.lines()) == [b"2", b"3"]


def test_a_crash_between_the_save_and_the_unlink(reader: Reader, log: Path) -> None:
    """A hold of a file that is over is found at the start, read no more, and removed."""
    append(log, b"1\n")
    assert reader.lines() == [b"1"]
    log.unlink()
    reader.settle()
    reader.tailer.saved = lambda: None  # type: ignore[method-assign]  # the crash
    reader.save()
    assert held(reader) == [str(log)]
    reader.crash()
    blocks = reader.take()
    reader.ack(blocks)
    reader.settle()
    reader.save()
    assert held(reader) == []


def test_a_live_file_is_always_held(reader: Reader, log: Path) -> None:
    """Whatever was acked, a file that may grow is held."""
    append(log, b"1\n")
    reader.lines()
    for _ in range(3):
        reader.settle()
        reader.save()
    assert held(reader) == [str(log)]


def test_the_inode_of_a_held_file_is_not_used_again(reader: Reader, log: Path) -> None:
    """What is held keeps its identity: another file can't get it while the shipper is down."""
    append(log, b"1\n")
    reader.scan()
    inode = log.stat().st_ino
    reader.save()
    reader.tailer.close()
    log.unlink()
    others = []
    for number in range(50):
        append(log.with_name(f"{number}.txt"), b"x")
        others.append(log.with_name(f"{number}.txt").stat().st_ino)
    assert inode not in others
    reader.crash()
    assert reader.lines() == [b"1"]


def test_over_the_budget_the_oldest_is_given_up(
    tmp_path: Path, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """More than may be held: the oldest file goes, and a tombstone says what was lost."""
    reader = Reader(tmp_path, held_bytes=100, block_bytes=4096)
    files = []
    for number in range(3):
        append(log, b"%d\n" % number * 20)
        os.utime(log, (number, number))
        reader.scan()
        files.append(identity(log.stat()))
        log.unlink()
    reader.scan()
    assert [(s.start, s.end, s.lines) for s in reader.tombstones()] == [(0, 40, 20)]
    assert "was dropped with 40 bytes" in caplog.text
    (stone,) = reader.tombstones()
    assert (stone.path, stone.reason) == (
        str(log),
        "the held files exceeded holds.max_bytes",
    )
    assert stone.stream
    assert {identity(each.stat) for each in held_in(str(reader.holds))} == {*files[1:]}
    assert sorted(reader.lines()) == sorted([b"1", b"2"] * 20)
    reader.close()


def test_one_folder_does_not_use_up_the_budget_of_others(tmp_path: Path) -> None:
    """What is dropped is of the folder that holds the most, however old the files of others are."""
    reader = Reader(tmp_path, "*/*.log", held_bytes=150, block_bytes=4096)
    for number, (folder, size) in enumerate([("calm", 40), ("busy", 100), ("busy", 100)]):
        path = tmp_path / folder / "a.log"
        path.parent.mkdir(exist_ok=True)
        append(path, b"x" * (size - 1) + b"\n")
        os.utime(path, (number, number))
        reader.scan()
        path.unlink()
    reader.scan()
    assert [(s.path, s.end) for s in reader.tombstones()] == [(str(tmp_path / "busy/a.log"), 100)]
    assert sorted(map(len, reader.lines())) == [39, 99]
    reader.close()


def test_what_arrives_after_all_is_no_loss(tmp_path: Path, log: Path) -> None:
    """A tombstone shrinks with the acks of what was on its way when the file was given up."""
    reader = Reader(tmp_path, held_bytes=100)
    append(log, b"line one\n" * 20)
    reader.scan()
    first, second = (next(iter(reader.tailer.read(now=0, wall=reader.wall))) for _ in range(2))
    log.unlink()
    reader.scan()
    (stone,) = reader.tombstones()
    assert (stone.start, stone.end, stone.lines) == (0, 180, 20)
    reader.ack([first])
    (stone,) = reader.tombstones()
    assert (stone.start, stone.lines) == (first.end, None)
    reader.ack([second])
    (stone,) = reader.tombstones()
    assert (stone.start, stone.end) == (second.end, 180)
    assert stone.lines == (180 - second.end) // 9
    reader.close()


def test_files_with_another_name_are_not_counted(tmp_path: Path, log: Path) -> None:
    """The budget is for what takes room because of the holds, not for what lies there anyhow."""
    reader = Reader(tmp_path, held_bytes=10)
    append(log, b"line\n" * 20)
    reader.scan()
    log.rename(log.with_suffix(".elsewhere"))
    reader.scan()
    assert reader.tombstones() == []
    assert held(reader) == [str(log)]
    log.with_suffix(".elsewhere").unlink()
    reader.scan()
    assert len(reader.tombstones()) == 1
    reader.close()


def test_switched_off(tmp_path: Path, log: Path) -> None:
    """Without holds a file that is deleted while no shipper runs is lost: so it is the hold."""
    reader = Reader(tmp_path)
    append(log, b"1\n")
    reader.scan()
    reader.save()
    reader.tailer.close()
    log.unlink()
    reader.crash()
    assert reader.lines() == []
    assert not reader.holds.exists()
    reader.close()


def test_another_file_system(tmp_path: Path, log: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What can't be linked is read while it is open; the reason is told once."""
    if os.stat("/dev/shm").st_dev == tmp_path.stat().st_dev:
        pytest.fail("this test needs /dev/shm to be a file system of its own")
    folder = Path("/dev/shm") / f"shipper-holds-{os.getpid()}"
    reader = Reader(tmp_path, held_bytes=PLENTY)
    reader.tailer.close()
    reader.holds = folder
    try:
        reader.crash()
        append(log, b"1\n")
        append(log.with_name("b.log"), b"2\n")
        reader.scan()
        log.unlink()
        assert sorted(reader.lines()) == [b"1", b"2"]
        (told,) = (each for each in caplog.records if each.levelno == logging.WARNING)
        assert told.getMessage() == (
            f"cannot link {log} (Invalid cross-device link): once deleted, it is kept only while"
            " this shipper runs"
        )
        assert held(reader) == []
    finally:
        reader.close()
        shutil.rmtree(folder)


def test_an_input_that_is_gone(reader: Reader, log: Path) -> None:
    """A hold that no input takes any more is let go, and what was lost is said."""
    append(log, b"1\n")
    reader.scan()
    reader.save()
    reader.tailer.close()
    log.unlink()
    reader.inputs = [replace(reader.inputs[0], patterns=Patterns((f"{log.parent}/*.txt",)))]
    reader.crash()
    assert reader.lines() == []
    assert [(s.path, s.lines) for s in reader.tombstones()] == [(str(log), 1)]
    assert held(reader) == []


def test_an_input_that_comes_back(reader: Reader, log: Path) -> None:
    """A file that is still there is read on, though no input named it for a while."""
    append(log, b"1\n2\n")
    assert reader.lines() == [b"1", b"2"]
    before = reader.inputs
    reader.inputs = [replace(before[0], patterns=Patterns((f"{log.parent}/*.txt",)))]
    reader.restart()
    assert reader.lines() == []
    assert reader.tombstones() == []
    assert held(reader) == []
    append(log, b"3\n")
    reader.inputs = before
    reader.restart()
    assert reader.lines() == [b"3"]
    assert len(held(reader)) == 1


def test_a_folder_of_holds_that_cannot_be_made() -> None:
    """Where holds are wanted and can't be, the message says what to do."""
    with open_folder() as folder, unprivileged(), pytest.raises(DataFolderError, match="holds"):
        Holds(folder / "holds")


def test_what_is_no_hold_is_left_alone(reader: Reader, tmp_path: Path) -> None:
    """A file in the folder that is not what its name says is not read, and not removed."""
    alien = reader.holds / "1-2-%2Ftmp%2Fapp.log"
    alien.write_bytes(b"alien\n")
    (reader.holds / "README").write_bytes(b"alien\n")
    reader.crash()
    assert reader.lines() == []
    reader.settle()
    reader.save()
    assert alien.exists()


@pytest.mark.parametrize("name", ["a b%.log", "\udcff.log", "ä" * 60 + ".log"])
def test_any_name(tmp_path: Path, name: str) -> None:
    """The path of a file is told whatever is in it; of a very long one its end."""
    folder = tmp_path / ("d" * 200)
    folder.mkdir()
    reader = Reader(tmp_path, "*/*.log", held_bytes=PLENTY)
    path = folder / name
    append(path, b"1\n")
    reader.scan()
    reader.tailer.close()
    path.unlink()
    reader.crash()
    (block,) = reader.take()
    shown = os.fsencode(path).decode(errors="replace")
    assert shown.endswith(block.path)
    reader.close()
