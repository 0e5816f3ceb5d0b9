"""
The port on which a running shipper is asked: `/metrics`, `/-/healthy`, `/-/ready`.

One request at a time, over HTTP/1.0, each within a few seconds; only GET, and nothing in a request
but its path and its token is looked at. It listens on this machine alone unless a token is asked
for (shipper/config/main.py sees to that).
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

REQUEST_SECONDS = 5.0  # a client that is slower is left


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer."""

    status: HTTPStatus
    text: str
    content_type: str = "text/plain; charset=utf-8"


class Listener(HTTPServer):
    """
    Answers with what `page_of` gives for a path; `serve_forever` is the body of its thread.

    Raises:
        DataFolderError: the address cannot be listened on.

    """

    def __init__(
        self, address: str, token: str | None, page_of: Callable[[str], HttpResponse | None]
    ) -> None:
        host, _, port = address.rpartition(":")
        self.token = token
        self.page_of = page_of
        if host.startswith("["):
            import socket  # noqa: PLC0415 -- for its number alone

            self.address_family = socket.AF_INET6
        try:
            super().__init__((host.strip("[]"), int(port)), _Handler)
        except OSError as error:
            raise DataFolderError(
                f"metrics.listen: cannot listen on {address}: {error.strerror or error};"
                " use another port"
            ) from error

    def handle_error(self, request: socket.socket, client_address: tuple[str, int]) -> None:  # type: ignore[override]
        """Leave a client that went away alone."""


class _Handler(BaseHTTPRequestHandler):
    server: Listener
    timeout = REQUEST_SECONDS
    server_version = "shipper"
    sys_version = ""

    def do_GET(self) -> None:
        page = self._page()
        body = page.text.encode()
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(body)))
        if page.status is HTTPStatus.UNAUTHORIZED:
            self.send_header("WWW-Authenticate", "Bearer")
        self.end_headers()
        self.wfile.write(body)

    def _page(self) -> HttpResponse:
        token = self.server.token
        if token is not None:
            told = self.headers.get("Authorization", "").encode()
            if not hmac.compare_digest(told, f"Bearer {token}".encode()):
                return HttpResponse(HTTPStatus.UNAUTHORIZED, "the token is missing or wrong\n")
        page = self.server.page_of(self.path.partition("?")[0])
        return page or HttpResponse(HTTPStatus.NOT_FOUND, "ask /metrics, /-/healthy or /-/ready\n")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
        """Log nothing: a scrape every few seconds is no news."""


def read_token(path: Path | None) -> str | None:
    """
    Read the token that a client has to show.

    Raises:
        ConfigError: it cannot be read, or is empty.

    """
    if path is None:
        return None
    try:
        token = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is not plain text"
        raise ConfigError(f"metrics.token_file: cannot read {path}: {reason}") from error
    if not token:
        raise ConfigError(f"metrics.token_file: {path} is empty; write a token into it")
    return token
