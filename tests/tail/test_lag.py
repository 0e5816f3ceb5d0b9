"""How far files are, told while they are written, rotated, locked and taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipper.tail.harvester import PEEK, SETTLE_SECONDS
from shipper.tail.multiline import Multiline
from shipper.tail.unreadable import UNREADABLE_SECONDS
from tests.tail.tailing import Reader, append, open_folder, unprivileged


def test_a_file_is_current_when_all_of_it_was_read(tmp_path: Path) -> None:
    """Bytes read, acked and there are told, and the moment at which all had been read."""
    reader = Reader(tmp_path)
    append(tmp_path / "app.log", b"one\n")
    blocks = reader.take()
    read_at = reader.wall

    (lag,) = reader.tailer.lags(reader.now)
    assert (lag.read, lag.acked, lag.size, lag.is_current, lag.current_at) == (
        4,
        0,
        4,
        True,
        read_at,
    )

    reader.ack(blocks)
    append(tmp_path / "app.log", b"two\n")
    (lag,) = reader.tailer.lags(reader.now + 9)
    assert (lag.read, lag.acked, lag.size, lag.is_current, lag.head) == (4, 4, 8, False, b"two\n")
    assert lag.current_at == read_at

    reader.scan()
    assert reader.tailer.lags(reader.now)[0].current_at == read_at  # it was seen, not read
    reader.read()
    assert reader.tailer.lags(reader.now)[0].current_at == reader.wall
    reader.close()


def test_a_file_that_is_quiet_stays_current(tmp_path: Path) -> None:
    """A scan that finds nothing new proves that all had been read by then."""
    reader = Reader(tmp_path)
    append(tmp_path / "app.log", b"one\n")
    reader.lines()
    reader.lines(after=600.0)

    (lag,) = reader.tailer.lags(reader.now)

    assert lag.current_at == reader.wall
    reader.close()


@pytest.mark.parametrize("length", [5, PEEK + 100, 300_000])
def test_a_half_line_waits_only_when_it_is_quiet(tmp_path: Path, length: int) -> None:
    """A line without an end is behind at first, and given up when it was quiet for long."""
    reader = Reader(tmp_path)
    append(tmp_path / "app.log", b"one\n" + length * b"x")
    reader.lines()
    assert not reader.tailer.lags(reader.now)[0].is_current

    reader.lines(after=SETTLE_SECONDS + 1)

    assert reader.tailer.lags(reader.now)[0].is_current
    append(tmp_path / "app.log", b"more")
    assert not reader.tailer.lags(reader.now)[0].is_current
    reader.close()


def test_a_file_that_was_truncated_keeps_what_was_read_of_it(tmp_path: Path) -> None:
    """What a truncated file holds was written after it was read last, so that moment stands."""
    reader = Reader(tmp_path)
    append(tmp_path / "app.log", b"one\ntwo\n")
    reader.lines()
    read_at = reader.wall
    (tmp_path / "app.log").write_bytes(b"3\n" + 600_000 * b"x" + b"\n")
    reader.scan()
    # its new record is saved first
    assert not list(reader.tailer.read(now=reader.now, wall=reader.wall))
    reader.save()
    next(iter(reader.tailer.read(now=reader.now, wall=reader.wall)))

    (lag,) = reader.tailer.lags(reader.now)

    assert lag.read < lag.size
    assert lag.current_at == read_at
    reader.close()


def test_a_file_that_cannot_be_opened_is_told_with_the_time_of_the_last_look() -> None:
    """A file that comes up locked holds nothing older than the scan before; gone, it holds none."""
    with open_folder() as folder:
        reader = Reader(folder)
        append(folder / "open.log", b"open\n")
        reader.lines()
        before = reader.wall
        append(folder / "closed.log", b"closed\n")
        (folder / "closed.log").chmod(0)
        with unprivileged():
            reader.lines()
            reader.lines(after=60.0)
        assert reader.tailer.unreadable_since() == [before]

        (folder / "closed.log").unlink()
        reader.lines()

        assert reader.tailer.unreadable_since() == []
        assert reader.tailer.unreadable() == []
        reader.close()


def test_a_locked_file_at_the_first_start_has_no_time() -> None:
    """Nothing is known of a file that could never be opened."""
    with open_folder() as folder:
        reader = Reader(folder)
        append(folder / "closed.log", b"closed\n")
        (folder / "closed.log").chmod(0)
        with unprivileged():
            reader.lines()
            reader.lines()

        assert reader.tailer.unreadable_since() == [0]
        reader.close()


def test_an_event_that_waits_on_a_busy_file_is_no_older_than_its_first_byte(
    tmp_path: Path,
) -> None:
    """A file whose last event always waits for more lines is read up to its end before."""
    multiline = Multiline(None, max_lines=100, max_bytes=1000, quiet_seconds=5)
    reader = Reader(tmp_path, multiline=multiline, max_line_bytes=1000, block_bytes=1000)
    for number in range(5):
        append(tmp_path / "app.log", b"event %d\n" % number)
        found = reader.lines(after=2.0)
        (lag,) = reader.tailer.lags(reader.now)
        assert not lag.is_current
        assert found == ([b"event %d" % (number - 1)] if number else [])
        assert lag.current_at == (reader.wall - 2000 if number else 0)

    append(tmp_path / "app.log", b" goes on\n")
    assert reader.lines(after=2.0) == []
    assert reader.tailer.lags(reader.now)[0].current_at == reader.wall - 4000
    reader.close()


def test_a_file_that_grows_faster_than_it_is_read_is_read_up_to_an_earlier_end(
    tmp_path: Path,
) -> None:
    """It is never read to its end, but what it held at a look is, sooner or later."""
    reader = Reader(tmp_path, block_bytes=64)
    path = tmp_path / "app.log"
    append(path, b"1770285600\n" * 12)
    times = []
    for _ in range(6):
        reader.scan()
        append(path, b"1770285600\n" * 6)
        (block,) = reader.tailer.read(now=reader.now, wall=reader.wall)
        assert block.data.count(b"\n") == 5
        times.append(reader.tailer.lags(reader.now)[0].current_at)

    first = reader.wall - 5000
    assert times == [0, 0, 0, first, first, first]
    reader.close()


def test_a_file_that_cannot_be_read_does_not_hold_the_watermark_back_for_ever() -> None:
    """It does for a while, and stays named as unreadable, whether it was read before or never."""
    with open_folder() as folder:
        reader = Reader(folder)
        append(folder / "known.log", b"known\n")
        reader.lines()
        append(folder / "foreign.log", b"foreign\n")
        (folder / "foreign.log").chmod(0)
        (folder / "known.log").chmod(0)
        with unprivileged():
            reader.restart()
            reader.lines()
            assert len(reader.tailer.unreadable_since()) == 2

            reader.lines(after=UNREADABLE_SECONDS)
            reader.lines()

            assert reader.tailer.unreadable_since() == []
            assert len(reader.tailer.unreadable()) == 2

        (folder / "known.log").chmod(0o644)
        append(folder / "known.log", b"more\n")
        (folder / "foreign.log").chmod(0o644)
        assert sorted(reader.lines()) == [b"foreign", b"more"]
        assert not [*reader.tailer.unreadable()]
        reader.close()
