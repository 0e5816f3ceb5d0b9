"""A file that is written anew with the same bytes counts again, unless its lines bear times."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from shipper.tail.dated import bears_time
from shipper.tail.rewrites import MOST_BYTES
from tests.tail.tailing import Reader, append, lines_of

SAME = b"backup finished, 0 errors\n"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, block_bytes=4096, max_line_bytes=1024)
    yield reader
    reader.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "cron.log"


def write_anew(path: Path, data: bytes) -> None:
    """Do as `job > file` a while later."""
    before = path.stat().st_mtime_ns
    path.write_bytes(data)
    os.utime(path, ns=(before + 10**9, before + 10**9))


def changes(reader: Reader) -> list[bytes]:
    """Look twice: the first look at a time of change may have come in the middle of an append."""
    return reader.lines() + reader.lines()


def test_written_anew_with_the_same_bytes(reader: Reader, log: Path) -> None:
    """Each night the job says the same, and each night it is stored, under an origin of its own."""
    append(log, SAME)
    blocks = reader.take()
    for _ in range(4):
        write_anew(log, SAME)
        blocks += reader.take() + reader.take()
    assert lines_of(blocks) == [SAME.rstrip()] * 5
    assert len({(block.stream, block.start) for block in blocks}) == 5


def test_written_anew_while_no_shipper_runs(reader: Reader, log: Path) -> None:
    """What was read is remembered with its time of change."""
    append(log, SAME)
    reader.lines()
    reader.restart()
    assert changes(reader) == []
    write_anew(log, SAME)
    reader.restart()
    assert changes(reader) == [SAME.rstrip()]


@pytest.mark.parametrize(
    "data",
    [b"2026-02-05 10:00:00 started\n", b"x" * MOST_BYTES + b"\n"],
    ids=["with a time", "large"],
)
def test_touched(tmp_path: Path, log: Path, data: bytes) -> None:
    """Another time of change alone does not send a log again."""
    reader = Reader(tmp_path, block_bytes=1 << 17, max_line_bytes=1 << 17)
    append(log, data)
    assert reader.lines() == [data.rstrip()]
    write_anew(log, data)
    assert changes(reader) == []
    append(log, b"and more\n")
    assert reader.lines() == [b"and more"]
    reader.close()


def test_an_append_that_is_seen_half_done(reader: Reader, log: Path) -> None:
    """The kernel sets the time of change before the size: that is no writing anew."""
    append(log, SAME)
    reader.lines()
    later = log.stat().st_mtime_ns + 10**9
    os.utime(log, ns=(later, later))
    assert reader.lines(0.01) == []
    append(log, b"and more\n")
    assert reader.lines(0.01) == [b"and more"]
    assert changes(reader) == []


@pytest.mark.parametrize("restart", [False, True])
def test_a_beginning_that_was_punched_out(reader: Reader, log: Path, *, restart: bool) -> None:
    """`fallocate -p` frees the space of old lines: the others are where they were."""
    lines = [b"2026-02-05 10:00:%02d up" % (number % 60) for number in range(400)]
    append(log, b"".join(line + b"\n" for line in lines))
    assert reader.lines() == lines
    if restart:
        reader.restart()
    with log.open("r+b") as file:
        file.write(bytes(4096))
    append(log, b"more\n")
    assert reader.lines() == [b"more"]
    reader.restart()
    assert reader.lines() == []


@pytest.mark.parametrize(
    "line",
    [
        b"2026-02-05T10:00:00Z up",
        b"2026/02/05 10:00:00 [error] 7#7",
        b'127.0.0.1 - - [05/Feb/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 1',
        b"Feb  5 10:00:00 web-1 sshd[1]: up",
        b"[Thu Feb 05 10:00:00 2026] up",
        b"I0205 10:00:00.123 main.go:1] up",
        b"10:00:00,123 INFO up",
        b"05.02.2026 10:00 up",
        b"20260205T100000 up",
        b'{"level":30,"time":1770285600123,"msg":"up"}',
        b"banner\n[10:00:00] up",
    ],
)
def test_a_line_with_a_time(line: bytes) -> None:
    """The forms that logs have."""
    assert bears_time(line)


@pytest.mark.parametrize(
    "line",
    [
        SAME,
        b"=== server starting ===",
        b"done in 00:00:12",
        b"line 7",
        b"id 123456789",
        b"1.1234567890",
    ],
)
def test_a_line_without_a_time(line: bytes) -> None:
    """A duration or a number is no time."""
    assert not bears_time(line)
