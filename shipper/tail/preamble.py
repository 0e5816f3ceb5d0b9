"""
The last line before a place in a file that says how the lines after it are to be read.

Such a line (`#Fields: …` of W3C logs) may stand anywhere, once or each time that its program was
started. As a file is read on, it is remembered; where reading begins in the middle of one, it is
looked for backwards, and where it is not near, at the head. So nothing about it has to be saved,
and after a crash the same lines are read in the same way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from shipper.events import LONGEST_PREAMBLE

if TYPE_CHECKING:
    from shipper.tail.content import Content

STEP: Final = 1 << 20
MOST_BACK: Final = 64 << 20  # bytes looked at before a place
HEAD_BYTES: Final = 1 << 16  # of a gzip, which is not read backwards, and of a long file


class Preamble:
    """The preamble of one file at the place up to which it was read: `line`, empty without one."""

    def __init__(self) -> None:
        self._place = 0
        self.line = b""

    def before(self, content: Content, prefix: bytes, place: int) -> bytes:
        """Return the last line with a prefix before a place; raises OSError."""
        if place == 0:
            self.line = b""
        elif place != self._place:
            self.line = _look_back(content, prefix, place)
        self._place = place
        return self.line

    def go_on(self, prefix: bytes, data: bytes, end: int) -> None:
        """Take what was read, up to a place."""
        if prefix:
            self.line = _last_in(data, prefix, at_start=True) or self.line
        self._place = end


def _look_back(content: Content, prefix: bytes, place: int) -> bytes:
    start = place
    if not content.fixed:
        while start > max(0, place - MOST_BACK):
            end, start = start, max(0, start - STEP)
            data = content.read_at(min(end + LONGEST_PREAMBLE, place) - start, start)
            found = _last_in(data, prefix, at_start=start == 0)
            if found:
                return found
    return _last_in(content.read_at(min(HEAD_BYTES, place), 0), prefix, at_start=True)


def _last_in(data: bytes, prefix: bytes, *, at_start: bool) -> bytes:
    """Return the last whole line of some bytes that begins so; `at_start`: a line begins there."""
    index = data.rfind(b"\n" + prefix) + 1
    while index > 0 or (at_start and data.startswith(prefix)):
        end = data.find(b"\n", index, index + LONGEST_PREAMBLE)
        if end >= 0:
            return data[index:end].rstrip(b"\r")
        if index == 0:
            break
        index = data.rfind(b"\n" + prefix, 0, index) + 1  # that one is not whole, or too long
    return b""
