"""
Makes a connection to a server, verified unless told otherwise, and says in words why it can't.

The certificates are read at every connection: what was renewed is used without a restart. No
message holds more of a file than its name.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.config import Tls

OPTIONS = "output.logstash.tls"


class ConnectionFailed(Exception):  # noqa: N818 -- it is no error that a user meets
    """There is no connection; the message is the rest of a sentence that begins with the host."""


def connect(address: str, tls: Tls, seconds: float) -> socket.socket:
    """
    Connect to `host:port` within `seconds`, for each address that the name has.

    Raises:
        ConnectionFailed: it could not be done, for this reason.

    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    context = client_context(tls) if tls.enabled else None
    try:
        plain = socket.create_connection((host, int(port)), seconds)
    except OSError as error:
        raise ConnectionFailed(why(error)) from error
    except UnicodeError as error:
        raise ConnectionFailed("is no name that there can be; see output.logstash.hosts") from error
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if context is None:
        return plain
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except OSError as error:
        plain.close()
        raise ConnectionFailed(why(error, while_="during the TLS handshake")) from error


def client_context(tls: Tls) -> ssl.SSLContext:
    """
    Make the settings of TLS 1.3 or 1.2 for the client's side.

    Raises:
        ConnectionFailed: a certificate or key cannot be read.

    """
    context = ssl.create_default_context() if tls.ca is None else _trusting(tls.ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None and tls.key is not None:
        _show(context, tls.certificate, tls.key)
    return context


def _trusting(ca: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:
        raise ConnectionFailed(
            f"is not tried: cannot read {ca}: {_reason(error)}; see {OPTIONS}.ca"
        ) from error


def _show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    try:
        # Without a password given, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise ConnectionFailed(
            f"is not tried: cannot use {certificate} with {key}: {_reason(error)}; see"
            f" {OPTIONS}.certificate and {OPTIONS}.key (a key with a password cannot be used)"
        ) from error


def why(error: OSError, while_: str = "") -> str:
    """Say what went wrong with a connection: the rest of a sentence that begins with the host."""
    match error:
        case socket.gaierror():
            return f"is no name that is known here ({error.strerror}); see output.logstash.hosts"
        case TimeoutError():
            return "does not answer in time; is it up, and does a firewall let us through?"
        case ConnectionRefusedError():
            return "refuses connections; is Logstash running, with a beats input on this port?"
        case _ if is_cut(error):
            return f"ended the connection {while_}".rstrip()
        case ssl.SSLError():
            return _why_tls(error)
    return f"cannot be reached: {_reason(error)}"


def is_cut(error: OSError) -> bool:
    """Tell whether the other side, or something in between, ended the connection."""
    return isinstance(error, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError)


def _why_tls(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        told = error.verify_message.rstrip(".")
        return f"has a certificate that is not trusted: {told}; see {OPTIONS}.ca"
    told = (error.reason or "no reason was given").replace("_", " ").lower()
    if "certificate required" in told or "handshake failure" in told:
        return f"demands a certificate of ours ({told}); see {OPTIONS}.certificate"
    if "alert" in told and ("certificate" in told or "unknown ca" in told):
        return f"does not take our certificate ({told}); see {OPTIONS}.certificate"
    if told in {"wrong version number", "record layer failure"}:
        return f"does not speak TLS; see {OPTIONS}.enabled"
    return f"cannot agree on TLS with us ({told})"


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "it is no PEM file").replace("_", " ").lower()
    return error.strerror or "it is no PEM file"
