"""The way to Logstash, host by host: is it reached, and would it take our records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.check.finding import Finding, FindingLevel
from shipper.check.tls import end_of, ends_soon, look_at_tls, protocol_of
from shipper.config.addresses import is_loopback
from shipper.net.connect import ConnectionFailed, connect, explain

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from shipper.config.outputs import LogstashOutput

PLACE = "output.logstash"

# With TLS 1.3 a server refuses our certificate only after the handshake. Until this long after it,
# a refusal is waited for; a Logstash that takes us is silent.
REFUSAL_SECONDS = 0.5


def look_at_logstash(output: LogstashOutput, now: float) -> Iterator[Finding]:
    """Take every hop to every host. `now` is in epoch seconds."""
    yield from look_at_tls(f"{PLACE}.tls", output.tls, now)
    for index, address in enumerate(output.hosts):
        yield from _look_at_host(f"{PLACE}.hosts[{index}]", address, output, now)


def _look_at_host(
    place: str, address: str, output: LogstashOutput, now: float
) -> Iterator[Finding]:
    host = address.rpartition(":")[0]
    if not output.tls.enabled and not is_loopback(host):
        yield Finding(
            f"{PLACE}.tls.enabled",
            FindingLevel.WARNING,
            f"records go to {address} in clear text",
            "enable TLS there and here",
        )
    try:
        protocol, end = _reach(address, output)
    except ConnectionFailed as failed:
        yield Finding(place, FindingLevel.ERROR, f"{address} {failed.fault}", failed.remedy)
    else:
        over = f" with {protocol}" if protocol else ""
        yield Finding(place, FindingLevel.OK, f"{address} takes connections{over}")
        yield from ends_soon(place, f"the certificate of {address}", end, now)


def _reach(address: str, output: LogstashOutput) -> tuple[str, float | None]:
    """Return the version of TLS and the end of the server's certificate, in epoch seconds."""
    with connect(address, output.tls, output.connect_seconds, PLACE) as connected:
        _await_refusal(connected)
        return protocol_of(connected), end_of(connected)


def _await_refusal(connected: socket.socket) -> None:
    """Pass if the server stays silent; whatever it says before it was asked is a refusal."""
    connected.settimeout(REFUSAL_SECONDS)
    try:
        said = connected.recv(1)
    except TimeoutError:
        return
    except OSError as error:
        raise explain(error, PLACE) from error
    if not said:
        raise explain(ConnectionResetError(), PLACE)
    raise ConnectionFailed("is no beats input: it speaks first", "mend the port")
