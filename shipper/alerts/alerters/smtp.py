"""
A session with a mail server that has one deadline, from the connection to the last answer.

smtplib bounds each read, so a server that sends a byte now and then would hold it for hours. Here
every step has the time that is left of the whole.
"""

from __future__ import annotations

import io
import smtplib
import socket
import ssl
from contextlib import suppress
from typing import Any

from shipper.net.deadline import Deadline
from shipper.net.resolve import in_time, open_connection


class Session(smtplib.SMTP):
    """Connects at once; with a context in TLS."""

    def __init__(
        self, host: str, port: int, deadline: Deadline, context: ssl.SSLContext | None = None
    ) -> None:
        self._deadline = deadline
        self._context = context
        super().__init__(host, port, self._own_name())

    def _own_name(self) -> str:
        """Return the name of this machine, or an address, as smtplib does: it may be looked up."""
        try:
            name = in_time(socket.getfqdn, self._deadline.left() / 2)
        except TimeoutError:
            name = ""
        return name if "." in name else "[127.0.0.1]"

    def _get_socket(self, host: str, port: int, _timeout: float) -> socket.socket:
        plain = open_connection(host, port, self._deadline.left)
        if self._context is None:
            return plain
        plain.settimeout(self._deadline.left())
        return self._context.wrap_socket(plain, server_hostname=host)

    def send(self, s: Any) -> None:
        """Send all of it in the time that is left."""
        if self.sock is not None:
            left = self._deadline.left()
            with suppress(OSError):  # of one that is closed, which sending says in smtplib's way
                self.sock.settimeout(left)
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        """Read an answer in the time that is left."""
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Bounded(self.sock, self._deadline))
        return super().getreply()


class _Bounded(io.RawIOBase):
    """What a socket receives, each piece in the time that is left."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        """Return True: it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait for a piece."""
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)
