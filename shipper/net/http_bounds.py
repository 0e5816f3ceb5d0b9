"""Connections of httpcore whose steps all together have one deadline, from DNS to the last byte."""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any, Final

import httpcore

from shipper.net.deadline import Deadline
from shipper.net.resolve import addresses_of

MOST_ADDRESSES: Final = 8  # of a host, that are tried
PIECE: Final = 16 * 1024  # written at a time, so that the deadline is looked at in between


class BoundedBackend(httpcore.NetworkBackend):
    """Connects as httpcore does, and lets no step go past the deadline."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._real = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002 -- the deadline is what counts
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """
        Connect within the time that is left, to the first of a host's addresses that answers.

        Each gets its share of the time, so one that is silent does not use up that of the next.
        """
        failed: Exception = httpcore.ConnectError("the name has no address")
        places = self._addresses(host, port)[:MOST_ADDRESSES]
        for left, place in zip(range(len(places), 0, -1), places, strict=True):
            seconds = self._deadline.left() / left
            try:
                stream = self._real.connect_tcp(place, port, seconds, local_address, socket_options)
                return BoundedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
        raise failed

    def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return addresses_of(host, port, self._deadline.left())
        except TimeoutError:
            raise
        except OSError as error:
            raise httpcore.ConnectError(str(error)) from error


class BoundedStream(httpcore.NetworkStream):
    """A connection whose every step has the time that is left."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        """Read what is there."""
        return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        """Write all of it."""
        for begin in range(0, len(buffer), PIECE):
            self._stream.write(buffer[begin : begin + PIECE], self._deadline.left())

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        """Begin TLS."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return BoundedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        """Return what is known of the connection."""
        return self._stream.get_extra_info(info)
