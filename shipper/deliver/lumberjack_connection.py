"""
One connection to a Lumberjack server: send a window, then wait for its acks.

Acks count even if the connection ends in the middle of a window. A server that is alive but makes
no progress (ack 0, again and again) keeps the window, and its ack is awaited later on the same
connection: sending the window again would only pile up windows there. After any other end than a
complete ack the connection is not used again, as a late ack must never count for the next window.
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

SECTION = "output.logstash"  # of the config
POLL_SECONDS = 0.05  # the least wait, so that what is in the buffer is always read
IDLE_SECONDS = 50.0  # Logstash closes idle connections after 60 s


class WindowOutcome(Enum):
    """How a window ended."""

    ACKED = "all events are acked"
    CUT = "the connection ended before the ack"
    BLOCKED = "the server is alive but makes no progress; it keeps the window"
    STALE = "as CUT, but of a connection used before, which the server may have closed as idle"
    DOWN = "no connection, or no valid answer"


@dataclass(frozen=True, slots=True)
class WindowAnswer:
    """What became of a window: how many events are acked, from the first on; why not all."""

    outcome: WindowOutcome
    acked: int = 0
    reason: str = ""


class Connection:
    """A connected socket; never more than one window is unacked."""

    def __init__(self, connected: socket.socket, ack_seconds: float) -> None:
        self._socket = connected
        self._ack_seconds = ack_seconds
        self._is_new = True
        self._reader = AckReader(0)
        self._last_ack_at = time.monotonic()
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)

    def is_usable(self) -> bool:
        """Return whether the connection seems open and no ack is due."""
        return time.monotonic() - self._last_ack_at < IDLE_SECONDS and not self._poll.poll(0)

    def send(self, window: bytes, events: int) -> WindowAnswer:
        """Send one window with `events` events and wait for its acks."""
        self._reader = AckReader(events)
        try:
            self._socket.settimeout(self._ack_seconds)
            self._socket.sendall(window)
        except OSError as error:
            if not is_cut(error):
                return self._failed(error)
            # What the server sent before it closed, an ack or the reason, is still to be read.
        self._last_ack_at = time.monotonic()
        return self.wait(self._ack_seconds)

    def wait(self, seconds: float) -> WindowAnswer:
        """Wait for the acks of the window, for at most `seconds` if the server is alive."""
        reader = self._reader
        try:
            is_acked = self._read(reader, time.monotonic() + seconds)
        except ProtocolError as error:
            return WindowAnswer(WindowOutcome.DOWN, reader.acked, str(error))
        except OSError as error:
            return self._failed(error)
        if not is_acked:
            reason = (
                f"is alive, but has not acked a window for over {self._ack_seconds:g} s; check"
                " Elasticsearch behind it, and its disk"
            )
            return WindowAnswer(WindowOutcome.BLOCKED, reason=reason)
        self._is_new = False
        return WindowAnswer(WindowOutcome.ACKED, reader.acked)

    def _read(self, reader: AckReader, deadline: float) -> bool:
        """Read until all is acked (True) or the deadline (False); raise if the server is silent."""
        while not reader.is_complete:
            now = time.monotonic()
            silent_at = self._last_ack_at + self._ack_seconds
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
                self._last_ack_at = time.monotonic()
        return True

    def _failed(self, error: OSError) -> WindowAnswer:
        acked = self._reader.acked
        if isinstance(error, TimeoutError):
            reason = f"was silent for {self._ack_seconds:g} s while an ack was due"
            return WindowAnswer(WindowOutcome.DOWN, acked, reason)
        reason = str(explain(error, SECTION, "before the ack"))
        if not is_cut(error):
            return WindowAnswer(WindowOutcome.DOWN, acked, reason)
        return WindowAnswer(
            WindowOutcome.CUT if self._is_new else WindowOutcome.STALE, acked, reason
        )

    def close(self) -> None:
        """Close the socket."""
        with suppress(OSError):
            self._socket.close()
