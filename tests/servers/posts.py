"""An HTTP server that records what it is asked, and answers or misbehaves as it is told."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Posted:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Says:
    """An answer."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Hang:
    """Take the request and say nothing until the server stops."""


class Cut:
    """Take the request and end the connection."""


class Drip:
    """Answer with a byte now and then, for ever."""


Answer = Says | Hang | Cut | Drip | Callable[[Posted], Says]


@dataclass
class Posts:
    """Gives the answers of `script` in turn, then `otherwise`."""

    otherwise: Answer = field(default_factory=Says)
    script: list[Answer] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    url: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _any(self) -> None:
        posts = self.server.posts
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        posted = Posted(self.command, self.path, headers, body)
        posts.posted.append(posted)
        answer = posts.script.pop(0) if posts.script else posts.otherwise
        self.close_connection = True
        match answer:
            case Hang():
                posts.stopping.wait(60)
            case Drip():
                self._drip(posts)
            case Says():
                self._say(answer)
            case _ if callable(answer):
                self._say(answer(posted))

    def _drip(self, posts: Posts) -> None:
        with suppress(OSError):
            self.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
            while not posts.stopping.wait(0.2):
                self.wfile.write(b"z")
                self.wfile.flush()

    def _say(self, says: Says) -> None:
        body = says.body if isinstance(says.body, bytes) else json.dumps(says.body).encode()
        self.send_response(says.status)
        for name, value in says.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = _any  # noqa: N815 -- names of the library

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, posts: Posts) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posts = posts

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def recording_server(tls: ssl.SSLContext | None = None) -> Iterator[Posts]:
    """Run such a server on a port of its own."""
    posts = Posts()
    server = _Server(posts)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    posts.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield posts
    finally:
        posts.stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(10)
