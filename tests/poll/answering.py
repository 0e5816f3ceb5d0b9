"""A server that answers with bytes as they are given, for polls of all kinds."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

HEALTHY = {
    "status": "healthy",
    "timestamp": "2026-02-05T14:30:45Z",
    "uptime_seconds": 3600,
    "metrics": {
        "requests_total": 1250,
        "success_rate": 0.9858,
        "queue_depth": 12,
        "avg_response_time_ms": 145,
    },
    "database": {"status": "connected", "response_time_ms": 2},
    "storage": {"status": "healthy", "available_gb": 45.2},
}

Say = Callable[[socket.socket], None]


def http(status: int, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


def answer(found: Any, status: int = 200) -> bytes:
    return http(status, json.dumps(found).encode())


@contextmanager
def answering(say: bytes | Say, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve one client after the other in a thread each; yield the address."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(client: socket.socket) -> None:
        with suppress(OSError):
            if tls is not None:
                client = tls.wrap_socket(client, server_side=True)
        with client, suppress(OSError):
            client.recv(65536)
            if callable(say):
                say(client)
            else:
                client.sendall(say)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                threading.Thread(target=serve, args=(client,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
