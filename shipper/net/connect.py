"""
Connects to a server, with a verified certificate unless configured otherwise.

Outputs, alerters and `shipper check` all connect through this module, so a check finds what would
stop delivery, and reports it in the same words: a fault, which continues a sentence that begins
with the server, and a remedy, which names the option of the config.

Certificates are read again for every connection, so a renewed one needs no restart. They are read
before anything is sent. Error texts name files, and never quote their content.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from shipper.net.resolve import open_connection

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.config.outputs import TlsOptions

EXPIRED, NOT_YET_VALID = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED, …_NOT_YET_VALID
WRONG_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH


class ConnectionFailed(Exception):  # noqa: N818 -- callers name the server and raise their own
    """A connection could not be made, or is of no use; the text is `<fault>; <remedy>`."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault}; {remedy}")
        self.fault = fault
        self.remedy = remedy


def connect(address: str, tls: TlsOptions, seconds: float, section: str) -> socket.socket:
    """
    Connect to `host:port`; `seconds` are for looking the name up, and for each of its addresses.

    `section` is that of the config, such as `output.logstash`: remedies name its options.

    Raises:
        ConnectionFailed: with the reason.

    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    context = client_context(tls, section) if tls.enabled else None
    try:
        plain = open_connection(host, int(port), lambda: seconds)
    except TimeoutError as error:
        raise ConnectionFailed(
            f"did not answer within {seconds:g} s",
            "check that the server is up and no firewall blocks the port",
        ) from error
    except UnicodeError as error:
        raise ConnectionFailed("is not a valid host name", f"correct {section}.hosts") from error
    except OSError as error:
        raise explain(error, section) from error
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain if context is None else _shake_hands(plain, host, context, section)


def _shake_hands(
    plain: socket.socket, host: str, context: ssl.SSLContext, section: str
) -> ssl.SSLSocket:
    """Start TLS on a socket; close the socket on failure."""
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except TimeoutError as error:
        plain.close()
        raise ConnectionFailed(
            "accepts the connection and sends nothing", "check that this port uses TLS"
        ) from error
    except OSError as error:
        plain.close()
        raise explain(error, section, "during the TLS handshake") from error


def client_context(tls: TlsOptions, section: str) -> ssl.SSLContext:
    """
    Return the client's context for TLS 1.2 or 1.3.

    Raises:
        ConnectionFailed: a certificate or key cannot be read.

    """
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except OSError as error:
        raise ConnectionFailed(
            f"was not contacted: cannot read {tls.ca}: {_fault_of_file(error)}",
            f"set {section}.tls.ca to the PEM file with the certificate of the CA",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None and tls.key is not None:
        _load_certificate(context, tls.certificate, tls.key, section)
    return context


def _load_certificate(context: ssl.SSLContext, certificate: Path, key: Path, section: str) -> None:
    try:
        # Without a password given, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise ConnectionFailed(
            f"was not contacted: cannot use {certificate} with {key}: {_fault_of_file(error)}",
            f"set {section}.tls.certificate and {section}.tls.key to PEM files that this user can"
            " read, with a key that has no password",
        ) from error


def _fault_of_file(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return _words(error.reason) or "it is not a PEM file"
    return error.strerror or "it is not a PEM file"


def is_cut(error: OSError) -> bool:
    """Return whether the server, or something in between, closed the connection."""
    return isinstance(error, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError)


def explain(error: OSError, section: str, when: str = "at once") -> ConnectionFailed:
    """Return the fault and remedy of a failed connection; `when` says when it ended."""
    match error:
        case socket.gaierror():
            return ConnectionFailed(
                f"cannot be resolved ({error.strerror})",
                f"correct {section}.hosts, or add the name to DNS or /etc/hosts",
            )
        case ConnectionRefusedError():
            return ConnectionFailed(
                "refuses connections", "start the server, or correct the port or its firewall"
            )
        case _ if is_cut(error):
            return ConnectionFailed(f"ended the connection {when}", "see its log")
        case ssl.SSLCertVerificationError():
            return _not_trusted(error, section)
        case ssl.SSLError():
            return _no_tls(_words(error.reason) or "no reason was given", section)
    return ConnectionFailed(f"cannot be reached: {error.strerror or error}", "check the network")


def _not_trusted(error: ssl.SSLCertVerificationError, section: str) -> ConnectionFailed:
    if error.verify_code == EXPIRED:
        return ConnectionFailed("has a certificate that has expired", "renew it there")
    if error.verify_code == NOT_YET_VALID:
        return ConnectionFailed(
            "has a certificate that is not valid yet", "check the clocks of both machines"
        )
    if error.verify_code in WRONG_NAME:
        return ConnectionFailed(
            "has a certificate for another name",
            "use a name from the certificate, or issue one that contains this name",
        )
    return ConnectionFailed(
        f"has a certificate that is not trusted ({error.verify_message.rstrip('.')})",
        f"set {section}.tls.ca to the certificate of its CA",
    )


def _no_tls(reason: str, section: str) -> ConnectionFailed:
    """Return fault and remedy of a failed handshake, by the reason of OpenSSL or the TLS alert."""
    if reason in {"wrong version number", "record layer failure", "http request"}:
        return ConnectionFailed(
            "does not use TLS", f"enable it there, correct the port, or see {section}.tls.enabled"
        )
    if "certificate required" in reason or "handshake failure" in reason:
        return ConnectionFailed(
            f"requires a client certificate ({reason})",
            f"set {section}.tls.certificate and {section}.tls.key",
        )
    if "alert" in reason and ("certificate" in reason or "unknown ca" in reason):
        return ConnectionFailed(
            f"rejects our client certificate ({reason})",
            f"set {section}.tls.certificate to one that its CA has signed and that has not expired",
        )
    return ConnectionFailed(f"cannot agree on TLS with us ({reason})", "see its log")


def _words(reason: str | None) -> str:
    return (reason or "").replace("_", " ").lower()
