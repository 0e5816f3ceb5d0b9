"""
Where messages end in a stream of syslog: RFC 6587, both ways, recognized at each message.

A message that begins with a number and a blank has so many octets (octet counting); any other ends
with a newline or NUL. Of a message that is longer than the limit its beginning is kept, and the
rest is passed over as it comes, so that nothing of it is kept in memory. A count beyond all reason
ends the connection: nobody knows what follows.
"""

from __future__ import annotations

import re
from typing import Final

MOST_OCTETS: Final = 16 << 20
_COUNT: Final = re.compile(rb"([1-9][0-9]{0,8}) ")
_MAYBE_COUNT: Final = re.compile(rb"[1-9][0-9]{0,8}\Z")
_ENDS: Final = re.compile(rb"[\n\0]")


class FramingError(Exception):
    """What came cannot be cut into messages."""


class Framing:
    """Cuts what comes from one connection into messages of at most `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._data = bytearray()
        self._skip = 0  # octets of a counted message that are passed over
        self._skips_line = False
        self._looked_to = 0  # how far there is no end of a line
        self.cut = 0

    def feed(self, data: bytes) -> list[bytes]:
        """
        Take bytes; return the messages that are whole now.

        Raises:
            FramingError: nothing more can be read from this connection.

        """
        self._data += data
        messages: list[bytes] = []
        at = 0
        while at < len(self._data):
            if self._skip:
                passed = min(self._skip, len(self._data) - at)
                self._skip -= passed
                at += passed
                continue
            end = self._next(at, messages)
            if end is None:
                break
            at = end
        del self._data[:at]
        self._looked_to = max(self._looked_to - at, 0)
        return messages

    def end(self) -> list[bytes]:
        """Return what is there of a last message that did not end."""
        rest, self._data = bytes(self._data), bytearray()
        if self._skips_line or not rest:
            return []
        count = _COUNT.match(rest)
        rest = rest[count.end() :] if count else rest
        return [rest[: self._limit]] if rest else []

    def _next(self, at: int, messages: list[bytes]) -> int | None:
        """Take the message that begins here; return where the next one begins, None for later."""
        data = self._data
        count = None if self._skips_line else _COUNT.match(data, at)
        if count is not None:
            return self._counted(count, messages)
        if not self._skips_line and _MAYBE_COUNT.match(data, at):
            return None
        found = _ENDS.search(data, max(at, self._looked_to))
        self._looked_to = len(data) if found is None else 0
        if found is None:
            if len(data) - at <= self._limit and not self._skips_line:
                return None
            if not self._skips_line:
                messages.append(bytes(data[at : at + self._limit]))
                self.cut += 1
                self._skips_line = True
            return len(data)
        if not self._skips_line:
            self.cut += found.start() - at > self._limit
            messages.append(bytes(data[at : min(found.start(), at + self._limit)]))
        self._skips_line = False
        return found.end()

    def _counted(self, count: re.Match[bytes], messages: list[bytes]) -> int | None:
        size, begin = int(count[1]), count.end()
        if size > MOST_OCTETS:
            raise FramingError(f"a message of {size:,} octets is announced")
        kept = min(size, self._limit)
        if len(self._data) - begin < kept:
            return None
        messages.append(bytes(self._data[begin : begin + kept]))
        self.cut += size > kept
        self._skip = size - kept
        return begin + kept
