"""
Standard input, to its end: whole lines go to the spool as they are.

What was read and is not in the spool yet, a block of the pipe at most, is lost if the process is
killed: a pipe has no acknowledgements. A stop writes what was read, a half line too; what is still
in the pipe then is lost with it, as its writer learns by SIGPIPE.
"""

from __future__ import annotations

import os
import select
from typing import Final

from shipper.intake.spool import Spool
from shipper.intake.stopping import StopRequest

BLOCK_BYTES: Final = 256 << 10
ROOM_SECONDS: Final = 1.0


class LineCutter:
    """
    Cuts bytes into whole lines.

    At most `limit` bytes of a line are kept, and one more, so that it is seen to be too long.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._half = bytearray()
        self.cut = 0

    def feed(self, data: bytes) -> bytes:
        """Take bytes; return the whole lines that there are now."""
        end = data.rfind(b"\n") + 1
        if not end:
            self._keep(data)
            return b""
        if not self._half:
            whole = data[:end]
        else:
            first = data.index(b"\n")
            self._keep(data[:first])
            whole = bytes(self._half) + data[first:end]
            self._half.clear()
        self._keep(data[end:])
        return whole

    def end(self) -> bytes:
        """Return the last line, if it is not whole, as if it were."""
        rest = bytes(self._half) + b"\n" if self._half else b""
        self._half.clear()
        return rest

    def _keep(self, data: bytes) -> None:
        had = len(self._half)
        self._half += data[: max(self._limit + 1 - had, 0)]
        self.cut += had <= self._limit < had + len(data)


class StdinIntake:
    """Reads a file descriptor to its end; `has_ended` is whether it was reached."""

    def __init__(self, spool: Spool, max_line_bytes: int, fd: int = 0) -> None:
        self._spool = spool
        self._lines = LineCutter(max_line_bytes)
        self._fd = fd
        self.has_ended = False
        self.is_lost = False

    def run(self, stop: StopRequest) -> None:
        """Read until the end, or until it is stopped."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(stop.fileno(), select.POLLIN)
        while not stop.is_set():
            if not self._spool.wait_for_room(ROOM_SECONDS):
                continue
            came = [fd for fd, _event in poll.poll()]
            if self._fd not in came:
                continue
            data = os.read(self._fd, BLOCK_BYTES)
            if not data:
                self.has_ended = True
                break
            self._write(self._lines.feed(data), stop)
        self._write(self._lines.end(), stop)
        self._spool.end_file()

    def _write(self, lines: bytes, stop: StopRequest) -> None:
        counters = self._spool.counters
        counters.messages += lines.count(b"\n")
        counters.cut = self._lines.cut
        if lines and not self._spool.write(lines, stop.event):
            self.is_lost = True
