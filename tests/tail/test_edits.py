"""A log that was edited or copied: lines that were read before are not read again."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.registry.identity import FileIdentity, identity
from shipper.tail import edits
from shipper.tail.content import Content, open_content
from shipper.tail.edits import common_ranges
from shipper.tail.harvester import SETTLE_SECONDS
from tests.tail.tailing import Reader, append

LINES = [b"2026-02-05 10:00:%02d line %d" % (number % 60, number) for number in range(100)]
SECRET = b"2026-02-05 10:01:00 password=hunter2"


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path, block_bytes=4096, max_line_bytes=1024, held_bytes=1 << 20)
    yield reader
    reader.close()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "app.log"


def text(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def edit(log: Path, change: Callable[[bytes], bytes]) -> None:
    """Do as `sed -i`: write the new text under another name, and rename it."""
    new = log.with_name("sedXYZ")
    new.write_bytes(change(log.read_bytes()))
    new.rename(log)


def content_of(path: Path, data: bytes) -> Content:
    path.write_bytes(data)
    content = open_content(str(path), identity(path.stat()), compressed=False)
    assert content is not None
    return content


@pytest.mark.parametrize("restart", [False, True], ids=["running", "while down"])
@pytest.mark.parametrize("places", [[0], [100], [40, 60], [0, 1, 50, 100]], ids=str)
def test_changed_lines(reader: Reader, log: Path, places: list[int], *, restart: bool) -> None:
    """Of a file that `sed -i` wrote, only the changed lines are read, and what was added since."""
    lines = [*LINES]
    for place in places:
        lines.insert(place, SECRET)
    append(log, text(lines))
    assert reader.lines() == lines
    reader.save()
    edit(log, lambda data: data.replace(b"hunter2", b"x"))
    append(log, b"more\n")
    if restart:
        reader.restart()
    changed = [SECRET.replace(b"hunter2", b"x")] * len(places)
    assert reader.lines() + reader.lines() == [*changed, b"more"]
    reader.settle()
    append(log, b"and more\n")
    reader.restart()
    assert reader.lines() == [b"and more"]
    assert len(reader.saved()) == 1


@pytest.mark.parametrize("crash", [False, True], ids=["running", "after a crash"])
@pytest.mark.parametrize("how", ["rename", "copytruncate"])
def test_edited_and_rotated_before_it_is_seen(
    reader: Reader, log: Path, how: str, *, crash: bool
) -> None:
    """A log is edited and rotated between two scans: only the changed line is read."""
    lines = [*LINES[:50], SECRET, *LINES[50:]]
    append(log, text(lines))
    assert reader.lines() == lines
    if crash:
        reader.crash()
    else:
        reader.save()
    edit(log, lambda data: data.replace(b"hunter2", b"x"))
    if how == "rename":
        log.rename(log.with_name("app.log.1"))
    else:
        shutil.copyfile(log, log.with_name("app.log.1"))
        os.truncate(log, 0)
    append(log, b"more\n")
    read = reader.lines() + reader.lines()
    assert sorted(read) == sorted([SECRET.replace(b"hunter2", b"x"), b"more", *(lines * crash)])


def test_deleted_and_inserted_lines(reader: Reader, log: Path) -> None:
    """Lines that were taken out are no reason to read the others again."""
    append(log, text(LINES))
    reader.lines()
    edit(log, lambda data: text([*LINES[:10], *LINES[20:50], b"one", b"two", *LINES[50:]]))
    assert reader.lines() == [b"one", b"two"]


def test_what_was_not_read_yet(reader: Reader, log: Path) -> None:
    """The old file is read to its end, whatever the new one skips."""
    append(log, text(LINES[:50]))
    reader.lines()
    append(log, text([*LINES[50:], SECRET]))
    edit(log, lambda data: data.replace(b"hunter2", b"x"))
    found = reader.lines() + reader.lines()
    assert sorted(found) == sorted([*LINES[50:], SECRET, SECRET.replace(b"hunter2", b"x")])


def test_a_crash_before_the_skips_are_saved(reader: Reader, log: Path) -> None:
    """What is skipped is saved before anything is read behind it."""
    append(log, text([*LINES, SECRET]))
    reader.lines()
    reader.save()
    edit(log, lambda data: data.replace(b"hunter2", b"x"))
    reader.scan()
    reader.crash()
    assert reader.lines() == [SECRET.replace(b"hunter2", b"x")]
    reader.restart()
    assert reader.lines() == []


def test_a_new_file_with_the_same_banner(reader: Reader, log: Path) -> None:
    """Lines without a time count anew in a file that takes the place of another."""
    append(log, b"=== starting ===\n" + text(LINES[:3]))
    reader.lines()
    edit(log, lambda _data: b"=== starting ===\nnew\n")
    assert reader.lines() == [b"=== starting ===", b"new"]


def test_a_report_that_is_replaced_by_the_same(reader: Reader, log: Path) -> None:
    """`job > new && mv new file`: the same report of each night is stored each night."""
    append(log, b"disk is fine\n" * 200)
    assert len(reader.lines()) == 200
    edit(log, lambda data: data)
    assert len(reader.lines()) == 200


@pytest.mark.parametrize("seen", [False, True], ids=["copied at once", "seen in between"])
def test_copytruncate_with_a_name_that_the_pattern_takes(
    reader: Reader, log: Path, tmp_path: Path, *, seen: bool
) -> None:
    """Logrotate's `extension .log` and `dateext`: the copy is no new log."""
    append(log, text(LINES[:50]))
    assert reader.lines() == LINES[:50]
    append(log, text(LINES[50:60]))
    shutil.copyfile(log, tmp_path / "app-20260205.log")
    found = reader.lines() if seen else []
    os.truncate(log, 0)
    append(log, text(LINES[60:]))
    for _ in range(3):
        found += reader.lines()
    reader.settle()
    assert sorted(found) == sorted(LINES[50:])
    reader.restart()
    assert reader.lines() == []


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("name", ["app-20260205.log", "app.log"])
def test_a_copy_that_was_empty_when_it_was_first_seen(
    reader: Reader, log: Path, tmp_path: Path, name: str, *, restart: bool
) -> None:
    """Whoever copies makes an empty file first: logrotate, or an editor that saves a log anew."""
    append(log, text(LINES[:50]))
    assert reader.lines() == LINES[:50]
    append(log, text(LINES[50:60]))
    data = log.read_bytes()
    if name == log.name:
        log.rename(tmp_path / "app.log~")
    copy = tmp_path / name
    copy.touch()
    found = reader.lines()
    if restart:
        reader.restart()
    copy.write_bytes(data)
    if name != log.name:
        os.truncate(log, 0)
    append(log, text(LINES[60:]))
    found += reader.lines_between_scans()
    for _ in range(3):
        found += reader.lines()
    reader.settle()
    assert sorted(found) == sorted(LINES[50:])
    reader.restart()
    assert reader.lines() == []


def test_a_new_log_that_was_empty_when_it_was_first_seen(
    reader: Reader, log: Path, tmp_path: Path
) -> None:
    """It is read, also if it is deleted before a scan could judge it."""
    append(log, text(LINES[:50]))
    assert reader.lines() == LINES[:50]
    other = tmp_path / "other.log"
    other.touch()
    assert reader.lines() == []
    append(other, text(LINES[50:]))
    other.unlink()
    found = reader.lines_between_scans()
    assert found + reader.lines() == LINES[50:]


def test_two_logs_with_the_same_lines(reader: Reader, tmp_path: Path) -> None:
    """A second log that begins like another is read after a while: both were written."""
    append(tmp_path / "one.log", text(LINES))
    reader.lines()
    append(tmp_path / "two.log", text(LINES))
    found = reader.lines() + reader.lines(SETTLE_SECONDS) + reader.lines()
    assert found == LINES
    append(tmp_path / "two.log", b"more\n")
    assert reader.lines() == [b"more"]


@pytest.mark.parametrize("dated", [True, False])
@pytest.mark.parametrize("name", ["app.log", "app.log.1"])
def test_another_device_number(tmp_path: Path, name: str, *, dated: bool) -> None:
    """A disk with another number after a reboot has the same files."""
    lines = LINES if dated else [re.sub(rb".* line", b"line", line) for line in LINES]
    append(tmp_path / name, text(lines))
    reader = Reader(tmp_path, block_bytes=4096, max_line_bytes=1024)
    assert reader.lines() == lines
    for record in reader.tailer.records():
        record.file = FileIdentity(record.file.device + 1, record.file.inode)
    reader.tailer.reread(record.id, record.offset)  # so that it is saved
    reader.restart()
    append(tmp_path / name, b"more\n")
    assert reader.lines() + reader.lines() == [b"more"]
    assert len(reader.saved()) == 1
    reader.close()


def test_another_device_number_of_a_file_that_is_only_held(reader: Reader, log: Path) -> None:
    """It was deleted before the reboot: what was read of it is not read again."""
    append(log, b"one\ntwo\n")
    assert reader.lines() == [b"one", b"two"]
    append(log, b"three\n")
    log.unlink()
    for record in reader.tailer.records():
        record.file = FileIdentity(record.file.device + 1, record.file.inode)
    reader.tailer.reread(record.id, record.offset)  # so that it is saved
    reader.save()
    reader.crash()
    assert reader.lines() + reader.lines() == [b"three"]


def test_a_log_that_was_copied_back(reader: Reader, log: Path) -> None:
    """A log restored by a copy, another inode at its path, goes on where it was."""
    append(log, text(LINES))
    reader.lines()
    reader.restart()
    reader.tailer.close()
    shutil.copyfile(log, log.with_name("copy"))
    log.with_name("copy").rename(log)
    shutil.rmtree(reader.holds)
    reader.crash()
    append(log, b"more\n")
    assert reader.lines() + reader.lines() == [b"more"]


@given(st.data())
def test_ranges_are_common_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """What is skipped stands in the old file, in the same order, whatever was edited."""
    folder = tmp_path_factory.mktemp("edits")
    lines = st.lists(st.sampled_from([LINES[0], LINES[1], b"a", b"", b"b" * 30]), max_size=30)
    old_lines, tail = data.draw(lines), data.draw(st.binary(max_size=5))
    new_lines = data.draw(st.one_of(lines, st.permutations(old_lines)))
    old, new = text(old_lines) + tail, text(new_lines) + data.draw(st.binary(max_size=5))
    one, other = content_of(folder / "old", old), content_of(folder / "new", new)
    try:
        at_old = at_new = 0
        for start, end in common_ranges(one, len(old), other, len(new)):
            assert at_new <= start < end
            assert new[start:end].endswith(b"\n")
            assert start == 0 or new[start - 1 : start] == b"\n"
            place = old.find(new[start:end], at_old)
            assert place >= 0
            at_old, at_new = place + end - start, end
    finally:
        one.close()
        other.close()


def test_more_differences_than_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of ranges is bounded; what lies behind the last counts as new."""
    monkeypatch.setattr(edits, "MOST_RANGES", 3)
    new = [line if number % 2 else b"changed" for number, line in enumerate(LINES)]
    one, other = content_of(tmp_path / "old", text(LINES)), content_of(tmp_path / "new", text(new))
    ranges = common_ranges(one, len(text(LINES)), other, len(text(new)))
    assert len(ranges) == 3
    one.close()
    other.close()
