"""The port for metrics: no client holds up another."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from shipper.agent import http
from shipper.agent.http import MOST_CLIENTS, HttpResponse, Listener

LARGE = "x" * (8 << 20)


def respond(path: str) -> HttpResponse | None:
    if path == "/bug":
        raise ZeroDivisionError
    text = {"/ok": "ok\n", "/large": LARGE}.get(path)
    return HttpResponse(HTTPStatus.OK, text) if text else None


@pytest.fixture
def listener() -> Iterator[Listener]:
    found = Listener("127.0.0.1:0", None, respond)
    thread = threading.Thread(target=found.serve_forever, daemon=True)
    thread.start()
    yield found
    found.shutdown()
    found.server_close()
    thread.join()


def connect(listener: Listener) -> socket.socket:
    return socket.create_connection(("127.0.0.1", listener.port), timeout=60)


def read_all(client: socket.socket) -> bytes:
    answer = b""
    while data := client.recv(1 << 20):
        answer += data
    return answer


def ask(listener: Listener, request: bytes = b"GET /ok?x HTTP/1.1\r\nhost: a\r\n\r\n") -> bytes:
    with connect(listener) as client:
        client.sendall(request)
        return read_all(client)


def test_slow_clients_hold_up_nobody(listener: Listener) -> None:
    """Those that say nothing, drip, or read no answer leave room for one that asks."""
    slow = [connect(listener) for _ in range(3 * MOST_CLIENTS)]
    for number, client in enumerate(slow[-MOST_CLIENTS + 1 :]):
        client.sendall(b"GET /large HTTP/1.0\r\n\r\n" if number % 2 else b"GET /ok")

    assert ask(listener).endswith(b"\r\n\r\nok\n")
    for client in slow:
        client.close()


def test_a_client_has_so_many_seconds_in_all(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client is closed in the end, whether it drips or reads nothing."""
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.1)
    with connect(listener) as client:
        client.sendall(b"GET /ok")
        assert read_all(client) == b""


def test_an_answer_in_pieces(listener: Listener) -> None:
    """An answer that is larger than what a socket takes comes whole."""
    assert ask(listener, b"GET /large HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")[2] == LARGE.encode()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /no HTTP/1.0\r\n\r\n", b"HTTP/1.0 404"),
        (b"POST /ok HTTP/1.0\r\n\r\n", b"HTTP/1.0 501"),
        (b"GET\r\n\r\n", b"HTTP/1.0 404"),
        (b"\xff\x00\r\n\r\n", b"HTTP/1.0 501"),
        (b"\n\n", b"HTTP/1.0 501"),
        (b"GET /bug HTTP/1.0\r\n\r\n", b""),
        (b"x" * 100_000, b""),
    ],
)
def test_any_request_is_survived(listener: Listener, request_: bytes, status: bytes) -> None:
    """Whatever a client sends, the next one is answered."""
    try:
        assert ask(listener, request_)[:12] == status
    except ConnectionError:
        assert status == b""
    assert ask(listener).startswith(b"HTTP/1.0 200")
