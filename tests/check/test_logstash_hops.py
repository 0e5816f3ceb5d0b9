"""The way to Logstash: whatever keeps records from it is named, with the hop and the remedy."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

from shipper.check import logstash
from shipper.check.finding import Finding, FindingLevel
from shipper.check.logstash import check_logstash
from shipper.config.outputs import LogstashOutput, TlsOptions
from tests.check.reaching import Authority, over_tls, serving, silent, silent_for_long

DAY = 86_400
PLAIN = TlsOptions(enabled=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def look(address: str, tls: TlsOptions, *, now: float | None = None) -> list[Finding]:
    output = LogstashOutput((address,), tls, connect_seconds=0.5)
    return list(check_logstash(output, time.time() if now is None else now))


def errors(found: list[Finding]) -> list[str]:
    assert all(each.remedy for each in found if each.level is not FindingLevel.OK)
    return [each.fault for each in found if each.level is FindingLevel.ERROR]


def warnings(found: list[Finding]) -> list[tuple[str, str]]:
    return [(each.place, each.fault) for each in found if each.level is FindingLevel.WARNING]


def test_all_hops_are_passed(authority: Authority) -> None:
    """A Logstash that takes us has one finding: its address and the version of TLS."""
    with serving(over_tls(authority.server("localhost"), silent)) as port:
        found = look(f"localhost:{port}", TlsOptions(ca=authority.path), now=time.time())

    told = f"localhost:{port} accepts connections with TLSv1.3"
    assert found == [Finding("output.logstash.hosts[0]", FindingLevel.OK, told)]


def test_a_name_that_is_not_known() -> None:
    """The hop of the name fails with the name."""
    (told,) = errors(look("no-such-host.invalid:5044", PLAIN))

    assert told.startswith("no-such-host.invalid:5044 cannot be resolved (")


def test_a_name_that_there_cannot_be() -> None:
    """A name that DNS would not even take is a finding too."""
    (found,) = look("logs1..example:5044", PLAIN)[1:]

    assert found.fault == "logs1..example:5044 is not a valid host name"
    assert found.remedy == "correct output.logstash.hosts"


def test_a_port_that_is_closed() -> None:
    """A refusal is told apart from silence."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert errors(look(f"127.0.0.1:{port}", PLAIN)) == [f"127.0.0.1:{port} refuses connections"]


def test_a_server_that_does_not_answer() -> None:
    """A connection that nobody accepts ends with the time that was allowed."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        address = listener.getsockname()
        with socket.create_connection(address):  # fills the queue; more are not answered
            found = look(f"127.0.0.1:{address[1]}", PLAIN)
            found += look(f"127.0.0.1:{address[1]}", PLAIN)

    told = f"127.0.0.1:{address[1]} did not answer within 0.5 s"
    assert errors(found)[-1] == told


def test_a_port_without_tls() -> None:
    """A server that speaks something else is not said to have a bad certificate."""
    with serving(lambda connection: connection.sendall(b"220 mail.example ESMTP\r\n")) as port:
        found = look(f"localhost:{port}", TlsOptions())

    assert errors(found) == [f"localhost:{port} does not use TLS"]


def test_a_port_that_says_nothing() -> None:
    """A server that waits to be spoken to in clear text is told from one that is not there."""
    with serving(silent_for_long) as port:
        found = look(f"localhost:{port}", TlsOptions())

    assert errors(found) == [f"localhost:{port} accepts the connection and sends nothing"]


def test_a_port_that_ends_the_handshake() -> None:
    """A connection that is ended during the handshake is not taken for a bad certificate."""
    with serving(silent) as port:
        found = look(f"localhost:{port}", TlsOptions())

    assert errors(found) == [f"localhost:{port} ended the connection during the TLS handshake"]


@pytest.mark.parametrize(
    ("names", "days", "told"),
    [
        (("logs.example",), 90, "has a certificate for another name"),
        (("localhost",), -1, "has a certificate that has expired"),
    ],
)
def test_a_certificate_that_is_wrong(
    authority: Authority, names: tuple[str, ...], days: int, told: str
) -> None:
    """A wrong name and an expired certificate have words of their own."""
    context = authority.server(*names, ends=time.time() + days * DAY)
    with serving(over_tls(context, silent)) as port:
        found = look(f"localhost:{port}", TlsOptions(ca=authority.path))

    assert errors(found) == [f"localhost:{port} {told}"]


def test_a_ca_that_is_not_trusted(authority: Authority, tmp_path: Path) -> None:
    """A certificate of another CA is refused, and tls.ca is the remedy."""
    other = Authority(tmp_path, "other")
    with serving(over_tls(authority.server("localhost"), silent)) as port:
        (found,) = look(f"localhost:{port}", TlsOptions(ca=other.path))

    assert found.fault.startswith(f"localhost:{port} has a certificate that is not trusted (")
    assert found.remedy == "set output.logstash.tls.ca to the certificate of its CA"


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    """A file that is missing or no PEM is named; nothing is trusted instead of it."""
    (tmp_path / "ca.pem").write_text("no certificate")
    with serving(silent) as port:
        wrong = look(f"localhost:{port}", TlsOptions(ca=tmp_path / "ca.pem"))
        missing = look(f"localhost:{port}", TlsOptions(ca=tmp_path / "nowhere.pem"))

    cannot = f"localhost:{port} was not contacted: cannot read {tmp_path}"
    assert errors(wrong) == [f"{cannot}/ca.pem: no certificate or crl found"]
    assert errors(missing) == [f"{cannot}/nowhere.pem: No such file or directory"]


def test_a_server_that_demands_a_certificate(authority: Authority, tmp_path: Path) -> None:
    """With TLS 1.3 the refusal comes after the handshake, and is heard all the same."""
    context = authority.server("localhost", demands=True)
    certificate, key = authority.issue(tmp_path, "shipper.example")
    with serving(over_tls(context, silent)) as port:
        without = look(f"localhost:{port}", TlsOptions(ca=authority.path))
        with_one = look(f"localhost:{port}", TlsOptions(authority.path, certificate, key))

    assert errors(without) == [
        f"localhost:{port} requires a client certificate (tlsv13 alert certificate required)"
    ]
    assert errors(with_one) == []


def test_a_certificate_of_ours_that_is_not_taken(authority: Authority, tmp_path: Path) -> None:
    """A certificate of another CA is not taken by the server, which says so by an alert."""
    context = authority.server("localhost", demands=True)
    certificate, key = Authority(tmp_path, "other").issue(tmp_path, "shipper.example")
    with serving(over_tls(context, silent)) as port:
        found = look(f"localhost:{port}", TlsOptions(authority.path, certificate, key))

    told = f"localhost:{port} rejects our client certificate (tlsv1 alert unknown ca)"
    assert errors(found) == [told]


def test_a_key_that_does_not_fit(authority: Authority, tmp_path: Path) -> None:
    """A key of another certificate is found before anything is sent."""
    certificate, _ = authority.issue(tmp_path, "one.example")
    _, key = authority.issue(tmp_path, "two.example")
    with serving(over_tls(authority.server("localhost"), silent)) as port:
        found = look(f"localhost:{port}", TlsOptions(authority.path, certificate, key))

    told = f"was not contacted: cannot use {certificate} with {key}: key values mismatch"
    assert errors(found) == [f"localhost:{port} {told}"]


def test_a_certificate_that_ends_soon(authority: Authority) -> None:
    """Thirty days before its end a certificate is a warning: of the server, and of the CA."""
    ends = time.time() + 20 * DAY
    with serving(over_tls(authority.server("localhost", ends=ends), silent)) as port:
        found = look(f"localhost:{port}", TlsOptions(ca=authority.path), now=ends - 10 * DAY)

    told = f"the certificate of localhost:{port} expires in 10 days"
    assert warnings(found) == [("output.logstash.hosts[0]", told)]


def test_verification_that_is_off(authority: Authority) -> None:
    """`verify: false` works with any certificate, and is told each time."""
    context = authority.server("logs.example", ends=time.time() - DAY)
    with serving(over_tls(context, silent)) as port:
        found = look(f"localhost:{port}", TlsOptions(verify=False))

    told = "any server that answers is trusted, and gets the records"
    assert warnings(found) == [("output.logstash.tls.verify", told)]
    assert errors(found) == []


def test_clear_text_beyond_this_machine() -> None:
    """Without TLS, records are said to be readable on the way; within this machine they are not."""
    assert warnings(look("no-such-host.invalid:5044", PLAIN)) == [
        (
            "output.logstash.tls.enabled",
            "records are sent to no-such-host.invalid:5044 in clear text",
        )
    ]
    with serving(silent) as port:
        assert warnings(look(f"127.0.0.1:{port}", PLAIN)) == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "is not a beats input: it sends data first"),
        (b"", "ended the connection at once"),
    ],
)
def test_a_server_that_is_no_beats_input(said: bytes, told: str) -> None:
    """Logstash is silent until it is spoken to."""
    with serving(lambda connection: connection.sendall(said)) as port:
        found = look(f"127.0.0.1:{port}", PLAIN)

    assert errors(found) == [f"127.0.0.1:{port} {told}"]


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
    """A look at Logstash takes no longer than a person waits."""
    assert logstash.REFUSAL_SECONDS <= 1
