"""
Connections whose answers are bounded: in all the time that they take, and in bytes.

A time limit of a socket is that of one `recv`: a server that sends a byte now and then would be
listened to for ever. Here it is that of the whole answer. An answer that is too large ends, before
it is all in memory; one that is compressed, which nobody asked for, is not unpacked.
"""

from __future__ import annotations

import io
import socket
import time
from contextlib import suppress
from typing import Any

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from shipper.net.resolve import addresses_of

MOST_BYTES = 128 << 20  # of an answer


class _Answer(io.RawIOBase):
    """What comes from a socket until a deadline (monotonic), and `MOST_BYTES` of it."""

    def __init__(self, sock: socket.socket, deadline: float | None) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)  # keeps the socket open until it is closed
        self._deadline = deadline
        self._left = MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._deadline is not None:
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._sock.settimeout(left)
        count: int = self._raw.readinto(buffer) or 0
        self._left -= count
        if self._left < 0:
            raise _too_large()
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _AnswerFile(io.BufferedReader):
    """Makes no room for a length that a server claims, if it is above the limit."""

    def read(self, size: int | None = -1, /) -> bytes:
        """Read so many bytes."""
        if size is not None and size > MOST_BYTES:
            raise _too_large()
        return super().read(size)


class BoundedSocket:
    """A socket whose `makefile` bounds what is read of it; all else is the socket's own."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.deadline: float | None = None

    @property
    def plain(self) -> Any:
        """The socket itself."""
        return self._sock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def makefile(self, *_args: Any, **_options: Any) -> io.BufferedReader:
        """Return a file of the next answer, for reading."""
        return _AnswerFile(_Answer(self._sock, self.deadline))


class _Bounded:
    """What both kinds of connection do."""

    sock: Any
    timeout: Any
    host: str
    port: int
    _dns_host: str

    def _new_conn(self) -> socket.socket:
        """Connect to the addresses of the host in turn; looking it up takes `timeout` at most."""
        name = self._dns_host
        try:
            addresses = addresses_of(name.strip("[]"), self.port, self.timeout)
        except TimeoutError as error:
            raise ConnectTimeoutError(self, f"{self.host} was not resolved") from error
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]
        failed: Exception | None = None
        try:
            for address in addresses:
                self._dns_host = address
                try:
                    return super()._new_conn()  # type: ignore[misc,no-any-return]
                except (ConnectTimeoutError, NewConnectionError) as error:
                    failed = error
        finally:
            self._dns_host = name
        raise failed or NewConnectionError(self, f"{self.host} has no address")  # type: ignore[arg-type]

    def request(self, *args: Any, **options: Any) -> None:
        """Send a request; its answer is taken as it is."""
        super().request(*args, **{**options, "decode_content": False})  # type: ignore[misc]

    def getresponse(self) -> Any:
        """Return the answer; `timeout` is how long it may take."""
        if not isinstance(self.sock, BoundedSocket):
            self.sock = BoundedSocket(self.sock)
        seconds = self.timeout
        self.sock.deadline = None if seconds is None else time.monotonic() + seconds
        return super().getresponse()  # type: ignore[misc]

    def interrupt(self) -> None:
        """End the connection, so that a thread that waits for its answer goes on at once."""
        sock = self.sock
        inner = sock.plain if isinstance(sock, BoundedSocket) else sock
        if isinstance(inner, socket.socket):
            with suppress(OSError):  # it has ended
                socket.socket.shutdown(inner, socket.SHUT_RDWR)  # TLS has no say in it


class BoundedHttp(_Bounded, HTTPConnection):
    """A connection in clear text."""


class BoundedHttps(_Bounded, HTTPSConnection):
    """A connection over TLS."""


def _too_large() -> ConnectionAbortedError:
    return ConnectionAbortedError(0, f"the answer has more than {MOST_BYTES} bytes")
