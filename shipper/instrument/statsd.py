"""
Pushes numbers to StatsD over UDP, several in a datagram.

What cannot be sent is lost and counted, as UDP is; nothing waits for it. Datagrams stay below what
an Ethernet frame carries.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Mapping
from typing import Final

MOST_BYTES: Final = 1432
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.{}/-]")
_UNSAFE_IN_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")


class StatsdPush:
    """
    Sends to `host:port`; `tags` in the form of DogStatsD, or else as parts of the name.

    Raises:
        ValueError: the address is not `host:port`.
    """

    def __init__(self, address: str, *, prefix: str = "", tags: bool = False) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"{address!r} is not host:port")
        self._address = host.strip("[]"), int(port)
        self._prefix = f"{prefix}." if prefix else ""
        self._tags = tags
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._size = 0
        self._socket: socket.socket | None = None
        self.lost = 0

    def count(self, name: str, tags: Mapping[str, str]) -> None:
        """Add one to a counter."""
        self._add(name, "1|c", tags)

    def timing(self, name: str, milliseconds: float, tags: Mapping[str, str]) -> None:
        """Send a duration."""
        self._add(name, f"{milliseconds:.3f}|ms", tags)

    def gauge(self, name: str, value: float, tags: Mapping[str, str]) -> None:
        """Send a value."""
        self._add(name, f"{value:g}|g", tags)

    def __del__(self) -> None:
        self._close()

    def flush(self) -> None:
        """Send what waits."""
        with self._lock:
            self._flush()

    def _add(self, name: str, value: str, tags: Mapping[str, str]) -> None:
        if self._tags:
            pairs = ",".join(f"{key}:{_UNSAFE.sub('_', text)}" for key, text in tags.items())
            line = f"{self._prefix}{name}:{value}" + (f"|#{pairs}" if pairs else "")
        else:
            parts = "".join(f".{_UNSAFE_IN_NAME.sub('_', text)}" for text in tags.values())
            line = f"{self._prefix}{name}{parts}:{value}"
        encoded = line.encode()
        with self._lock:
            if self._size + len(encoded) + 1 > MOST_BYTES:
                self._flush()
            self._waiting.append(encoded)
            self._size += len(encoded) + 1

    def _flush(self) -> None:
        if not self._waiting:
            return
        datagram, count = b"\n".join(self._waiting), len(self._waiting)
        self._waiting.clear()
        self._size = 0
        try:
            self._connected().send(datagram)
        except OSError:
            self.lost += count
            self._close()

    def _connected(self) -> socket.socket:
        if self._socket is None:
            kind, _type, _protocol, _name, place = socket.getaddrinfo(
                *self._address, type=socket.SOCK_DGRAM
            )[0]
            self._socket = socket.socket(kind, socket.SOCK_DGRAM)
            self._socket.setblocking(False)  # noqa: FBT003 -- its only argument
            self._socket.connect(place)
        return self._socket

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None
