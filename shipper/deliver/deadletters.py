"""
Dead letters: events that were refused for good, kept with the reason.

They are lines of `deadletters.ndjson` in the data folder, a JSON object each: `_id`, `dataset`,
`reason`, `at`, and the `document` as it was sent. A line is written and fsynced *before* its event
is acked, and so is the folder, for the name of the file. After a crash in between, the event is
sent and refused again: a dead letter may be written twice but is never lost, and dead letters with
the same `_id` count as one. A line that a crash or a full disk cut off stays on a line of its own
and is ignored.

To remove lines (replayed, dropped), the lines that stay are written to a new file that durably
replaces the old one: a crash leaves one of them, whole. Every process that writes holds the lock of
the file that has the name at that time.
"""

from __future__ import annotations

import os
from collections import Counter
from contextlib import contextmanager
from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from shipper import crashpoints, files
from shipper.crashpoints import CrashPoint
from shipper.decoding import UNDECODABLE
from shipper.enrich.clock import parse
from shipper.errors import DataFolderError, OutputUnavailable, remedy_of
from shipper.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from shipper.deliver.wrap import RefusedEvents


REMEDY = "free some space or correct the permissions"


class DeadLetter(msgspec.Struct, frozen=True):
    """A dead letter; `at` is when it was refused, `document` what was sent."""

    id: str = msgspec.field(name="_id")
    dataset: str
    reason: str
    at: str
    document: msgspec.Raw

    @property
    def at_ms(self) -> int:
        """Return the time of refusal in epoch milliseconds; 0 if it cannot be read."""
        return parse(self.at) or 0


class Line(msgspec.Struct, frozen=True):
    """A dead letter, and the mark that identifies its line."""

    letter: DeadLetter
    mark: bytes


class DeadLetters:
    """The dead letters of one data folder; several processes may use them at once."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._has_durable_name = False

    def add(self, refused: RefusedEvents, now_ms: int) -> None:
        """
        Write events to the file; they are durable when this returns.

        Raises:
            OutputUnavailable: none of them may count as written; try again.

        """
        events = refused.events
        lines = [
            msgspec.json.encode(
                {
                    "_id": origin,
                    "dataset": dataset,
                    "reason": reason,
                    "at": iso(now_ms),
                    "document": msgspec.Raw(doc),
                }
            )
            for origin, dataset, reason, doc in zip(
                events.ids, events.datasets, refused.reasons, events.docs, strict=True
            )
        ]
        try:
            with self._locked(os.O_RDWR | os.O_CREAT | os.O_APPEND) as fd:
                _append(fd, b"\n".join([*lines, b""]))
            if not self._has_durable_name:  # made just now, or right before a crash
                files.sync(self._path.parent)
                self._has_durable_name = True
        except OSError as error:
            raise OutputUnavailable(
                f"cannot write {self._path}: {error.strerror}", remedy_of(error, REMEDY)
            ) from error

    def read(self) -> Iterator[Line]:
        """
        Yield the dead letters, in the order in which they were written.

        Raises:
            DataFolderError: they cannot be read.

        """
        try:
            with open(self._path, "rb") as file:
                for line in file:
                    letter = _letter_of(line)
                    if letter is not None:
                        yield Line(letter, _mark(line))
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unusable("read", error) from error

    def remove(self, marks: Sequence[bytes]) -> int:
        """
        Remove the lines with these marks and return how many; durable when this returns.

        A mark removes one line; a mark that is given twice, two.

        Raises:
            DataFolderError: nothing was removed.

        """
        left = Counter(marks)
        if not left:
            return 0
        try:
            with self._locked(os.O_RDWR) as fd:
                self._rewrite(fd, left)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise self._unusable("write", error) from error
        return len(marks) - left.total()

    def _rewrite(self, fd: int, left: Counter[bytes]) -> None:
        """Write the lines that stay; `left` says how many lines of each mark are to be removed."""
        with (
            open(fd, "rb", closefd=False) as old,
            files.replacing(self._path, durable=True) as file,
        ):
            for line in old:
                mark = _mark(line)
                if left.get(mark, 0):
                    left[mark] -= 1
                else:
                    file.write(line)
            crashpoints.reached(CrashPoint.LETTERS_REWRITTEN)
        crashpoints.reached(CrashPoint.LETTERS_REPLACED)

    @contextmanager
    def _locked(self, flags: int) -> Iterator[int]:
        """Open the file and hold its lock."""
        fd = files.open_locked(self._path, flags, wait=True)
        try:
            yield fd
        finally:
            os.close(fd)

    def _unusable(self, verb: str, error: OSError) -> DataFolderError:
        return DataFolderError(
            f"cannot {verb} {self._path}: {error.strerror}", remedy_of(error, REMEDY)
        )


def _append(fd: int, data: bytes) -> None:
    size = os.fstat(fd).st_size
    if size and os.pread(fd, 1, size - 1) != b"\n":
        data = b"\n" + data  # the last line was cut off by a crash or a full disk
    while data:
        data = data[os.write(fd, data) :]
    crashpoints.reached(CrashPoint.LETTER_WRITTEN)
    os.fsync(fd)
    crashpoints.reached(CrashPoint.LETTER_SYNCED)


def _letter_of(line: bytes) -> DeadLetter | None:
    """Read a line; return None if it is no dead letter."""
    try:
        return msgspec.json.decode(line, type=DeadLetter)
    except UNDECODABLE:
        return None


def _mark(line: bytes) -> bytes:
    """Return what identifies a line, whatever its end of line."""
    return blake2b(line.rstrip(b"\n"), digest_size=16).digest()


class LineCount:
    """
    The number of lines of a file.

    Of a file that has grown only what is new is counted, of another one of its name all of it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = (0, 0)
        self._size = 0  # counted so far
        self._newlines = 0
        self._is_half = False  # the last line has no newline

    def lines(self) -> int:
        """Return the number; 0 if there is no file, or it cannot be read."""
        try:
            stat = self._path.stat()
            if (stat.st_dev, stat.st_ino) != self._file or stat.st_size < self._size:
                self._file = stat.st_dev, stat.st_ino
                self._size, self._newlines, self._is_half = 0, 0, False
            if stat.st_size > self._size:
                self._count()
        except OSError:
            self._file = 0, 0
            return 0
        return self._newlines + self._is_half

    def _count(self) -> None:
        with open(files.open_regular(self._path), "rb") as file:
            file.seek(self._size)
            while data := file.read(1 << 20):
                self._size += len(data)
                self._newlines += data.count(b"\n")
                self._is_half = not data.endswith(b"\n")
