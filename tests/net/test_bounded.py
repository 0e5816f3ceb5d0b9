"""Answers are bounded in time and bytes, whatever a server sends."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
import urllib3

from shipper.config.outputs import ElasticsearchOutput
from shipper.net import bounded
from shipper.net.bounded import BoundedHttp
from shipper.net.elastic import BareCluster, ElasticFailure

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n%b\r\n"


@contextmanager
def server(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    """Answer every request on a port of this machine until the block ends."""
    ended = threading.Event()

    def serve(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _address = listening.accept()
                with client, suppress(OSError):
                    client.recv(65536)
                    answer(client, ended)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}"
        ended.set()
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def drip(client: socket.socket, ended: threading.Event) -> None:
    client.sendall(HEAD % (1 << 20, b""))
    while not ended.wait(0.02):
        client.sendall(b" ")


def drip_head(client: socket.socket, ended: threading.Event) -> None:
    client.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while not ended.wait(0.02):
        client.sendall(b"x")


def ask(address: str, seconds: float = 60) -> urllib3.BaseHTTPResponse:
    host, _, port = address.partition(":")
    with urllib3.HTTPConnectionPool(host, int(port)) as pool:
        pool.ConnectionCls = BoundedHttp
        retries = urllib3.Retry(total=False)
        return pool.urlopen("GET", "/", retries=retries, timeout=urllib3.Timeout(seconds))


@pytest.mark.parametrize("answer", [drip, drip_head])
def test_an_answer_that_drips_is_not_waited_for(
    answer: Callable[[socket.socket, threading.Event], None],
) -> None:
    """The limit is that of the whole answer: bytes that come now and then extend nothing."""
    with server(answer) as address, pytest.raises(urllib3.exceptions.ReadTimeoutError):
        ask(address, 0.3)


@pytest.mark.parametrize(
    "head",
    [
        HEAD % (1 << 60, b""),
        HEAD % (200_000, b""),
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10000000000\r\n",
    ],
)
def test_an_answer_that_is_too_large_ends(monkeypatch: pytest.MonkeyPatch, head: bytes) -> None:
    """No more of it is taken than the limit, and no room is made for what it claims to be."""
    monkeypatch.setattr(bounded, "MOST_BYTES", 100_000)

    def large(client: socket.socket, _ended: threading.Event) -> None:
        client.sendall(head + bytes(1 << 20))

    with server(large) as address, pytest.raises(urllib3.exceptions.ProtocolError) as failed:
        ask(address)
    assert "more than 100000 bytes" in str(failed.value)


def test_an_answer_is_not_unpacked() -> None:
    """A server that was not asked to compress has its bytes taken as they are."""
    packed = gzip.compress(bytes(1 << 20))

    def small(client: socket.socket, _ended: threading.Event) -> None:
        client.sendall(HEAD % (len(packed), b"content-encoding: gzip\r\n") + packed)

    with server(small) as address:
        assert ask(address).data == packed


def test_elasticsearch_is_not_listened_to_for_ever() -> None:
    """The client of the output has these limits, and says which was passed."""
    with server(drip) as address:
        cluster = BareCluster(ElasticsearchOutput(hosts=(f"http://{address}",), request_seconds=1))
        with pytest.raises(ElasticFailure, match="did not answer within 1 s"):
            cluster.ask(lambda client: client.post("/_bulk", b"{}", {}))
        cluster.close()
