"""Hints of the kernel: given soon, never needed, and not worth a busy folder's cost."""

from __future__ import annotations

import errno
import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from watchdog.events import FileModifiedEvent, FileMovedEvent

from shipper.tail import watch as watch_module
from shipper.tail.watch import BUSY, REST_SECONDS, Watch

LIMIT = 10.0  # seconds that an event of the kernel may take on a busy machine


class Listening:
    """A watch, and what it has told so far."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.watch = Watch(self.wake)
        self._hints: set[str] = set()

    def hears_of(self, path: Path, within: float = LIMIT) -> bool:
        while str(path) not in self._hints:
            if not self.wake.wait(within):
                return False
            self.wake.clear()
            self._hints |= self.watch.take()
        self._hints.clear()
        return True


@pytest.fixture
def listening() -> Iterator[Listening]:
    listening = Listening()
    yield listening
    listening.watch.close()
    listening.watch.close()


def test_new_and_grown_and_moved_files(listening: Listening, tmp_path: Path) -> None:
    """A file that comes, grows or gets another name is a hint under its present name."""
    listening.watch.listen([str(tmp_path)], 0.0)
    log = tmp_path / "app.log"
    log.write_bytes(b"1\n")
    assert listening.hears_of(log)
    log.rename(tmp_path / "app.log.1")
    assert listening.hears_of(tmp_path / "app.log.1")


def test_other_folders(listening: Listening, tmp_path: Path) -> None:
    """Other folders are listened to when they are named, and no longer when they aren't."""
    for name in "ab":
        (tmp_path / name).mkdir()
    listening.watch.listen([str(tmp_path / "a")], 0.0)
    listening.watch.listen([str(tmp_path / "b")], 1.0)
    (tmp_path / "a/1").touch()
    (tmp_path / "b/2").touch()
    assert listening.hears_of(tmp_path / "b/2")
    assert not listening.hears_of(tmp_path / "a/1", 0.1)


def test_a_folder_that_is_not_there(listening: Listening, tmp_path: Path) -> None:
    """Without a folder there are no hints, and no failure; they come with the folder."""
    folder = tmp_path / "logs"
    listening.watch.listen([str(folder)], 0.0)
    folder.mkdir()
    listening.watch.listen([str(folder)], 1.0)
    (folder / "a").touch()
    assert listening.hears_of(folder / "a")


def test_files_that_are_polled(listening: Listening, tmp_path: Path) -> None:
    """A write to one is no hint: it was seen by then. Another file, or another name, is one."""
    polled, other = str(tmp_path / "app.log"), str(tmp_path / "other.log")
    listening.watch.polled = frozenset([polled])
    listening.watch.dispatch(FileModifiedEvent(polled))
    assert not listening.wake.is_set()
    assert listening.watch.take() == set()
    for event in (FileModifiedEvent(other), FileMovedEvent(other, polled)):
        listening.watch.dispatch(event)
        assert listening.wake.is_set()
        listening.wake.clear()
    assert listening.watch.take() == {other, polled}


def test_a_folder_that_is_written_to_a_lot(listening: Listening, tmp_path: Path) -> None:
    """Above a rate, writes are no hints for a while; new names still are, as they may go soon."""
    watch, folders = listening.watch, [str(tmp_path)]
    log = tmp_path / "app.log"
    log.touch()
    watch.listen(folders, 100.0)
    for _ in range(2 * BUSY + 1):
        watch.dispatch(FileModifiedEvent("x"))
    watch.listen(folders, 102.0)
    watch.take()
    log.write_bytes(b"1\n")
    assert not listening.hears_of(log, 0.1)
    log.rename(tmp_path / "app.log.1")
    assert listening.hears_of(tmp_path / "app.log.1")
    watch.listen(folders, 102.0 + REST_SECONDS)
    (tmp_path / "app.log.1").write_bytes(b"1\n2\n")
    assert listening.hears_of(tmp_path / "app.log.1")


def test_a_busy_folder(listening: Listening, tmp_path: Path) -> None:
    """If new names alone are above the rate, listening is given up for a while."""
    watch, folders = listening.watch, [str(tmp_path)]
    watch.listen(folders, 100.0)
    for at in (102.0, 104.0):
        for _ in range(2 * BUSY + 1):
            watch.dispatch(FileModifiedEvent("x"))
        watch.listen(folders, at)
    listening.watch.take()
    listening.wake.clear()
    (tmp_path / "quiet").touch()
    assert not listening.hears_of(tmp_path / "quiet", 0.1)
    watch.listen(folders, 104.0 + REST_SECONDS - 1)
    assert watch._observer is None
    watch.listen(folders, 104.0 + REST_SECONDS)
    (tmp_path / "again").touch()
    assert listening.hears_of(tmp_path / "again")


def test_a_hint_is_given_once(listening: Listening) -> None:
    """What was taken is not told again; a move is told by where it leads."""
    listening.watch.dispatch(FileModifiedEvent("a"))
    listening.watch.dispatch(FileMovedEvent("b", "c"))
    assert listening.wake.is_set()
    assert listening.watch.take() == {"a", "c"}
    assert listening.watch.take() == set()


def test_without_descriptors_there_are_no_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the kernel lacks for hints is no reason to stop: they are tried again."""

    def none_left() -> None:
        raise OSError(errno.EMFILE, "inotify instance limit reached")

    monkeypatch.setattr(watch_module, "Observer", none_left)
    watch = Watch(threading.Event())
    watch.listen(["/"], 0.0)
    monkeypatch.undo()
    watch.listen(["/"], 1.0)
    assert watch._observer is not None
    watch.close()


def test_the_library_says_nothing_of_hints() -> None:
    """An event of an observer that was just stopped is no error of the shipper."""
    assert not logging.getLogger("watchdog.observers.inotify").isEnabledFor(logging.ERROR)
