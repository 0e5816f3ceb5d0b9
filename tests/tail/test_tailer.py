"""Rotation, truncation and everything else that happens to log files: each line once."""

from __future__ import annotations

import errno
import logging
import os
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.fingerprint import Fingerprint
from shipper.registry.identity import identity
from shipper.registry.records import Changes, FileRecord
from shipper.registry.registry import Registry
from shipper.tail import holds
from shipper.tail.content import Plain
from shipper.tail.forgetting import FORGET_AFTER_MS
from shipper.tail.reader import WARM_SECONDS
from shipper.tail.tailer import Tailer
from tests.tail.tailing import HOST, WALL, Reader, append, lines_of, open_folder, unprivileged


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    reader.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def rotate(log: Path, keep: int = 9) -> None:
    """Rename as RotatingFileHandler does: .2 → .3, .1 → .2, the live file → .1."""
    for number in range(keep, 0, -1):
        older = Path(f"{log}.{number}")
        if older.exists():
            older.replace(f"{log}.{number + 1}")
    log.rename(f"{log}.1")


def test_lines_as_they_come(reader: Reader, log: Path) -> None:
    """What is there is read, and what comes later is read then; nothing twice."""
    append(log, b"1\n2\n")
    assert reader.lines() == [b"1", b"2"]
    assert reader.lines() == []
    append(log, b"3\n")
    assert reader.lines() == [b"3"]


def test_a_rename_while_running(reader: Reader, log: Path) -> None:
    """What was written to a file before its rename is read, and the new file from its start."""
    append(log, b"1\n")
    assert reader.lines() == [b"1"]
    append(log, b"2\n")
    rotate(log)
    append(log, b"3\n")
    assert sorted(reader.lines()) == [b"2", b"3"]


def test_writing_goes_on_after_the_rename(reader: Reader, log: Path) -> None:
    """A writer that still has the renamed file open loses nothing, however late it writes."""
    with log.open("ab", buffering=0) as writer:
        writer.write(b"1\nha")
        assert reader.lines() == [b"1"]
        rotate(log)
        append(log, b"new\n")
        assert reader.lines() == [b"new"]
        writer.write(b"lf\n")
        assert reader.lines() == [b"half"]
        reader.settle()
        writer.write(b"late\n")
        assert reader.lines() == [b"late"]


def test_a_rename_chain_while_running(reader: Reader, log: Path) -> None:
    """Names move on from file to file; the files stay what they are."""
    expected = []
    for number in range(6):
        append(log, b"%d\n" % number)
        expected += reader.lines()
        rotate(log)
    expected += reader.lines()
    assert expected == [b"%d" % number for number in range(6)]


def test_a_rename_chain_while_down(reader: Reader, log: Path) -> None:
    """While the shipper is down, names move on; at its start nothing is read twice, all once."""
    for number in range(3):
        append(log, b"old %d\n" % number)
        reader.lines()
        rotate(log)
    append(log, b"read\nnot read\n")
    block, _not_acked = reader.take()
    reader.tailer.ack(block.file, block.end)
    reader.save()
    for number in range(3):
        rotate(log)
        append(log, b"new %d\n" % number)
    reader.crash()
    assert sorted(reader.lines()) == [b"new 0", b"new 1", b"new 2", b"not read"]


def test_older_files_are_read_first(reader: Reader, log: Path) -> None:
    """Files that wait together are begun in the order in which they were written."""
    for number in range(4):
        append(log, b"%d\n" % number)
        os.utime(log, (100 + number, 100 + number))
        rotate(log)
    assert reader.lines() == [b"0", b"1", b"2", b"3"]


def test_two_rotations_within_one_read(reader: Reader, log: Path) -> None:
    """Between two looks at the folder there may be several rotations."""
    append(log, b"1\n")
    reader.lines()
    for line in (b"2\n", b"3\n", b"4\n"):
        append(log, line)
        rotate(log)
    append(log, b"5\n")
    assert sorted(reader.lines()) == [b"2", b"3", b"4", b"5"]
    assert reader.lines() == []


def test_a_rotation_to_a_date(reader: Reader, log: Path) -> None:
    """The rotated file may have a date behind its name."""
    append(log, b"1\n")
    reader.lines()
    append(log, b"2\n")
    log.rename(f"{log}.2026-02-05")
    append(log, b"3\n")
    assert sorted(reader.lines()) == [b"2", b"3"]


def test_deleted_and_made_anew(reader: Reader, log: Path) -> None:
    """A file under a name that was used before is read from its beginning."""
    append(log, b"a long line of old\n")
    reader.lines()
    log.unlink()
    append(log, b"new\n")
    assert reader.lines() == [b"new"]


def test_deleted_before_it_was_read(reader: Reader, log: Path) -> None:
    """A file that was found is read to its end, also when it was deleted meanwhile."""
    append(log, b"1\n")
    reader.scan()
    append(log, b"2\nhalf")
    log.unlink()
    assert reader.lines() == [b"1", b"2"]
    assert reader.lines(5) == [b"half"]
    reader.settle()
    assert reader.saved() == []


def test_deleted_under_its_writer(reader: Reader, log: Path) -> None:
    """What is still written to a deleted file is read, for a while."""
    with log.open("ab", buffering=0) as writer:
        writer.write(b"1\n")
        assert reader.lines() == [b"1"]
        reader.now += 3600
        log.unlink()
        assert reader.lines() == []
        writer.write(b"2\n")
        assert reader.lines() == [b"2"]


def test_a_deleted_file_is_held_until_its_ack(reader: Reader, log: Path) -> None:
    """What is not acked is not closed: a retry at the next start could not find it any more."""
    append(log, b"1\n")
    blocks = reader.take()
    log.unlink()
    reader.scan(60)
    reader.scan(60)
    assert len(reader.saved()) == 1
    reader.ack(blocks)
    reader.scan()
    assert reader.saved() == []


def test_an_inode_that_is_used_again(tmp_path: Path, log: Path) -> None:
    """Another file under the identity of an old one has another head: it is read whole."""
    append(log, b"quite another first line\n")
    head = Fingerprint(4, "0" * 32)
    record = FileRecord(7, identity(log.stat()), head, str(log), "s", 3, 9, WALL)
    registry = Registry(tmp_path / "registry.db")
    registry.save(Changes({7: record}), WALL)
    registry.close()
    reader = Reader(tmp_path)
    assert reader.lines() == [b"quite another first line"]
    *_old, saved = reader.saved()
    assert (saved.id, saved.generation, saved.offset) == (8, 0, 25)
    assert saved.stream not in ("", "s")
    reader.close()


def test_a_shorter_file_under_a_known_identity(reader: Reader, log: Path) -> None:
    """A file that was truncated while the shipper was down is read from its beginning."""
    append(log, b"1\n22222222\n")
    reader.lines()
    reader.save()
    log.write_bytes(b"1\n")
    reader.crash()
    assert reader.lines() == [b"1"]


@pytest.mark.parametrize(
    "content", [b"n\n", b"new 1\nnew 2\n", b"new 1\nnew 2\nnew 3\n", b"new 1\n" * 50]
)
def test_copied_and_truncated(reader: Reader, log: Path, content: bytes) -> None:
    """A file truncated in place is read from its start, whatever size it has at the next look."""
    append(log, b"old 1\nold 2\n")
    reader.lines()
    os.truncate(log, 0)
    append(log, content)
    os.utime(log, (1, 1))
    assert reader.lines() == content.rstrip(b"\n").split(b"\n")
    append(log, b"more\n")
    assert reader.lines() == [b"more"]


def test_truncated_while_blocks_are_on_their_way(reader: Reader, log: Path) -> None:
    """An ack for what a file held before its truncation moves nothing."""
    append(log, b"old line\n" * 3)
    blocks = reader.take()
    os.truncate(log, 0)
    append(log, b"new\n")
    new = reader.take()
    reader.ack(blocks)
    *_old, saved = reader.saved()
    assert (saved.id, saved.offset, saved.generation) == (new[0].file, 0, 0)
    reader.ack(new)
    reader.settle()
    assert [(each.id, each.offset) for each in reader.saved()] == [(saved.id, 4)]


def test_foreign_lines_of_a_truncated_file_have_another_stream(reader: Reader, log: Path) -> None:
    """A truncated file that begins with the same line is told apart, or its lines get lost."""
    append(log, b"started\nold\n")
    old, _rest = reader.take()
    os.truncate(log, 0)
    append(log, b"started\n")
    (new,) = reader.take()
    assert new.start == old.start == 0
    assert new.stream != old.stream


@pytest.mark.parametrize("before", [b"", b"read\n", b"read\n" * 300])
@pytest.mark.parametrize("after", [b"", b"first\n", b"first\n" * 400])
def test_truncated_within_a_long_line(
    reader: Reader, log: Path, before: bytes, after: bytes
) -> None:
    """How far the end of a long line was looked for is forgotten with the file's content."""
    append(log, before + b"x" * 1000)
    assert reader.lines() == before.split()
    os.truncate(log, 0)
    append(log, after + b"y" * 100)
    assert reader.lines() == after.split()
    append(log, b"\n" + b"neighbour\n" * 400)
    assert reader.lines() == [b"y" * 32] + [b"neighbour"] * 400


def test_equal_heads(reader: Reader, tmp_path: Path) -> None:
    """Two files with the same content are two files, with a stream each."""
    for name in ("a.log", "b.log"):
        append(tmp_path / name, b"same\n" * 400)
    blocks = reader.take()
    assert lines_of(blocks) == [b"same"] * 800
    streams = {
        name: {b.stream for b in blocks if b.path.endswith(name)} for name in ("a.log", "b.log")
    }
    assert not streams["a.log"] & streams["b.log"]


def test_empty_files(reader: Reader, tmp_path: Path) -> None:
    """An empty file has nothing to say until it has, and does not hold up others."""
    empty = [tmp_path / f"{number}.log" for number in range(3)]
    for path in empty:
        path.touch()
    assert reader.lines() == []
    append(empty[1], b"1\n")
    assert reader.lines() == [b"1"]
    reader.restart()
    append(empty[0], b"0\n")
    assert reader.lines() == [b"0"]


def test_a_link_and_its_target(reader: Reader, tmp_path: Path, log: Path) -> None:
    """A file with several names is read once."""
    append(log, b"1\n")
    (tmp_path / "link.log").symlink_to(log)
    os.link(log, tmp_path / "hard.log")
    assert reader.lines() == [b"1"]
    append(log, b"2\n")
    assert reader.lines() == [b"2"]


def test_a_link_that_is_led_elsewhere(tmp_path: Path) -> None:
    """A link that leads to the newest file: the old one is read to its end, the new one whole."""
    link = tmp_path / "current.log"
    for name in ("one.txt", "two.txt"):
        append(tmp_path / name, name.encode() + b"\n")
    link.symlink_to(tmp_path / "one.txt")
    reader = Reader(tmp_path)
    assert reader.lines() == [b"one.txt"]
    append(tmp_path / "one.txt", b"last\n")
    link.unlink()
    link.symlink_to(tmp_path / "two.txt")
    assert sorted(reader.lines()) == [b"last", b"two.txt"]
    reader.close()


def test_permission_lost_and_regained(caplog: pytest.LogCaptureFixture) -> None:
    """A file that may not be read is waited for, said once, and costs no other file."""
    caplog.set_level(logging.INFO)
    with open_folder() as folder:
        closed, reader = folder / "closed.log", Reader(folder)
        append(closed, b"closed\n")
        append(folder / "open.log", b"open\n")
        closed.chmod(0)
        with unprivileged():
            assert reader.lines() == [b"open"]
            assert reader.lines() == []
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "closed.log cannot be read: Permission denied" in caplog.text
        assert reader.tailer.unreadable() == [str(closed)]
        closed.chmod(0o644)
        with unprivileged():
            assert reader.lines() == [b"closed"]
        assert "closed.log can be read again" in caplog.text
        assert reader.tailer.unreadable() == []
        reader.close()


def test_permission_lost_while_open(caplog: pytest.LogCaptureFixture) -> None:
    """A file that is open stays readable, and so nothing of it is held up."""
    with open_folder() as folder:
        log, reader = folder / "app.log", Reader(folder)
        append(log, b"1\n")
        with unprivileged():
            assert reader.lines() == [b"1"]
        append(log, b"2\n")
        log.chmod(0)
        with unprivileged():
            assert reader.lines() == [b"2"]
        assert not caplog.records
        reader.close()


@pytest.mark.parametrize("pause", [1.0, 600.0])
def test_a_folder_that_is_away_for_a_moment(tmp_path: Path, pause: float) -> None:
    """When a folder is back, its files are where they were: nothing is read again."""
    logs = tmp_path / "logs"
    logs.mkdir()
    append(logs / "app.log", b"1\n")
    reader = Reader(tmp_path, "logs/*.log")
    assert reader.lines() == [b"1"]
    reader.now += 3600
    logs.rename(tmp_path / "away")
    for _ in range(3):
        assert reader.lines(pause) == []
    (tmp_path / "away").rename(logs)
    assert reader.lines() == []
    append(logs / "app.log", b"2\n")
    assert reader.lines() == [b"2"]
    reader.close()


def test_a_folder_that_appears_later(tmp_path: Path) -> None:
    """A folder may be made after the start of the shipper."""
    reader = Reader(tmp_path, "logs/**/*.log")
    assert reader.lines() == []
    (tmp_path / "logs/deep").mkdir(parents=True)
    append(tmp_path / "logs/deep/app.log", b"1\n")
    assert reader.lines() == [b"1"]
    reader.close()


def test_a_folder_in_place_of_a_file(reader: Reader, log: Path) -> None:
    """What is no file is not read, and may become one."""
    log.mkdir()
    assert reader.lines() == []
    log.rmdir()
    append(log, b"1\n")
    assert reader.lines() == [b"1"]


def test_a_thousand_files(tmp_path: Path) -> None:
    """Many files are all read, and only those that grew are looked into again."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 4096)), hard))
    reader = Reader(tmp_path)
    paths = [tmp_path / f"{number:04d}.log" for number in range(1000)]
    try:
        for number, path in enumerate(paths):
            append(path, b"%d\n" % number)
        assert sorted(map(int, reader.lines())) == [*range(1000)]
        assert reader.lines() == []
        for path in paths[::300]:
            append(path, b"more\n")
        assert {block.path for block in reader.take()} == {*map(str, paths[::300])}
        reader.restart()
    finally:
        reader.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_more_files_than_may_be_open(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file for which there is no descriptor waits; the others are read."""
    reader = Reader(tmp_path)
    for number in range(40):
        append(tmp_path / f"{number}.log", b"%d\n" % number)
    with monkeypatch.context() as few:
        few.setattr("shipper.tail.room.most_open", lambda: 20)
        found = reader.lines()
    assert len(found) == 20
    assert "20 may be open at a time" in caplog.text
    found += reader.lines()
    assert sorted(map(int, found)) == [*range(40)]
    reader.close()


def test_acks_move_forward_only(reader: Reader, log: Path) -> None:
    """An ack that comes late, or for a file that is not known, moves nothing."""
    append(log, b"line\n" * 40)
    blocks = reader.take()
    reader.tailer.ack(blocks[0].file, blocks[-1].end)
    reader.tailer.ack(blocks[0].file, blocks[0].end)
    reader.tailer.ack(99, 10**6)
    (saved,) = reader.saved()
    assert saved.offset == blocks[-1].end


def test_what_was_not_acked_is_read_again(reader: Reader, log: Path) -> None:
    """After a crash reading begins behind the last ack that was saved."""
    append(log, b"line one\nline two\n" + b"x" * 50 + b"\n")
    blocks = reader.take()
    reader.ack(blocks[:1])
    reader.save()
    reader.ack(blocks)
    reader.crash()
    again = reader.take()
    assert [(b.start, b.data, b.stream) for b in again] == [
        (b.start, b.data, b.stream) for b in blocks[1:]
    ]
    assert again


def test_a_closed_file_is_opened_when_it_grows(reader: Reader, log: Path) -> None:
    """A rotated file that was read and closed is opened again only when it has changed."""
    append(log, b"1\n")
    rotate(log)
    assert reader.lines() == [b"1"]
    before = len(os.listdir("/proc/self/fd"))
    reader.settle()
    assert len(os.listdir("/proc/self/fd")) == before - 1
    assert reader.lines() == []
    assert len(os.listdir("/proc/self/fd")) == before - 1
    append(Path(f"{log}.1"), b"2\n")
    assert reader.lines() == [b"2"]


def test_a_live_file_is_never_closed(reader: Reader, log: Path) -> None:
    """A file that may still be written to stays open, and so keeps its inode."""
    append(log, b"1\n")
    reader.lines()
    before = len(os.listdir("/proc/self/fd"))
    reader.settle()
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_is_nowhere_is_forgotten_after_a_day(reader: Reader, log: Path) -> None:
    """The position of a file that went is kept for a day, and no longer."""
    append(log, b"1\n")
    reader.lines()
    reader.save()
    reader.tailer.close()
    log.rename(f"{log}.away")
    reader.crash()
    reader.scan(FORGET_AFTER_MS / 1000 - 2)
    assert len(reader.saved()) == 1
    reader.scan(3)
    assert reader.saved() == []


@pytest.mark.parametrize("away", ["folder", "file"])
def test_a_clock_that_jumps_while_a_file_is_away(tmp_path: Path, away: str) -> None:
    """A clock that is set ahead by a day makes nothing a day older."""
    logs = tmp_path / "logs"
    logs.mkdir()
    append(logs / "app.log", b"1\n")
    reader = Reader(tmp_path, "logs/*.log")
    assert reader.lines() == [b"1"]
    reader.settle()
    place = logs if away == "folder" else logs / "app.log"
    place.rename(tmp_path / "away")
    reader.settle()
    reader.wall += FORGET_AFTER_MS
    assert reader.lines() == []
    (tmp_path / "away").rename(place)
    assert reader.lines() == []
    reader.close()


def test_a_folder_that_is_away_for_days(tmp_path: Path) -> None:
    """A disk that was not mounted for a week brings its files back as they were."""
    logs = tmp_path / "logs"
    logs.mkdir()
    append(logs / "app.log", b"1\n")
    reader = Reader(tmp_path, "logs/*.log")
    assert reader.lines() == [b"1"]
    reader.save()
    logs.rename(tmp_path / "away")
    reader.crash()
    for _ in range(7):
        reader.scan(FORGET_AFTER_MS / 1000)
    (tmp_path / "away").rename(logs)
    assert reader.lines() == []
    reader.close()


def test_a_file_that_is_there_is_never_forgotten(reader: Reader, log: Path) -> None:
    """However long a file has nothing new, its position stays."""
    append(log, b"1\n")
    reader.lines()
    rotate(log)
    reader.settle()
    for _ in range(3):
        assert reader.lines(FORGET_AFTER_MS / 1000 + 1) == []
    assert len(reader.saved()) == 1
    reader.restart()
    assert reader.lines() == []


def test_ids_are_never_used_again(reader: Reader, tmp_path: Path) -> None:
    """A file that comes has another id than one that went, as acks may be on their way."""
    ids = []
    for number in range(3):
        path = tmp_path / f"{number}.log"
        append(path, b"x\n")
        ids += [block.file for block in reader.take()]
        path.unlink()
    assert len({*ids}) == 3


def test_only_what_moved_is_saved(reader: Reader, log: Path) -> None:
    """A scan that finds nothing new leaves nothing to be written."""
    append(log, b"1\n")
    reader.lines()
    assert [len(part) for part in reader.tailer.take_changes()] == [1, 0]
    reader.scan()
    assert reader.tailer.take_changes() == ([], [])


def test_hints(reader: Reader, log: Path) -> None:
    """A hint makes a known file ready to be read before the scan, and tells of unknown ones."""
    append(log, b"1\n")
    reader.lines()
    append(log, b"2\n")
    assert reader.read() == []
    assert not reader.tailer.hint([str(log)])
    assert lines_of(reader.read()) == [b"2"]
    assert reader.tailer.hint([str(log), str(log) + ".new"])
    assert reader.tailer.hint([]) is False
    assert reader.read() == []


def test_files_that_grew_lately_are_looked_at_between_scans(reader: Reader, log: Path) -> None:
    """A warm file needs no scan and no hint; a cold one waits for them."""
    append(log, b"1\n")
    reader.lines()
    append(log, b"2\n")
    assert reader.tailer.reader.poll(reader.now + WARM_SECONDS - 0.1)
    assert not reader.tailer.is_caught_up()
    assert lines_of(reader.read()) == [b"2"]
    assert reader.tailer.is_caught_up()
    reader.now += 2 * WARM_SECONDS
    assert not reader.tailer.reader.poll(reader.now)
    append(log, b"3\n")
    assert not reader.tailer.reader.poll(reader.now)
    assert reader.read() == []
    assert reader.lines() == [b"3"]


def test_a_file_that_gets_cold_is_looked_at_once_more(reader: Reader, log: Path) -> None:
    """Until it is said that it is polled no more, nobody asks for its events."""
    append(log, b"1\n")
    reader.lines()
    reader.now += 2 * WARM_SECONDS
    said = []

    def write_late(polled: frozenset[str]) -> None:
        said.append(polled)
        append(log, b"2\n")

    assert reader.tailer.reader.poll(reader.now, write_late)
    assert said == [frozenset()]
    assert lines_of(reader.read()) == [b"2"]


def test_a_rotation_of_a_busy_file_is_seen_between_scans(reader: Reader, log: Path) -> None:
    """A warm file whose name leads elsewhere asks for a scan: what comes next may be gone soon."""
    append(log, b"1\n")
    reader.lines()
    assert not reader.tailer.has_rotation()
    log.rename(f"{log}.1")
    assert reader.tailer.has_rotation()
    append(log, b"2\n")
    assert reader.tailer.has_rotation()
    assert reader.lines() == [b"2"]
    assert not reader.tailer.has_rotation()


def test_files_take_turns(reader: Reader, tmp_path: Path) -> None:
    """A large file does not hold up a small one: each gives one block in turn."""
    append(tmp_path / "large.log", b"large\n" * 100)
    append(tmp_path / "small.log", b"small\n")
    reader.scan()
    first = list(reader.tailer.read(now=reader.now, wall=reader.wall))
    assert {block.data[:5] for block in first} == {b"large", b"small"}


def test_what_only_a_descriptor_holds(reader: Reader, log: Path) -> None:
    """A file that is gone is told with its unacked bytes, as long as it is open."""
    append(log, b"x" * 9 + b"\n")
    reader.scan()
    assert reader.tailer.held() == {}
    log.unlink()
    reader.scan()
    assert [*reader.tailer.held().values()] == [10]


def test_two_deleted_files_of_one_name_are_two(reader: Reader, log: Path) -> None:
    """What only descriptors hold is counted by file: a name can have been used twice."""
    for size in (9, 19):
        append(log, b"x" * size + b"\n")
        reader.scan()
        log.unlink()
        reader.scan()
    assert sorted(reader.tailer.held().values()) == [10, 20]


def test_files_without_a_hold_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be linked is counted, unless holds are off."""
    append(tmp_path / "a.log", b"one\n")
    held, off = Reader(tmp_path, held_bytes=1 << 20), Reader(tmp_path)
    held.scan()
    off.scan()
    assert (held.tailer.scanner.count_not_held(), off.tailer.scanner.count_not_held()) == (0, 0)

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(holds, "link_to", refuse)
    append(tmp_path / "b.log", b"two\n")
    held.scan()
    assert held.tailer.scanner.count_not_held() == 1


def test_a_stream_name_is_never_given_twice(reader: Reader, log: Path) -> None:
    """A file that was truncated and begins as before is another stream, also after a crash."""
    names = []
    for _ in range(3):
        append(log, b"started\n")
        (block,) = reader.take()
        names.append(block.stream)
        reader.save()
        os.truncate(log, 0)
        reader.take()
        reader.save()
        reader.crash()
    assert len(set(names)) == 3


def test_a_used_inode_with_the_same_first_line(reader: Reader, log: Path) -> None:
    """A file that got the inode and the first line of a deleted one is another stream."""
    append(log, b"started\n")
    (block,) = reader.take()
    old = reader.saved()[0]
    memory = replace(reader.memory, files=(), retired=frozenset({block.stream}))
    later = Tailer(reader.inputs, memory, host=HOST, block_bytes=64)
    later.scan(now=reader.now, wall=WALL)
    assert list(later.read(now=reader.now, wall=WALL)) == []  # its name has to be saved first
    later.take_changes()
    later.saved()
    (again,) = later.read(now=reader.now, wall=WALL)
    later.close()
    assert (again.start, old.stream) == (0, block.stream)
    assert again.stream != block.stream


def test_a_name_that_is_no_utf8(reader: Reader, tmp_path: Path) -> None:
    """A file's name may be any bytes: it is read, saved, and shown as well as can be."""
    path = Path(os.fsdecode(bytes(tmp_path) + b"/\xff.log"))
    append(path, b"1\n")
    (block,) = reader.take()
    assert block.path == f"{tmp_path}/\ufffd.log"
    reader.ack([block])
    reader.restart()
    assert reader.lines() == []
    append(path, b"2\n")
    assert reader.lines() == [b"2"]


def test_a_disk_that_fails(reader: Reader, log: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that cannot be read now is read later; nothing is raised."""
    append(log, b"1\n")
    reader.scan()
    (harvester,) = reader.tailer.harvesters()
    content = harvester.content
    assert isinstance(content, Plain)
    good, content.fd = content.fd, 10**6  # EBADF at each call
    reader.scan()
    assert reader.read() == []
    assert "it is tried again" in caplog.text
    content.fd = good
    assert reader.lines() == [b"1"]
