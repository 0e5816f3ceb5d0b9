"""Standard input: whole lines, in any pieces, to its end."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

import pytest

from shipper.fingerprint import HEAD
from shipper.intake.spool import Spool
from shipper.intake.stdin import LineCutter, StdinIntake
from shipper.intake.stopping import StopRequest


def spooled(folder: Path) -> bytes:
    return b"".join(path.read_bytes()[HEAD:] for path in sorted(folder.glob("*.log")))


def _write_and_close(fd: int, data: bytes) -> None:
    os.write(fd, data)
    os.close(fd)


def read_all(folder: Path, data: bytes, limit: int = 1 << 20) -> StdinIntake:
    """Read a pipe that holds these bytes and has ended."""
    came, goes = os.pipe()
    writer = threading.Thread(target=_write_and_close, args=(goes, data))
    writer.start()
    intake = StdinIntake(Spool(folder, 1 << 20), limit, came)
    intake.run(StopRequest())
    writer.join(20)
    os.close(came)
    return intake


def test_all_lines_are_spooled_as_they_are(tmp_path: Path) -> None:
    """Bytes are not looked at; a last line without newline gets one."""
    intake = read_all(tmp_path, b"one\n\xff\0two\r\n\nthree")

    assert intake.has_ended
    assert spooled(tmp_path) == b"one\n\xff\0two\r\n\nthree\n"


@pytest.mark.parametrize("seed", range(20))
def test_pieces_do_not_matter(seed: int) -> None:
    """However a stream is cut into pieces, its lines are the same; too long ones are cut."""
    rng = random.Random(seed)
    lines = [b"x" * rng.choice([0, 1, 5, 11, 40]) for _ in range(50)]
    data = b"\n".join(lines) + b"\n"
    cutter, found, at = LineCutter(10), b"", 0
    while at < len(data):
        size = rng.randint(1, 30)
        found += cutter.feed(data[at : at + size])
        at += size
    found += cutter.end()

    assert [line[:11] for line in found.split(b"\n")] == [line[:11] for line in lines] + [b""]


def test_a_line_without_end_takes_bounded_memory() -> None:
    """What is kept of it is so much that it is seen to be too long; it is counted once."""
    cutter = LineCutter(100)
    for _ in range(1000):
        assert cutter.feed(b"x" * 1000) == b""

    assert cutter.feed(b"\nnext\n") == b"x" * 101 + b"\nnext\n"
    assert cutter.cut == 1


def test_a_stop_ends_it_and_spools_what_was_read(tmp_path: Path) -> None:
    """A writer that holds the pipe open and says nothing does not keep it from stopping."""
    came, goes = os.pipe()
    os.write(goes, b"whole\nhalf")
    spool, stop = Spool(tmp_path, 1 << 20), StopRequest()
    intake = StdinIntake(spool, 100, came)
    thread = threading.Thread(target=intake.run, args=(stop,))
    thread.start()
    while not spool.paths():
        assert thread.is_alive()

    stop.set()
    thread.join(20)

    assert not thread.is_alive()
    assert not intake.has_ended
    assert spooled(tmp_path) == b"whole\nhalf\n"
    os.close(goes)
    os.close(came)


def test_a_full_spool_leaves_the_rest_in_the_pipe(tmp_path: Path) -> None:
    """The writer waits, nothing is dropped; it goes on when something is delivered."""
    came, goes = os.pipe()
    spool, stop = Spool(tmp_path, 4096, file_bytes=1), StopRequest()
    thread = threading.Thread(target=StdinIntake(spool, 100, came).run, args=(stop,))
    thread.start()
    for number in range(20):
        os.write(goes, b"%d\n" % number)
    os.close(goes)
    while thread.is_alive():
        spool.prune({path: os.path.getsize(path) for path in spool.paths()[:-1]})
        thread.join(0.01)

    assert spool.counters.messages == 20
