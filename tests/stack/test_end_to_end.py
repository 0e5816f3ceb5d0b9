"""
A record's whole way: shipper, a real Logstash with our pipelines, a real Elasticsearch.

Runs where a Docker engine answers and the images can be had (SHIPPER_TEST_LOGSTASH_IMAGE and
SHIPPER_TEST_ELASTICSEARCH_IMAGE name others); it is skipped with the reason elsewhere, also where
servers are demanded: nothing else can stand in for Logstash.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.servers.elasticsearch import docker_answers
from tests.stack.layout import ROOT, settings

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(900)]

VERSION = settings()["STACK_VERSION"]
LOGSTASH = os.environ.get(
    "SHIPPER_TEST_LOGSTASH_IMAGE", f"docker.elastic.co/logstash/logstash:{VERSION}"
)
ELASTICSEARCH = os.environ.get("SHIPPER_TEST_ELASTICSEARCH_IMAGE", f"elasticsearch:{VERSION}")
INSIDE = "/usr/share/logstash"
START_SECONDS = 240
SECONDS = 60
RUN = "01JKABCDEFGHJKMNPQRSTVWXYZ"
TIME = "2026-02-05T14:30:45.123Z"

# A field that `setup` maps to text becomes a number here, so that its text is refused.
CUSTOM = {"template": {"mappings": {"properties": {"route": {"type": "long"}}}}}


@dataclass(frozen=True, slots=True)
class Stack:
    """Where the parts are reached from here."""

    elasticsearch: str
    beats: int
    lines: int
    ca: Path


def certificates(folder: Path) -> Path:
    """Make what Logstash reads, in the layout of the stack; return the CA's certificate."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    (folder / "ca").mkdir(parents=True)
    (folder / "logstash").mkdir()
    authority.cert_pem.write_to_path(folder / "ca/ca.crt")
    issued.cert_chain_pems[0].write_to_path(folder / "logstash/logstash.crt")
    key = load_pem_private_key(issued.private_key_pem.bytes(), None)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "logstash/logstash.pkcs8.key").write_bytes(pem)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # user 1000 of the container reads them
    return folder / "ca/ca.crt"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Start Elasticsearch, set it up, start Logstash."""
    if not docker_answers():
        pytest.skip("no Docker engine answers; Logstash is had as an image alone")
    for image in (ELASTICSEARCH, LOGSTASH):
        pulled = subprocess.run(
            ["docker", "pull", "--quiet", image], capture_output=True, text=True, check=False
        )
        if pulled.returncode != 0:
            pytest.skip(f"{image} cannot be had: {pulled.stderr.strip()}")
    folder = tmp_path_factory.mktemp("stack")
    folder.chmod(0o755)
    ca = certificates(folder / "certs")
    with ExitStack() as running:
        yield start(running, folder / "certs", ca)


def start(running: ExitStack, certs: Path, ca: Path) -> Stack:
    """Start both; that one doesn't start is a fault of ours."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 -- only with Docker
    from testcontainers.core.network import Network  # noqa: PLC0415
    from testcontainers.core.wait_strategies import (  # noqa: PLC0415
        HttpWaitStrategy,
        LogMessageWaitStrategy,
    )

    network = running.enter_context(Network())
    healthy = HttpWaitStrategy(9200, "/_cluster/health").for_status_code(200)
    elasticsearch = running.enter_context(
        DockerContainer(ELASTICSEARCH)
        .with_network(network)
        .with_network_aliases("elasticsearch")
        .with_env("discovery.type", "single-node")
        .with_env("xpack.security.enabled", "false")
        .with_env("ES_JAVA_OPTS", "-Xms512m -Xmx512m")
        .with_exposed_ports(9200)
        .waiting_for(healthy.with_startup_timeout(START_SECONDS))
    )
    url = f"http://127.0.0.1:{elasticsearch.get_exposed_port(9200)}"
    set_up(url)
    logstash = (
        DockerContainer(LOGSTASH)
        .with_network(network)
        .with_env("ELASTICSEARCH_URL", "http://elasticsearch:9200")
        .with_env("ELASTICSEARCH_TLS", "false")
        .with_env("ELASTICSEARCH_PASSWORD", "none")
        .with_env("NAMESPACE", "e2e")
        .with_env("LS_JAVA_OPTS", "-Xms512m -Xmx512m")
        .with_exposed_ports(5044, 5000)
        .with_volume_mapping(str(certs), f"{INSIDE}/config/certs", "ro")
        .waiting_for(
            LogMessageWaitStrategy("Pipelines running").with_startup_timeout(START_SECONDS)
        )
    )
    for path in ("config/logstash.yml", "config/pipelines.yml", "pipeline", "scripts"):
        mounted = str(ROOT / "logstash" / path)
        logstash.with_volume_mapping(mounted, f"{INSIDE}/{path}", "ro")
    running.enter_context(logstash)
    beats, lines = logstash.get_exposed_port(5044), logstash.get_exposed_port(5000)
    return Stack(url, int(beats), int(lines), ca)


def set_up(url: str) -> None:
    ask(f"{url}/_component_template/logs-orchestrator@custom", CUSTOM, method="PUT")
    environment = {
        "PATH": os.environ["PATH"],
        "ELASTICSEARCH_URL": url,
        "SECURITY": "false",
        "TEMPLATES": str(ROOT / "shipper/store/elasticsearch/templates"),
    }
    script = ["bash", str(ROOT / "stack/setup.sh")]
    subprocess.run(script, env=environment, check=True, timeout=SECONDS, capture_output=True)


def ask(url: str, body: object = None, *, method: str = "GET") -> Any:
    request = urllib.request.Request(
        url,
        None if body is None else json.dumps(body).encode(),
        {"content-type": "application/json"},
        method=method,
    )
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        return json.loads(answer.read())


def hits(stack: Stack) -> dict[str, dict[str, Any]]:
    """Return all documents by their id."""
    url = f"{stack.elasticsearch}/logs-orchestrator.*-*/_search?size=10000"
    try:
        ask(f"{stack.elasticsearch}/logs-orchestrator.*-*/_refresh", {}, method="POST")
        found = ask(url)["hits"]["hits"]
    except urllib.error.HTTPError:
        return {}
    assert len({hit["_id"] for hit in found}) == len(found)
    return {hit["_id"]: hit["_source"] for hit in found}


def awaited(stack: Stack, ready: Callable[[dict[str, dict[str, Any]]], object]) -> dict[str, Any]:
    """Return the documents when they are as they should be."""
    deadline = time.monotonic() + SECONDS
    while not ready(found := hits(stack)):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    return found


def ship(stack: Stack, folder: Path, lines: list[str]) -> None:
    """Ship a log file with a shipper that remembers nothing."""
    folder.mkdir()
    (folder / "app.log").write_text("".join(f"{line}\n" for line in lines))
    config = folder / "shipper.yml"
    config.write_text(
        json.dumps(
            {
                "service": {"name": "app"},
                "namespace": "e2e",
                "data_dir": str(folder / "data"),
                "inputs": [{"paths": [str(folder / "*.log")]}],
                "output": {
                    "logstash": {
                        "hosts": [f"localhost:{stack.beats}"],
                        "tls": {"ca": str(stack.ca)},
                    }
                },
            }
        )
    )
    command = [sys.executable, "-m", "shipper", "run", "--config", str(config)]
    subprocess.run([*command, "--once", "--timeout", "60s"], check=True, timeout=2 * SECONDS)


def line_of(seq: int, **fields: object) -> str:
    return json.dumps({"timestamp": TIME, "run": RUN, "seq": seq, "level": "INFO", **fields})


def test_records_of_a_shipper_are_stored_once(stack: Stack, tmp_path: Path) -> None:
    """Shipped twice by two shippers, each record is there once, as the document it was sent as."""
    lines = [line_of(seq, message=f"number {seq}") for seq in range(5000)]

    ship(stack, tmp_path / "first", lines)
    ship(stack, tmp_path / "second", lines)

    found = awaited(stack, lambda found: len(found) >= 5000)
    assert set(found) == {f"{RUN}-{seq}" for seq in range(5000)}
    one = found[f"{RUN}-7"]
    assert one["message"] == "number 7"
    assert one["@timestamp"] == TIME
    assert not {"@version", "tags", "beats"} & set(one)
    assert "original" not in one["event"]


def test_a_record_that_is_refused_is_found(stack: Stack, tmp_path: Path) -> None:
    """Out of the dead letter queue, it is stored as text with its own id and the reason."""
    ship(stack, tmp_path / "refused", [line_of(9000, route="/no/number")])

    found = awaited(stack, lambda found: f"{RUN}-9000" in found)[f"{RUN}-9000"]

    assert found["tags"] == ["rejected"]
    assert found["error_type"] == "rejected"
    assert "route" in found["error"]["message"]
    assert json.loads(found["message"])["route"] == "/no/number"


def test_lines_of_foreign_senders(stack: Stack) -> None:
    """A line on port 5000 becomes a document like any other, once if it has a time of its own."""
    timed = {"timestamp": TIME, "level": "ERROR", "logger": "x.workflows", "odd": {"key": 1}}
    with socket.create_connection(("127.0.0.1", stack.lines), SECONDS) as connection:
        for line in (json.dumps(timed), json.dumps(timed), "plain text"):
            connection.sendall(line.encode() + b"\n")

    found = awaited(
        stack, lambda found: any(each.get("message") == "plain text" for each in found.values())
    )

    (one,) = [each for each in found.values() if each.get("logger") == "x.workflows"]
    assert one["event"]["dataset"] == "orchestrator.workflow"
    assert one["error"]["category"] == "workflow"
    assert one["extra"] == {"odd": {"key": 1}}
    assert one["@timestamp"] == TIME
    (text,) = [each for each in found.values() if each.get("message") == "plain text"]
    assert text["tags"] == ["not_json"]
    assert text["data_stream"]["namespace"] == "e2e"
