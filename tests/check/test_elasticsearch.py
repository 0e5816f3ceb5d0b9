"""Checks of Elasticsearch: name, connection, TLS, login, clock, templates and privileges."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from shipper.check.elasticsearch import STREAMS, check_clock_skew, check_elasticsearch
from shipper.check.finding import Finding, FindingLevel
from shipper.config.outputs import ElasticsearchOutput, TlsOptions
from tests.check.fake_servers import Authority

INFO = {"version": {"number": "9.5.3"}, "tagline": "You Know, for Search"}
TEMPLATES = {"index_templates": [{"index_template": {"index_patterns": [STREAMS]}}]}
MAY_WRITE = {"username": "writer", "has_all_requested": True}
READY: dict[str, tuple[int, object]] = {
    "/": (200, INFO),
    "/_index_template": (200, TEMPLATES),
    "/_security/user/_has_privileges": (200, MAY_WRITE),
}
DENIED = {"error": {"type": "security_exception", "reason": "no"}, "status": 403}


@contextmanager
def cluster(answers: dict[str, tuple[int, object]], *, date: float | None = None) -> Iterator[str]:
    """Serve these answers by path, in the form of Elasticsearch; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answers.get(self.path.partition("?")[0], (404, {}))
            content = json.dumps(body).encode()
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response_only(status)
            self.send_header("content-type", "application/json")
            self.send_header("x-elastic-product", "Elasticsearch")
            if date is not None:
                self.send_header("date", formatdate(date, usegmt=True))
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET  # noqa: N815 -- the name that the server looks for

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def findings_of(
    url: str, *, tls: TlsOptions | None = None, key: Path | None = None
) -> list[Finding]:
    output = ElasticsearchOutput((url,), api_key_file=key, tls=tls or TlsOptions())
    return list(check_elasticsearch(output, time.time()))


def faults(found: list[Finding]) -> list[tuple[FindingLevel, str]]:
    wrong = [each for each in found if each.level is not FindingLevel.OK]
    assert all(each.remedy for each in wrong)
    return [(each.level, each.fault) for each in wrong]


def test_all_hops_are_passed() -> None:
    """A node that is ready has one finding: its address and version."""
    with cluster(READY) as url:
        (found,) = findings_of(url)

    assert found.level is FindingLevel.OK
    assert found.fault == f"{url} is Elasticsearch 9.5.3 and accepts our login"


def test_a_node_that_is_down(authority: Authority) -> None:
    """Failures of name, connection and TLS are reported in our words, not the client's."""
    with cluster(READY) as url:
        port = url.rpartition(":")[2]
        no_tls = faults(findings_of(f"https://localhost:{port}", tls=TlsOptions(ca=authority.path)))
    refused = faults(findings_of(url))

    assert no_tls == [(FindingLevel.ERROR, f"localhost:{port} does not use TLS")]
    assert refused == [(FindingLevel.ERROR, f"127.0.0.1:{port} refuses connections")]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize(("status", "remedy"), [(401, "correct the API key in"), (403, "give the")])
def test_credentials_that_are_refused(tmp_path: Path, status: int, remedy: str) -> None:
    """401 and 403 have different remedies, and neither shows the key."""
    key = tmp_path / "key"
    key.write_text("c2VjcmV0OnNlY3JldA==\n")
    with cluster({"/": (status, DENIED)}) as url:
        (found,) = findings_of(url, key=key)

    assert found.fault == f"{url} answered {status} (security_exception: no)"
    assert found.remedy.startswith(remedy)
    assert "c2VjcmV0" not in f"{found}"


def test_a_secret_that_is_not_there(tmp_path: Path) -> None:
    """A missing key file is reported, also when no node answers."""
    with cluster(READY) as url:
        ((severity, fault),) = faults(findings_of(url, key=tmp_path / "key"))
    with_no_node = faults(findings_of(url, key=tmp_path / "key"))

    assert severity is FindingLevel.ERROR
    assert fault.startswith(f"cannot read {tmp_path}/key: No such file")
    assert next(each for _, each in with_no_node) == fault


def test_a_template_that_is_missing() -> None:
    """A missing template is an error: the first record would create guessed field types."""
    with cluster({**READY, "/_index_template": (200, {})}) as url:
        found = faults(findings_of(url))

    assert found == [(FindingLevel.ERROR, f"there is no index template for {STREAMS}")]


def test_what_a_writer_may_not_ask() -> None:
    """A role that may only write is no fault because it may not read templates."""
    with cluster({**READY, "/_index_template": (403, DENIED)}) as url:
        assert faults(findings_of(url)) == []


def test_a_user_who_may_not_write() -> None:
    """A user without the privilege to write is reported by name."""
    denied = {"username": "reader", "has_all_requested": False}
    with cluster({**READY, "/_security/user/_has_privileges": (200, denied)}) as url:
        found = faults(findings_of(url))

    assert found == [(FindingLevel.ERROR, f"the user reader may not write to {STREAMS}")]


def test_clocks_that_differ() -> None:
    """The time of the answer, or of the node's statistics, is compared with ours."""
    there = time.time() + 3600
    stats = {"nodes": {"id": {"timestamp": int(there * 1000)}}}
    with cluster(READY, date=there) as url:
        by_header = faults(findings_of(url))
    with cluster({**READY, "/_nodes/_local/stats/process": (200, stats)}) as url:
        by_statistics = faults(findings_of(url))

    assert [severity for severity, _ in by_header + by_statistics] == [FindingLevel.WARNING] * 2
    assert all("s ahead of ours" in fault for _, fault in by_header + by_statistics)


def test_a_clock_that_is_near_enough() -> None:
    """A difference of up to half a minute is accepted, and so is an unknown time."""
    assert list(check_clock_skew("place", 1030.0, 1000.0)) == []
    assert list(check_clock_skew("place", None, 1000.0)) == []
    assert [each.fault for each in check_clock_skew("place", 900.0, 1000.0)] == [
        "its clock is 100 s behind ours"
    ]


@pytest.mark.server
def test_a_real_node(elasticsearch_url: str) -> None:
    """A real node is recognized, its clock agrees, and at most its template is missing."""
    found = findings_of(elasticsearch_url)

    assert found[0].level is FindingLevel.OK
    assert "is Elasticsearch 9." in found[0].fault
    assert {fault for _, fault in faults(found)} <= {f"there is no index template for {STREAMS}"}
