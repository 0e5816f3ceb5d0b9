"""
A spool: what came in, in files that are read like any log and removed when they are delivered.

- `write` returns when the lines are on the disk (fdatasync). What it was given by then survives a
  crash of the process and of the machine, and is delivered once, as lines of any file are. What it
  had not returned from may be lost, or be there in part.
- A file is only appended to, by one process: a new process begins a new file, and ends the last
  line of the one before, if a crash has cut it off. Where the sender will send that line again,
  what is there of it is made blank.
- A file begins with a line of blanks and tabs that says nothing and is never the same. So each
  file is another one for who knows files by how they begin, though its inode and its first lines
  are those of one that is gone.
- A file is removed when the registry has saved that all of it is acked, unless lines may still be
  added to it. With `keep_last`, the newest one stays: its last line says where to go on reading.
- A full spool is waited for, a full disk too: nothing is dropped here.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import re
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.errors import DataFolderError
from shipper.files import keep_owner, make_folder, sync
from shipper.fingerprint import HEAD

log = logging.getLogger("shipper")

FILE_BYTES: Final = 16 << 20  # of a file, after which the next one begins
RETRY_SECONDS: Final = 1.0
TAIL_BYTES: Final = 1 << 20  # of a file that are looked at for its last line
_NAME: Final = re.compile(r"([0-9]{8})-[0-9a-f]{16}\.log")
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
_CHANGE: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class IntakeCounters:
    """What came in by one way since the start; written by its thread."""

    messages: int = 0  # lines, of standard input
    bytes: int = 0  # written to the spool
    cut: int = 0  # longer than allowed
    lost: int = 0  # by the kernel, as they were not read in time
    refused: int = 0  # connections
    connections: int = 0  # now


class Spool:
    """The files of one input. `write` is for one thread, `prune` for another."""

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        *,
        keep_last: bool = False,
        file_bytes: int = FILE_BYTES,
    ) -> None:
        """
        Open a spool, and end what a crash has cut off.

        Raises:
            DataFolderError: it cannot be used.

        """
        self.folder = Path(os.path.abspath(folder))
        self.counters = IntakeCounters()
        self._max_bytes = max_bytes
        self._file_bytes = min(file_bytes, max(max_bytes // 4, 1))
        self._keep_last = keep_last
        self._fd = -1
        self._current: Path | None = None
        self._room = threading.Condition()
        self._sizes: dict[Path, int] = {}
        self._has_failed = False
        try:
            make_folder(self.folder)
            self._find()
        except OSError as error:
            raise DataFolderError(
                f"cannot use {self.folder}: {error.strerror}", "correct its permissions"
            ) from error

    def _find(self) -> None:
        """Find the files that are there, and end their last lines."""
        with os.scandir(self.folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            path = self.folder / name
            if _NAME.fullmatch(name):
                self._sizes[path] = _end_last_line(path, blank=self._keep_last)
            elif name.endswith(".new"):
                path.unlink(missing_ok=True)  # a process that was killed left it, without lines

    @property
    def size(self) -> int:
        """The bytes of all files."""
        return sum(tuple(self._sizes.values()))

    @property
    def limit(self) -> int:
        """The size at which it is full."""
        return self._max_bytes

    def has_room(self) -> bool:
        """Return whether more may be written."""
        return self.size < self._max_bytes

    def wait_for_room(self, seconds: float) -> bool:
        """Wait until more may be written, but at most this long; return whether it may."""
        with self._room:
            return self._room.wait_for(self.has_room, seconds)

    def write(self, lines: bytes, stop: threading.Event) -> bool:
        """
        Write whole lines; return when they are on the disk. While the disk is full, wait.

        Return False if `stop` was set while they could not be written: they are lost, or there in
        part.
        """
        rest = memoryview(lines)
        while rest:
            try:
                rest = rest[self._append(rest) :]
            except OSError as error:
                if not self._has_failed:
                    log.error("%s cannot be written now: %s", self.folder, error.strerror)  # noqa: TRY400 -- no bug
                self._has_failed = True
                if stop.wait(RETRY_SECONDS):
                    return False
            else:
                self._has_failed = False
        crashpoints.reached(CrashPoint.SPOOL_WRITTEN)
        self._sync()
        crashpoints.reached(CrashPoint.SPOOL_SYNCED)
        self.counters.bytes += len(lines)
        if self._current is not None and self._sizes[self._current] >= self._file_bytes:
            self.end_file()
        return True

    def _append(self, lines: memoryview) -> int:
        """Write some bytes; return how many."""
        if self._current is None:
            return self._begin_file(lines)
        written = os.write(self._fd, lines)
        self._sizes[self._current] += written
        return written

    def _begin_file(self, lines: memoryview) -> int:
        """Write bytes to a new file, which gets its name when they are there; return how many."""
        number = max((int(path.name[:8]) for path in self._sizes), default=0) + 1
        path = self.folder / f"{number:08d}-{secrets.token_hex(8)}.log"
        new = path.with_suffix(".new")
        fd = os.open(new, _NEW, 0o600)
        try:
            keep_owner(fd, self.folder)
            head = _unique_line()
            written = os.writev(fd, [head, lines]) - len(head)
            if written < 0:
                _raise_full()
            os.fdatasync(fd)
            new.rename(path)
            with contextlib.suppress(OSError):
                sync(self.folder)
        except BaseException:
            os.close(fd)
            new.unlink(missing_ok=True)
            raise
        self._fd, self._current = fd, path
        self._sizes[path] = HEAD + written
        return written

    def _sync(self) -> None:
        try:
            os.fdatasync(self._fd)
        except OSError as error:
            # What the kernel could not write it may have dropped, so this file gets no more lines.
            log.error("%s: not sure to be on the disk: %s", self._current, error.strerror)  # noqa: TRY400 -- no bug
            self.end_file()

    def end_file(self) -> None:
        """Begin another file with the next line; what is in the last one is pruned when acked."""
        if self._current is not None:
            os.close(self._fd)
            self._fd, self._current = -1, None

    def last_line(self) -> bytes:
        """Return the last whole line that says anything; empty if there is none."""
        for path in sorted(self._sizes, reverse=True):
            with contextlib.suppress(OSError):
                lines = _tail(path).split(b"\n")[:-1]
                for line in reversed(lines):
                    if line.strip():
                        return line
        return b""

    def prune(self, acked: Mapping[str, int]) -> None:
        """Remove the files of which all is acked and saved, by their paths; raises nothing."""
        sizes = sorted(self._sizes.items())
        if self._keep_last:
            sizes = sizes[:-1]
        for path, size in sizes:
            if path != self._current and acked.get(str(path), 0) >= size:
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    log.debug("cannot remove %s: %s", path, error)
                    continue
                crashpoints.reached(CrashPoint.SPOOL_PRUNED)
                with self._room:
                    del self._sizes[path]
                    self._room.notify_all()

    def paths(self) -> list[str]:
        """Return the paths of all files that are there."""
        return [str(path) for path in tuple(self._sizes)]

    def is_delivered(self, acked: Mapping[str, int]) -> bool:
        """Return whether all that is there is acked."""
        return all(acked.get(str(path), 0) >= size for path, size in tuple(self._sizes.items()))


def _raise_full() -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def _unique_line() -> bytes:
    """Return a line of blanks and tabs that no other file begins with."""
    bits = f"{secrets.randbits(256):0256b}"
    return bits.translate({48: " ", 49: "\t"}).ljust(HEAD - 1).encode() + b"\n"


def _tail(path: Path) -> bytes:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(HEAD, size - TAIL_BYTES))
        return file.read()


def _end_last_line(path: Path, *, blank: bool) -> int:
    """End a line that a crash has cut off, or make it blank; return the size of the file."""
    fd = os.open(path, _CHANGE)
    try:
        size = os.fstat(fd).st_size
        begin = max(HEAD, size - TAIL_BYTES)
        tail = os.pread(fd, size - begin, begin) if size > begin else b""
        if not tail or tail.endswith(b"\n"):
            return size
        half = len(tail) - (tail.rfind(b"\n") + 1)
        added = b" " * half + b"\n" if blank else b"\n"
        os.pwrite(fd, added, size - half if blank else size)
        os.fdatasync(fd)
        return size + 1
    finally:
        os.close(fd)
