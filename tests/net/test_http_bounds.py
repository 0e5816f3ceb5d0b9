"""A host with many addresses takes no longer than one: they share the time."""

from __future__ import annotations

import socket
import time
from typing import Any

import httpcore
import pytest

from shipper.net.deadline import Deadline
from shipper.net.http_bounds import MOST_ADDRESSES, BoundedBackend


def resolving(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    found = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
        for address in addresses
        for _ in range(2)
    ]
    real = socket.getaddrinfo

    def resolve(host: str, *args: Any, **more: Any) -> Any:
        return real(host, *args, **more) if host[0].isdigit() else found

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


def test_silent_addresses_leave_time_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each gets its share of what is left; of very many, some are tried."""
    now, tried = [0.0], []

    def connect(_self: Any, place: str, _port: int, seconds: float, *_more: Any) -> Any:
        tried.append((place, seconds))
        now[0] += seconds
        raise httpcore.ConnectTimeout

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", connect)
    resolving(monkeypatch, *(f"192.0.2.{number}" for number in range(100)))
    backend = BoundedBackend(Deadline(lambda: now[0], 8.0))

    with pytest.raises(httpcore.ConnectTimeout):
        backend.connect_tcp("many", 80)

    assert [place for place, _ in tried] == [f"192.0.2.{number}" for number in range(8)]
    assert [seconds for _, seconds in tried] == pytest.approx([8 / MOST_ADDRESSES] * 8)
    assert now[0] == pytest.approx(8)


def test_the_address_that_answers_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that refuses comes before it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        resolving(monkeypatch, "127.0.0.2", "127.0.0.1")
        backend = BoundedBackend(Deadline(time.monotonic, 60))
        backend.connect_tcp("two", listening.getsockname()[1]).close()


def test_a_name_that_cannot_be_resolved_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of the resolver is the cause, by which it is explained."""

    def fail(*_args: Any, **_more: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(httpcore.ConnectError) as failed:
        BoundedBackend(Deadline(time.monotonic, 60)).connect_tcp("none", 80)
    assert isinstance(failed.value.__cause__, socket.gaierror)
