"""
One connection to a Lumberjack server: a window goes out, then its acks are waited for.

Whatever is heard of a window counts from the first event on, also when the connection ends in the
middle. A server that is alive but does not get on (ack 0, again and again) keeps the window: it is
asked again later on the same connection, since sending it again would only heap up windows there.
After any other end than a whole ack a connection is not used again: an ack that comes late must
never be taken for one of the next window.
"""

from __future__ import annotations

import select
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from shipper.deliver.lumberjack import AckReader, ProtocolError
from shipper.net.connect import explain, is_cut

if TYPE_CHECKING:
    import socket

SECTION = "output.logstash"  # of the config, which says how it is connected
POLL_SECONDS = 0.05  # what is in the buffer is read before silence is stated
IDLE_SECONDS = 50.0  # Logstash closes after 60 s; a window must not meet that


class WindowOutcome(Enum):
    """How a window ended."""

    ACKED = "all of it is acked"
    CUT = "the connection ended before the ack"
    BLOCKED = "the server is alive, but does not get on; the window stays there"
    STALE = "so it did, but it had been in use before: that may be why"
    DOWN = "no connection, no answer, or no sensible one"


@dataclass(frozen=True, slots=True)
class WindowAnswer:
    """What became of a window: how many of its events are acked, from the first; why not all."""

    outcome: WindowOutcome
    acked: int = 0
    reason: str = ""


class Connection:
    """A connected socket; it never has more than one window under way."""

    def __init__(self, connected: socket.socket, ack_seconds: float) -> None:
        self._socket = connected
        self._ack_seconds = ack_seconds
        self._is_new = True
        self._reader = AckReader(0)
        self._heard = time.monotonic()
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)

    def is_usable(self) -> bool:
        """Return whether the server still has it open, as far as one can tell, and owes nothing."""
        return time.monotonic() - self._heard < IDLE_SECONDS and not self._poll.poll(0)

    def send(self, window: bytes, events: int) -> WindowAnswer:
        """Send one window of so many events and wait for its acks."""
        self._reader = AckReader(events)
        try:
            self._socket.settimeout(self._ack_seconds)
            self._socket.sendall(window)
        except OSError as error:
            if not is_cut(error):
                return self._failed(error)
            # What the server said before it went, an ack or why, is still to be read.
        self._heard = time.monotonic()
        return self.wait(self._ack_seconds)

    def wait(self, seconds: float) -> WindowAnswer:
        """Wait for the acks of the window; a server that is alive is waited for so long."""
        reader = self._reader
        try:
            is_acked = self._read(reader, time.monotonic() + seconds)
        except ProtocolError as error:
            return WindowAnswer(WindowOutcome.DOWN, reader.acked, str(error))
        except OSError as error:
            return self._failed(error)
        if not is_acked:
            told = (
                f"is alive, but has held a window for over {self._ack_seconds:g} s; is"
                " Elasticsearch behind it down, or its disk full?"
            )
            return WindowAnswer(WindowOutcome.BLOCKED, reason=told)
        self._is_new = False
        return WindowAnswer(WindowOutcome.ACKED, reader.acked)

    def _read(self, reader: AckReader, deadline: float) -> bool:
        """Read until all is acked (True), or the deadline (False); raises if it is silent."""
        while not reader.is_complete:
            now = time.monotonic()
            silent_at = self._heard + self._ack_seconds
            if deadline <= now < silent_at:
                return False
            self._socket.settimeout(max(min(deadline, silent_at) - now, POLL_SECONDS))
            try:
                data = self._socket.recv(4096)
            except TimeoutError:
                if time.monotonic() >= silent_at:
                    raise
                continue
            if not data:
                raise ConnectionResetError
            if reader.feed(data):
                self._heard = time.monotonic()
        return True

    def _failed(self, error: OSError) -> WindowAnswer:
        acked = self._reader.acked
        if isinstance(error, TimeoutError):
            told = f"was silent for {self._ack_seconds:g} s while an ack was due"
            return WindowAnswer(WindowOutcome.DOWN, acked, told)
        told = str(explain(error, SECTION, "before the ack"))
        if not is_cut(error):
            return WindowAnswer(WindowOutcome.DOWN, acked, told)
        return WindowAnswer(WindowOutcome.CUT if self._is_new else WindowOutcome.STALE, acked, told)

    def close(self) -> None:
        """Close the socket."""
        with suppress(OSError):
            self._socket.close()
