"""
Rotation as it is done out there, each way with a test: every line once, also across a restart.

Of logrotate only the file operations are needed, in its order; what it copies and compresses is in
test_copies.py.
"""

from __future__ import annotations

import gzip
import logging
import logging.handlers
import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.tail.tailing import Reader, append, lines_of

PLENTY = 1 << 30


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, block_bytes=4096, max_line_bytes=1024, held_bytes=PLENTY)
    yield reader
    reader.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


@pytest.fixture
def memory_folder() -> Iterator[Path]:
    """Return a folder on tmpfs."""
    folder = Path("/dev/shm") / f"shipper-rotations-{os.getpid()}"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


def emit(handler: logging.Handler, text: str) -> bytes:
    handler.emit(logging.LogRecord("app", logging.INFO, "", 0, text, None, None))
    return text.encode()


class Irregular:
    """A shipper that looks, crashes, stands still for a while, and starts again, at random."""

    def __init__(self, reader: Reader, seed: int) -> None:
        self._rng = random.Random(seed)
        self._reader = reader
        self._down = 0
        self.found: list[bytes] = []

    def __call__(self) -> None:
        if self._down:
            self._down -= 1
            if not self._down:
                self._reader.crash()
        elif self._rng.random() < 0.4:
            blocks = self._reader.take(0.3)
            acked = blocks[: self._rng.randrange(len(blocks) + 1)]
            crashes = self._rng.random() < 0.3
            acked = acked if crashes else blocks  # what is not acked at a crash is read again
            self._reader.ack(acked)
            self._reader.save()
            self.found += lines_of(acked)
            if crashes:
                self._down = self._rng.randrange(1, 6)
                self._reader.tailer.close()

    def end(self) -> list[bytes]:
        if self._down:
            self._reader.crash()
        for _ in range(4):
            blocks = self._reader.take(5.0)
            self._reader.ack(blocks)
            self.found += lines_of(blocks)
        return self.found


@pytest.mark.parametrize("seed", range(5))
def test_rotating_file_handler(reader: Reader, log: Path, seed: int) -> None:
    """The handler of the standard library renames a chain, while the shipper comes and goes."""
    handler = logging.handlers.RotatingFileHandler(log, maxBytes=400, backupCount=30)
    shipper = Irregular(reader, seed)
    expected = []
    for number in range(300):
        expected.append(emit(handler, f"record {number:04d} of a rotating file"))
        shipper()
    handler.close()
    assert Counter(shipper.end()) == Counter(expected)


def test_rotating_file_handler_deletes_while_down(reader: Reader, log: Path) -> None:
    """What was seen once is read, although the chain moved on and over its end while down."""
    handler = logging.handlers.RotatingFileHandler(log, maxBytes=200, backupCount=1)
    first = [emit(handler, f"first {number}") for number in range(3)]
    reader.scan()
    reader.save()
    reader.tailer.close()
    later = [emit(handler, f"later {number:03d} {'x' * 30}") for number in range(30)]
    handler.close()
    reader.crash()
    found = reader.lines()
    assert set(first) < set(found)
    assert set(later[-5:]) < set(found)
    assert max(Counter(found).values()) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_timed_rotating_file_handler(
    reader: Reader, log: Path, *, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler that rotates by time; its rotator may compress, as its documentation shows."""
    clock = 1_770_301_800.0
    monkeypatch.setattr(logging.handlers.time, "time", lambda: clock)  # type: ignore[attr-defined]
    handler = logging.handlers.TimedRotatingFileHandler(log, when="S", backupCount=50, utc=True)
    if packed:
        handler.namer = lambda name: f"{name}.gz"

        def rotator(source: str, target: str) -> None:
            Path(target).write_bytes(gzip.compress(Path(source).read_bytes()))
            Path(source).unlink()

        handler.rotator = rotator
    expected, found = [], []
    for second in range(20):
        clock += 1.0
        expected += [emit(handler, f"{second} {number} {'x' * 90}") for number in range(30)]
        if second % 3 == 0:
            found += reader.lines()
        if second == 10:
            reader.restart()
    handler.close()
    found += reader.lines()
    found += reader.lines(after=10.0)
    assert Counter(found) == Counter(expected)


def test_logrotate_create(reader: Reader, log: Path) -> None:
    """The default of logrotate: rename, create an empty file, let the application open it later."""
    expected = []
    with log.open("ab", buffering=0) as writer:
        writer.write(b"one\n")
        expected += reader.lines()
        log.rename(f"{log}.1")
        log.touch(mode=0o640)
        writer.write(b"two\n")  # the application was not told yet
        expected += reader.lines()
    append(log, b"three\n")
    expected += reader.lines()
    assert expected == [b"one", b"two", b"three"]


def test_delete_and_create(reader: Reader, log: Path) -> None:
    """A log that is removed and made anew, between two looks, is two files, both read."""
    for number in range(6):
        append(log, b"%d\n" % number)
        reader.scan()
        log.unlink()
    append(log, b"6\n")
    assert sorted(reader.lines()) == [b"%d" % number for number in range(7)]


def reuse(path: Path, inode: int, make: Callable[[Path], None]) -> bool:
    """Make files until one has this inode, and give it the name; return whether that succeeded."""
    made = []
    for number in range(4000):
        candidate = path.with_name(f"candidate-{number}")
        make(candidate)
        made.append(candidate)
        if candidate.stat().st_ino == inode:
            candidate.rename(path)
            break
    for candidate in made:
        candidate.unlink(missing_ok=True)
    return path.exists()


@pytest.mark.parametrize("place", ["memory_folder", "tmp_path"])
def test_a_reused_inode(request: pytest.FixtureRequest, place: str) -> None:
    """Another file that really got the inode of a deleted one is read from its beginning."""
    folder: Path = request.getfixturevalue(place)
    log = folder / "app.log"
    reader = Reader(folder)
    append(log, b"old line 1\nold line 2\n")
    assert reader.lines() == [b"old line 1", b"old line 2"]
    inode = log.stat().st_ino
    reader.restart()
    reader.tailer.close()  # else the descriptor keeps the inode
    log.unlink()
    if not reuse(log, inode, lambda path: append(path, b"new line 1\nnew line 2\nnew\n")):
        # tmpfs and some others count on: then only the model of a registry can show it
        registry = reader.saved()
        append(log, b"new line 1\nnew line 2\nnew\n")
        stat = log.stat()
        registry[0].file = type(registry[0].file)(stat.st_dev, stat.st_ino)
        reader._registry._db.execute("UPDATE files SET inode = ?", (str(stat.st_ino),))
    reader.crash()
    assert log.stat().st_ino == reader._registry.files()[0].file.inode
    assert reader.lines() == [b"new line 1", b"new line 2", b"new"]
    reader.close()


HEADER = b"# a header that every log begins with, of more than a fingerprint\n" * 20


def test_equal_heads_after_a_truncation(reader: Reader, log: Path) -> None:
    """A file that was truncated and begins as before is told by the bytes before the position."""
    append(log, HEADER + b"old 1\nold 2\n")
    reader.lines()
    os.truncate(log, 0)
    append(log, HEADER + b"new 1\nnew 2\nnew 3\n")
    assert reader.lines()[-3:] == [b"new 1", b"new 2", b"new 3"]


def test_equal_heads_while_down(reader: Reader, log: Path) -> None:
    """The same at a start: the registry knows the bytes before the acked offset."""
    append(log, HEADER + b"old 1\nold 2\n")
    reader.lines()
    reader.restart()
    os.truncate(log, 0)
    append(log, HEADER + b"new 1\nnew 2\nnew 3\n")
    reader.crash()
    assert reader.lines()[-3:] == [b"new 1", b"new 2", b"new 3"]


def test_equal_heads_in_a_chain_while_down(reader: Reader, log: Path) -> None:
    """Files that begin alike are told by identity, and none is taken for a copy of another."""
    append(log, HEADER + b"one\n")
    assert reader.lines()[-1:] == [b"one"]
    reader.restart()
    for name in (b"two\n", b"three\n", b"four\n"):
        for number in (2, 1):
            if Path(f"{log}.{number}").exists():
                Path(f"{log}.{number}").rename(f"{log}.{number + 1}")
        log.rename(f"{log}.1")
        append(log, HEADER + name)
    reader.crash()
    found = [line for line in reader.lines() if not line.startswith(b"#")]
    assert sorted(found) == [b"four", b"three", b"two"]


def test_empty_rotated_files(reader: Reader, log: Path) -> None:
    """Logrotate rotates empty files too; they say nothing, and hold nothing up."""
    for number in range(3):
        log.touch()
        log.rename(f"{log}.{number + 1}")
    append(log, b"1\n")
    assert reader.lines() == [b"1"]
    append(Path(f"{log}.2"), b"late\n")
    assert reader.lines() == [b"late"]


def test_a_folder_that_is_replaced(tmp_path: Path) -> None:
    """A folder that is renamed and made anew: what was in it is read to its end, the new too."""
    logs = tmp_path / "logs"
    logs.mkdir()
    reader = Reader(tmp_path, "logs/*.log", held_bytes=PLENTY)
    append(logs / "app.log", b"1\n")
    assert reader.lines() == [b"1"]
    append(logs / "app.log", b"2\n")
    logs.rename(tmp_path / "old")
    logs.mkdir()
    append(logs / "app.log", b"3\n")
    assert sorted(reader.lines()) == [b"2", b"3"]
    reader.restart()
    shutil.rmtree(tmp_path / "old")
    append(logs / "app.log", b"4\n")
    assert reader.lines() == [b"4"]
    reader.close()


def test_two_rotations_within_one_read_of_a_block(reader: Reader, log: Path) -> None:
    """Files may be renamed while blocks of them are taken: each is read to its end, in order."""
    append(log, b"".join(b"line %04d\n" % number for number in range(1000)))
    reader.scan()
    found = []
    for rotation in range(2):
        found += lines_of(reader.tailer.read(now=reader.now, wall=reader.wall))
        log.rename(f"{log}.{2 - rotation}")
        append(log, b"file %d\n" % rotation)
    reader.scan()
    while blocks := list(reader.tailer.read(now=reader.now, wall=reader.wall)):
        found += lines_of(blocks)
    assert [line for line in found if line.startswith(b"line")] == [
        b"line %04d" % number for number in range(1000)
    ]
    assert sorted(line for line in found if line.startswith(b"file")) == [b"file 0", b"file 1"]
