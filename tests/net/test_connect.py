"""Connections: every failure has a fault, which continues after the address, and a remedy."""

from __future__ import annotations

import errno
import socket
import ssl
from pathlib import Path

import pytest

from shipper.config.outputs import TlsOptions
from shipper.net.connect import ConnectionFailed, client_context, connect, explain, is_cut
from tests.check.fake_servers import Authority, serving, silent

SECTION = "output.elasticsearch"


def untrusted(code: int, told: str = "") -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "refused")
    error.verify_code, error.verify_message = code, told
    return error


def tls_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "refused")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "fault", "remedy"),
    [
        (socket.gaierror(-2, "not found"), "cannot be resolved", f"{SECTION}.hosts"),
        (ConnectionRefusedError(), "refuses connections", "start the server"),
        (ConnectionResetError(), "ended the connection before the ack", "log"),
        (ssl.SSLEOFError(8, "eof"), "ended the connection before the ack", "log"),
        (OSError(errno.ENETUNREACH, "no route"), "cannot be reached: no route", "network"),
        (untrusted(10), "has a certificate that has expired", "renew"),
        (untrusted(9), "has a certificate that is not valid yet", "clock"),
        (untrusted(62), "has a certificate for another name", "use a name"),
        (untrusted(64), "has a certificate for another name", "use a name"),
        (untrusted(20, "no issuer."), "is not trusted (no issuer)", f"{SECTION}.tls.ca"),
        (tls_error("WRONG_VERSION_NUMBER"), "does not use TLS", f"{SECTION}.tls.enabled"),
        (tls_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "requires a client", f"{SECTION}.tls.key"),
        (tls_error("TLSV1_ALERT_UNKNOWN_CA"), "rejects our client", f"{SECTION}.tls.certificate"),
        (tls_error("TLSV1_ALERT_PROTOCOL_VERSION"), "(tlsv1 alert protocol version)", "log"),
        (tls_error(""), "cannot agree on TLS with us (no reason was given)", "log"),
    ],
)
def test_every_failure_has_a_remedy(error: OSError, fault: str, remedy: str) -> None:
    """Fault and remedy are separate; the text joins them."""
    failed = explain(error, SECTION, "before the ack")

    assert fault in failed.fault
    assert remedy in failed.remedy
    assert str(failed) == f"{failed.fault}; {failed.remedy}"


def test_a_cut_is_told_from_other_failures() -> None:
    """Only a connection that the other side ended may be blamed on the content sent."""
    assert all(map(is_cut, (ConnectionResetError(), BrokenPipeError(), ssl.SSLEOFError())))
    assert not any(map(is_cut, (TimeoutError(), OSError(), tls_error("TLSV1_ALERT_UNKNOWN_CA"))))


@pytest.mark.parametrize("verify", [True, False])
def test_old_tls_is_not_spoken(tmp_path: Path, *, verify: bool) -> None:
    """TLS 1.2 or newer, verified unless configured otherwise, by the CA of the config only."""
    authority = Authority(tmp_path)

    context = client_context(TlsOptions(ca=authority.path, verify=verify), SECTION)

    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.check_hostname is verify
    assert context.verify_mode is (ssl.CERT_REQUIRED if verify else ssl.CERT_NONE)
    assert len(context.get_ca_certs()) == 1


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All addresses of a name are tried: nobody may listen on the first, often IPv6."""
    with serving(silent) as port:

        def two_addresses(*_: object, **__: object) -> list[object]:
            kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
            return [(*kind, ("127.0.0.1", 1)), (*kind, ("127.0.0.1", port))]

        monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
        with connect(f"logs1:{port}", TlsOptions(enabled=False), 5.0, SECTION) as connected:
            assert connected.getpeername() == ("127.0.0.1", port)


def test_nothing_is_spoken_to_with_files_that_are_missing(tmp_path: Path) -> None:
    """An unreadable CA is reported before a connection is made."""
    with pytest.raises(
        ConnectionFailed, match=r"^was not contacted: cannot read .*nowhere\.pem: No"
    ):
        connect("127.0.0.1:1", TlsOptions(ca=tmp_path / "nowhere.pem"), 5.0, SECTION)
