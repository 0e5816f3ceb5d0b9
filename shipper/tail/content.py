"""
The bytes of one file by their offset: as they lie there, or what a gzip stands for.

A gzip is read through `zlib` as the text that was compressed, so an offset means the same in
`app.log.1` and in the `app.log.2.gz` that was made of it. It is decompressed once for its size (and
to see whether it is whole), in steps (archives.py), and again as it is read; what lies before that
is kept for a few blocks only, so its size costs no memory. Several members behind one another are
one text, as gzip has it. A gzip that ends in the middle, or is damaged, gives what is before that,
and says so in `fault`; so does one that stands for more text than a log does.
"""

from __future__ import annotations

import errno
import os
import zlib
from typing import TYPE_CHECKING, NamedTuple, Protocol

from shipper.files import open_regular
from shipper.fingerprint import HEAD
from shipper.registry.identity import identity

if TYPE_CHECKING:
    from shipper.registry.identity import FileIdentity

GZIP = ".gz"

CHUNK = 1 << 16  # bytes of a gzip, and of its text, taken in one go
KEEP = 2 * HEAD  # bytes kept before the last read: what a fingerprint of the last bytes covers
GZIP_FORMAT = 31  # for zlib: gzip's header and trailer, the largest window

MOST_RATIO = 200  # bytes of text for each byte of a gzip; logs have about 20, nothing but NUL 1030
MOST_TEXT = 256 << 20  # of any gzip, also of one that has more for each byte
APPROACH_BYTES = 64 << 20  # of text decompressed in one call on the way to a place in it
ENDS_EARLY = "it ends in the middle"


class TextSize(NamedTuple):
    """What was measured of the text of a gzip: its bytes, and what is wrong with it."""

    size: int
    fault: str | None


class Content(Protocol):
    """What a harvester reads; every call raises OSError."""

    path: str
    fixed: bool  # what was read of it cannot change
    fault: str | None

    def read_at(self, length: int, offset: int) -> bytes:
        """Read at most `length` bytes; fewer only at the end."""

    def approach(self, offset: int) -> bool:
        """Do some of the work that a read there needs first; return whether it was all."""

    def data_from(self, offset: int) -> int:
        """Return where the next bytes are that were written: behind a hole, or at the end."""

    def stat(self) -> os.stat_result:
        """Return what the file system says of the file."""

    def size(self, stat: os.stat_result) -> int:
        """Return the bytes that can be read."""

    @property
    def fd(self) -> int:
        """Return the open descriptor."""

    def close(self) -> None:
        """Close the file."""


def open_content(
    path: str, key: FileIdentity, *, compressed: bool, text: TextSize | None = None
) -> Content | None:
    """
    Open a file; None, and nothing of it is read, if the path leads to another one by now.

    `text` is what was measured of a gzip before.

    Raises OSError, also where it leads to what is no regular file, such as a FIFO.
    """
    fd = open_regular(path, follow=True)
    try:
        if identity(os.fstat(fd)) != key:
            os.close(fd)
            return None
        return Gunzipped(path, fd, text) if compressed else Plain(path, fd)
    except BaseException:
        os.close(fd)
        raise


class Plain:
    """A file as it is."""

    fixed = False
    fault: str | None = None

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd

    def read_at(self, length: int, offset: int) -> bytes:
        """Read at most `length` bytes; fewer only at the end."""
        return os.pread(self.fd, length, offset)

    def approach(self, _offset: int) -> bool:
        """Return True: any place is as near as another."""
        return True

    def data_from(self, offset: int) -> int:
        """Return where the next bytes are that were written: behind a hole, or at the end."""
        return data_from(self.fd, offset)

    def stat(self) -> os.stat_result:
        """Return what the file system says of the file."""
        return os.fstat(self.fd)

    def size(self, stat: os.stat_result) -> int:
        """Return the bytes that can be read."""
        return stat.st_size

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


class Gunzipped:
    """
    The text of a gzip.

    Reading goes forward; a read that lies far before the last one starts over. `fd` is closed by
    `close` alone.
    """

    fixed = True

    def __init__(self, path: str, fd: int, text: TextSize | None = None) -> None:
        self.path = path
        self.fd = fd
        self.fault = text.fault if text else None
        self._size = text.size if text else None
        self._measured = 0  # of a text whose size is not known yet
        self._is_measuring = False  # since the last read
        self._head = b""
        self._rewind()
        self._head = self.read_at(HEAD, 0)
        self._rewind()

    def _rewind(self) -> None:
        self._at = 0  # how far the file was read
        self._pending = b""  # of it, what was not decompressed
        self._inflate = zlib.decompressobj(GZIP_FORMAT)
        self._inside = False  # of a member
        self._step = CHUNK
        self._buffer = b""
        self._start = 0  # offset of the buffer in the text

    def read_at(self, length: int, offset: int) -> bytes:
        """Read at most `length` bytes; fewer only at the end."""
        if self._size is not None:
            length = max(min(length, self._size - offset), 0)
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        if offset < self._start or self._is_measuring:
            self._rewind()
        self._is_measuring = False
        while self._start + len(self._buffer) < offset + length:
            data = self._next()
            if data is None:
                break
            drop = min(max(offset - KEEP - self._start, 0), len(self._buffer))
            self._buffer = self._buffer[drop:] + data
            self._start += drop
        index = offset - self._start
        return self._buffer[index : index + length]

    def approach(self, offset: int) -> bool:
        """Decompress some of what lies before an offset; return whether it was all."""
        if offset < self._start or self._is_measuring:
            self._rewind()
        self._is_measuring = False
        goal, most = offset - KEEP, self._start + len(self._buffer) + APPROACH_BYTES
        while (end := self._start + len(self._buffer)) < goal:
            if end >= most:
                return False
            data = self._next()
            if data is None:
                break
            self._buffer, self._start = data, end
        return True

    def data_from(self, offset: int) -> int:
        """Return the offset: a text has no holes."""
        return offset

    def _next(self) -> bytes | None:
        """Decompress some of the text, or only come nearer to it; None at its end."""
        if not self._inside:
            self._pending = self._pending.lstrip(b"\0")  # members may be padded
        if not self._pending:
            if not self._inside:
                self._at = data_from(self.fd, self._at)
            self._pending = os.pread(self.fd, CHUNK, self._at)
            self._at += len(self._pending)
            return b"" if self._pending else self._rest()
        if not self._inside:
            self._inflate, self._inside = zlib.decompressobj(GZIP_FORMAT), True
        return self._inflated()

    def _rest(self) -> bytes | None:
        """Return what zlib still has when the file is at its end."""
        data = self._inflate.decompress(b"", CHUNK) if self._inside else b""
        if not data and self._inside:
            self.fault = ENDS_EARLY
        return data or None

    def _inflated(self) -> bytes | None:
        """Decompress some of what is pending; None where it is damaged."""
        while True:
            piece, before = self._pending[: self._step], self._inflate.copy()
            try:
                data = self._inflate.decompress(piece, CHUNK)
            except zlib.error as error:
                if self._step == 1:
                    self.fault = f"it is damaged ({error})"
                    return None
                # In smaller steps, so that nothing before the damage is skipped.
                self._inflate, self._step = before, self._step // 2
                continue
            rest = self._inflate.unused_data or self._inflate.unconsumed_tail
            self._pending = rest + self._pending[len(piece) :]
            self._inside = not self._inflate.eof
            return data

    def stat(self) -> os.stat_result:
        """Return what the file system says of the file."""
        return os.fstat(self.fd)

    def measure(self, most: int) -> int:
        """Measure some more of the text; return the bytes taken, `most` while there is more."""
        if not self._is_measuring:
            self._rewind()
            self._measured, self._is_measuring = 0, True
        taken, limit = 0, max(MOST_RATIO * self.stat().st_size, MOST_TEXT)
        while self._size is None and taken < most:
            before = self._at
            data = self._next()
            taken += len(data or b"") + min(self._at - before, CHUNK)  # a hole costs nothing
            self._measured += len(data or b"")
            if data is None or self._measured > limit:
                self._size = min(self._measured, limit)
                if data is not None:
                    self.fault = f"it decompresses to more than {limit} bytes"
                self._rewind()
        return taken

    def size(self, _stat: os.stat_result) -> int:
        """Return the bytes that can be read; the first call reads all that was not measured."""
        while self._size is None:
            self.measure(CHUNK)
        return self._size

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)


def data_from(fd: int, offset: int) -> int:
    """Return where the next bytes of a file are that were written, or its end."""
    try:
        return os.lseek(fd, offset, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # there is nothing but a hole, or no more
            return max(os.fstat(fd).st_size, offset)
        return offset  # not every file system knows its holes
