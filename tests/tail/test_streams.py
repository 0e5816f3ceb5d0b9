"""Names of streams: the same line again has the same, another line never."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.events import Block
from shipper.fingerprint import HEAD, Fingerprint
from shipper.registry import owner
from shipper.registry.identity import FileIdentity
from shipper.registry.records import FileRecord
from shipper.tail.streams import ALONE_LINES, StreamOwner, is_alone, root_of, stream_at
from tests.tail.tailing import WALL, Reader, append

DATED = b"2026-02-05 10:00:%02d line %d\n"
BANNER = b"=== server starting ===\n"
ME = StreamOwner("id", "web-1", 7)


def record_of(path: str = "/logs/app.log", inode: int = 7, generation: int = 0) -> FileRecord:
    return FileRecord(1, FileIdentity(1, inode), Fingerprint(), path, "", generation, 0, WALL)


@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 3))
def test_a_stream_is_named_by_what_lasts(line: bytes, rest: bytes, generation: int) -> None:
    """The name hangs on shipper, log and first line, not on inode, size or what rotation adds."""
    line = line.replace(b"\n", b"")
    record = record_of(generation=generation)
    name = root_of(ME, record, line + b"\n" + rest)
    assert name == root_of(ME, record, line + b"\n")
    assert name == root_of(ME, record_of("/logs/app.log.1", 8, generation), line + b"\n")
    assert name == root_of(ME, record_of("/logs/app.log.2.gz", 9, generation), line + b"\n")
    others = {
        root_of(ME._replace(owner="id2"), record, line),
        root_of(ME._replace(host="web-2"), record, line),
        root_of(ME, record_of("/logs/error.log", 7, generation), line),
        root_of(ME, record, line + b"!"),
        root_of(ME, record_of(generation=generation + 1), line),
    }
    assert len(others - {name}) == 5
    other_registry = root_of(ME._replace(registry=8), record, line)
    assert (other_registry == name) is (generation == 0)


LINES = st.lists(st.sampled_from([b"a\n", b"b\n", b"\n", BANNER, DATED % (0, 0), DATED % (1, 1)]))


@given(LINES, LINES)
def test_lines_have_a_name_in_common_with_all_that_is_before_them(
    one: list[bytes], other: list[bytes]
) -> None:
    """Two files have an `_id` in common only as far as they have the same bytes, or a dated one."""
    names = [ids_of(lines) for lines in (one, other)]
    for name in names[0].keys() & names[1].keys():
        mine, yours = names[0][name], names[1][name]
        first = [line for line in one[: mine + 1] if b"2026" in line]
        if mine < ALONE_LINES and not first:
            assert one[: mine + 1] == other[: yours + 1]
        else:
            known = min(next((i for i, x in enumerate(one) if b"2026" in x), 99), ALONE_LINES - 1)
            assert one[: known + 1] == other[: known + 1]


def ids_of(lines: list[bytes]) -> dict[str, int]:
    """Return `_id` → number of the line, as a harvester that reads line by line names them."""
    data = b"".join(lines)
    root, names, start = root_of(ME, record_of(), data), {}, 0
    for number, line in enumerate(lines):
        name = stream_at(root, data[:HEAD], start, start + len(line))
        names[f"{name}-{start}"] = number
        start += len(line)
    assert len(names) == len(lines)
    return names


def test_lines_that_are_alone() -> None:
    """Until one bears a time, or there were enough."""
    head = BANNER + b"a\n" + DATED % (0, 0)
    root = root_of(ME, record_of(), head)
    assert is_alone(root, head, 0, len(BANNER))
    assert is_alone(root, head, len(BANNER), len(BANNER) + 2)
    assert not is_alone(root, head, len(BANNER) + 2, len(head))
    dated = DATED % (0, 0) + BANNER
    assert stream_at(root, dated, 0, len(DATED) - 1) == root
    assert stream_at(root, dated, len(DATED) - 1, len(dated)) == root
    many = b"a\n" * 1000
    assert [is_alone(root, many, at, at + 2) for at in range(0, 80, 2)].count(True) == 15
    assert len({stream_at(root, many[:HEAD], at, at + 2) for at in range(0, 2000, 2)}) == 16


def test_the_stream_of_an_earlier_version_is_one_for_all_of_its_file() -> None:
    """A file that was half read then has the same names after an update."""
    root = "0123456789abcdef0123"
    assert not is_alone(root, BANNER, 0, len(BANNER))
    assert stream_at(root, BANNER * 2, len(BANNER), 2 * len(BANNER)) == root


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, block_bytes=4096, max_line_bytes=1024)
    yield reader
    reader.close()


def ids(blocks: list[Block]) -> dict[str, bytes]:
    """Return `_id` → line, each once."""
    found: dict[str, bytes] = {}
    for block in blocks:
        offset = block.start
        for line in block.data.splitlines(keepends=True):
            name = f"{block.stream}-{offset}"
            assert name not in found
            found[name] = line
            offset += len(line)
    return found


def lose_registry(reader: Reader, folder: Path, *names: str) -> Reader:
    reader.close()
    for path in [*folder.glob("registry.*"), *(folder / name for name in names)]:
        path.unlink()
    return Reader(folder, block_bytes=4096, max_line_bytes=1024)


@pytest.mark.parametrize("line", [DATED, b"line %02d %d\n"], ids=["dated", "undated"])
@pytest.mark.parametrize("how", ["copytruncate", "rename", "inode reuse"])
def test_a_lost_registry(tmp_path: Path, line: bytes, how: str) -> None:
    """Every line has the `_id` again that it had: nothing is stored twice."""
    reader = Reader(tmp_path, block_bytes=4096, max_line_bytes=1024)
    log, blocks = tmp_path / "app.log", []
    for turn in range(3):
        append(log, b"".join(line % (number, turn) for number in range(3)))
        taken = reader.take()
        reader.ack(taken)
        blocks += taken
        if turn < 2 and how == "copytruncate":
            shutil.copyfile(log, tmp_path / f"app.log.{turn + 1}")
            os.truncate(log, 0)
            assert reader.take() + reader.take() == []
        elif turn < 2:
            log.rename(tmp_path / f"app.log.{turn + 1}")
            if how == "inode reuse":
                reader.settle()
                (tmp_path / f"app.log.{turn + 1}").rename(tmp_path / "spare")
                shutil.copyfile(tmp_path / "spare", tmp_path / f"app.log.{turn + 1}")
                reader.settle()
                (tmp_path / "spare").rename(log)
                os.truncate(log, 0)
    before = ids(blocks)
    reader = lose_registry(reader, tmp_path)
    again = ids(reader.take() + reader.take())
    assert len(again) == 9
    assert again == before
    reader.close()


def test_a_lost_registry_and_files_with_the_same_banner(tmp_path: Path) -> None:
    """No line gets the `_id` of another one, whichever files are left."""
    reader = Reader(tmp_path, block_bytes=4096, max_line_bytes=1024)
    log = tmp_path / "app.log"
    for turn in range(4):
        append(log, BANNER + b"listening\n" + DATED % (turn, turn) + b"more\n")
        reader.lines()
        log.rename(tmp_path / f"app.log.{turn}")
        reader.settle()
    reader = lose_registry(reader, tmp_path)
    before = ids(reader.take() + reader.take())
    (tmp_path / "app.log.0").unlink()
    reader = lose_registry(reader, tmp_path)
    for name, line in ids(reader.take() + reader.take()).items():
        assert before.get(name, line) == line
    reader.close()


@pytest.mark.parametrize("banner", [b"", BANNER, BANNER * 20], ids=["none", "one line", "long"])
def test_two_shippers_of_one_host_name(tmp_path: Path, banner: bytes) -> None:
    """Two machines of one image have no `_id` in common, be every byte the same."""
    found: dict[str, bytes] = {}
    for _ in range(2):
        reader = Reader(tmp_path, block_bytes=4096, max_line_bytes=1024)
        (tmp_path / "app.log").write_bytes(banner + b"".join(DATED % (n, n) for n in range(5)))
        mine = ids(reader.take())
        assert not found.keys() & mine.keys()
        found |= mine
        lose_registry(reader, tmp_path, owner.ID).close()
        for path in [*tmp_path.glob("registry.*"), tmp_path / owner.ID]:
            path.unlink()


def test_an_image_that_has_a_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Machines with copies of one data folder are told apart by their own id."""
    ids_ = [tmp_path / "one", tmp_path / "two"]
    owners = set()
    for path in ids_:
        path.write_text(f"{path.name}\n")
        monkeypatch.setattr(owner, "MACHINE_IDS", (str(tmp_path / "absent"), str(path)))
        owners.add(owner.owner_of(tmp_path))
    assert len(owners) == 2
    monkeypatch.setattr(owner, "MACHINE_IDS", ())
    assert owner.owner_of(tmp_path) == owner.owner_of(tmp_path)


def test_the_same_bytes_again_are_known_to_the_registry(reader: Reader, tmp_path: Path) -> None:
    """A file that begins with the same lines has others, which are saved before they are used."""
    log = tmp_path / "app.log"
    append(log, BANNER + b"a\n")
    before = ids(reader.take())
    log.rename(tmp_path / "app.log.1")
    append(log, BANNER + b"a\n")
    reader.scan()
    assert list(reader.tailer.read(now=reader.now, wall=reader.wall)) == []
    again = ids(reader.read())
    assert [*again.values()] == [BANNER, b"a\n"]
    assert not before.keys() & again.keys()
    reader.crash()
    reader.scan()
    read_again = ids(reader.read())
    assert {*read_again} == {*before, *again}
