"""
Appending whole lines to a file that several processes write and that is rotated by size.

A line is written under a *shared* lock of the file, so writers do not wait for each other:

    lock shared → is the file at the path still mine? → is it full? → one write() → unlock

and rotated under its *exclusive* lock:

    lock exclusive → is the file at the path still mine? → .4 to .5, … .1 to .2, file to .1 → unlock

Guarantees:

- Every line is written once, into the file that is at the path: nobody can rename a file while
  a writer holds it, and a writer that finds its file renamed opens the new one. So a rotated
  file does not change any more.
- Only one process rotates: the lock belongs to the file, and it is at the path until the last
  rename. A process that dies in between leaves a gap in the numbers, which the next one fills.
- A half-written line (full disk, killed process) is closed by a newline before the next one. If
  it appeared only while the next one was being written, that one is written again, on its own.
- Nothing waits without end. A process that is stopped while it holds a lock holds up each of the
  others once, for 20 ms; from then on, until it answers, they write without the lock, or let the
  file grow. Then, and only then, can a line land in a file that was just renamed.

Locks are flock(2): a lock ends with its process, and holds only on a local file system.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
import weakref
from contextlib import closing, suppress
from pathlib import Path

from shipper.emit.losses import Reason, count

# A line takes some 5 µs and a rename 20 µs: who holds a lock for 20 ms is stopped.
_LOCK_TRIES = 21
_LOCK_PAUSE_SECONDS = 0.001
# How often the file may be rotated away between opening and locking it; then it is a file system
# whose identities change by themselves, and the line goes where it can.
_OPEN_TRIES = 20
# A line over a page boundary grows in two steps, between which others can see it; with as many
# processes in turn, this often. One look too few would only leave an empty line.
_LOOKS = 5
_UNKNOWN = -1


class Appender:
    """
    One process's hold on the file at `path`; opened with the first line, and again when needed.

    A file that is over `max_bytes` becomes `<path>.1` and so on up to `backup_count`; 0 for either
    means no rotation. Not for several threads at once.
    """

    def __init__(self, path: Path, max_bytes: int, backup_count: int) -> None:
        self._path = path
        self._max_bytes = max_bytes if backup_count > 0 else 0
        self._backup_count = backup_count
        self._fd: int | None = None
        self._identity = (0, 0)
        self._has_positions = True
        self._end = _UNKNOWN
        self._silent: set[int] = set()
        self._is_busy = False
        _appenders.add(self)

    def append(self, line: bytes) -> None:
        """
        Write one line, rotating before it if it does not fit.

        Raises:
            OSError: the line is not or not wholly in the file.
        """
        if self._is_busy:
            # A signal handler or a destructor logs while this thread is in the middle of a line.
            with closing(Appender(self._path, self._max_bytes, self._backup_count)) as another:
                return another.append(line)
        self._is_busy = True
        try:
            self._append(line)
        except OSError:
            self.close()
            raise
        finally:
            self._is_busy = False

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)

    def leave_to_parent(self) -> None:
        """Reset in a forked child: a lock on the same descriptor would be the parent's too."""
        self.close()
        self._is_busy = False

    def _append(self, line: bytes) -> None:
        may_rotate = self._max_bytes > 0
        for _ in range(_OPEN_TRIES):
            fd = self._open()
            with suppress(OSError):  # a file system without locks: written all the same
                self._lock(fd, fcntl.LOCK_SH)
            try:
                size = self._live_size()
                if size is not None:
                    if not (may_rotate and self._is_full(size, line)):
                        return self._write(fd, size, line)
                    may_rotate = False
                    self._rotate(fd)
            finally:
                _unlock(fd)
            if size is None:
                self.close()
        return self._write(self._open(), 0, line)

    def _open(self) -> int:
        if self._fd is None:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            try:
                fd = os.open(self._path, flags, 0o666)
            except FileNotFoundError:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                fd = os.open(self._path, flags, 0o666)
            status = os.fstat(fd)
            self._fd, self._identity, self._end = fd, (status.st_dev, status.st_ino), _UNKNOWN
            self._has_positions = stat.S_ISREG(status.st_mode)  # /dev/stdout may be a pipe
        return self._fd

    def _live_size(self) -> int | None:
        """Return the size of the file at the path in bytes, or None if it is not ours any more."""
        try:
            status = os.stat(self._path)
        except FileNotFoundError:
            return None
        return status.st_size if (status.st_dev, status.st_ino) == self._identity else None

    def _is_full(self, size: int, line: bytes) -> bool:
        return size > 0 and size + len(line) > self._max_bytes

    def _write(self, fd: int, size: int, line: bytes) -> None:
        # If the file ends where our last line did, nobody wrote meanwhile and it ends in a newline.
        if size != self._end and not _ends_in_newline(fd):
            line = b"\n" + line
        self._end = _UNKNOWN
        for _ in range(_LOOKS):
            written = os.write(fd, line)
            start = os.lseek(fd, 0, os.SEEK_CUR) - written if self._has_positions else size
            if written < len(line):
                line = b"\n" + line  # on a full disk, this try raises the reason
            elif start == size or line[:1] == b"\n" or _follows_newline(fd, start):
                self._end = start + written
                return
        raise OSError(errno.EIO, "other processes leave half lines in the file")

    def _rotate(self, fd: int) -> None:
        try:
            # This releases the shared lock first, so the path has to be looked up again.
            if self._lock(fd, fcntl.LOCK_EX) and self._live_size() is not None:
                self._rename_all()
        except OSError:
            count(Reason.ROTATION)

    def _rename_all(self) -> None:
        gap = 1
        while gap < self._backup_count and self._backup(gap).exists():
            gap += 1
        for number in range(gap, 1, -1):
            self._backup(number - 1).rename(self._backup(number))
        self._path.rename(self._backup(1))

    def _backup(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")

    def _lock(self, fd: int, kind: int) -> bool:
        """Lock the file, waiting briefly, and not at all while the last wait was in vain."""
        tries = 1 if kind in self._silent else _LOCK_TRIES
        for left in range(tries - 1, -1, -1):
            try:
                fcntl.flock(fd, kind | fcntl.LOCK_NB)
            except BlockingIOError:
                if left:
                    time.sleep(_LOCK_PAUSE_SECONDS)
            else:
                self._silent.discard(kind)
                return True
        self._silent.add(kind)
        return False


def _unlock(fd: int) -> None:
    with suppress(OSError):
        fcntl.flock(fd, fcntl.LOCK_UN)


def _follows_newline(fd: int, start: int) -> bool:
    return start <= 0 or os.pread(fd, 1, start - 1) == b"\n"


def _ends_in_newline(fd: int) -> bool:
    """Return whether a new line may start here, and not behind the half of another."""
    for _ in range(_LOOKS):
        if _follows_newline(fd, os.fstat(fd).st_size):
            return True
        # Half, or being written at this moment? An empty write waits its turn behind the writer.
        os.write(fd, b"")
    return False


_appenders: weakref.WeakSet[Appender] = weakref.WeakSet()


def _after_fork() -> None:
    for appender in _appenders:
        appender.leave_to_parent()


os.register_at_fork(after_in_child=_after_fork)
