"""A Lumberjack server in a thread of the test, that does to each window as its script says."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from typing import Any

LIMIT_SECONDS = 20

Read = Callable[[int], bytes]


@dataclass
class Window:
    """
    A window as it came.

    A step of the script stores events, from the first on, and answers on the connection, the
    number of which counts from 0.
    """

    events: list[dict[str, Any]]
    connected: socket.socket
    connection: int
    stored: Counter[str]

    @property
    def ids(self) -> list[str]:
        return [event["@metadata"]["origin"] for event in self.events]

    def store(self, events: int | None = None) -> None:
        """Take over the first so many events; all if it is not said."""
        self.stored.update(self.ids[:events])

    def send(self, data: bytes) -> None:
        with suppress(OSError):  # the other side may have given up
            self.connected.sendall(data)

    def ack(self, number: int) -> None:
        self.send(ack_frame(number))


Step = Callable[[Window], None]


def ack_frame(number: int) -> bytes:
    return b"2A" + struct.pack(">I", number)


def accept(window: Window) -> None:
    window.store()
    window.ack(len(window.events))


def accept_late(seconds: float, *, alive: bool) -> Step:
    """Ack after a while; `alive` sends ack 0 meanwhile, as a blocked Logstash does."""

    def step(window: Window) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if alive:
                window.ack(0)
            time.sleep(0.02)  # the delay is what is tested
        accept(window)

    return step


def say(data: bytes, stored: int = 0) -> Step:
    """Answer with these bytes and leave the connection open."""

    def step(window: Window) -> None:
        window.store(stored)
        window.send(data)

    return step


def cut(window: Window) -> None:
    """Reset the connection without having stored anything."""
    reset(window.connected)


def cut_after(stored: int | None = None, *, acked: int = 0) -> Step:
    """Store this many events (None: all), perhaps ack some, then end the connection."""

    def step(window: Window) -> None:
        window.store(stored)
        if acked:
            window.ack(min(acked, len(window.events)))
        window.connected.close()

    return step


def poisoned(*ids: str) -> Step:
    """Take the events before the first of these, then reset: what Logstash does to a bad event."""

    def step(window: Window) -> None:
        bad = next((number for number, id_ in enumerate(window.ids) if id_ in ids), None)
        if bad is None:
            accept(window)
        else:
            window.store(bad)
            reset(window.connected)

    return step


def reset(connected: socket.socket) -> None:
    linger = struct.pack("ii", 1, 0)
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connected.close()


@dataclass
class ScriptedServer:
    """Does the steps of `script` one a window; then `always` to each."""

    script: list[Step] = field(default_factory=list)
    always: Step = accept
    tls: ssl.SSLContext | None = None
    windows: list[Window] = field(default_factory=list)
    stored: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    faults: list[str] = field(default_factory=list)
    address: str = ""

    def __post_init__(self) -> None:
        self._open: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self.start()

    @property
    def sizes(self) -> list[int]:
        return [len(window.events) for window in self.windows]

    def start(self) -> None:
        """Listen, on the same address as before if there was one."""
        port = int(self.address.rpartition(":")[2]) if self.address else 0
        self._listener = socket.create_server(("127.0.0.1", port))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, args=[self._listener], daemon=True).start()

    def stop(self) -> None:
        """Refuse connections, and end those that are open."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
            listener.close()
        self.cut_all()

    def cut_all(self) -> None:
        """End the open connections."""
        for connected in self._open:
            with suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)
            connected.close()
        self._open.clear()

    def _listen(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                plain, _ = listener.accept()
                plain.settimeout(LIMIT_SECONDS)
                number, self.connections = self.connections, self.connections + 1
                self._open.append(plain)
                threading.Thread(target=self._serve, args=[plain, number], daemon=True).start()

    def _serve(self, plain: socket.socket, number: int) -> None:
        with suppress(OSError, EOFError):
            connected = plain if self.tls is None else self.tls.wrap_socket(plain, server_side=True)
            self._open.append(connected)
            with connected:
                while True:
                    window = self._window(partial(received, connected), connected, number)
                    self.windows.append(window)
                    step = self.script.pop(0) if self.script else self.always
                    step(window)

    def _window(self, read: Read, connected: socket.socket, connection: int) -> Window:
        kind, count = struct.unpack(">2sI", read(6))
        if kind != b"2W":
            self.faults.append(f"{kind!r} where a window begins")
            raise EOFError
        events = [*events_of(read, count, self.faults)]
        return Window(events, connected, connection, self.stored)


def received(connected: socket.socket, size: int) -> bytes:
    """Read exactly so many bytes; raises EOFError."""
    data = b""
    while len(data) < size:
        more = connected.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def events_of(read: Read, count: int, faults: list[str]) -> Iterator[dict[str, Any]]:
    """Read the events of one window, and say what is wrong with how they came."""
    outer = read
    for number in range(1, count + 1):
        kind = read(2)
        if kind == b"2C":
            (size,) = struct.unpack(">I", outer(4))
            read = BytesIO(zlib.decompress(outer(size))).read
            kind = read(2)
        numbered, size = struct.unpack(">II", read(8))
        if (kind, numbered) != (b"2J", number):
            faults.append(f"frame {kind!r} {numbered} where event {number} is due")
        yield json.loads(read(size))
    if read is not outer and read(1):
        faults.append("more in the compressed frame than was announced")


@contextmanager
def scripted(*script: Step, always: Step = accept, **options: Any) -> Iterator[ScriptedServer]:
    """Run a server for the time of a test; it fails the test if a window broke the protocol."""
    server = ScriptedServer([*script], always, **options)
    try:
        yield server
    finally:
        server.stop()
    assert server.faults == []
