"""Checks of certificates and TLS options, for every kind of server; the time is handed in."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from shipper.check.finding import Finding, warning

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator
    from pathlib import Path

    from shipper.config.outputs import TlsOptions

SOON_DAYS = 30  # a certificate that expires sooner is a warning
DAY = 86_400


def protocol_of(connected: socket.socket) -> str:
    """Return the TLS version of a connection; empty in clear text."""
    return (connected.version() or "TLS") if isinstance(connected, ssl.SSLSocket) else ""


def end_of(connected: socket.socket) -> float | None:
    """Return when the server's certificate expires, in epoch seconds; None if not verified."""
    if not isinstance(connected, ssl.SSLSocket):
        return None
    end = (connected.getpeercert() or {}).get("notAfter")
    return ssl.cert_time_to_seconds(end) if isinstance(end, str) else None


def check_expiry(place: str, what: str, end: float | None, now: float) -> Iterator[Finding]:
    """Warn of a certificate that expires soon; `end` and `now` are epoch seconds."""
    if end is not None and end - now < SOON_DAYS * DAY:
        when = f"expires in {(end - now) / DAY:.0f} days" if end > now else "has expired"
        yield warning(place, f"{what} {when}", "renew it")


def check_tls(place: str, tls: TlsOptions, now: float) -> Iterator[Finding]:
    """Check the TLS options without asking a server."""
    if not tls.verify:
        yield warning(
            f"{place}.verify",
            "any server that answers is trusted, and gets the records",
            "remove it, and set tls.ca to the certificate of the CA",
        )
    if tls.ca is not None:
        yield from _check_ca(f"{place}.ca", tls.ca, now)


def _check_ca(place: str, path: Path, now: float) -> Iterator[Finding]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(path)
    except OSError:
        return  # every connection to a server reports it
    ends = [ssl.cert_time_to_seconds(str(found["notAfter"])) for found in context.get_ca_certs()]
    yield from check_expiry(place, f"the CA of {path}", min(ends, default=None), now)
