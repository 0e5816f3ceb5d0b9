"""One poll: whatever the application does, there is an answer, in time, and without secrets."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from shipper.config.health import HealthTargetOptions
from shipper.config.outputs import TlsOptions
from shipper.poll.ask import MOST_BYTES, ask
from shipper.poll.record import message_of, records_of
from tests.poll.answering import HEALTHY, answer, answering, http


def target(
    url: str, *, seconds: float = 20.0, expect: str = "health", **more: object
) -> HealthTargetOptions:
    return HealthTargetOptions("api", url, 60.0, seconds, expect, **more)  # type: ignore[arg-type]


def test_the_numbers_of_an_answer_are_those_of_the_record() -> None:
    """Those of `metrics` have the place of the answer itself; nested parts keep their names."""
    with answering(answer(HEALTHY)) as url:
        found = ask(target(f"{url}/health?key=secret"), time.monotonic)
    (record,) = records_of(target(f"{url}/health?key=secret"), found, 1_770_301_845_123)

    latency = record.pop("latency_ms")
    assert latency > 0
    assert record == {
        "timestamp": "2026-02-05T14:30:45.123Z",
        "level": "INFO",
        "logger": "shipper.health",
        "message": f"api is healthy ({latency:g} ms)",
        "target": "api",
        "url": f"{url}/health",
        "status": "healthy",
        "up": 1,
        "every_seconds": 60.0,
        "http_status": 200,
        "uptime_seconds": 3600,
        "requests_total": 1250,
        "success_rate": 0.9858,
        "queue_depth": 12,
        "avg_response_time_ms": 145,
        "database": {"status": "connected", "response_time_ms": 2},
        "storage": {"status": "healthy", "available_gb": 45.2},
    }


def test_unhealthy_with_503_is_an_answer() -> None:
    """The status of HTTP does not make an answer unusable; the reason names the parts."""
    said = {**HEALTHY, "status": "unhealthy", "database": {"status": "disconnected"}}
    with answering(answer(said, 503)) as url:
        found = ask(target(url), time.monotonic)
    (record,) = records_of(target(url), found, 0)

    assert (found.status, found.failure, found.reason) == (
        "unhealthy",
        None,
        "it says so (database)",
    )
    assert (record["up"], record["level"], record["queue_depth"]) == (0, "WARNING", 12)


@pytest.mark.parametrize(
    ("said", "failure"),
    [
        (http(302, b"", "Location: http://127.0.0.1:1/elsewhere"), "redirect"),
        (http(200, b"<html>"), "not_json"),
        (http(200, b"[1]"), "not_json"),
        (http(200, b"[" * 100_000), "not_json"),
        (http(200, b'{"a":' * 100_000), "not_json"),
        (answer({"status": "UP"}), "not_health"),
        (answer({"status": ["healthy"]}), "not_health"),
        (http(404, b"not found"), "http_status"),
        (http(200, b'"' + b"x" * (MOST_BYTES + 10) + b'"'), "too_large"),
        (b"220 mail.example ESMTP\r\n", "unreachable"),
        (b"", "unreachable"),
    ],
)
def test_what_is_no_health_is_unhealthy_with_the_reason(said: bytes, failure: str) -> None:
    """A redirect is not followed; no JSON, another JSON or too much of it is no answer."""
    with answering(said) as url:
        found = ask(target(url), time.monotonic)

    assert (found.status, found.failure) == ("unhealthy", failure)
    assert found.reason
    assert found.reason in message_of("api", found)


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"database": {"status": "error"}}, "it says so (database)"),
        ({"database": {"status": []}, "b": {"status": {"a": 1}}}, "it says so"),
        ({"x\n2026 ERROR forged": {"status": "error"}}, "it says so"),
        ({f"part_{number:03}": {"status": "timeout"} for number in range(900)}, None),
        ({"\u001b]0;x\u0007": {"status": "error"}, "é" * 40: {"status": "error"}}, "it says so"),
    ],
)
def test_an_unhealthy_answer_is_one_whatever_its_parts_are(
    parts: dict[str, Any], reason: str | None
) -> None:
    """Odd types are no bug of ours, and odd names get into no line of our log."""
    with answering(answer({"status": "unhealthy", **parts}, 503)) as url:
        found = ask(target(url), time.monotonic)

    assert (found.status, found.failure) == ("unhealthy", None)
    assert reason is None or found.reason == reason
    assert len(str(found.reason)) < 400
    assert str(found.reason).isprintable()


@pytest.mark.parametrize(
    "flood",
    [
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000,
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 4_000_000,
        b"HTTP/1.1 100 Continue\r\n\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 1_100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"f" * 200_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n" + b" " * 2_000_000,
        http(200, b"[" * 500_000),
        http(200, b'{"a":' * 200_000),
        http(200, b'{"status": "healthy", "n": ' + b"9" * 1_000_000 + b"}"),
    ],
)
def test_a_flood_is_an_answer_within_the_time(flood: bytes) -> None:
    """Headers, pieces, digits and brackets without end: a failure in words, nothing is raised."""
    with answering(flood) as url:
        found = ask(target(url, seconds=2), time.monotonic)

    assert found.status == "unhealthy"
    assert found.failure in {"unreachable", "timeout", "too_large", "not_json"}


@pytest.mark.parametrize(
    "place",
    ["file:///etc/passwd", "http://169.254.169.254/latest/meta-data", "//other/", "ftp://x"],
)
def test_a_redirect_leads_nowhere(place: str) -> None:
    """Whatever it names, nobody asks for it."""
    with answering(http(302, b"", f"Location: {place}")) as url:
        found = ask(target(url), time.monotonic)

    assert (found.failure, found.http_status) == ("redirect", 302)


def test_a_refused_connection_is_unhealthy() -> None:
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    found = ask(target(f"http://127.0.0.1:{port}/"), time.monotonic)

    assert (found.status, found.failure, found.http_status) == ("unhealthy", "refused", 0)


def test_a_server_without_tls_is_a_failure_of_tls() -> None:
    """A handshake that fails says so."""
    with answering(http(400, b"this is no TLS")) as url:
        found = ask(target(url.replace("http:", "https:")), time.monotonic)

    assert found.failure == "tls"


def test_a_certificate_that_is_not_trusted_is_a_failure_of_tls(tmp_path: Path) -> None:
    """With the CA of the config it is an answer; without, the reason."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def say(client: socket.socket) -> None:
        client.sendall(answer(HEALTHY))

    with answering(say, context) as url:
        secure = url.replace("http:", "https:")
        distrusted = ask(target(secure), time.monotonic)
        trusted = ask(target(secure, tls=TlsOptions(ca=tmp_path / "ca.pem")), time.monotonic)

    assert (distrusted.status, distrusted.failure) == ("unhealthy", "tls")
    assert "not trusted" in str(distrusted.reason)
    assert trusted.status == "healthy"


def test_an_answer_that_drips_ends_with_the_timeout() -> None:
    """The time is that of the whole answer, not of each byte."""
    stop = threading.Event()

    def drip(client: socket.socket) -> None:
        with suppress(OSError):
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not stop.wait(0.05):
                client.sendall(b"x")

    with answering(drip) as url:
        found = ask(target(url, seconds=0.5), time.monotonic)
    stop.set()

    assert (found.failure, found.reason) == ("timeout", "no answer within 0.5 s")


def test_the_token_is_sent_and_in_no_text(tmp_path: Path) -> None:
    """It goes to the address of the config; a file that cannot be read is the reason."""
    seen: list[bytes] = []

    def look(client: socket.socket) -> None:
        client.sendall(http(401, b""))

    file = tmp_path / "token"
    file.write_text("secret-of-ours\n")
    with answering(look) as url:
        found = ask(target(url, token_file=file), time.monotonic)
        seen.append(repr(found).encode())
    missing = ask(target("http://127.0.0.1:1/", token_file=tmp_path / "none"), time.monotonic)

    assert (found.failure, found.http_status) == ("http_status", 401)
    assert b"secret-of-ours" not in seen[0]
    assert missing.failure == "token"
    assert str(tmp_path) not in str(missing.reason)


def test_any_success_is_enough_where_success_is_expected() -> None:
    """An application without JSON can be polled, too."""
    with answering(http(204, b"")) as url:
        assert ask(target(url, expect="success"), time.monotonic).status == "healthy"
    with answering(http(500, b"")) as url:
        assert ask(target(url, expect="success"), time.monotonic).failure == "http_status"
