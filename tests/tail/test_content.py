"""The text of a gzip, read by its offsets like any file."""

from __future__ import annotations

import gzip
import os
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.registry.identity import identity
from shipper.tail import content as content_module
from shipper.tail.content import CHUNK, KEEP, Gunzipped, open_content


def opened(path: Path, packed: bytes) -> Gunzipped:
    path.write_bytes(packed)
    content = open_content(str(path), identity(path.stat()), compressed=True)
    assert isinstance(content, Gunzipped)
    return content


def text_of(size: int, seed: int = 7) -> bytes:
    """Make text that compresses to about half."""
    return random.Random(seed).randbytes(size // 2).hex().encode()


@pytest.mark.parametrize("size", [0, 2, 1000, CHUNK, 5 * CHUNK + 2])
def test_read_in_order(tmp_path: Path, size: int) -> None:
    """Blocks that overlap by half a line, as a harvester reads them, give the text."""
    text = text_of(size)
    content = opened(tmp_path / "a.gz", gzip.compress(text))
    assert content.size(content.stat()) == len(text)
    found = b""
    while data := content.read_at(4096, len(found)):
        found += data[: max(len(data) - 100, 1)]
    assert found == text
    assert content.fault is None
    content.close()


def test_reading_on_does_not_begin_anew(tmp_path: Path) -> None:
    """A read that lies a little before the last one costs nothing: the buffer has it."""
    content = opened(tmp_path / "a.gz", gzip.compress(text_of(8 * CHUNK)))
    content.read_at(4096, 4 * CHUNK)
    at = content._at
    for back in (KEEP, 1):
        content.read_at(100, 4 * CHUNK - back)
    assert content._at == at
    assert len(content._buffer) < 2 * CHUNK
    content.close()


@settings(max_examples=50)
@given(
    sizes=st.lists(st.integers(0, 3 * CHUNK), min_size=1, max_size=4),
    reads=st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 600_000)), max_size=12),
    padding=st.integers(0, 600),
)
def test_any_read_of_any_members(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    reads: list[tuple[int, int]],
    padding: int,
) -> None:
    """Whatever is read in whatever order, it is what the members' texts are behind one another."""
    texts = [text_of(size, seed) for seed, size in enumerate(sizes)]
    packed = b"".join(gzip.compress(text) for text in texts) + bytes(padding)
    content = opened(tmp_path_factory.mktemp("g") / "a.gz", packed)
    text = b"".join(texts)
    for length, offset in reads:
        assert content.read_at(length, offset) == text[offset : offset + length]
    assert content.size(content.stat()) == len(text)
    assert content.fault is None
    content.close()


@pytest.mark.parametrize("part", [0.01, 0.5, 0.999])
def test_cut_off(tmp_path: Path, part: float) -> None:
    """All that can be decompressed of the beginning is there, and the fault is told."""
    text = text_of(5 * CHUNK)
    packed = gzip.compress(text)
    content = opened(tmp_path / "a.gz", packed[: int(len(packed) * part)])
    size = content.size(content.stat())
    assert size >= len(text) * part - CHUNK
    assert content.read_at(len(text), 0) == text[:size]
    assert content.fault == "it ends in the middle"
    content.close()


@pytest.mark.parametrize("at", [0.3, 0.9])
def test_damaged(tmp_path: Path, at: float) -> None:
    """What is before the damage is there to its last byte, and the fault is told."""
    text = os.urandom(3 * CHUNK)  # as it is: so the place of the damage is known
    packed = bytearray(gzip.compress(text, 0))
    damaged = int(len(packed) * at)
    packed[damaged : damaged + CHUNK] = bytes(CHUNK)
    content = opened(tmp_path / "a.gz", bytes(packed))
    size = content.size(content.stat())
    assert content.fault is not None
    whole = min(size, damaged - 100)
    assert whole == damaged - 100
    assert content.read_at(whole, 0) == text[:whole]
    content.close()


def test_the_last_byte_before_the_damage(tmp_path: Path) -> None:
    """Nothing before the damage is given up, although much is decompressed in one go."""
    text = os.urandom(3 * CHUNK)
    packed = bytearray(gzip.compress(text, 0))
    length = int.from_bytes(packed[11:13], "little")  # of the first stored block
    packed[10 + 5 + length] = 0x07  # the next block is of a kind that there is not
    content = opened(tmp_path / "a.gz", bytes(packed))
    assert content.size(content.stat()) == length
    assert content.read_at(length, 0) == text[:length]
    content.close()


def test_no_gzip_at_all(tmp_path: Path) -> None:
    """A file that only has the name is a damaged gzip, and costs nothing."""
    content = opened(tmp_path / "a.gz", b"plain text\n" * 1000)
    assert content.size(content.stat()) == 0
    assert "damaged" in str(content.fault)
    content.close()


def test_a_place_far_behind_is_approached_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each call decompresses some of what lies before it, and then the read costs nothing."""
    monkeypatch.setattr(content_module, "APPROACH_BYTES", 3 * CHUNK)
    text = text_of(20 * CHUNK)
    content = opened(tmp_path / "a.gz", gzip.compress(text))
    content.size(content.stat())
    offset, calls = 15 * CHUNK + 7, 0
    while not content.approach(offset):
        calls += 1
    assert 3 < calls < 8
    at = content._at
    assert content.read_at(100, offset) == text[offset : offset + 100]
    assert content._at - at <= 2 * CHUNK
    assert content.approach(5)
    assert content.read_at(CHUNK, 5) == text[5 : CHUNK + 5]
    content.close()
