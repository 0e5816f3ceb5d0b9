"""A copy that logrotate made, or a gzip of it, is read once, and on from where its file was."""

from __future__ import annotations

import gzip
import logging
import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from shipper.events import Block
from shipper.tail.harvester import SETTLE_SECONDS
from tests.tail.tailing import Reader, append, lines_of

LINES = [b"line %05d of a log that is longer than a head" % number for number in range(100)]


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, block_bytes=4096, max_line_bytes=1024)
    yield reader
    reader.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def text(lines: Iterable[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def origins(blocks: Iterable[Block]) -> Counter[str]:
    """Return the `_id` of every line, as enrichment does."""
    found: Counter[str] = Counter()
    for block in blocks:
        offset = block.start
        for line in block.data.removesuffix(b"\n").split(b"\n"):
            found[f"{block.stream}-{offset}"] += 1
            offset += len(line) + 1
    return found


def copytruncate(log: Path, rotated: str = ".1") -> None:
    shutil.copy2(log, f"{log}{rotated}")
    os.truncate(log, 0)


def compress(path: Path, name: str | None = None) -> Path:
    """Do as logrotate: write the gzip, give it the times of the file, remove the file."""
    packed = Path(name or f"{path}.gz")
    stat = path.stat()
    packed.write_bytes(gzip.compress(path.read_bytes()))
    os.utime(packed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    path.unlink()
    return packed


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("read", [0, 3, 60])
@pytest.mark.parametrize("later", [[], [b"new"], [b"new %d" % number for number in range(900)]])
def test_logrotate_copytruncate(
    reader: Reader, log: Path, read: int, later: list[bytes], *, restart: bool
) -> None:
    """What was written before the copy is read from the copy; nothing is read twice."""
    append(log, text(LINES[:read]))
    blocks = reader.take()
    reader.ack(blocks)
    append(log, text(LINES[read:]))
    if restart:
        reader.restart()
    copytruncate(log)
    append(log, text(later))
    for _ in range(3):
        taken = reader.take()
        reader.ack(taken)
        blocks += taken
    reader.settle()
    assert sorted(lines_of(blocks)) == sorted(LINES + later)
    assert set(origins(blocks).values()) == {1}
    reader.restart()
    assert reader.lines() == []


@pytest.mark.parametrize("before", [b"", b"an older line\n" * 100], ids=["empty", "with lines"])
def test_a_copy_with_the_inode_of_a_deleted_file(reader: Reader, log: Path, before: bytes) -> None:
    """A copy is known as one although its inode is that of the rotated file deleted before it."""
    old = Path(f"{log}.1")
    append(log, before)
    reader.lines()
    log.rename(old)
    append(log, text(LINES))
    assert reader.lines() == LINES
    reader.settle()
    with old.open("r+b") as reused:  # as if it was deleted, and its inode given to the copy
        reused.write(log.read_bytes())
        reused.truncate()
    os.truncate(log, 0)
    append(log, b"new\n")

    assert reader.lines() + reader.lines() == [b"new"]


def test_two_copies_that_begin_alike(reader: Reader, log: Path) -> None:
    """Two copies that both begin as the little that was seen of their file are both read."""
    append(log, b"line 0")
    assert reader.lines() == []
    append(log, b"0\n" + text(LINES[:50]))
    copytruncate(log, ".2")
    append(log, text(LINES[50:]))
    copytruncate(log, ".1")

    found = [line for _ in range(3) for line in reader.lines()]

    assert sorted(found) == sorted([b"line 00", *LINES])


def test_copytruncate_seen_while_it_copies(reader: Reader, log: Path) -> None:
    """A copy that grows is known as one, from its first byte to its last."""
    append(log, text(LINES))
    blocks = reader.take()
    content = log.read_bytes()
    for end in (0, 10, 1000, 2000, len(content)):
        Path(f"{log}.1").write_bytes(content[:end])
        assert reader.lines() == []
        if not end:
            assert reader.lines(SETTLE_SECONDS) == []
    os.truncate(log, 0)
    append(log, b"new\n")
    assert reader.lines() == [b"new"]
    reader.ack(blocks)
    reader.settle()
    assert reader.lines() == []


def test_copytruncate_of_less_than_was_read(reader: Reader, log: Path) -> None:
    """What was read between the copy and the truncation is not read again."""
    append(log, text(LINES[:50]))
    shutil.copy2(log, f"{log}.1")
    append(log, text(LINES[50:]))
    blocks = reader.take()
    assert lines_of(blocks) == LINES
    os.truncate(log, 0)
    append(log, b"new\n")
    assert reader.lines() == [b"new"]
    for _ in range(2):
        assert reader.lines() == []
    reader.ack(blocks)
    reader.restart()
    assert reader.lines() == []


@pytest.mark.parametrize("acked", [False, True])
def test_copytruncate_at_once_of_less_than_was_read(
    reader: Reader, log: Path, *, acked: bool
) -> None:
    """The same where the copy and the truncation are seen together, with and without acks."""
    append(log, text(LINES))
    blocks = reader.take()
    if acked:
        reader.ack(blocks)
    Path(f"{log}.1").write_bytes(text(LINES[:50]))
    os.truncate(log, 0)
    append(log, b"new\n")
    new = [*reader.take(), *reader.take()]
    assert lines_of(new) == [b"new"]
    reader.ack(blocks)
    reader.ack(new)
    reader.settle()
    reader.restart()
    assert reader.lines() == []


def test_copytruncate_while_blocks_are_on_their_way(reader: Reader, log: Path) -> None:
    """Acks that come after the truncation count for the copy; without them it is read again."""
    append(log, text(LINES))
    blocks = reader.take()
    copytruncate(log)
    assert reader.lines() == []
    assert reader.lines() == []
    reader.ack(blocks[:1])
    reader.restart()
    again = reader.take()
    assert again[0].start == blocks[0].end
    assert origins(again) == origins(blocks[1:])


def test_copytruncate_then_compress(reader: Reader, log: Path) -> None:
    """A copy may be compressed before it was seen at all."""
    append(log, text(LINES[:50]))
    blocks = reader.take()
    append(log, text(LINES[50:]))
    copytruncate(log)
    packed = compress(Path(f"{log}.1"))
    content = packed.read_bytes()
    for end in (50, len(content) // 2, len(content), len(content)):
        packed.write_bytes(content[:end])
        blocks += reader.take()
    blocks += reader.take()  # it has not changed since
    assert sorted(lines_of(blocks)) == sorted(LINES)
    assert set(origins(blocks).values()) == {1}


def test_a_backup_of_a_live_file(reader: Reader, log: Path) -> None:
    """A copy of a file that goes on as before has nothing to say."""
    append(log, text(LINES))
    assert sorted(reader.lines()) == LINES
    shutil.copy2(log, f"{log}.1")
    assert reader.lines() == []
    append(log, b"more\n")
    assert reader.lines() == [b"more"]
    reader.settle()
    assert reader.lines(after=60.0) == []


def test_small_files_that_are_equal_are_both_read(reader: Reader, log: Path) -> None:
    """Two rotations in one interval may leave equal small files: where in doubt, both are read."""
    append(log, b"started\n")
    assert reader.lines() == [b"started"]
    log.rename(f"{log}.2")
    append(Path(f"{log}.1"), b"started\n")
    append(log, b"started\n")
    found = [line for _ in range(8) for line in reader.lines()]
    assert found == [b"started"] * 2


@pytest.mark.parametrize("read", [0, 3, 60, 100])
@pytest.mark.parametrize("held", [None, 1 << 20])
def test_compressed_while_down(tmp_path: Path, log: Path, read: int, held: int | None) -> None:
    """A file that was rotated and compressed while no shipper ran is read on where it was left."""
    reader = Reader(tmp_path, block_bytes=4096, max_line_bytes=1024, held_bytes=held)
    append(log, text(LINES[:read] or [b""]))
    blocks = reader.take()
    reader.ack(blocks)
    append(log, text(LINES[read:]))
    reader.restart()
    log.rename(f"{log}.2")
    append(log, b"new\n")  # before the old one goes, or it might get its inode
    compress(Path(f"{log}.2"))
    blocks += reader.take()
    blocks += reader.take()
    assert sorted(line for line in lines_of(blocks) if line) == sorted([*LINES, b"new"])
    assert set(origins(blocks).values()) == {1}
    reader.ack(blocks)
    reader.settle()
    reader.settle()
    reader.restart()
    assert reader.lines() == []
    reader.close()


def test_logrotate_compress_while_running(reader: Reader, log: Path) -> None:
    """The gzip of a file that was read to its end has nothing to say, wherever it is renamed to."""
    append(log, text(LINES))
    assert sorted(reader.lines()) == LINES
    log.rename(f"{log}.1")
    append(log, b"new\n")
    assert reader.lines() == [b"new"]
    Path(f"{log}.1").rename(f"{log}.2")
    packed = compress(Path(f"{log}.2"))
    for _ in range(4):
        assert reader.lines(SETTLE_SECONDS) == []
    packed.rename(f"{log}.3.gz")
    assert reader.lines() == []
    reader.restart()
    assert reader.lines() == []


def test_logrotate_delaycompress_dateext(reader: Reader, log: Path) -> None:
    """Dates for numbers, and a gzip made at the next rotation, change nothing."""
    expected: list[bytes] = []
    found: list[bytes] = []
    for day in range(1, 6):
        lines = [b"day %d " % day + line for line in LINES]
        expected += lines
        append(log, text(lines[:50]))
        found += reader.lines()
        append(log, text(lines[50:]))
        if day == 3:
            reader.restart()
        log.rename(f"{log}-2026020{day}")
        before = Path(f"{log}-2026020{day - 1}")
        if before.exists():
            compress(before)
        found += reader.lines()
        reader.settle()
    assert sorted(found) == sorted(expected)


def test_a_gzip_that_is_still_written(reader: Reader, log: Path) -> None:
    """A gzip is judged when it is whole: until then nothing of it is taken for new."""
    append(log, text(LINES))
    reader.lines()
    content = gzip.compress(log.read_bytes())
    log.rename(f"{log}.1")
    for end in (5, 200, len(content) - 1):
        Path(f"{log}.1.gz").write_bytes(content[:end])
        assert reader.lines() == []
    Path(f"{log}.1.gz").write_bytes(content)
    Path(f"{log}.1").unlink()
    for _ in range(4):
        assert reader.lines(SETTLE_SECONDS) == []


def test_a_gzip_that_nothing_is_known_of(reader: Reader, log: Path) -> None:
    """A file that came and was compressed while no shipper ran is read from its beginning."""
    append(log, text(LINES))
    compress(log, f"{log}.1.gz")
    blocks = reader.take()
    assert lines_of(blocks) == LINES
    assert blocks[0].path == f"{log}.1.gz"
    reader.ack(blocks)
    reader.settle()
    assert reader.lines() == []
    reader.restart()
    assert reader.lines() == []


def test_a_gzip_of_unknown_content_that_is_still_written(reader: Reader, log: Path) -> None:
    """What is new is read when it is whole, or when nobody has written to it for a while."""
    append(log, text(LINES * 20))
    content = gzip.compress(log.read_bytes())
    log.unlink()
    for end in (5, 200, len(content) // 2):
        Path(f"{log}.1.gz").write_bytes(content[:end])
        assert reader.lines() == []
    Path(f"{log}.1.gz").write_bytes(content)
    reader.scan()
    assert reader.lines() == LINES * 20  # it has not changed since


def test_an_archive_from_before_the_first_start_is_left_alone(tmp_path: Path, log: Path) -> None:
    """Gzips that are older than what the input asks for are not read, now or later."""
    append(log, text(LINES))
    packed = compress(log, f"{log}.1.gz")
    changed = packed.stat().st_mtime_ns
    reader = Reader(tmp_path, compressed_since=changed)
    assert [reader.lines() for _ in range(3)] == [[], [], []]
    os.utime(packed, ns=(changed + 1, changed + 1))
    assert reader.lines() == LINES
    reader.close()


def test_a_gzip_that_ends_in_the_middle(
    reader: Reader, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a gzip that is cut off, what can be read is read, and it is said so once."""
    content = gzip.compress(os.urandom(100).hex().encode() + b"\n" + text(LINES * 20))
    Path(f"{log}.1.gz").write_bytes(content[: len(content) * 9 // 10])
    found = [line for _ in range(4) for line in reader.lines(SETTLE_SECONDS)]
    assert LINES[0] in found
    assert Counter(found)[LINES[1]] < 20
    told = [each.getMessage() for each in caplog.records if each.levelno == logging.WARNING]
    assert told == [f"{log}.1.gz: it ends in the middle; what is before that is read"]


def test_what_is_compressed_is_held(tmp_path: Path, log: Path) -> None:
    """A gzip that is deleted before it was delivered is read from its hold."""
    reader = Reader(tmp_path, held_bytes=1 << 20)
    append(log, text(LINES))
    packed = compress(log, f"{log}.1.gz")
    (first, *_rest) = reader.take()
    reader.ack([first])
    reader.restart()
    packed.unlink()
    again = reader.take()
    assert again[0].start == first.end
    assert lines_of([first, *again]) == LINES
    reader.close()
