"""
The bytes of one file by their offset: as they lie there, or what a gzip stands for.

A gzip is read through `zlib` as the text that was compressed, so an offset means the same in
`app.log.1` and in the `app.log.2.gz` that was made of it. It is decompressed once for its size (and
to see whether it is whole), and again as it is read; what lies before a read is kept for a few
blocks only, so its size costs no memory. Several members behind one another are one text, as gzip
has it. A gzip that ends in the middle, or is damaged, gives what is before that, and says so in
`fault`.
"""

from __future__ import annotations

import errno
import os
import zlib
from typing import TYPE_CHECKING, Protocol

from shipper.files import open_regular
from shipper.fingerprint import HEAD
from shipper.registry.identity import identity

if TYPE_CHECKING:
    from shipper.registry.identity import FileIdentity

GZIP = ".gz"

CHUNK = 1 << 16  # bytes of a gzip, and of its text, taken in one go
KEEP = 2 * HEAD  # bytes kept before the last read: what a fingerprint of the last bytes covers
GZIP_FORMAT = 31  # for zlib: gzip's header and trailer, the largest window


class Content(Protocol):
    """What a harvester reads; every call raises OSError."""

    path: str
    fixed: bool  # what was read of it cannot change
    fault: str | None

    def read_at(self, length: int, offset: int) -> bytes:
        """Read at most `length` bytes; fewer only at the end."""

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


def open_content(path: str, key: FileIdentity, *, compressed: bool) -> Content | None:
    """
    Open a file; None, and nothing of it is read, if the path leads to another one by now.

    Raises OSError, also where it leads to what is no regular file, such as a FIFO.
    """
    fd = open_regular(path, follow=True)
    try:
        if identity(os.fstat(fd)) != key:
            os.close(fd)
            return None
        return Gunzipped(path, fd) if compressed else Plain(path, fd)
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

    def data_from(self, offset: int) -> int:
        """Return where the next bytes are that were written: behind a hole, or at the end."""
        try:
            return os.lseek(self.fd, offset, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # there is nothing but a hole, or no more
                return max(os.fstat(self.fd).st_size, offset)
            return offset  # not every file system knows its holes

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

    def __init__(self, path: str, fd: int) -> None:
        self.path = path
        self.fd = fd
        self.fault: str | None = None
        self._size: int | None = None
        self._head = b""
        self._rewind()
        self._head = self.read_at(HEAD, 0)

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
        if offset + length <= len(self._head):
            return self._head[offset : offset + length]
        if offset < self._start:
            self._rewind()
        while self._start + len(self._buffer) < offset + length and (data := self._next()):
            drop = min(max(offset - KEEP - self._start, 0), len(self._buffer))
            self._buffer = self._buffer[drop:] + data
            self._start += drop
        index = offset - self._start
        return self._buffer[index : index + length]

    def data_from(self, offset: int) -> int:
        """Return the offset: a text has no holes."""
        return offset

    def _next(self) -> bytes:
        """Decompress the next piece of the text; nothing at its end."""
        while True:
            if not self._pending:
                self._pending = os.pread(self.fd, CHUNK, self._at)
                self._at += len(self._pending)
                if not self._pending:
                    return self._rest()
            if not self._inside:
                self._pending = self._pending.lstrip(b"\0")  # members may be padded
                if not self._pending:
                    continue
                self._inflate, self._inside = zlib.decompressobj(GZIP_FORMAT), True
            data = self._inflated()
            if data is None:
                return b""
            if data:
                return data

    def _rest(self) -> bytes:
        """Return what zlib still has when the file is at its end."""
        data = self._inflate.decompress(b"", CHUNK) if self._inside else b""
        if not data and self._inside:
            self.fault = "it ends in the middle"
        return data

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

    def size(self, _stat: os.stat_result) -> int:
        """Return the bytes that can be read; the first call reads all of the file."""
        if self._size is None:
            self._rewind()
            self._size = 0
            while data := self._next():
                self._size += len(data)
            self._rewind()
        return self._size

    def close(self) -> None:
        """Close the file."""
        os.close(self.fd)
