"""Checks of Logstash: whatever keeps records from it is reported with a remedy."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from shipper.check import logstash
from shipper.check.finding import Finding, FindingLevel
from shipper.check.logstash import check_logstash
from shipper.config.outputs import LogstashOutput, TlsOptions
from tests.check.fake_servers import Authority, over_tls, serving, silent, silent_for_long

DAY = 86_400
PLAIN = TlsOptions(enabled=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def findings_of(address: str, tls: TlsOptions, *, now: float | None = None) -> list[Finding]:
    output = LogstashOutput((address,), tls, connect_seconds=0.5)
    return list(check_logstash(output, time.time() if now is None else now))


def errors(found: list[Finding]) -> list[str]:
    assert all(each.remedy for each in found if each.level is not FindingLevel.OK)
    return [each.fault for each in found if each.level is FindingLevel.ERROR]


def warnings(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.place, each.fault) for each in found if each.level is FindingLevel.WARNING]


def test_all_hops_are_passed(authority: Authority) -> None:
    """A Logstash that accepts connections has one finding: its address and TLS version."""
    with serving(over_tls(authority.server("localhost"), silent)) as port:
        found = findings_of(f"localhost:{port}", TlsOptions(ca=authority.path), now=time.time())

    fault = f"localhost:{port} accepts connections with TLSv1.3"
    assert found == [Finding("output.logstash.hosts[0]", FindingLevel.OK, fault)]


def test_a_name_that_is_not_known() -> None:
    """A name that cannot be resolved is an error."""
    (fault,) = errors(findings_of("no-such-host.invalid:5044", PLAIN))

    assert fault.startswith("no-such-host.invalid:5044 cannot be resolved (")


def test_a_name_that_there_cannot_be() -> None:
    """A name that is not a valid host name is an error."""
    (found,) = findings_of("logs1..example:5044", PLAIN)[1:]

    assert found.fault == "logs1..example:5044 is not a valid host name"
    assert found.remedy == "correct output.logstash.hosts"


def test_a_port_that_is_closed() -> None:
    """A refused connection is distinguished from a timeout."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert errors(findings_of(f"127.0.0.1:{port}", PLAIN)) == [
        f"127.0.0.1:{port} refuses connections"
    ]


def test_a_server_that_does_not_answer() -> None:
    """A connection that nobody accepts ends after the timeout."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.create_connection(address):  # fills the queue; more are not answered
            found = findings_of(f"127.0.0.1:{address[1]}", PLAIN)
            found += findings_of(f"127.0.0.1:{address[1]}", PLAIN)

    fault = f"127.0.0.1:{address[1]} did not answer within 0.5 s"
    assert errors(found)[-1] == fault


def test_a_port_without_tls() -> None:
    """A server without TLS is not reported as one with a bad certificate."""
    with serving(lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n")) as port:
        found = findings_of(f"localhost:{port}", TlsOptions())

    assert errors(found) == [f"localhost:{port} does not use TLS"]


def test_a_port_that_says_nothing() -> None:
    """A server that waits for clear text is distinguished from one that is down."""
    with serving(silent_for_long) as port:
        found = findings_of(f"localhost:{port}", TlsOptions())

    assert errors(found) == [f"localhost:{port} accepts the connection and sends nothing"]


def test_a_port_that_ends_the_handshake() -> None:
    """A connection that ends during the handshake is not reported as a bad certificate."""
    with serving(silent) as port:
        found = findings_of(f"localhost:{port}", TlsOptions())

    assert errors(found) == [f"localhost:{port} ended the connection during the TLS handshake"]


@pytest.mark.parametrize(
    ("names", "days", "fault"),
    [
        (("logs.example",), 90, "has a certificate for another name"),
        (("localhost",), -1, "has a certificate that has expired"),
    ],
)
def test_a_certificate_that_is_wrong(
    authority: Authority, names: tuple[str, ...], days: int, fault: str
) -> None:
    """A wrong name and an expired certificate are reported as such."""
    context = authority.server(*names, ends=time.time() + days * DAY)
    with serving(over_tls(context, silent)) as port:
        found = findings_of(f"localhost:{port}", TlsOptions(ca=authority.path))

    assert errors(found) == [f"localhost:{port} {fault}"]


def test_a_ca_that_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    """A certificate of another CA is refused, and tls.ca is the remedy."""
    other = Authority(tmp_path, "other")
    with serving(over_tls(authority.server("localhost"), silent)) as port:
        (found,) = findings_of(f"localhost:{port}", TlsOptions(ca=other.path))

    assert found.fault.startswith(f"localhost:{port} has a certificate that is not trusted (")
    assert found.remedy == "set output.logstash.tls.ca to the certificate of its CA"


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    """A CA file that is missing or not PEM is reported; nothing else is trusted instead."""
    (tmp_path / "ca.pem").write_text("no certificate")
    with serving(silent) as port:
        wrong = findings_of(f"localhost:{port}", TlsOptions(ca=tmp_path / "ca.pem"))
        missing = findings_of(f"localhost:{port}", TlsOptions(ca=tmp_path / "nowhere.pem"))

    cannot = f"localhost:{port} was not contacted: cannot read {tmp_path}"
    assert errors(wrong) == [f"{cannot}/ca.pem: no certificate or crl found"]
    assert errors(missing) == [f"{cannot}/nowhere.pem: No such file or directory"]


def test_a_server_that_demands_a_certificate(authority: Authority, tmp_path: Path) -> None:
    """A missing client certificate is found, although TLS 1.3 refuses after the handshake."""
    context = authority.server("localhost", demands=True)
    certificate, key = authority.issue(tmp_path, "shipper.example")
    with serving(over_tls(context, silent)) as port:
        without = findings_of(f"localhost:{port}", TlsOptions(ca=authority.path))
        with_one = findings_of(f"localhost:{port}", TlsOptions(authority.path, certificate, key))

    assert errors(without) == [
        f"localhost:{port} requires a client certificate (tlsv13 alert certificate required)"
    ]
    assert errors(with_one) == []


def test_a_certificate_of_ours_that_is_not_taken(authority: Authority, tmp_path: Path) -> None:
    """A client certificate of another CA is rejected by the server with a TLS alert."""
    context = authority.server("localhost", demands=True)
    certificate, key = Authority(tmp_path, "other").issue(tmp_path, "shipper.example")
    with serving(over_tls(context, silent)) as port:
        found = findings_of(f"localhost:{port}", TlsOptions(authority.path, certificate, key))

    fault = f"localhost:{port} rejects our client certificate (tlsv1 alert unknown ca)"
    assert errors(found) == [fault]


def test_a_key_that_does_not_fit(authority: Authority, tmp_path: Path) -> None:
    """A key of another certificate is found before anything is sent."""
    certificate, _ = authority.issue(tmp_path, "one.example")
    _, key = authority.issue(tmp_path, "two.example")
    with serving(over_tls(authority.server("localhost"), silent)) as port:
        found = findings_of(f"localhost:{port}", TlsOptions(authority.path, certificate, key))

    fault = f"was not contacted: cannot use {certificate} with {key}: key values mismatch"
    assert errors(found) == [f"localhost:{port} {fault}"]


def test_a_certificate_that_ends_soon(authority: Authority) -> None:
    """A certificate that expires within thirty days is a warning, of server or CA."""
    ends = time.time() + 20 * DAY
    with serving(over_tls(authority.server("localhost", ends=ends), silent)) as port:
        found = findings_of(f"localhost:{port}", TlsOptions(ca=authority.path), now=ends - 10 * DAY)

    fault = f"the certificate of localhost:{port} expires in 10 days"
    assert warnings(found) == [("output.logstash.hosts[0]", fault)]


def test_verification_that_is_off(authority: Authority) -> None:
    """`verify: false` works with any certificate, and is always a warning."""
    context = authority.server("logs.example", ends=time.time() - DAY)
    with serving(over_tls(context, silent)) as port:
        found = findings_of(f"localhost:{port}", TlsOptions(verify=False))

    fault = "any server that answers is trusted, and gets the records"
    assert warnings(found) == [("output.logstash.tls.verify", fault)]
    assert errors(found) == []


def test_clear_text_beyond_this_machine() -> None:
    """Clear text is a warning, except within this machine."""
    assert warnings(findings_of("no-such-host.invalid:5044", PLAIN)) == [
        (
            "output.logstash.tls.enabled",
            "records are sent to no-such-host.invalid:5044 in clear text",
        )
    ]
    with serving(silent) as port:
        assert warnings(findings_of(f"127.0.0.1:{port}", PLAIN)) == []


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "is not a beats input: it sends data first"),
        (b"", "ended the connection at once"),
    ],
)
def test_a_server_that_is_no_beats_input(said: bytes, fault: str) -> None:
    """A server that sends data first is not a beats input."""
    with serving(lambda connection: connection.sendall(said)) as port:
        found = findings_of(f"127.0.0.1:{port}", PLAIN)

    assert errors(found) == [f"127.0.0.1:{port} {fault}"]


def test_every_host_is_tried() -> None:
    """One host that is down does not hide the others."""
    with serving(silent) as port:
        output = LogstashOutput((f"no-such-host.invalid:{port}", f"127.0.0.1:{port}"), PLAIN)
        found = list(check_logstash(output, 0.0))

    assert [(each.place, each.level) for each in found if "hosts" in each.place] == [
        ("output.logstash.hosts[0]", FindingLevel.ERROR),
        ("output.logstash.hosts[1]", FindingLevel.OK),
    ]


def test_the_wait_for_a_refusal_is_short() -> None:
    """A check of Logstash takes no longer than a person waits."""
    assert logstash.REFUSAL_SECONDS <= 1
