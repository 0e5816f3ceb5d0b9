"""
Name, connection, TLS: the hops that every server is reached by.

Each hop either succeeds or raises `HopFailed` with what is so and the remedy, in words of the one
who has to mend it. Nothing is sent that changes anything; the time now is handed in.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shipper.findings import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config import Tls

SOON_DAYS = 30  # a certificate that ends sooner is a warning
DAY = 86_400

EXPIRED, NOT_YET_VALID = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED, …_NOT_YET_VALID
WRONG_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH


class HopFailed(Exception):  # noqa: N818 -- it becomes a finding, and no error that a user meets
    """A hop was not passed."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(fault)
        self.fault = fault
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Line:
    """A connection that was made; `ends` is when the server's certificate does, in epoch s."""

    socket: socket.socket
    protocol: str = ""
    ends: float | None = None


def connect(host: str, port: int, seconds: float) -> socket.socket:
    """Connect to one of the addresses that a name has."""
    address = f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise HopFailed(
            f"the name {host} is not known here ({error.strerror})",
            "mend the name, or make it known to the DNS or /etc/hosts",
        ) from error
    for family, kind, protocol, _name, place in found:
        connected = socket.socket(family, kind, protocol)
        connected.settimeout(seconds)
        try:
            connected.connect(place)
        except OSError as error:
            connected.close()
            last = error
        else:
            return connected
    raise _unreachable(address, seconds, last) from last


def _unreachable(address: str, seconds: float, error: OSError) -> HopFailed:
    if isinstance(error, ConnectionRefusedError):
        return HopFailed(
            f"{address} refuses connections", "start the server, or mend the port or its firewall"
        )
    if isinstance(error, TimeoutError):
        return HopFailed(
            f"{address} did not answer within {seconds:g} s",
            "see whether the server is up and a firewall lets us through",
        )
    return HopFailed(f"{address} cannot be reached: {error.strerror}", "mend the network")


def context_of(tls: Tls) -> ssl.SSLContext:
    """Make our side of TLS; the files that it needs may be missing or wrong."""
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except OSError as error:
        raise HopFailed(
            f"{tls.ca} holds no certificates that can be read ({_reason(error)})",
            "name the PEM file with the certificate of the CA as tls.ca",
        ) from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None:
        try:
            context.load_cert_chain(tls.certificate, tls.key, password="")  # never ask for one
        except OSError as error:
            raise HopFailed(
                f"{tls.certificate} and {tls.key} cannot be used ({_reason(error)})",
                "name a certificate and its key as PEM files that this user may read",
            ) from error
    return context


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no PEM file").replace("_", " ").lower()
    return error.strerror or str(error)


def shake_hands(plain: socket.socket, host: str, tls: Tls) -> Line:
    """Begin TLS; takes the socket over, and closes it if it fails."""
    try:
        secured = context_of(tls).wrap_socket(plain, server_hostname=host)
    except HopFailed:
        plain.close()
        raise
    except OSError as error:
        plain.close()
        raise _no_tls(host, error) from error
    ends = (secured.getpeercert() or {}).get("notAfter")
    return Line(
        secured,
        secured.version() or "TLS",
        ssl.cert_time_to_seconds(ends) if isinstance(ends, str) else None,
    )


def _no_tls(host: str, error: OSError) -> HopFailed:
    if isinstance(error, ssl.SSLCertVerificationError):
        return _not_trusted(host, error)
    if isinstance(error, TimeoutError):
        return HopFailed(
            "it accepts the connection and says nothing", "see whether this port speaks TLS"
        )
    told = _reason(error)
    if told in {"wrong version number", "record layer failure", "http request"}:
        return HopFailed("it does not speak TLS", "enable TLS there, or mend the port")
    return refused_by_tls(told)


def refused_by_tls(told: str) -> HopFailed:
    """Say what it means that the server ended the handshake, by the words of the alert."""
    if "certificate required" in told or "handshake failure" in told:
        return HopFailed(
            f"it demands a certificate of ours ({told})", "set tls.certificate and tls.key"
        )
    if "alert" in told and ("certificate" in told or "unknown ca" in told):
        return HopFailed(
            f"it does not take our certificate ({told})",
            "use one that its CA has signed and that has not ended",
        )
    return HopFailed(f"TLS cannot be agreed on ({told})", "see the log of the server")


def _not_trusted(host: str, error: ssl.SSLCertVerificationError) -> HopFailed:
    if error.verify_code == EXPIRED:
        return HopFailed("its certificate has ended", "renew it there")
    if error.verify_code == NOT_YET_VALID:
        return HopFailed("its certificate is not valid yet", "see whether a clock is wrong")
    if error.verify_code in WRONG_NAME:
        return HopFailed(
            f"its certificate is for another name than {host}",
            "use a name that is in the certificate, or have this one put into it",
        )
    return HopFailed(
        f"its certificate is of a CA that is not trusted ({error.verify_message})",
        "name the certificate of that CA as tls.ca",
    )


def is_loopback(host: str) -> bool:
    """Tell whether a connection stays on this machine, as far as its name says so."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def ends_soon(place: str, what: str, ends: float | None, now: float) -> Iterator[Finding]:
    """Warn of a certificate that ends soon; `ends` and `now` are epoch seconds."""
    if ends is not None and ends - now < SOON_DAYS * DAY:
        when = f"ends in {(ends - now) / DAY:.0f} days" if ends > now else "has ended"
        yield Finding(place, Severity.WARNING, f"{what} {when}", "renew it")


def look_at_tls(place: str, tls: Tls, now: float) -> Iterator[Finding]:
    """Look at what the config says of TLS, whatever the servers are."""
    if not tls.verify:
        yield Finding(
            f"{place}.verify",
            Severity.WARNING,
            "whoever answers is trusted, and gets the records",
            "remove it, and name the CA as tls.ca",
        )
    if tls.ca is not None:
        yield from _look_at_ca(f"{place}.ca", tls.ca, now)


def _look_at_ca(place: str, path: Path, now: float) -> Iterator[Finding]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except OSError:
        return  # every hop to a server says so
    ends = [ssl.cert_time_to_seconds(str(found["notAfter"])) for found in context.get_ca_certs()]
    yield from ends_soon(place, f"the CA of {path}", min(ends, default=None), now)
