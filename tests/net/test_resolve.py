"""Names are looked up within the time that there is, wherever something connects."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import httpcore
import pytest

from shipper.alerts.alerters.smtp import Session
from shipper.config.outputs import ElasticsearchOutput, TlsOptions
from shipper.net import resolve
from shipper.net.connect import ConnectionFailed, connect
from shipper.net.deadline import Deadline
from shipper.net.elastic import BareCluster, ElasticFailure
from shipper.net.http_bounds import BoundedBackend
from shipper.net.resolve import addresses_of, in_time, open_connection

SECONDS = 0.2
NAME = "log.example"


@pytest.fixture
def silent_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Nothing looks a name up before the test ends."""
    ended = threading.Event()
    real = socket.getaddrinfo

    def look_up(host: Any, *args: Any, **options: Any) -> Any:
        if host == NAME:
            assert ended.wait(100)
            raise socket.gaierror(-3, "no answer")
        return real(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield ended
    ended.set()


def mail() -> None:
    Session(NAME, 25, Deadline(time.monotonic, SECONDS))


def http() -> None:
    BoundedBackend(Deadline(time.monotonic, SECONDS)).connect_tcp(NAME, 80)


def lumberjack() -> None:
    connect(f"{NAME}:5044", TlsOptions(enabled=False), SECONDS, "output.logstash")


def elasticsearch() -> None:
    cluster = BareCluster(
        ElasticsearchOutput(hosts=(f"http://{NAME}:9200",), request_seconds=SECONDS)
    )
    try:
        cluster.ask(lambda client: client.post("/_bulk", b"{}", {}))
    finally:
        cluster.close()


@pytest.mark.usefixtures("silent_server")
@pytest.mark.parametrize(
    ("ask", "failure"),
    [
        (mail, TimeoutError),
        (http, TimeoutError),
        (lumberjack, ConnectionFailed),
        (elasticsearch, ElasticFailure),
    ],
)
def test_a_name_server_that_is_silent(ask: Callable[[], None], failure: type[Exception]) -> None:
    """Ends with the time limit of the request; the name server does not answer at all."""
    with pytest.raises(failure):
        ask()


@pytest.mark.usefixtures("silent_server")
def test_the_own_name_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mail session says an address where the name of this machine is not found in time."""
    monkeypatch.setattr(socket, "getfqdn", lambda: socket.getaddrinfo(NAME, 0))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(100)
        said: list[bytes] = []

        def serve() -> None:
            client, _address = listening.accept()
            with client:
                client.sendall(b"220 here\r\n")
                said.append(client.recv(1000))
                client.sendall(b"250 here\r\n")

        thread = threading.Thread(target=serve)
        thread.start()
        session = Session("127.0.0.1", listening.getsockname()[1], Deadline(time.monotonic, 4))
        session.ehlo()
        session.close()
        thread.join()
    assert said == [b"ehlo [127.0.0.1]\r\n"]


def test_threads_that_wait_are_bounded(
    silent_server: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller beyond the limit waits for a free thread, and not longer than it may."""
    monkeypatch.setattr(resolve, "_free", threading.BoundedSemaphore(2))
    before = threading.active_count()
    for _ in range(6):
        with pytest.raises(TimeoutError):
            addresses_of(NAME, 80, 0.05)
    assert threading.active_count() <= before + 2
    silent_server.set()
    assert in_time(lambda: 7, 100) == 7


def test_addresses_are_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """The second is asked if the first refuses; one in digits is not looked up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        monkeypatch.setattr(resolve, "addresses_of", lambda *_: ["127.0.0.2", "127.0.0.1"])
        with open_connection(NAME, port, lambda: 30) as connected:
            assert connected.getpeername() == ("127.0.0.1", port)
    monkeypatch.undo()
    monkeypatch.setattr(resolve, "in_time", None)
    assert addresses_of("::1", 80, 1) == ["::1"]


def test_a_name_that_is_not_there() -> None:
    """What looking it up says is raised."""
    with pytest.raises(OSError, match=r"."):
        addresses_of("no-such-host.invalid", 80, 30)
    with pytest.raises(UnicodeError):
        addresses_of("a" * 70 + ".example", 80, 30)
    backend = BoundedBackend(Deadline(time.monotonic, 30))
    with pytest.raises(httpcore.ConnectError):
        backend.connect_tcp("no-such-host.invalid", 80)
