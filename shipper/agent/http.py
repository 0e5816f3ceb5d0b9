"""
The HTTP server for `/metrics`, `/-/healthy` and `/-/ready`.

It answers one GET request at a time, over HTTP/1.0, within a few seconds. It reads only the path
and the token of a request. The config allows other addresses than loopback only with a token.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

from shipper.errors import ConfigError, DataFolderError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

REQUEST_SECONDS = 5.0  # time limit of a client


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The answer to a request."""

    status: HTTPStatus
    text: str
    content_type: str = "text/plain; charset=utf-8"


class Listener(HTTPServer):
    """
    Answers with what `respond` returns for a path; `serve_forever` is the body of its thread.

    Raises:
        DataFolderError: the address cannot be used.

    """

    def __init__(
        self, address: str, token: str | None, respond: Callable[[str], HttpResponse | None]
    ) -> None:
        host, _, port = address.rpartition(":")
        self.token = token
        self.respond = respond
        if host.startswith("["):
            import socket  # noqa: PLC0415 -- only if needed

            self.address_family = socket.AF_INET6
        try:
            super().__init__((host.strip("[]"), int(port)), _Handler)
        except OSError as error:
            raise DataFolderError(
                f"metrics.listen: cannot listen on {address}: {error.strerror or error}",
                "use another port",
            ) from error

    def handle_error(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        """Ignore a client that has gone."""


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = REQUEST_SECONDS
    server_version = "shipper"
    sys_version = ""

    def do_GET(self) -> None:
        response = self._respond()
        body = response.text.encode()
        self.send_response(response.status)
        self.send_header("Content-Type", response.content_type)
        self.send_header("Content-Length", str(len(body)))
        if response.status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)

    def _respond(self) -> HttpResponse:
        token = self.server.token
        if token is not None:
            sent = self.headers.get("Authorization", "").encode()
            if not hmac.compare_digest(sent, f"Bearer {token}".encode()):
                return HttpResponse(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong\n")
        response = self.server.respond(self.path.partition("?")[0])
        return response or HttpResponse(
            HTTPStatus.NOT_FOUND, "not found; use /metrics, /-/healthy or /-/ready\n"
        )

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
        """Do not log requests."""


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
