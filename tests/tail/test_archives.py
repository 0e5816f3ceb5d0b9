"""Gzips are measured in steps: no other file waits for a large one, or for one still written."""

from __future__ import annotations

import gzip
import os
from typing import TYPE_CHECKING

import pytest

from shipper.registry.identity import identity
from shipper.tail import archives, content
from shipper.tail.archives import Archives
from shipper.tail.content import CHUNK, Gunzipped, open_content
from shipper.tail.discovery import FoundFile
from tests.tail.tailing import Reader, append

if TYPE_CHECKING:
    from pathlib import Path

STEP = 4 * CHUNK


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "SCAN_BYTES", STEP)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collect the bytes that each call of `measure` takes."""
    found: list[int] = []
    measure = Gunzipped.measure

    def counted(gunzipped: Gunzipped, most: int) -> int:
        found.append(measure(gunzipped, most))
        return found[-1]

    monkeypatch.setattr(Gunzipped, "measure", counted)
    return found


def found(path: Path) -> FoundFile:
    return FoundFile(str(path), path.stat(), rotated=True, compressed=True)


def test_a_large_gzip_is_measured_in_steps(tmp_path: Path, taken: list[int]) -> None:
    """Each scan takes some of it, others are read meanwhile, and then it is read whole."""
    lines = b"one of many lines\n" * 100_000
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(lines))
    reader = Reader(tmp_path, block_bytes=1 << 20, max_line_bytes=100)
    text = b""
    for number in range(60):
        append(tmp_path / "other.log", b"%d\n" % number)
        before = len(taken)
        blocks = reader.take()
        assert sum(taken[before:]) < STEP + 2 * CHUNK
        assert b"%d\n" % number in [block.data for block in blocks]
        text += b"".join(block.data for block in blocks if block.path.endswith(".gz"))
        if not reader.tailer.scanner.is_measuring():
            break
    assert number > 3
    assert text == lines
    reader.close()


def test_a_gzip_is_measured_once(tmp_path: Path, taken: list[int]) -> None:
    """Whoever opens it later knows its size and its fault, as long as it is not written to."""
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"text\n" * 1000)[:-1])
    known, file = Archives(), found(path)
    key = identity(file.stat)
    for _ in range(3):
        known.begin_scan()
        assert known.text_of(file, key) == (5000, content.ENDS_EARLY)
        known.end_scan({str(path)})
    assert len(taken) == 1
    known.close()


def test_a_gzip_that_grows_is_left_alone(tmp_path: Path, taken: list[int]) -> None:
    """It is measured when it is met, and not again before it has not changed for a scan."""
    path, whole = tmp_path / "a.gz", gzip.compress(os.urandom(50_000))
    known = Archives()
    for end in range(1000, len(whole), 1000):
        path.write_bytes(whole[:end])
        known.begin_scan()
        known.text_of(found(path), identity(path.stat()))
    assert len(taken) == 1

    path.write_bytes(whole)
    file = found(path)
    assert known.text_of(file, identity(file.stat)) is None
    known.begin_scan()
    assert known.text_of(file, identity(file.stat)) == (50_000, None)
    known.close()


def test_a_gzip_that_stands_for_too_much_is_read_to_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a small file can grow to is bounded, and the file says so."""
    monkeypatch.setattr(content, "MOST_TEXT", 100_000)
    monkeypatch.setattr(content, "MOST_RATIO", 10)
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(bytes(10 << 20)))

    bomb = open_content(str(path), identity(path.stat()), compressed=True)

    assert bomb is not None
    limit = max(100_000, 10 * path.stat().st_size)
    assert bomb.size(bomb.stat()) == limit
    assert bomb.fault == f"it decompresses to more than {limit} bytes"
    assert len(bomb.read_at(1 << 20, limit - 10)) == 10
    bomb.close()


@pytest.mark.parametrize("data", [b"", gzip.compress(b"", mtime=0)])
def test_a_sparse_gzip_costs_nothing(tmp_path: Path, taken: list[int], data: bytes) -> None:
    """The padding behind the members may be a hole of 2 TiB."""
    path = tmp_path / "a.gz"
    path.write_bytes(data)
    os.truncate(path, 2 << 40)
    file = found(path)

    assert Archives().text_of(file, identity(file.stat)) is not None
    assert sum(taken) < 1 << 20


def test_a_gzip_is_read_on_where_it_was_left_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a restart what was acked is passed over in steps, and nothing is read twice."""
    monkeypatch.setattr(content, "APPROACH_BYTES", 2 * CHUNK)
    lines = b"one of many lines\n" * 100_000
    (tmp_path / "app.log.1.gz").write_bytes(gzip.compress(lines))
    reader = Reader(tmp_path, block_bytes=1 << 20, max_line_bytes=100)
    while not (blocks := list(reader.tailer.read(now=reader.now, wall=reader.wall))):
        reader.scan()
    reader.ack(blocks)
    reader.restart()
    rest = b""
    for _ in range(60):
        rest += b"".join(block.data for block in reader.take())
    assert blocks[0].data + rest == lines
    reader.close()
