"""Reading again on demand: all of what was acked, and nothing is mistaken for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.tail.tailing import Reader

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.events import Block


def blocks_of(reader: Reader) -> list[Block]:
    reader.scan()
    found = []
    while blocks := [*reader.tailer.read(now=reader.now, wall=reader.wall)]:
        found += blocks
    return found


def test_a_file_is_read_again_on_demand(tmp_path: Path) -> None:
    """What was acked is read again in blocks of its own, then the file goes on as before."""
    path = tmp_path / "a.log"
    path.write_bytes(b"".join(b"line %02d\n" % number for number in range(20)))
    reader = Reader(tmp_path)
    assert b"".join(block.data for block in blocks_of(reader)) == path.read_bytes()
    reader.tailer.ack(1, 120)

    assert reader.tailer.reread(1, 8) == 112
    reader.restart()
    blocks = blocks_of(reader)

    assert b"".join(block.data for block in blocks) == path.read_bytes()[8:]
    assert [block.end for block in blocks if block.again][-1] == 120
    assert next(block.start for block in blocks if not block.again) == 120


def test_a_file_that_was_done_with_is_read_again(tmp_path: Path) -> None:
    """A rotated file that was read, acked and closed is opened once more."""
    path = tmp_path / "a.log.1"
    path.write_bytes(b"one\ntwo\n")
    reader = Reader(tmp_path)
    blocks_of(reader)
    reader.tailer.ack(1, 8)
    reader.scan(after=60)
    assert blocks_of(reader) == []

    reader.tailer.reread(1)

    assert [block.data for block in blocks_of(reader)] == [b"one\n", b"two\n"]


def test_a_line_that_was_ended_later_is_read_again_as_it_was(tmp_path: Path) -> None:
    """Where what was acked ends within a line, reading again comes by that place."""
    path = tmp_path / "a.log"
    path.write_bytes(b"one\ntw")
    reader = Reader(tmp_path)
    blocks_of(reader)
    reader.tailer.ack(1, 6)  # as a rotated file's last line is given as it is
    with path.open("ab") as file:
        file.write(b"o\nthree\n")

    reader.tailer.reread(1)

    assert [block.data for block in blocks_of(reader)] == [b"one\n", b"tw", b"o\n", b"three\n"]
