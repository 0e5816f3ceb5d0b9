"""
Makes a connection to a server, verified unless told otherwise, and says in words why it can't.

Shipping and `shipper check` both come this way, so whatever stops the one is found by the other, in
the same words: a fault, which is the rest of a sentence that begins with the server, and a remedy,
which names the option of the config.

The certificates are read at every connection: what was renewed is used without a restart. They are
read before the server is spoken to. No message holds more of a file than its name.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.config.outputs import TlsOptions

EXPIRED, NOT_YET_VALID = 10, 9  # X509_V_ERR_CERT_HAS_EXPIRED, …_NOT_YET_VALID
WRONG_NAME = {62, 64}  # X509_V_ERR_HOSTNAME_MISMATCH, …_IP_ADDRESS_MISMATCH


class ConnectionFailed(Exception):  # noqa: N818 -- it is no error that a user meets
    """There is no connection, or none that is of use; the message is `<fault>; <remedy>`."""

    def __init__(self, fault: str, remedy: str) -> None:
        super().__init__(f"{fault}; {remedy}")
        self.fault = fault
        self.remedy = remedy


def connect(address: str, tls: TlsOptions, seconds: float, section: str) -> socket.socket:
    """
    Connect to `host:port`, with at most `seconds` for each address that the name has.

    The section is that of the config, such as `output.logstash`: remedies name its options.

    Raises:
        ConnectionFailed: it could not be done, for this reason.

    """
    host, _, port = address.rpartition(":")
    host = host.strip("[]")
    context = client_context(tls, section) if tls.enabled else None
    try:
        plain = socket.create_connection((host, int(port)), seconds)
    except TimeoutError as error:
        raise ConnectionFailed(
            f"did not answer within {seconds:g} s",
            "see whether the server is up and a firewall lets us through",
        ) from error
    except UnicodeError as error:
        raise ConnectionFailed(
            "has a name that there cannot be", f"mend it in {section}.hosts"
        ) from error
    except OSError as error:
        raise explain(error, section) from error
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return plain if context is None else _shake_hands(plain, host, context, section)


def _shake_hands(
    plain: socket.socket, host: str, context: ssl.SSLContext, section: str
) -> ssl.SSLSocket:
    """Begin TLS; takes the socket over, and closes it if it fails."""
    try:
        return context.wrap_socket(plain, server_hostname=host)
    except TimeoutError as error:
        plain.close()
        raise ConnectionFailed(
            "accepts the connection and says nothing", "see whether this port speaks TLS"
        ) from error
    except OSError as error:
        plain.close()
        raise explain(error, section, "during the TLS handshake") from error


def client_context(tls: TlsOptions, section: str) -> ssl.SSLContext:
    """
    Make the settings of TLS 1.3 or 1.2 for the client's side.

    Raises:
        ConnectionFailed: a certificate or key cannot be read.

    """
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except OSError as error:
        raise ConnectionFailed(
            f"is not tried: cannot read {tls.ca}: {_fault_of_file(error)}",
            f"name the PEM file with the certificate of the CA as {section}.tls.ca",
        ) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate is not None and tls.key is not None:
        _show(context, tls.certificate, tls.key, section)
    return context


def _show(context: ssl.SSLContext, certificate: Path, key: Path, section: str) -> None:
    try:
        # Without a password given, OpenSSL would ask for one on the terminal.
        context.load_cert_chain(certificate, key, password="")
    except OSError as error:
        raise ConnectionFailed(
            f"is not tried: cannot use {certificate} with {key}: {_fault_of_file(error)}",
            f"name a certificate and its key, which has no password, as {section}.tls.certificate"
            f" and {section}.tls.key: PEM files that this user may read",
        ) from error


def _fault_of_file(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return _words(error.reason) or "it is no PEM file"
    return error.strerror or "it is no PEM file"


def is_cut(error: OSError) -> bool:
    """Return whether the other side, or something in between, ended the connection."""
    return isinstance(error, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError)


def explain(error: OSError, section: str, when: str = "at once") -> ConnectionFailed:
    """Say what went wrong with a connection; `when` is said of one that was ended."""
    match error:
        case socket.gaierror():
            return ConnectionFailed(
                f"has a name that is not known here ({error.strerror})",
                f"mend it in {section}.hosts, or make it known to the DNS or /etc/hosts",
            )
        case ConnectionRefusedError():
            return ConnectionFailed(
                "refuses connections", "start the server, or mend the port or its firewall"
            )
        case _ if is_cut(error):
            return ConnectionFailed(f"ended the connection {when}", "see its log")
        case ssl.SSLCertVerificationError():
            return _not_trusted(error, section)
        case ssl.SSLError():
            return _no_tls(_words(error.reason) or "no reason was given", section)
    return ConnectionFailed(f"cannot be reached: {error.strerror or error}", "mend the network")


def _not_trusted(error: ssl.SSLCertVerificationError, section: str) -> ConnectionFailed:
    if error.verify_code == EXPIRED:
        return ConnectionFailed("has a certificate that has ended", "renew it there")
    if error.verify_code == NOT_YET_VALID:
        return ConnectionFailed(
            "has a certificate that is not valid yet", "see whether a clock is wrong"
        )
    if error.verify_code in WRONG_NAME:
        return ConnectionFailed(
            "has a certificate for another name",
            "use a name that is in the certificate, or have this one put into it",
        )
    return ConnectionFailed(
        f"has a certificate that is not trusted ({error.verify_message.rstrip('.')})",
        f"name the certificate of its CA as {section}.tls.ca",
    )


def _no_tls(told: str, section: str) -> ConnectionFailed:
    """Say what it means that there is no TLS, by the words of OpenSSL or of the alert."""
    if told in {"wrong version number", "record layer failure", "http request"}:
        return ConnectionFailed(
            "does not speak TLS", f"enable it there, mend the port, or see {section}.tls.enabled"
        )
    if "certificate required" in told or "handshake failure" in told:
        return ConnectionFailed(
            f"demands a certificate of ours ({told})",
            f"set {section}.tls.certificate and {section}.tls.key",
        )
    if "alert" in told and ("certificate" in told or "unknown ca" in told):
        return ConnectionFailed(
            f"does not take our certificate ({told})",
            f"use one as {section}.tls.certificate that its CA has signed and that has not ended",
        )
    return ConnectionFailed(f"cannot agree on TLS with us ({told})", "see its log")


def _words(reason: str | None) -> str:
    return (reason or "").replace("_", " ").lower()
