"""
Which lines of a plain-text log belong together: a traceback is one event.

An event goes on as long as its lines do not begin another one. A line of JSON is always an event of
its own. Both limits cut by what is in the file, never by how it was read: so the same bytes, read
from the beginning of any event, give the same events, across blocks, rotation and restart. What
lies beyond a limit is the next event; nothing is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Protocol

from shipper.formats.continuing import CONTINUING, FAILING, Continuation

CONTINUES = re.compile(CONTINUING.encode())
FAILS = re.compile(FAILING.encode())


class LineJoiner(Protocol):
    """What finds the lines that belong together; both limits cut by what is in the file."""

    @property
    def max_bytes(self) -> int:
        """At most so many bytes are joined."""

    @property
    def quiet_seconds(self) -> float:
        """An event that has not gone on for so long is over."""

    def split(self, data: bytes) -> tuple[list[int], bool]:
        """Return the offsets at which events begin, and whether the last one is complete."""


@dataclass(frozen=True, slots=True)
class Multiline:
    """
    How lines are joined.

    An event begins where `first_line` matches at the beginning of a line; where it is None, with
    any line that is not a usual continuation. One that has not gone on for `quiet_seconds` is over.
    A line that matches `follows` goes on although `first_line` matches it, if the first groups of
    the two are the same in it and in the first line of the event: of one process, say.
    """

    first_line: re.Pattern[bytes] | None
    max_lines: int
    max_bytes: int
    quiet_seconds: float
    follows: re.Pattern[bytes] | None = None

    def split(self, data: bytes) -> tuple[list[int], bool]:
        """
        Return the offsets at which events begin, and whether the last one is complete.

        `data` is whole lines; its first byte begins an event.
        """
        starts: list[int] = []
        offset = size = lines = 0
        goes_on, begin = False, b""
        event = Continuation(CONTINUES, FAILS, begin)
        for line in data.removesuffix(b"\n").split(b"\n"):
            length = len(line) + 1
            is_json = _is_json(line)
            fits = lines < self.max_lines and size + length <= self.max_bytes
            if not (goes_on and fits and not is_json and self._continues(line, begin, event)):
                starts.append(offset)
                begin = line
                event.begins(line)
                lines = size = 0
                goes_on = not is_json
            lines += 1
            size += length
            offset += length
        return starts, not goes_on or lines >= self.max_lines or size >= self.max_bytes

    def _continues(self, line: bytes, begin: bytes, event: Continuation[bytes]) -> bool:
        if self.first_line is None:
            return event.goes_on(line)
        if self.follows is not None and (following := self.follows.match(line)):
            first = self.first_line.match(begin)
            return first is not None and first[1] == following[1]
        return self.first_line.match(line) is None


def _is_json(line: bytes) -> bool:
    return line.startswith(b"{") and line.rstrip().endswith(b"}")
