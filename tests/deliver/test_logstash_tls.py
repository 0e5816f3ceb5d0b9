"""TLS of the output `logstash`: who is not whom we mean gets nothing, and the message says why."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme

from shipper.config.outputs import TlsOptions
from shipper.errors import OutputUnavailable
from shipper.events import Delivery
from tests.deliver.delivering import publish
from tests.deliver.logstash_sending import CLEAR, batch_to, logstash
from tests.servers.lumberjack_scripted import ScriptedServer, scripted


class Authority:
    """A throw-away CA with its files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ca = trustme.CA()
        self.file = folder / "ca.pem"
        self.ca.cert_pem.write_to_path(self.file)

    def server(
        self, name: str = "127.0.0.1", *, not_after: datetime | None = None, demands: bool = False
    ) -> ssl.SSLContext:
        """Make the server's side, with a certificate for this name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ca.issue_cert(name, not_after=not_after).configure_cert(context)
        if demands:
            context.verify_mode = ssl.CERT_REQUIRED
            self.ca.configure_trust(context)
        return context

    def client(self, name: str = "web-1") -> TlsOptions:
        """Make the options of a client that trusts this CA and shows a certificate of it."""
        issued = self.ca.issue_cert(name)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        certificate.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        issued.private_key_pem.write_to_path(key)
        return TlsOptions(ca=self.file, certificate=certificate, key=key)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost"])
def test_the_right_server(authority: Authority, name: str) -> None:
    """A certificate for the name or address of the config, signed by the CA, is trusted."""
    with scripted(tls=authority.server(name)) as server:
        host = f"{name}:{server.address.rpartition(':')[2]}"
        with logstash(host, tls=TlsOptions(ca=authority.file)) as output:
            assert publish(output, batch_to(20)) == Delivery()

    assert server.connections == 1
    assert isinstance(server.windows[0].connected, ssl.SSLSocket)


def test_tls_1_2_is_enough(authority: Authority) -> None:
    """A server that knows nothing newer than TLS 1.2 is talked to."""
    context = authority.server()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        scripted(tls=context) as server,
        logstash(server.address, tls=TlsOptions(ca=authority.file)) as output,
    ):
        assert publish(output, batch_to(1)) == Delivery()


def refused(authority: Authority, context: ssl.SSLContext, tls: TlsOptions | None = None) -> str:
    """Return why a server is not talked to; not one byte of an event reached it."""
    with (
        scripted(tls=context) as server,
        logstash(server.address, tls=tls or TlsOptions(ca=authority.file)) as output,
        pytest.raises(OutputUnavailable) as caught,
    ):
        publish(output, batch_to(4))
    assert not server.stored
    assert str(caught.value).startswith(server.address)
    return str(caught.value)


def test_another_name(authority: Authority) -> None:
    """A certificate of the same CA for another server is not the server that was meant."""
    told = refused(authority, authority.server("other.example"))
    assert "has a certificate for another name; use a name from the certificate" in told


def test_an_expired_certificate(authority: Authority) -> None:
    """A certificate is not trusted a second longer than it says."""
    past = datetime.now(UTC) - timedelta(days=1)
    assert "has a certificate that has expired; renew" in refused(
        authority, authority.server(not_after=past)
    )


def test_an_unknown_authority(authority: Authority, tmp_path: Path) -> None:
    """A certificate of another CA is not trusted; without `ca`, those of the machine decide."""
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    assert "certificate that is not trusted" in refused(authority, other.server())
    told = refused(authority, authority.server(), TlsOptions())
    assert "certificate that is not trusted" in told
    assert "output.logstash.tls.ca" in told


def test_verification_can_be_switched_off(authority: Authority) -> None:
    """`verify: false` takes any certificate: for tests."""
    context = authority.server("other.example")
    with (
        scripted(tls=context) as server,
        logstash(server.address, tls=TlsOptions(verify=False)) as output,
    ):
        assert publish(output, batch_to(4)) == Delivery()


def test_a_server_that_demands_a_certificate(authority: Authority) -> None:
    """With a certificate of ours it takes the events; without one the message says so."""
    context = authority.server(demands=True)
    with (
        scripted(tls=context) as server,
        logstash(server.address, tls=authority.client()) as output,
    ):
        assert publish(output, batch_to(4)) == Delivery()

    told = refused(authority, authority.server(demands=True))
    assert "output.logstash.tls.certificate" in told


def test_a_certificate_that_the_server_does_not_take(authority: Authority, tmp_path: Path) -> None:
    """A certificate of ours by a CA that the server does not know is refused, and it is told."""
    (tmp_path / "other").mkdir()
    mine = Authority(tmp_path / "other").client()
    tls = TlsOptions(ca=authority.file, certificate=mine.certificate, key=mine.key)
    told = refused(authority, authority.server(demands=True), tls)
    assert "output.logstash.tls.certificate" in told


def test_clear_text_meets_tls(authority: Authority) -> None:
    """A server that wants TLS, and one that has none, are recognised from the other side."""
    told = refused(authority, authority.server(), CLEAR)
    assert "tls.enabled" in told or "ended the connection" in told
    plain = ScriptedServer()
    with (
        logstash(plain.address, tls=TlsOptions(ca=authority.file)) as output,
        pytest.raises(OutputUnavailable, match="TLS"),
    ):
        publish(output, batch_to(4))
    plain.stop()


def test_what_is_mended_is_used_without_a_restart(authority: Authority, tmp_path: Path) -> None:
    """CA, certificate and key are read at every connection: a renewed file is enough."""
    ca = tmp_path / "late.pem"
    with (
        scripted(tls=authority.server()) as server,
        logstash(server.address, tls=TlsOptions(ca=ca)) as output,
    ):
        with pytest.raises(OutputUnavailable, match=r"late\.pem: No such file.*tls\.ca"):
            publish(output, batch_to(4))
        ca.write_text("no certificate")
        with pytest.raises(OutputUnavailable, match=r"late\.pem: .*set output\.logstash\.tls\.ca"):
            publish(output, batch_to(4))
        ca.write_bytes(authority.file.read_bytes())
        assert publish(output, batch_to(4)) == Delivery()


@pytest.mark.parametrize(
    "key",
    [
        "a secret that is no key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0\n-----END ENCRYPTED PRIVATE KEY-----\n",
    ],
)
def test_a_key_that_cannot_be_used(authority: Authority, tmp_path: Path, key: str) -> None:
    """A broken or encrypted key is named by its file alone; nobody is asked for a password."""
    mine = authority.client()
    assert mine.key is not None
    mine.key.write_text(key)
    told = refused(authority, authority.server(), mine)
    assert f"{mine.key}" in told
    assert "secret" not in told
    assert "c2VjcmV0" not in told
