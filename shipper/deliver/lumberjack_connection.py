"""
One connection to a Lumberjack server: a window goes out, then its acks are waited for.

Whatever is heard of a window counts from the first event on, also when the connection ends in the
middle. After anything but a whole ack a connection is not used again: an ack that comes late must
never be taken for one of the next window.
"""

from __future__ import annotations

import logging
import select
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from shipper.deliver.connecting import is_cut, why
from shipper.deliver.lumberjack import AckReader, ProtocolError

if TYPE_CHECKING:
    import socket

log = logging.getLogger(__name__)

IDLE_SECONDS = 50.0  # Logstash closes after 60 s; a window must not meet that


class Outcome(Enum):
    """How a window ended."""

    ACKED = "all of it is acked"
    CUT = "the connection ended before the ack"
    STALE = "so it did, but it had been in use before: that may be why"
    DOWN = "no connection, no answer, or no sensible one"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a window: how many of its events are acked, from the first; why not all."""

    outcome: Outcome
    acked: int = 0
    reason: str = ""


class Connection:
    """A connected socket; it never has more than one window under way."""

    def __init__(self, connected: socket.socket, address: str, ack_seconds: float) -> None:
        self._socket = connected
        self._address = address
        self._ack_seconds = ack_seconds
        self._is_new = True
        self._used = time.monotonic()
        self._poll = select.poll()
        self._poll.register(connected, select.POLLIN)

    def is_usable(self) -> bool:
        """Tell whether the server still has it open, as far as one can tell, and owes nothing."""
        return time.monotonic() - self._used < IDLE_SECONDS and not self._poll.poll(0)

    def send(self, window: bytes, events: int) -> Answer:
        """Send one window of so many events and wait for its acks; silence has a time limit."""
        reader = AckReader(events)
        try:
            self._write(window)
            self._read(reader)
        except ProtocolError as error:
            return Answer(Outcome.DOWN, reader.acked, str(error))
        except TimeoutError:
            told = f"was silent for {self._ack_seconds:g} s while an ack was due"
            return Answer(Outcome.DOWN, reader.acked, told)
        except OSError as error:
            told = why(error, "before the ack")
            if not is_cut(error):
                return Answer(Outcome.DOWN, reader.acked, told)
            return Answer(Outcome.CUT if self._is_new else Outcome.STALE, reader.acked, told)
        self._is_new = False
        self._used = time.monotonic()
        return Answer(Outcome.ACKED, reader.acked)

    def _write(self, window: bytes) -> None:
        self._socket.settimeout(self._ack_seconds)
        try:
            self._socket.sendall(window)
        except OSError as error:
            if not is_cut(error):
                raise
            # What the server said before it went, an ack or why, is still to be read.

    def _read(self, reader: AckReader) -> None:
        started = heard = time.monotonic()
        blocked = False
        while not reader.is_complete:
            self._socket.settimeout(max(heard + self._ack_seconds - time.monotonic(), 0.001))
            data = self._socket.recv(4096)
            if not data:
                raise ConnectionResetError
            if reader.feed(data):
                heard = time.monotonic()
            if not blocked and heard - started > self._ack_seconds:
                blocked = True
                log.warning(
                    "%s is alive, but has held a window for %.0f s; is Elasticsearch behind it"
                    " down? nothing is lost, it is waited for",
                    self._address,
                    heard - started,
                )

    def close(self) -> None:
        """Close the socket."""
        with suppress(OSError):
            self._socket.close()
