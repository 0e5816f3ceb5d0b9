"""A server that answers as it is told, for what no real node says when a test wants it."""

from __future__ import annotations

import gzip
import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    authorization: str
    body: bytes

    @property
    def ids(self) -> list[str]:
        """Return the ids of a bulk request."""
        return [json.loads(line)["create"]["_id"] for line in self.body.splitlines()[::2]]


@dataclass
class Says:
    """An answer: a status, and a body that is made into JSON unless it is bytes."""

    status: int = 200
    body: Any = field(default_factory=dict)
    product: str = "Elasticsearch"


Answer = Says | Callable[[Asked], Says]


def item(status: int, kind: str = "", reason: str = "why", **more: Any) -> dict[str, Any]:
    """Make the answer for one event."""
    error = {"error": {"type": kind, "reason": reason}} if kind else {}
    return {"create": {"status": status, **error, **more}}


def items(*each: dict[str, Any], errors: bool = True) -> Says:
    """Make the answer to a bulk request."""
    return Says(body={"errors": errors, "items": list(each)})


def all_well(asked: Asked) -> Says:
    return items(*[item(201)] * len(asked.ids), errors=False)


class Streams:
    """Keeps documents by `_id` as a node does, but for whoever logs in: there is no login."""

    def __init__(self) -> None:
        self.held: dict[str, dict[str, Any]] = {}

    def __call__(self, asked: Asked) -> Says:
        if asked.authorization:
            return Says(401, {"error": {"type": "security_exception", "reason": "who are you?"}})
        documents = map(json.loads, asked.body.splitlines()[1::2])
        told = [self.keep(*each) for each in zip(asked.ids, documents, strict=True)]
        return items(*told, errors=any("error" in each["create"] for each in told))

    def keep(self, id_: str, document: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(document.get("status_code", 0), int):
            return item(400, "document_parsing_exception", "failed to parse [status_code]")
        if id_ in self.held:
            return item(409, "version_conflict_engine_exception")
        self.held[id_] = document
        return item(201)


class Scripted:
    """Gives the answers of its script in turn, then `otherwise`; `asked` is what it was asked."""

    def __init__(self, otherwise: Answer = all_well) -> None:
        self.script: list[Answer] = []
        self.otherwise = otherwise
        self.asked: list[Asked] = []
        self.url = ""

    def says(self, asked: Asked) -> Says:
        self.asked.append(asked)
        answer = self.script.pop(0) if self.script else self.otherwise
        return answer if isinstance(answer, Says) else answer(asked)


class Quiet(ThreadingHTTPServer):
    """Says nothing of clients that leave, such as those that do not trust it."""

    def handle_error(self, *_: object) -> None:
        pass


def _handler(scripted: Scripted) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = 1 << 16

        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            authorization = self.headers.get("authorization", "")
            answer = scripted.says(Asked(self.command, self.path, authorization, body))
            text = answer.body if isinstance(answer.body, bytes) else _json(answer.body)
            self.send_response(answer.status)
            self.send_header("x-elastic-product", answer.product)
            self.send_header("content-type", "application/vnd.elasticsearch+json;compatible-with=9")
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PUT = do_HEAD = _any  # noqa: N815 -- names of the library

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@contextmanager
def scripted_server(
    otherwise: Answer = all_well, tls: ssl.SSLContext | None = None
) -> Iterator[Scripted]:
    """Run a scripted server on a port of its own; with `tls` it speaks https."""
    scripted = Scripted(otherwise)
    server = Quiet(("127.0.0.1", 0), _handler(scripted))
    if tls is not None:
        # The handshake belongs to the thread of the connection, not to the one that accepts.
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    scripted.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_address[1]}"
    try:
        yield scripted
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
