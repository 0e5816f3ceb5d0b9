"""Checks the way to Logstash, host by host: connection, TLS and acceptance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.check.finding import Finding, error, ok, warning
from shipper.check.tls import check_expiry, check_tls, end_of, protocol_of
from shipper.config.addresses import is_loopback
from shipper.net.connect import ConnectionFailed, connect, explain

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from shipper.config.outputs import LogstashOutput

PLACE = "output.logstash"

# With TLS 1.3 a server refuses a client certificate only after the handshake. A refusal is waited
# for this long; a Logstash that accepts the connection stays silent.
REFUSAL_SECONDS = 0.5


def check_logstash(output: LogstashOutput, now: float) -> Iterator[Finding]:
    """Connect to every host; `now` is in epoch seconds."""
    yield from check_tls(f"{PLACE}.tls", output.tls, now)
    for index, address in enumerate(output.hosts):
        yield from _check_host(f"{PLACE}.hosts[{index}]", address, output, now)


def _check_host(place: str, address: str, output: LogstashOutput, now: float) -> Iterator[Finding]:
    if not output.tls.enabled and not is_loopback(address.rpartition(":")[0]):
        yield warning(
            f"{PLACE}.tls.enabled",
            f"records are sent to {address} in clear text",
            "enable TLS there and here",
        )
    try:
        protocol, end = _connect(address, output)
    except ConnectionFailed as failed:
        yield error(place, f"{address} {failed.fault}", failed.remedy)
    else:
        over = f" with {protocol}" if protocol else ""
        yield ok(place, f"{address} accepts connections{over}")
        yield from check_expiry(place, f"the certificate of {address}", end, now)


def _connect(address: str, output: LogstashOutput) -> tuple[str, float | None]:
    """Return the TLS version and the end of the server's certificate, in epoch seconds."""
    with connect(address, output.tls, output.connect_seconds, PLACE) as connected:
        _await_refusal(connected)
        return protocol_of(connected), end_of(connected)


def _await_refusal(connected: socket.socket) -> None:
    """Return if the server stays silent; whatever it sends before it is asked is a refusal."""
    connected.settimeout(REFUSAL_SECONDS)
    try:
        received = connected.recv(1)
    except TimeoutError:
        return
    except OSError as broken:
        raise explain(broken, PLACE) from broken
    if not received:
        raise explain(ConnectionResetError(), PLACE)
    raise ConnectionFailed("is not a beats input: it sends data first", "correct the port")
