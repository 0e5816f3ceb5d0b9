"""The reader of one file: whole lines, half ones, too long ones, truncations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.enrich.enricher import Enricher, RecordContext
from shipper.events import Block
from shipper.fingerprint import HEAD, Fingerprint
from shipper.registry.identity import FileIdentity, identity
from shipper.registry.records import FileRecord
from shipper.tail import harvester
from shipper.tail.content import Content, Plain, open_content
from shipper.tail.harvester import SETTLE_SECONDS, Cutting, Harvester
from shipper.tail.streams import StreamOwner, root_of
from tests.tail.tailing import HOST, WALL, append


def named(record: FileRecord, head: bytes) -> str:
    return root_of(StreamOwner("id", HOST, 0), record, head)


LIMIT = 32
BLOCK = 64
STREAM = "0123456789abcdef0123"  # one for a whole file, as earlier versions had them


def content_of(path: Path) -> Content:
    content = open_content(str(path), identity(path.stat()), compressed=False)
    assert content is not None
    return content


class Reading:
    """A harvester of one file, read as the tailer does, with a clock set by hand."""

    def __init__(self, path: Path, content: bytes = b"", block_bytes: int = BLOCK) -> None:
        path.write_bytes(content)
        self.now = 0.0
        self._block_bytes = block_bytes
        record = FileRecord(1, identity(path.stat()), Fingerprint(), str(path), STREAM, 0, 0, WALL)
        opened = content_of(path)
        self.harvester = Harvester(
            record, opened, cutting=Cutting(LIMIT), name_stream=named, now=0.0
        )

    def read(self) -> Block | None:
        self.harvester.has_grown(self.now)
        assert self.harvester.is_same()
        block = self.harvester.read(self._block_bytes, now=self.now, read_at=WALL)
        if block is None and self.harvester.wants_save():
            self.harvester.split_saved = self.harvester.record.split
            return self.read()
        return block

    def blocks(self) -> list[Block]:
        return list(iter(self.read, None))

    def text(self) -> list[tuple[bytes, bool]]:
        return [(block.data, block.cut) for block in self.blocks()]


@pytest.fixture
def reading(tmp_path: Path) -> Iterator[Reading]:
    reading = Reading(tmp_path / "app.log")
    yield reading
    reading.harvester.close()


def put(reading: Reading, data: bytes) -> None:
    append(Path(reading.harvester.path), data)


def test_blocks_are_whole_lines(reading: Reading) -> None:
    """A block ends with a line, and the next one goes on where it ended."""
    lines = [b"line %02d 0123456789\n" % i for i in range(20)]
    put(reading, b"".join(lines))
    blocks = reading.blocks()
    assert b"".join(block.data for block in blocks) == b"".join(lines)
    assert all(block.data.endswith(b"\n") and len(block.data) <= BLOCK for block in blocks)
    assert [block.start for block in blocks[1:]] == [block.end for block in blocks[:-1]]
    assert blocks[-1].end == reading.harvester.position == 20 * len(lines[0])
    assert {(b.file, b.stream, b.limit, b.read_at, b.cut) for b in blocks} == {
        (1, reading.harvester.record.stream, LIMIT, WALL, False)
    }


def test_an_empty_file(reading: Reading) -> None:
    """An empty file has no block, no stream and any head."""
    reading.harvester.record.stream = ""
    assert reading.read() is None
    assert reading.harvester.record.stream == ""
    assert reading.harvester.is_read()


def test_a_half_line_waits(reading: Reading) -> None:
    """A line without its end is not given before it has one, however long that takes."""
    put(reading, b"whole\nha")
    assert reading.text() == [(b"whole\n", False)]
    reading.now = 1e6
    assert reading.read() is None
    put(reading, b"lf\n")
    assert reading.text() == [(b"half\n", False)]


def test_the_half_line_of_a_rotated_file(reading: Reading) -> None:
    """When the file was rotated away and is quiet, its half line is given as it is."""
    put(reading, b"whole\nhalf")
    assert reading.text() == [(b"whole\n", False)]
    reading.harvester.set_rotated(reading.now, rotated=True)
    reading.now = SETTLE_SECONDS - 0.1
    assert reading.read() is None
    reading.now = SETTLE_SECONDS
    assert reading.text() == [(b"half", False)]
    assert reading.harvester.position == 10


def test_a_writer_that_goes_on_after_the_rotation(reading: Reading) -> None:
    """A rotated file that still grows is not quiet, though no line gets whole."""
    put(reading, b"whole\n")
    reading.blocks()
    reading.now = 100.0
    reading.harvester.set_rotated(reading.now, rotated=True)
    for _ in range(5):
        put(reading, b"x")
        assert reading.read() is None
        reading.now += SETTLE_SECONDS - 1
    put(reading, b"\n")
    assert reading.text() == [(b"xxxxx\n", False)]


def test_a_file_that_was_quiet_before_its_rotation(reading: Reading) -> None:
    """The pause begins with the rotation: a writer may be in the middle of a line just then."""
    put(reading, b"half")
    reading.read()
    reading.now = 100.0
    reading.harvester.set_rotated(reading.now, rotated=True)
    assert reading.read() is None
    assert not reading.harvester.is_settled(reading.now)
    reading.harvester.set_rotated(reading.now + 3, rotated=True)
    assert reading.harvester.is_settled(reading.now + SETTLE_SECONDS)


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, BLOCK - 1, BLOCK, BLOCK + 1, 1000])
def test_lines_about_the_limits(reading: Reading, size: int) -> None:
    """A line is cut if, and only if, it is too long; its neighbours have their offsets."""
    long = bytes(65 + i % 26 for i in range(size))
    put(reading, b"before\n" + long + b"\nafter\n")
    enricher = Enricher(RecordContext(*"abcde"))
    events = [enricher.enrich(block) for block in reading.blocks()]
    documents = [doc for each in events for doc in each.docs]
    assert len(documents) == 3
    assert (b'"truncated"' in documents[1]) is (size > LIMIT)
    assert b'"%s"' % long[:LIMIT] in documents[1]
    assert [int(id_.rpartition("-")[2]) for each in events for id_ in each.ids] == [0, 7, 8 + size]


def test_a_long_line_keeps_little_in_memory(reading: Reading) -> None:
    """Of a line of any length at most the limit is kept, and it is one block."""
    put(reading, b"x" * 3_000_000 + b"\nafter\n")
    first, second = reading.blocks()
    assert (first.data, first.cut) == (b"x" * LIMIT, True)
    assert (first.start, first.end) == (0, 3_000_001)
    assert second.data == b"after\n"


def test_a_long_line_that_grows(reading: Reading) -> None:
    """A long line that is being written waits for its end, which is looked for once."""
    for _ in range(3):
        put(reading, b"x" * BLOCK)
        assert reading.read() is None
    put(reading, b"y\nafter\n")
    assert reading.text() == [(b"x" * LIMIT, True), (b"after\n", False)]


def test_a_long_line_at_the_end_of_a_rotated_file(reading: Reading) -> None:
    """A long line that nobody will end is given when the file is quiet."""
    put(reading, b"x" * 3 * BLOCK)
    assert reading.read() is None
    reading.harvester.set_rotated(reading.now, rotated=True)
    assert reading.read() is None
    reading.now += SETTLE_SECONDS
    block = reading.read()
    assert block
    assert (block.data, block.cut, block.end) == (b"x" * LIMIT, True, 3 * BLOCK)


def test_a_long_line_that_is_within_the_limit(tmp_path: Path) -> None:
    """A block smaller than the longest line allowed cuts nothing."""
    reading = Reading(tmp_path / "a", b"x" * LIMIT + b"\n" + b"y\n", block_bytes=8)
    assert reading.text() == [(b"x" * LIMIT + b"\n", False), (b"y\n", False)]
    reading.harvester.close()


@settings(max_examples=200)
@given(
    content=st.lists(st.sampled_from([b"a", b"bc" * 20, b"\n", b"x" * 70, b"\r\n", b""])),
    cuts=st.lists(st.integers(0, 600), max_size=5),
)
def test_however_it_is_written(
    content: list[bytes], cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Written in any portions, a file gives the same lines, each once, and all of its bytes."""
    data = b"".join(content)
    reading = Reading(tmp_path_factory.mktemp("a") / "app.log")
    blocks: list[Block] = []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        put(reading, data[start:end])
        blocks += reading.blocks()
    reading.harvester.set_rotated(0, rotated=True)
    reading.now = SETTLE_SECONDS
    blocks += reading.blocks()
    reading.harvester.close()
    assert [block.start for block in blocks] == [0, *(block.end for block in blocks)][:-1]
    assert sum(block.end - block.start for block in blocks) == len(data)
    for block in blocks:
        whole = data[block.start : block.end]
        assert block.data == (whole[:LIMIT] if block.cut else whole)
        assert whole.endswith(b"\n") or block.end == len(data)
        if block.cut:
            assert len(whole.rstrip(b"\n")) > LIMIT
            assert whole.count(b"\n") <= 1


def test_a_truncated_file(reading: Reading) -> None:
    """A file that is shorter than what was read is another one."""
    put(reading, b"one\ntwo\n")
    reading.blocks()
    os.truncate(reading.harvester.path, 4)
    assert reading.harvester.has_grown(reading.now)
    assert not reading.harvester.is_same()


@pytest.mark.parametrize("size", [10, 11, 1000])
def test_a_file_that_was_truncated_and_grew_again(reading: Reading, size: int) -> None:
    """A file with another head is another one, also if it has as many bytes as before, or more."""
    put(reading, b"old lines\n")
    reading.blocks()
    Path(reading.harvester.path).write_bytes(b"n" * size)
    os.utime(reading.harvester.path, (1, 1))
    assert reading.harvester.has_grown(reading.now)
    assert not reading.harvester.is_same()


@pytest.mark.parametrize("when", [0, 1, 2], ids=["at once", "before the bytes", "behind them"])
def test_truncated_and_written_again_while_it_is_read(
    reading: Reading, monkeypatch: pytest.MonkeyPatch, when: int
) -> None:
    """No byte of the new content is taken for what follows the old one."""
    put(reading, b"old 1\n")
    reading.blocks()
    put(reading, b"old 2\n")
    path, content = Path(reading.harvester.path), reading.harvester.content
    reading.harvester.has_grown(reading.now)
    assert reading.harvester.is_same()
    calls = iter(range(100))

    class Racing(Plain):
        def read_at(self, length: int, offset: int) -> bytes:
            if next(calls) == when:
                path.write_bytes(b"new content\nof another kind\n")
            return super().read_at(length, offset)

    monkeypatch.setattr(content, "__class__", Racing)
    block = reading.harvester.read(BLOCK, now=0.0, read_at=WALL)
    assert block is None or block.data == b"old 2\n"
    monkeypatch.setattr(content, "__class__", Plain)
    assert not reading.harvester.is_same()


def test_the_head_grows_until_it_is_whole(reading: Reading) -> None:
    """The fingerprint covers what was read, up to its full size."""
    put(reading, b"1234567\n")
    reading.blocks()
    assert reading.harvester.record.head.length == 8
    put(reading, b"x\n" * HEAD)
    reading.blocks()
    assert reading.harvester.record.head.length == HEAD


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """A file that is not there, or is none, is the caller's to wait for."""
    with pytest.raises(FileNotFoundError):
        open_content(str(tmp_path / "no"), FileIdentity(1, 1), compressed=False)


def test_close_gives_the_last_state(reading: Reading) -> None:
    """What a file's stat said at its close tells later whether it has changed."""
    put(reading, b"abc\n")
    opened = content_of(Path(reading.harvester.path))
    record = reading.harvester.record
    other = Harvester(record, opened, cutting=Cutting(1), name_stream=named, now=0)
    assert other.close().st_size == 4


def test_the_end_of_a_long_line_is_looked_for_in_steps(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One call looks at some bytes of a line only, says that it goes on, and cuts it as ever."""
    monkeypatch.setattr(harvester, "STEP", 100)
    monkeypatch.setattr(harvester, "SEARCH_BYTES", 300)
    put(reading, b"x" * 1000 + b"\nnext\n")
    calls = 0
    while (block := reading.read()) is None:
        assert reading.harvester.is_searching
        calls += 1
    assert calls == 3
    assert not reading.harvester.is_searching
    assert (block.data, block.cut, block.end) == (b"x" * LIMIT, True, 1001)
    assert reading.text() == [(b"next\n", False)]


def test_a_hole_is_not_read(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of 2 TiB that nobody wrote to costs a call no more than the block it begins with."""
    size = 2 << 40
    path = Path(reading.harvester.path)
    os.truncate(path, size)
    taken: list[int] = []
    read_at = Plain.read_at

    def counted(content: Plain, length: int, offset: int) -> bytes:
        data = read_at(content, length, offset)
        taken.append(len(data))
        return data

    monkeypatch.setattr(Plain, "read_at", counted)
    reading._block_bytes = 8192
    assert reading.read() is None
    assert not reading.harvester.is_searching
    assert sum(taken) < 100_000
    reading.now += SETTLE_SECONDS
    assert reading.harvester.lag(reading.now).waits  # it holds no watermark back

    with path.open("r+b") as file:
        file.seek(size)
        file.write(b"behind\n")
    assert [(block.data, block.start) for block in reading.blocks()] == [
        (b"", 0),
        (b"behind\n", size),
    ]


def test_a_hole_that_is_filled_is_read(reading: Reading) -> None:
    """NUL bytes at the end of a file may be reserved room: what is written there is read."""
    reading._block_bytes = 8192
    before = b"one\n" * HEAD
    put(reading, before + bytes(20_000))
    assert reading.text() == [(before, False)]
    with Path(reading.harvester.path).open("r+b") as file:
        file.seek(len(before))
        file.write(b"two\n")
    assert reading.text() == [(b"two\n", False)]


def test_nuls_at_the_end_of_a_rotated_file(reading: Reading) -> None:
    """Nobody fills the room that was left in a file which was rotated away: it is passed over."""
    reading._block_bytes = 8192
    put(reading, b"one\n" + bytes(20_000))
    reading.blocks()
    reading.harvester.set_rotated(reading.now, rotated=True)
    reading.now += SETTLE_SECONDS
    assert [(block.data, block.end) for block in reading.blocks()] == [(b"", 20_004)]
    assert reading.harvester.position == reading.harvester.size


def test_a_block_has_so_many_lines(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """Very short lines come in more blocks: each line becomes a document of its own."""
    monkeypatch.setattr(harvester, "BLOCK_LINES", 3)
    put(reading, b"\n".join([*[b"1", b"2", b"3", b"4", b"5", b"6", b"7"], b"half"]))
    assert reading.text() == [(b"1\n2\n3\n", False), (b"4\n5\n6\n", False), (b"7\n", False)]
