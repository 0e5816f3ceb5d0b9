"""
The HTTP server for `/metrics`, `/-/healthy` and `/-/ready`.

It answers GET requests over HTTP/1.0 and reads only the path and the token of a request. One thread
serves all clients, and none of them can hold up another: no call waits for one, each has a few
seconds in all and a few KiB, and when there are too many the oldest is closed for the newest. The
config allows other addresses than loopback only with a token.
"""

from __future__ import annotations

import hmac
import logging
import selectors
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from shipper.errors import ConfigError, DataFolderError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

log = logging.getLogger(__name__)

REQUEST_SECONDS = 5.0  # of a client, from its connection to the end of its answer
MOST_CLIENTS = 16
MOST_BYTES = 16 << 10  # of a request
POLL_SECONDS = 0.5  # between two looks whose time is over


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The answer to a request."""

    status: HTTPStatus
    text: str
    content_type: str = "text/plain; charset=utf-8"


@dataclass(eq=False, slots=True)
class HttpClient:
    """A client: what it has sent so far, or what is left to send to it."""

    sock: socket.socket
    until: float  # monotonic
    received: bytes = b""
    answer: bytes | None = None


class Listener:
    """
    Answers with what `respond` returns for a path; `serve_forever` is the body of its thread.

    Raises:
        DataFolderError: the address cannot be used.

    """

    def __init__(
        self, address: str, token: str | None, respond: Callable[[str], HttpResponse | None]
    ) -> None:
        host, _, port = address.rpartition(":")
        family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
        try:
            self._socket = socket.create_server((host.strip("[]"), int(port)), family=family)
        except OSError as error:
            raise DataFolderError(
                f"metrics.listen: cannot listen on {address}: {error.strerror or error}",
                "use another port",
            ) from error
        self._socket.setblocking(False)  # noqa: FBT003 -- its name
        self._token = token
        self._respond = respond
        self._clients: list[HttpClient] = []  # the oldest first
        self._is_asked_to_end = False
        self._has_ended = threading.Event()

    @property
    def port(self) -> int:
        """The port that is listened on."""
        port: int = self._socket.getsockname()[1]
        return port

    def serve_forever(self) -> None:
        """Answer until `shutdown` is called."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            while not self._is_asked_to_end:
                for key, _events in selector.select(POLL_SECONDS):
                    if key.data is None:
                        self._accept(selector)
                    elif key.data in self._clients:  # else closed for a newer one
                        self._serve(selector, key.data)
                now = time.monotonic()
                for client in [each for each in self._clients if each.until <= now]:
                    self._drop(selector, client)
            for client in [*self._clients]:
                self._drop(selector, client)
        self._has_ended.set()

    def _accept(self, selector: selectors.BaseSelector) -> None:
        try:
            sock, _address = self._socket.accept()
        except OSError:  # it has gone, or no descriptor is left: not at full speed
            time.sleep(0.05)
            return
        sock.setblocking(False)  # noqa: FBT003 -- its name
        if len(self._clients) >= MOST_CLIENTS:
            self._drop(selector, self._clients[0])
        client = HttpClient(sock, time.monotonic() + REQUEST_SECONDS)
        self._clients.append(client)
        selector.register(sock, selectors.EVENT_READ, client)

    def _serve(self, selector: selectors.BaseSelector, client: HttpClient) -> None:
        """Go one step on with a client: receive something, or send something."""
        try:
            if client.answer is None:
                self._receive(client)
                if client.answer is None:
                    return
                selector.modify(client.sock, selectors.EVENT_WRITE, client)
            client.answer = client.answer[client.sock.send(client.answer) :]
        except BlockingIOError:
            return
        except OSError:
            client.answer = b""  # it has gone
        except Exception:
            log.exception("a bug in what is answered")
            client.answer = b""
        if not client.answer:
            self._drop(selector, client)

    def _receive(self, client: HttpClient) -> None:
        data = client.sock.recv(MOST_BYTES)
        client.received += data
        if not data or len(client.received) > MOST_BYTES:
            client.answer = b""
        elif b"\r\n\r\n" in client.received or b"\n\n" in client.received:
            client.answer = self._answer(client.received.decode("latin-1"))

    def _answer(self, request: str) -> bytes:
        first, *rest = request.splitlines()
        method, _, target = first.partition(" ")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in rest)
        }
        path = target.partition(" ")[0].partition("?")[0]
        response = self._response(method, path, headers.get("authorization", ""))
        body = response.text.encode()
        lines = [
            f"HTTP/1.0 {response.status.value} {response.status.phrase}",
            "Server: shipper",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(body)}",
        ]
        if response.status is HTTPStatus.UNAUTHORIZED:
            lines.append("WWW-Authenticate: Bearer")
        return "\r\n".join([*lines, "", ""]).encode() + body

    def _response(self, method: str, path: str, login: str) -> HttpResponse:
        if method != "GET":
            return HttpResponse(HTTPStatus.NOT_IMPLEMENTED, "only GET is answered\n")
        token = self._token
        if token is not None and not hmac.compare_digest(
            login.encode(), f"Bearer {token}".encode()
        ):
            return HttpResponse(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong\n")
        return self._respond(path) or HttpResponse(
            HTTPStatus.NOT_FOUND, "not found; use /metrics, /-/healthy or /-/ready\n"
        )

    def _drop(self, selector: selectors.BaseSelector, client: HttpClient) -> None:
        self._clients.remove(client)
        selector.unregister(client.sock)
        with suppress(OSError):
            client.sock.shutdown(socket.SHUT_WR)
        client.sock.close()

    def shutdown(self) -> None:
        """End `serve_forever`, and wait for it."""
        self._is_asked_to_end = True
        self._has_ended.wait()

    def server_close(self) -> None:
        """Close the port."""
        self._socket.close()


def read_token(path: Path | None) -> str | None:
    """
    Read the token that clients have to send.

    Raises:
        ConfigError: it cannot be read, or is empty.

    """
    if path is None:
        return None
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not plain text"
        raise ConfigError(
            f"metrics.token_file: cannot read {path}: {reason}",
            "correct the path or its permissions",
        ) from error
    if not token:
        raise ConfigError(f"metrics.token_file: {path} is empty", "write a token into it")
    return token
