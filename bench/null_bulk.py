"""
Takes every `_bulk` request and keeps nothing: `python -m bench.null_bulk` prints its address.

It answers as Elasticsearch does when all went well, an item for each event, so the client has as
much to read. `GET /` gives the number of events so far.
"""

from __future__ import annotations

import json
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from isal import igzip

ITEM = b'{"create":{"status":201}}'


class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    events = 0

    def do_GET(self) -> None:
        self._answer(json.dumps({"events": Sink.events}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = igzip.decompress(body)  # type: ignore[no-untyped-call]
        count = body.count(b"\n") // 2
        Sink.events += count
        self._answer(_taken(count))

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("x-elastic-product", "Elasticsearch")
        self.send_header("content-type", "application/vnd.elasticsearch+json;compatible-with=9")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@cache
def _taken(count: int) -> bytes:
    return b'{"errors":false,"items":[' + b",".join([ITEM] * count) + b"]}"


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sink)
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
