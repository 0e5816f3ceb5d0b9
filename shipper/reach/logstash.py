"""The way to Logstash, host by host: is it reached, and would it take our records."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from shipper.findings import Finding, Severity
from shipper.reach.hops import (
    HopFailed,
    Line,
    connect,
    ends_soon,
    is_loopback,
    look_at_tls,
    refused_by_tls,
    shake_hands,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config import LogstashOutput

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
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    if not output.tls.enabled and not is_loopback(host):
        yield Finding(
            f"{PLACE}.tls.enabled",
            Severity.WARNING,
            f"records go to {address} in clear text",
            "enable TLS there and here",
        )
    try:
        line = _reach(host, int(port), output)
        line.socket.close()
    except HopFailed as failed:
        yield Finding(place, Severity.ERROR, failed.fault, failed.remedy)
    else:
        over = f" with {line.protocol}" if line.protocol else ""
        yield Finding(place, Severity.OK, f"{address} takes connections{over}")
        yield from ends_soon(place, f"the certificate of {address}", line.ends, now)


def _reach(host: str, port: int, output: LogstashOutput) -> Line:
    plain = connect(host, port, output.connect_seconds)
    line = shake_hands(plain, host, output.tls) if output.tls.enabled else Line(plain)
    try:
        _await_refusal(line.socket)
    except HopFailed:
        line.socket.close()
        raise
    return line


def _await_refusal(connected: socket.socket) -> None:
    """Pass if the server stays silent; whatever it says before it was asked is a refusal."""
    connected.settimeout(REFUSAL_SECONDS)
    try:
        said = connected.recv(1)
    except TimeoutError:
        return
    except ssl.SSLError as error:
        raise refused_by_tls((error.reason or "").replace("_", " ").lower()) from error
    except OSError as error:
        told = f"it ended the connection ({error.strerror})"
        raise HopFailed(told, "see the log of Logstash") from error
    if said:
        raise HopFailed("it is no beats input: it speaks first", "mend the port")
    raise HopFailed("it ended the connection at once", "see the log of Logstash")
