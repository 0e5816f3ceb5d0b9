"""Several processes on the same files: no record is lost, doubled or torn."""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from shipper import emit
from shipper.emit.appending import Appender
from tests.emit.emit_files import family, handler_for, origins, read, record_of


def work(path: Path, count: int, max_bytes: int) -> None:
    """Log as fast as it goes, as one worker process of several."""
    handler = handler_for(path, max_bytes=max_bytes, backup_count=1000)
    for number in range(count):
        handler.handle(record_of(f"Workflow {number} executed successfully", status="success"))
    handler.close()
    assert emit.failures() == {}


def run_processes(path: Path, processes: int, count: int, max_bytes: int) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [
        context.Process(target=work, args=(path, count, max_bytes)) for _ in range(processes)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * processes


@pytest.mark.parametrize(
    ("count", "max_bytes"),
    [
        pytest.param(3_000, 64 * 1024, id="small"),
        pytest.param(50_000, 1024 * 1024, id="large", marks=pytest.mark.slow),
    ],
)
def test_four_processes_lose_and_double_nothing(tmp_path: Path, count: int, max_bytes: int) -> None:
    """Every (run, seq) of four processes is found once across all rotated files."""
    path = tmp_path / "app.log"
    run_processes(path, 4, count, max_bytes)

    found = origins(path)
    assert len(family(path)) > 4
    assert set(found.values()) == {1}
    runs = {run for run, _ in found}
    assert len(runs) == 4
    assert set(found) == {(run, seq) for run in runs for seq in range(count)}


def test_two_handlers_on_one_file_agree(tmp_path: Path) -> None:
    """The size counts what others wrote, and a handler follows a rotation that it did not make."""
    path = tmp_path / "app.log"
    handlers = [handler_for(path, max_bytes=1000, backup_count=99) for _ in range(2)]
    for number in range(40):
        handlers[number % 2].handle(record_of("x" * 100))
    for handler in handlers:
        handler.close()

    assert all(one.stat().st_size <= 1000 for one in family(path))
    assert set(origins(path).values()) == {1}
    assert len(origins(path)) == 40


def test_nobody_rotates_a_file_that_is_being_written(tmp_path: Path) -> None:
    """While another process holds the file, it grows over its limit instead."""
    path = tmp_path / "app.log"
    handler = handler_for(path, max_bytes=500, backup_count=9)
    handler.handle(record_of("x" * 400))
    with path.open("rb") as other_process:
        fcntl.flock(other_process, fcntl.LOCK_SH)
        handler.handle(record_of("x" * 400))
        assert family(path) == [path]
    handler.handle(record_of("x" * 400))
    handler.close()

    assert [len(read(one)) for one in family(path)] == [1, 2]


def test_a_process_stopped_while_rotating_stops_nobody_else(tmp_path: Path) -> None:
    """Its lock is waited for once and briefly; from then on records are written without it."""
    path = tmp_path / "app.log"
    handler = handler_for(path)
    handler.handle(record_of())
    with path.open("rb") as stopped_process:
        fcntl.flock(stopped_process, fcntl.LOCK_EX)
        start = time.perf_counter()
        for _ in range(500):
            handler.handle(record_of())
        waited = time.perf_counter() - start
    handler.handle(record_of())
    handler.close()

    assert len(read(path)) == 502
    assert 0.02 <= waited < 5


class Overtaken(Appender):
    """Another process leaves half a line after this one looked at the file."""

    half = b""

    def _live_size(self) -> int | None:
        size = super()._live_size()
        with self._path.open("ab") as other_process:
            other_process.write(self.half)
        self.half = b""
        return size


def test_a_line_behind_a_half_that_just_appeared_is_written_again(tmp_path: Path) -> None:
    """A process killed at the same moment costs its own line, never that of a neighbour."""
    appender = Overtaken(tmp_path / "app.log", 0, 0)
    appender.append(b"one\n")
    appender.half = b"ha"
    appender.append(b"two\n")
    appender.append(b"three\n")
    appender.close()

    assert (tmp_path / "app.log").read_bytes() == b"one\nhatwo\ntwo\nthree\n"


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    """A process killed while it holds the file does not keep the others from rotating it."""
    path = tmp_path / "app.log"
    path.touch()
    is_locked, child_says = os.pipe()
    child = os.fork()
    if child == 0:
        fcntl.flock(os.open(path, os.O_RDWR), fcntl.LOCK_EX)
        os.write(child_says, b"x")
        signal.pause()
    os.read(is_locked, 1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(is_locked)
    os.close(child_says)
    handler = handler_for(path, max_bytes=500, backup_count=9)
    for _ in range(3):
        handler.handle(record_of("x" * 400))
    handler.close()

    assert [len(read(one)) for one in family(path)] == [1, 1, 1]


def test_a_forked_child_does_not_share_its_parents_lock(tmp_path: Path) -> None:
    """After a fork, parent and child can each rotate; neither undoes the lock of the other."""
    path = tmp_path / "app.log"
    handler = handler_for(path, max_bytes=1000, backup_count=99)
    handler.handle(record_of("parent"))
    child = os.fork()
    for _ in range(200):
        handler.handle(record_of("x" * 50))
    if child == 0:
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    handler.close()

    found = origins(path)
    assert len(found) == 401
    assert set(found.values()) == {1}
