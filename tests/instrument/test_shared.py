"""What workers share survives crashes, damaged files, dead and stopped workers, and set clocks."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.mmap_dict import MmapedDict

from shipper.instrument import shared
from shipper.instrument.reading import SharedMetrics
from shipper.instrument.recording import REQUESTS, Recorder
from shipper.instrument.sampling import MEMORY
from shipper.instrument.shared import (
    FIRST_BYTES,
    MOST_DEAD,
    AllocatedDict,
    SharedNumbers,
    read_all,
    start_ticks,
)
from shipper.instrument.started import note_start
from shipper.instrument.window import RequestWindow, WindowSums, read_window

Mapped: Any = MmapedDict
DEAD = 4_194_304 + 1  # more than a process id can be


def total_of(folder: Path) -> float:
    return SharedMetrics.of(read_all(folder)).total(REQUESTS.name)


def leave_worker(folder: Path, pid: int, *, start: int = 1, old: bool = True) -> None:
    """Leave the files of a worker that made one request."""
    counter = Mapped(str(folder / f"counter_{pid}.db"))
    counter.write_value(REQUESTS.key(("GET", "/", "200")), 1.0, 0.0)
    counter.close()
    gauge = Mapped(str(folder / f"gauge_liveall_{pid}.db"))
    gauge.write_value(MEMORY.key(()), 1.0, 0.0)
    gauge.close()
    window = folder / f"worker_{pid}.window"
    window.write_bytes(start.to_bytes(8, "little"))
    if old:
        os.utime(window, (1, 1))


class Crash(BaseException):
    pass


@contextmanager
def crashing(monkeypatch: pytest.MonkeyPatch, step: int) -> Iterator[None]:
    """End before the nth change of a name in the folder."""
    left = [step]

    def counted(real: Any) -> Any:
        def change(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Crash
            return real(*args, **kwargs)

        return change

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", counted(Path.replace))
        patched.setattr(Path, "unlink", counted(Path.unlink))
        yield


def test_a_crash_while_files_are_added_up_changes_no_sum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it falls: the next answer has the sum, and the one after that."""
    monkeypatch.setattr(shared, "MOST_DEAD", 2)
    workers = 4
    for step in range(10 * workers):
        folder = tmp_path / str(step)
        folder.mkdir()
        for number in range(workers):
            leave_worker(folder, DEAD + number)
        has_crashed = False
        with crashing(monkeypatch, step):
            try:
                total_of(folder)
            except Crash:
                has_crashed = True
        assert total_of(folder) == workers, step
        assert total_of(folder) == workers, step
        assert not [*folder.glob("gauge_*")]
        if not has_crashed:
            break
    else:
        pytest.fail("it never came to an end")
    assert len([*folder.glob("*.db")]) == 2
    assert not [*folder.glob("*.window")]


def test_files_with_requests_of_the_last_minutes_stay(tmp_path: Path) -> None:
    """The window has the requests of a worker that just died."""
    for number in range(MOST_DEAD + 3):
        leave_worker(tmp_path, DEAD + number, old=False)

    assert total_of(tmp_path) == MOST_DEAD + 3
    assert len([*tmp_path.glob("*.window")]) == MOST_DEAD + 3


def test_a_process_id_that_is_used_again_is_no_living_worker(tmp_path: Path) -> None:
    """A worker is known by its start, too: the gauges of the dead one go."""
    leave_worker(tmp_path, os.getpid(), start=start_ticks(os.getpid()) - 1)
    total_of(tmp_path)
    assert not [*tmp_path.glob("gauge_*")]

    leave_worker(tmp_path, os.getpid(), start=start_ticks(os.getpid()))
    total_of(tmp_path)
    assert [*tmp_path.glob("gauge_*")]


def test_a_damaged_or_empty_file_is_left_out(tmp_path: Path) -> None:
    """One that a power cut left half costs its own numbers, and no others."""
    leave_worker(tmp_path, DEAD)
    (tmp_path / "counter_77.db").write_bytes(os.urandom(4096))
    (tmp_path / "counter_78.db").write_bytes(b"\xff\xff\xff\x7f" + bytes(100))
    (tmp_path / "histogram_79.db").write_bytes(b"")
    (tmp_path / "worker_80.window").write_bytes(b"short")

    assert total_of(tmp_path) == 1
    assert read_window(tmp_path) == WindowSums()


def test_a_worker_that_is_stopped_with_the_lock_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others read without tidying."""
    monkeypatch.setattr(shared, "_LOCK_TRIES", 2)
    leave_worker(tmp_path, DEAD)
    with (tmp_path / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert total_of(tmp_path) == 1


def test_files_in_use_are_never_old(tmp_path: Path) -> None:
    """Whoever cleans the folder for temporary files leaves them; those of the dead grow old."""
    window = RequestWindow(lambda: tmp_path)
    numbers = SharedNumbers(lambda: tmp_path)
    Recorder(numbers, window).request("GET", "/", 200, 0.1)
    leave_worker(tmp_path, DEAD)
    note_start(tmp_path)
    total_of(tmp_path)
    for path in tmp_path.iterdir():
        os.utime(path, (1, 1))
    numbers.touch()
    old = {path.name for path in tmp_path.iterdir() if path.stat().st_mtime < 2}

    assert old == {f"counter_{DEAD}.db", f"worker_{DEAD}.window"}
    window.forget()


def test_the_window_forgets_what_is_over(tmp_path: Path) -> None:
    """Five minutes in slots of five seconds, by a clock that nobody sets."""
    now = [1_000_000.0]
    window = RequestWindow(lambda: tmp_path, lambda: now[0])
    sums = []
    for seconds, success in ((0, True), (100, False), (150, True), (100, True)):
        now[0] += seconds
        window.add(10.0, success=success)
        sums.append(read_window(tmp_path, lambda: now[0]))
    now[0] += 1000

    assert [(each.requests, each.successes) for each in sums] == [(1, 1), (2, 1), (3, 2), (3, 2)]
    assert sums[-1].average_ms == 10.0
    assert read_window(tmp_path, lambda: now[0]) == WindowSums()
    window.forget()


def test_a_clock_that_is_set_back_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers go by the clock since the boot."""
    window = RequestWindow(lambda: tmp_path)
    recorder = Recorder(SharedNumbers(lambda: tmp_path), window)
    recorder.request("GET", "/", 200, 0.1)
    monkeypatch.setattr(time, "time", lambda: 0.0)
    recorder.request("GET", "/", 500, 0.1)

    assert total_of(tmp_path) == 2
    assert read_window(tmp_path).success_rate == 0.5
    window.forget()


def test_files_have_their_place_on_the_disk_and_grow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No byte of a mapped file is a hole; one that cannot grow is as it was."""
    path = tmp_path / "counter_1.db"
    file: Any = AllocatedDict(path)
    keys = [f"key {number} {'x' * 100}" for number in range(3000)]
    for key in keys:
        file.write_value(key, 1.0, 0.0)
    size = path.stat().st_size
    assert size > 5 * FIRST_BYTES
    assert path.stat().st_blocks * 512 >= size

    def full(_descriptor: int, _offset: int, _size: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        with pytest.raises(OSError, match="No space"):
            file.write_value("x" * size, 1.0, 0.0)
    assert path.stat().st_size == size
    file.write_value("later", 2.0, 0.0)
    file.close()

    found = {each[0]: each[1] for each in Mapped.read_all_values_from_file(str(path))}
    assert {*keys, "later"} <= found.keys()
    assert found["later"] == 2.0
