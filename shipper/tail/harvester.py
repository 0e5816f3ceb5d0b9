"""
The reader of one open file: bytes to blocks of whole lines.

Before every read the first bytes of the file are compared with its fingerprint, and its size with
the position: so a file that was truncated and written again is found out before a single wrong
byte is taken, however fast it grew. The open descriptor keeps the inode: while a harvester lives,
no other file can get it.

A half-written last line waits for its end. It is given as it is only when the file was rotated
away and has been quiet for a while: nobody will end it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipper.events import Block
from shipper.tail.identity import HEAD, fingerprint
from shipper.tail.lag import Lag

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.tail.registry import FileRecord

SETTLE_SECONDS = 5.0  # a writer that still has a rotated file open has come back by then

PEEK = 4096  # bytes of what is not read in which the time of the next record is looked for

STEP = 1 << 20  # bytes looked at in one go for the end of a line that is too long


class Harvester:
    """
    One open file of an input; `position` is how far it was read, `record.offset` how far acked.

    `name_stream` names the stream of a file by its first bytes. Raises OSError where the file
    cannot be opened.
    """

    def __init__(
        self,
        record: FileRecord,
        path: str,
        *,
        name_stream: Callable[[FileRecord, bytes], str],
        max_line_bytes: int,
        now: float,
    ) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._name_stream = name_stream
        self._max_line_bytes = max_line_bytes
        self._looked_to = 0  # how far the end of an over-long line was looked for
        self.record = record
        self.path = path
        self.position = record.offset
        self.size = 0
        self.missing = False
        self.grown_at = now
        self._rotated_at: float | None = None
        self._looked_at = (-1, -1)  # size and time of change at the last look

    def is_same(self) -> bool:
        """Tell whether the file still is what was read so far; raises OSError."""
        self.size = os.fstat(self._fd).st_size
        seen = max(self.position, self._looked_to)
        return self.size >= seen and self.record.head.fits(self._fd)

    def is_settled(self, now: float) -> bool:
        """Tell whether nobody writes to the file any more, as far as one can tell."""
        if self._rotated_at is None:
            return False
        return now - max(self.grown_at, self._rotated_at) >= SETTLE_SECONDS

    def is_read(self) -> bool:
        """Tell whether all that the file holds was read and acked."""
        return self.position >= self.size and self.record.offset >= self.position

    def has_grown(self, now: float) -> bool:
        """
        Look at the file; tell whether there may be something to read; raises OSError.

        That is so as well when it was written to and has the size it had: it may have been
        truncated in between.
        """
        stat = os.fstat(self._fd)
        before, self._looked_at = self._looked_at, (stat.st_size, stat.st_mtime_ns)
        if stat.st_size != before[0]:
            self.grown_at = now
        self.size = stat.st_size
        return self.size != self.position or self._looked_at != before

    def set_rotated(self, now: float, *, rotated: bool) -> None:
        """Note whether the file was rotated away; the pause of its writer begins then."""
        if not rotated:
            self._rotated_at = None
        elif self._rotated_at is None:
            self._rotated_at = now

    def restart(self, record: FileRecord) -> None:
        """Begin again at the start, under another record."""
        self.record = record
        self.position = self._looked_to = 0

    def rewind(self) -> None:
        """Go on reading at what is acked."""
        self.position = self.record.offset
        self._looked_to = 0

    def read(self, block_bytes: int, *, now: float, read_at: int) -> Block | None:
        """
        Read on; None if there is no whole line now.

        `now` is the monotonic clock in seconds, `read_at` the wall clock in epoch milliseconds.
        Call `is_same` before. Raises OSError.
        """
        wanted = min(block_bytes, self.size - self.position, self._to_the_known_end())
        data = os.pread(self._fd, wanted, self.position) if wanted > 0 else b""
        whole = data.rfind(b"\n") + 1
        if whole:
            return self._block(data[:whole], whole, now=now, read_at=read_at)
        if not data:
            return None
        if len(data) == self._to_the_known_end():
            return self._block(data, len(data), now=now, read_at=read_at)
        if len(data) == block_bytes or self._looked_to > self.position:
            return self._long_line(now=now, read_at=read_at)
        if not self.is_settled(now):
            return None
        return self._block(data, len(data), now=now, read_at=read_at)

    def _to_the_known_end(self) -> int:
        """Give the bytes up to the end of what is read again: no block goes beyond it."""
        left = self.record.again - self.position
        return left if left > 0 else self.size + 1

    def _long_line(self, *, now: float, read_at: int) -> Block | None:
        """Read a line that is longer than a block, keep what may be kept of it."""
        start = self.position
        end = self._find_newline(max(self._looked_to, start))
        if end is None:
            if not self.is_settled(now):
                return None
            end = self._looked_to
        self._looked_to = 0
        length = end - start
        data = os.pread(self._fd, min(length, self._max_line_bytes + 1), start)
        cut = len(data.rstrip(b"\n")) > self._max_line_bytes
        data = data[: self._max_line_bytes] if cut else data
        return self._block(data, length, now=now, read_at=read_at, cut=cut)

    def _find_newline(self, offset: int) -> int | None:
        """Find the offset after the next newline; remember how far it was looked for."""
        while True:
            data = os.pread(self._fd, STEP, offset)
            index = data.find(b"\n")
            if index >= 0:
                return offset + index + 1
            offset += len(data)
            self._looked_to = offset
            if not data:
                self._grow_head(offset)
                return None

    def _block(
        self, data: bytes, length: int, *, now: float, read_at: int, cut: bool = False
    ) -> Block:
        record, start = self.record, self.position
        self.position = start + length
        self.grown_at = now
        self._grow_head(self.position)
        if not record.stream:
            record.stream = self._name_stream(record, os.pread(self._fd, HEAD, 0))
        return Block(
            file=record.id,
            path=record.path,
            stream=record.stream,
            start=start,
            end=self.position,
            data=data,
            read_at=read_at,
            limit=self._max_line_bytes,
            cut=cut,
            again=start < record.again,
        )

    def _grow_head(self, seen: int) -> None:
        """Let the fingerprint cover what was seen of the file."""
        if self.record.head.length < HEAD:
            self.record.head = fingerprint(self._fd, min(HEAD, seen))

    def lag(self, now: float) -> Lag:
        """Look how far the file is; `now` is monotonic; raises OSError."""
        record, size = self.record, os.fstat(self._fd).st_size
        read = self.position
        head = os.pread(self._fd, PEEK, read) if size > read else b""
        half = b"\n" not in head and size <= max(read + len(head), self._looked_to)
        waits = half and now - self.grown_at >= SETTLE_SECONDS and size == self.size
        return Lag(record.path, read, record.offset, size, record.current_at, head, waits)

    def close(self) -> os.stat_result:
        """Close the file; give what its stat said last."""
        stat = os.fstat(self._fd)
        os.close(self._fd)
        return stat
