"""
Pushes numbers to StatsD over UDP, several in a datagram.

What cannot be sent is lost and counted, as UDP is; nothing waits for it. Datagrams stay below what
an Ethernet frame carries. Only `flush`, which the sampler calls in a thread, looks the host up: a
name server that does not answer holds up no request. In a forked process, what waited is the
parent's to send, and no lock is held.
"""

from __future__ import annotations

import os
import re
import socket
import threading
import weakref
from collections import deque
from collections.abc import Mapping
from typing import Final

MOST_BYTES: Final = 1432
MOST_DATAGRAMS: Final = 64  # kept until the host is known
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
        self._socket: socket.socket | None = None
        self.begin()
        _pushes.add(self)

    def begin(self) -> None:
        """Begin without anything that waits, as in a new process."""
        self._lock = threading.Lock()
        self._waiting: list[bytes] = []
        self._size = 0
        self._datagrams: deque[tuple[bytes, int]] = deque()
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
        """Send what waits; may take as long as the host is looked up."""
        with self._lock:
            self._pack()
            is_needed = self._socket is None and bool(self._datagrams)
        opened = self._open() if is_needed else None
        with self._lock:
            if opened is not None:
                self._close()
                self._socket = opened
            self._send()
            while self._datagrams:  # the host is not known
                self.lost += self._datagrams.popleft()[1]

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
                self._pack()
                self._send()
            self._waiting.append(encoded)
            self._size += len(encoded) + 1

    def _pack(self) -> None:
        """Make a datagram of the lines that wait; the oldest is lost if there are too many."""
        if self._waiting:
            self._datagrams.append((b"\n".join(self._waiting), len(self._waiting)))
            self._waiting.clear()
            self._size = 0
        if len(self._datagrams) > MOST_DATAGRAMS:
            self.lost += self._datagrams.popleft()[1]

    def _send(self) -> None:
        """Send the datagrams, if the host is known."""
        while self._datagrams and self._socket is not None:
            datagram, count = self._datagrams.popleft()
            try:
                self._socket.send(datagram)
            except OSError:
                self.lost += count
                self._close()

    def _open(self) -> socket.socket | None:
        """Return a socket that is connected to the host as it is known now."""
        try:
            kind, _type, _protocol, _name, place = socket.getaddrinfo(
                *self._address, type=socket.SOCK_DGRAM
            )[0]
        except (OSError, UnicodeError):
            return None
        opened = socket.socket(kind, socket.SOCK_DGRAM)
        try:
            opened.setblocking(False)  # noqa: FBT003 -- its only argument
            opened.connect(place)
        except OSError:
            opened.close()
            return None
        return opened

    def _close(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket = None


_pushes: weakref.WeakSet[StatsdPush] = weakref.WeakSet()


def _after_fork() -> None:
    for push in _pushes:
        push.begin()


os.register_at_fork(after_in_child=_after_fork)
