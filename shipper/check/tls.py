"""What is to be said of certificates and of clear text, whatever the server; the time is given."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from shipper.check.finding import Finding, FindingLevel

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from shipper.config.outputs import TlsOptions

SOON_DAYS = 30  # a certificate that ends sooner is a warning
DAY = 86_400


def protocol_of(connected: socket.socket) -> str:
    """Return the version of TLS that was agreed on; empty in clear text."""
    return (connected.version() or "TLS") if isinstance(connected, ssl.SSLSocket) else ""


def end_of(connected: socket.socket) -> float | None:
    """Return when the server's certificate ends, in epoch seconds; None if it was not verified."""
    if not isinstance(connected, ssl.SSLSocket):
        return None
    end = (connected.getpeercert() or {}).get("notAfter")
    return ssl.cert_time_to_seconds(end) if isinstance(end, str) else None


def ends_soon(place: str, what: str, ends: float | None, now: float) -> Iterator[Finding]:
    """Warn of a certificate that ends soon; `ends` and `now` are epoch seconds."""
    if ends is not None and ends - now < SOON_DAYS * DAY:
        when = f"ends in {(ends - now) / DAY:.0f} days" if ends > now else "has ended"
        yield Finding(place, FindingLevel.WARNING, f"{what} {when}", "renew it")


def look_at_tls(place: str, tls: TlsOptions, now: float) -> Iterator[Finding]:
    """Look at what the config says of TLS, whatever the servers are."""
    if not tls.verify:
        yield Finding(
            f"{place}.verify",
            FindingLevel.WARNING,
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
