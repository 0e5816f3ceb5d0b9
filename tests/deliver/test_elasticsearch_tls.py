"""Output `elasticsearch` over TLS: who is not trusted gets nothing; mended without a restart."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from shipper.config.outputs import ElasticsearchOutput, TlsOptions
from shipper.deliver.output import Output, open_output
from shipper.errors import OutputUnavailable, ShipperError
from shipper.events import Delivery
from tests.deliver.delivering import publish, simple_batch
from tests.deliver.test_elasticsearch import config_of
from tests.servers.elasticsearch_scripted import Scripted, all_well, scripted_server


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def trusted(ca: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return path


@contextmanager
def server_with(cert: trustme.LeafCert, clients: trustme.CA | None = None) -> Iterator[Scripted]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    with scripted_server(all_well, context) as server:
        yield server


@contextmanager
def output_to(server: Scripted, tls: TlsOptions) -> Iterator[Output[Any]]:
    output = open_output(config_of(ElasticsearchOutput((server.url,), tls=tls)))
    with closing(output):
        yield output


def test_a_server_of_the_ca(ca: trustme.CA, trusted: Path) -> None:
    """A certificate of the CA in the config, with the right address, is trusted."""
    with (
        server_with(ca.issue_cert("127.0.0.1")) as server,
        output_to(server, TlsOptions(trusted)) as to,
    ):
        assert publish(to, simple_batch(1)) == Delivery()


def test_a_server_that_wants_tls(ca: trustme.CA) -> None:
    """With `http://` it ends the connection without a word; the error says what to try."""
    with server_with(ca.issue_cert("127.0.0.1")) as server:
        plain = ElasticsearchOutput((server.url.replace("https:", "http:"),))
        with (
            closing(open_output(config_of(plain))) as to,
            pytest.raises(OutputUnavailable, match="use https://, if it wants TLS"),
        ):
            publish(to, simple_batch(1))


@pytest.mark.parametrize("fault", ["name", "expired", "ca", "none"])
def test_a_server_that_is_not_trusted(ca: trustme.CA, trusted: Path, fault: str) -> None:
    """Wrong name, expired, unknown CA, and the CAs of the machine: told, and nothing is sent."""
    cert = ca.issue_cert("127.0.0.1")
    tls = TlsOptions(trusted)
    told = "unable to get local issuer certificate"
    if fault == "name":
        cert, told = ca.issue_cert("es1.example"), "IP address mismatch"
    elif fault == "expired":
        cert = ca.issue_cert("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC))
        told = "certificate has expired"
    elif fault == "ca":
        cert = trustme.CA().issue_cert("127.0.0.1")
        told = "certificate"
    else:
        tls = TlsOptions()
    with server_with(cert) as server, output_to(server, tls) as output:
        with pytest.raises(OutputUnavailable) as caught:
            publish(output, simple_batch(1))
        assert f"{server.url}: its certificate is not trusted" in str(caught.value)
        assert told in str(caught.value)
        assert "output.elasticsearch.tls" in str(caught.value)
        assert server.asked == []


def test_a_ca_that_is_renewed(ca: trustme.CA, trusted: Path) -> None:
    """When the file of the CA is replaced, it is used without a restart."""
    other = trustme.CA()
    cert = other.issue_cert("127.0.0.1")
    with server_with(cert) as server, output_to(server, TlsOptions(trusted)) as output:
        with pytest.raises(OutputUnavailable):
            publish(output, simple_batch(1))
        other.cert_pem.write_to_path(trusted)
        with pytest.raises(OutputUnavailable):
            publish(output, simple_batch(1))  # and reads the file again
        assert publish(output, simple_batch(1)) == Delivery()


def test_whoever_answers_is_trusted_when_told_so() -> None:
    """`verify: false` takes any certificate."""
    cert = trustme.CA().issue_cert("es1.example")
    with server_with(cert) as server, output_to(server, TlsOptions(verify=False)) as output:
        assert publish(output, simple_batch(1)) == Delivery()


def test_a_certificate_of_ours(ca: trustme.CA, trusted: Path, tmp_path: Path) -> None:
    """A server that demands a certificate is shown the one of the config."""
    mine = ca.issue_cert("shipper@example.com")
    certificate, key = tmp_path / "c.pem", tmp_path / "k.pem"
    mine.cert_chain_pems[0].write_to_path(certificate)
    mine.private_key_pem.write_to_path(key)
    with server_with(ca.issue_cert("127.0.0.1"), clients=ca) as server:
        with output_to(server, TlsOptions(trusted, certificate, key)) as output:
            assert publish(output, simple_batch(1)) == Delivery()
        with output_to(server, TlsOptions(trusted)) as output, pytest.raises(OutputUnavailable):
            publish(output, simple_batch(1))


def test_a_ca_that_is_none(tmp_path: Path) -> None:
    """A file that is no certificate is told at the start, with its name."""
    path = tmp_path / "ca.pem"
    for content in (None, "no certificate"):
        if content is not None:
            path.write_text(content)
        output = ElasticsearchOutput(("https://127.0.0.1:1",), tls=TlsOptions(path))
        with pytest.raises(ShipperError, match=r"cannot use .*ca\.pem: .*output\.elasticsearch"):
            open_output(config_of(output))
