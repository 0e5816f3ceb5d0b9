"""
Numbers that the workers of one application share: files of prometheus-client's multi-process mode.

    <folder>/counter_<pid>.db  histogram_<pid>.db  gauge_<mode>_<pid>.db   by metric, of one worker
    <folder>/worker_<pid>.window                                           see window.py

Each worker writes only its own files, through memory maps, so nobody waits for anybody; who asks
any worker gets the sum of all of them.

Guarantees:

- A worker that dies (kill -9, an update, max-requests) leaves its counts: sums never go back. Its
  gauges (memory, requests in progress) leave with it, with the first answer after its death.
- A worker is dead if its process id is free or belongs to a process that began at another time.
- Files of dead workers are added up into those of worker 0 once there are many, in steps of which
  a crash can lose or double none: the sum is written beside, then a journal names what it replaces;
  whoever finds a journal first carries it out.
- Memory that is mapped has its place on the disk: one that fills up costs numbers, and no process.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from prometheus_client.metrics_core import Metric
from prometheus_client.mmap_dict import MmapedDict, mmap_key
from prometheus_client.multiprocess import MultiProcessCollector

MOST_DEAD: Final = 16  # workers whose files are kept apart
FIRST_BYTES: Final = 1 << 16  # of a file
_ENTRY_BYTES: Final = 4 + 8 + 16  # beside its key: length, padding, two numbers
KEEP_SECONDS: Final = 600.0  # of a dead worker's window; twice its length
LONGEST_LABEL: Final = 200
OTHER: Final = "other"  # stands for the values of a label that are too many
_JOURNAL: Final = "merge.json"
_OF_ALL: Final = frozenset({"lock", "started", "counter_0.db", "histogram_0.db"})
_LOCK_TRIES: Final = 100
_LOCK_PAUSE_SECONDS: Final = 0.02

log = logging.getLogger("shipper.instrument")

Labels = tuple[str, ...]


class AllocatedDict(MmapedDict):
    """
    A file of prometheus-client whose bytes have all their place on the disk.

    Without that a write to mapped memory for which the disk has no place is a SIGBUS, which ends
    the process.

    Raises:
        OSError: there is no place; what was in the file is as it was.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size == 0:
                _allocate(descriptor, 0, FIRST_BYTES)
        finally:
            os.close(descriptor)
        super().__init__(str(path))

    def _init_value(self, key: str) -> None:
        most = len(key.encode()) + _ENTRY_BYTES
        capacity = self._capacity
        while self._used + most > capacity:
            capacity *= 2
        if capacity > self._capacity:
            _allocate(self._f.fileno(), self._capacity, capacity)
        super()._init_value(key)


def _allocate(descriptor: int, before: int, size: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError:
        os.ftruncate(descriptor, before)
        raise


class SharedNumbers:
    """The numbers of this worker; safe for threads, and begun anew in a forked child."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self.lock = threading.Lock()
        self._files: dict[str, Any] = {}
        self._values: dict[tuple[str, str], float] = {}
        _opened.add(self)
        weakref.finalize(self, _close, self._files)

    def add(self, kind: str, key: str, amount: float) -> None:
        """Add to a number; `kind` is the beginning of the name of its file."""
        with self.lock:
            self.add_unlocked(kind, key, amount)

    def add_unlocked(self, kind: str, key: str, amount: float) -> None:
        """Add to a number while the caller holds `lock`."""
        place = kind, key
        value = self._values.get(place)
        if value is None:
            value = self._file(kind).read_value(key)[0]
        self._values[place] = value = value + amount
        self._file(kind).write_value(key, value, 0.0)

    def set(self, kind: str, key: str, value: float, at: float = 0.0) -> None:
        """Set a number."""
        with self.lock:
            self._file(kind).write_value(key, value, at)

    def touch(self) -> None:
        """
        Note that the files are in use.

        A write to a memory map need not change the time of its file, and folders for temporary
        files are cleaned of those that nobody has changed for days.
        """
        pid = os.getpid()
        for path in self._folder().iterdir():
            if path.stem.endswith(f"_{pid}") or path.name in _OF_ALL:
                with suppress(FileNotFoundError):
                    os.utime(path)

    def forget(self) -> None:
        """Close the files, in a forked child that has no other thread."""
        _close(self._files)
        self._values.clear()

    def _file(self, kind: str) -> Any:
        found = self._files.get(kind)
        if found is None:
            path = self._folder() / f"{kind}_{os.getpid()}.db"
            found = self._files[kind] = AllocatedDict(path)
        return found

    def in_child(self) -> None:
        """Begin anew: the child has its own process id, and so its own files."""
        self.lock = threading.Lock()
        self.forget()


def _close(files: dict[str, Any]) -> None:
    for file in files.values():
        file.close()
    files.clear()


def key_of(metric: str, sample: str, names: Sequence[str], values: Labels, text: str) -> str:
    """Return how prometheus-client names a sample in its files."""
    key: str = mmap_key(metric, sample, list(names), list(values), text)
    return key


class BoundedLabels:
    """Lets so many different, short values of labels be; the rest is counted as `other`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[Labels] = set()

    def of(self, values: Labels, keep: Labels) -> Labels:
        """Return the labels, or `keep` instead if there are too many."""
        if values in self._known:
            return values
        if len(self._known) >= self._most or any(len(each) > LONGEST_LABEL for each in values):
            return keep
        self._known.add(values)
        return values


def read_all(folder: Path) -> Iterable[Metric]:
    """Return the metrics of all workers, after what dead ones leave is taken away."""
    with _locked(folder) as is_alone:
        if is_alone:
            _finish(folder)
            _tidy(folder)
        # A file that a worker is about to make is empty for a moment.
        files = [path for path in sorted(folder.glob("*.db")) if _size_of(path)]
        try:
            return _merged(files)
        except Exception as error:  # noqa: BLE001 -- whatever damaged bytes make of it
            log.error("a file in %s is damaged and left out: %r", folder, error)  # noqa: TRY400
            return _merged(filter(_is_whole, files))


def _merged(files: Iterable[Path]) -> Iterable[Metric]:
    found: Iterable[Metric] = MultiProcessCollector.merge([*map(str, files)])
    return found


def _is_whole(path: Path) -> bool:
    try:
        _merged([path])
    except Exception:  # noqa: BLE001 -- the same
        return False
    return True


def is_alive(pid: int, start: int) -> bool:
    """Return whether a process that began at `start` (ticks since the boot) still is."""
    return start_ticks(pid) == start


def start_ticks(pid: int) -> int:
    """Return when a process began, in ticks since the boot; 0 if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return 0 if fields[0] in "ZX" else int(fields[19])


def workers_of(folder: Path) -> dict[int, bool]:
    """Return the process ids of the workers that were, and whether they live."""
    found = {}
    for path in folder.glob("worker_*.window"):
        pid = int(path.stem.partition("_")[2])
        with suppress(OSError):
            start = int.from_bytes(path.read_bytes()[:8], "little")
            found[pid] = is_alive(pid, start)
    return found


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """
    Be the only one that reads or tidies; a lock ends with its process.

    Yield False if it cannot be had: a process that is stopped while it holds it holds nobody up.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for _ in range(_LOCK_TRIES):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(_LOCK_PAUSE_SECONDS)
            else:
                yield True
                return
        yield False
    finally:
        os.close(descriptor)


def _tidy(folder: Path) -> None:
    """Take away the gauges of dead workers, and add their counts up if there are many."""
    workers = workers_of(folder)
    dead = {pid for pid, lives in workers.items() if not lives}
    for path in folder.glob("gauge_*.db"):
        if _pid_of(path) in dead:
            path.unlink(missing_ok=True)
    if len(dead) > MOST_DEAD:
        _merge(folder, {pid for pid in dead if _is_over(folder, pid)})


def _is_over(folder: Path, pid: int) -> bool:
    """Return whether the last request of a worker is so long ago that no window has it."""
    try:
        status = (folder / f"worker_{pid}.window").stat()
    except OSError:
        return True
    return time.time() - status.st_mtime > KEEP_SECONDS


def _merge(folder: Path, dead: set[int]) -> None:
    """Add the files of dead workers to those of worker 0."""
    replaced: list[str] = [f"worker_{pid}.window" for pid in dead]
    made: list[str] = []
    for kind in ("counter", "histogram"):
        sources = [path for path in folder.glob(f"{kind}_*.db") if _pid_of(path) in {0, *dead}]
        sums: dict[str, float] = {}
        for path in sources:
            for key, value, _at, _position in MmapedDict.read_all_values_from_file(str(path)):
                sums[key] = sums.get(key, 0.0) + value
        target = f"{kind}_0.db"
        beside = folder / f"{target}.new"
        beside.unlink(missing_ok=True)
        file = AllocatedDict(beside)
        for key, value in sums.items():
            file.write_value(key, value, 0.0)
        file.close()
        made.append(target)
        replaced += [path.name for path in sources if path.name != target]
    journal = folder / f"{_JOURNAL}.new"
    journal.write_text(json.dumps({"made": made, "replaced": replaced}), encoding="utf-8")
    journal.replace(folder / _JOURNAL)
    _finish(folder)


def _finish(folder: Path) -> None:
    """Carry out the journal of a merge, if there is one."""
    journal = folder / _JOURNAL
    if not journal.exists():
        return
    steps = json.loads(journal.read_text(encoding="utf-8"))
    for name in steps["made"]:
        with suppress(FileNotFoundError):  # it was renamed before the crash
            (folder / f"{name}.new").replace(folder / name)
    for name in steps["replaced"]:
        (folder / name).unlink(missing_ok=True)
    journal.unlink()


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _pid_of(path: Path) -> int:
    text = path.stem.rpartition("_")[2]
    return int(text) if text.isdigit() else -1


_opened: weakref.WeakSet[SharedNumbers] = weakref.WeakSet()


def _after_fork() -> None:
    for numbers in _opened:
        numbers.in_child()


os.register_at_fork(after_in_child=_after_fork)
