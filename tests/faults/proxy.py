"""
A proxy in front of an output, that misbehaves.

    pass      forwards everything
    refuse    takes no connection, and resets those that are open
    swallow   forwards what is sent, and resets instead of bringing the answer: cut after the write
    cut       resets each connection after some bytes of a request
    slow      forwards a little at a time
    stall     takes connections, and forwards nothing
"""

from __future__ import annotations

import random
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Final

MODES: Final = ("pass", "refuse", "swallow", "cut", "slow", "stall")
SLOW_BYTES = 8192
PAUSE_SECONDS = 0.02


class Proxy:
    """Stands before `target`; `mode` may be set at any time."""

    def __init__(self, target: str, seed: int) -> None:
        host, _, port = target.rpartition(":")
        self._target = host, int(port)
        self._chance = random.Random(seed)
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._mode = "pass"
        self.met: set[str] = set()  # what was done to a connection
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def mode(self) -> str:
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        self._mode = mode
        if mode in {"refuse", "pass"}:  # a connection that was stalled may be half a request
            self.cut_all()

    def cut_all(self) -> None:
        """Reset every open connection."""
        with self._lock:
            open_now, self._open = self._open, set()
        for each in open_now:
            reset(each)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut_all()

    def _listen(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._mode == "refuse":
                    self.met.add("refuse")
                    reset(client)
                else:
                    self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, timeout=20)
        except OSError:
            reset(client)
            return
        server.settimeout(None)
        with self._lock:
            self._open |= {client, server}
        for source, sink, is_answer in ((client, server, False), (server, client, True)):
            threading.Thread(
                target=self._forward, args=[source, sink, is_answer], daemon=True
            ).start()

    def _forward(self, source: socket.socket, sink: socket.socket, is_answer: bool) -> None:  # noqa: FBT001
        left = self._chance.randint(1, 1 << 18)  # bytes until `cut` cuts
        with suppress(OSError):
            while data := source.recv(1 << 16):
                mode = self._mode
                self.met.add(mode)
                while self._mode == "stall":
                    time.sleep(PAUSE_SECONDS)
                if mode == "swallow" and is_answer:
                    break
                if mode == "cut" and not is_answer:
                    left -= len(data)
                    if left < 0:
                        sink.sendall(data[: len(data) // 2])
                        break
                for start in range(0, len(data), SLOW_BYTES if mode == "slow" else len(data)):
                    sink.sendall(data[start : start + SLOW_BYTES] if mode == "slow" else data)
                    if self._mode == "slow":
                        time.sleep(PAUSE_SECONDS)
        for each in (source, sink):
            reset(each)
        with self._lock:
            self._open -= {source, sink}


def reset(connected: socket.socket) -> None:
    """End a connection as a crash does."""
    with suppress(OSError):
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connected.shutdown(socket.SHUT_RDWR)
    connected.close()
