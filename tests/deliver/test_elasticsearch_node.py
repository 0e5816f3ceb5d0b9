"""Output `elasticsearch` and a real node: every record once, whatever happens to the node."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from shipper.config.inputs import InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import ElasticsearchOutput
from shipper.deliver.batch import Batch
from shipper.deliver.outputs.elasticsearch import DataStreams
from shipper.deliver.wrap import RefusedEvents, wrap
from shipper.errors import OutputUnavailable
from shipper.events import Delivery, Events
from shipper.store.elasticsearch.setup import set_up
from tests.acceptance.server import Site, kill, wait_until
from tests.deliver.delivering import RUN, batch_with, document_of, publish, simple_batch
from tests.servers.elasticsearch import LocalNode, StartNode

pytestmark = pytest.mark.server

CONFIG = """\
heartbeat: {{enabled: false}}
service: {{name: automation-orchestrator, environment: test, version: 1.0.0}}
namespace: {namespace}
data_dir: var/shipper
inputs:
  - paths: [logs/*.log]
tail: {{scan_seconds: 0.2s}}
delivery: {{linger_seconds: 50ms, backoff_seconds: 50ms, backoff_max_seconds: 500ms}}
output:
  elasticsearch: {{hosts: ["{url}"], request_seconds: 10s}}
"""
PRESSURE = "indexing_pressure.memory.limit: 200kb"

UNAVAILABLE_SECONDS = 20.0


def ask(url: str, body: Any = None, method: str | None = None) -> Any:
    """Ask a node; an index that was just made has no shard yet and answers 503, which passes."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    deadline = time.monotonic() + UNAVAILABLE_SECONDS
    while True:
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != HTTPStatus.SERVICE_UNAVAILABLE or time.monotonic() > deadline:
                    raise
        time.sleep(0.2)


def stored(url: str, namespace: str) -> Counter[str]:
    """Return how often each `_id` is stored in the data streams."""
    streams = f"{url}/logs-orchestrator.*-{namespace}"
    ask(f"{streams}/_refresh", method="POST")
    found: Counter[str] = Counter()
    query: dict[str, Any] = {"size": 10_000, "_source": False, "sort": ["log.offset", "seq", "run"]}
    while hits := ask(f"{streams}/_search", query)["hits"]["hits"]:
        found.update(hit["_id"] for hit in hits)
        query["search_after"] = hits[-1]["sort"]
    return found


def prepared(url: str) -> str:
    """Set a node up."""
    assert list(set_up(ElasticsearchOutput((url,))))
    return url


def output_to(url: str, namespace: str) -> DataStreams:
    return DataStreams(
        Config(
            service=ServiceOptions("app"),
            namespace=namespace,
            data_dir=Path("data"),
            inputs=(InputOptions(("*.log",)),),
            output=ElasticsearchOutput((url,)),
        )
    )


@pytest.fixture
def open_output(elasticsearch_url: str) -> Iterator[Callable[[str], DataStreams]]:
    prepared(elasticsearch_url)
    opened = []

    def start(namespace: str) -> DataStreams:
        opened.append(output_to(elasticsearch_url, namespace))
        return opened[-1]

    yield start
    for output in opened:
        output.close()


def with_document(doc: bytes) -> Batch[Events]:
    batch = simple_batch(1)
    return batch_with(batch, [doc])


Opened = Callable[[str], DataStreams]


def test_a_resend_doubles_nothing(elasticsearch_url: str, open_output: Opened) -> None:
    """What is there already is answered with 409, which is an ack."""
    output = open_output("resend")
    assert publish(output, simple_batch(1, 2, 3)) == Delivery()
    assert publish(output, simple_batch(2, 3, 4)) == Delivery()
    assert stored(elasticsearch_url, "resend") == {f"{RUN}-{seq}": 1 for seq in (1, 2, 3, 4)}


def test_what_is_refused_is_found_as_text(elasticsearch_url: str, open_output: Opened) -> None:
    """A value that no field takes is refused with the reason; wrapped, the record is found."""
    output = open_output("conflict")
    batch = with_document(document_of(1, status_code="two", message="a needle"))
    refused = publish(output, batch).rejected
    assert "status_code" in refused[0].reason
    assert publish(output, Batch((wrap(RefusedEvents.of(batch, refused)),))) == Delivery()
    streams = f"{elasticsearch_url}/logs-orchestrator.*-conflict"
    ask(f"{streams}/_refresh", method="POST")
    for query in ("message:needle", "tags:rejected", "error.type:rejected", "level:INFO"):
        (hit,) = ask(f"{streams}/_search?q={query}")["hits"]["hits"]
        assert "status_code" in hit["_source"]["error"]["message"]


def test_any_type_under_a_free_key(elasticsearch_url: str, open_output: Opened) -> None:
    """A key that is a number in one record, an object in the next, is found in both."""
    values: list[Any] = [
        5,
        "five",
        {"y": {"z": [1, "two"]}},
        [1, [2]],
        True,
        1.5,
        [{"a": 1}],
        2**62,
    ]
    batch = simple_batch(*range(len(values)))
    docs = [document_of(seq, extra={"x": value}) for seq, value in enumerate(values)]
    output = open_output("free")
    assert publish(output, batch_with(batch, docs)) == Delivery()
    streams = f"{elasticsearch_url}/logs-orchestrator.*-free"
    ask(f"{streams}/_refresh", method="POST")

    def found(query: dict[str, Any]) -> set[int]:
        hits = ask(f"{streams}/_search", {"query": query, "size": 100})["hits"]["hits"]
        return {hit["_source"]["seq"] for hit in hits}

    assert found({"term": {"extra.x": "five"}}) == {1}
    assert found({"term": {"extra.x": 5}}) == {0}
    assert found({"term": {"extra.x.y.z": "two"}}) == {2}
    assert found({"term": {"extra.x": "2"}}) == {3}
    assert found({"exists": {"field": "extra.x.a"}}) == {6}
    assert found({"exists": {"field": "extra"}}) == set(range(len(values)))


def test_words_and_aliases(elasticsearch_url: str, open_output: Opened) -> None:
    """Words are runs of letters and digits, even of a megabyte; ECS names lead to the fields."""
    output = open_output("words")
    doc = document_of(1, message="call req_0a1b to 10.0.0.1 " + "x" * 2**20, path="/p")
    assert publish(output, with_document(doc)) == Delivery()
    streams = f"{elasticsearch_url}/logs-orchestrator.*-words"
    ask(f"{streams}/_refresh", method="POST")
    for query in ("message:0a1b", "message:10", "log.level:INFO", "url.path:%2Fp", "0a1b"):
        assert ask(f"{streams}/_count?q={query.replace('%2F', '%5C%2F')}")["count"] == 1, query


def test_a_read_only_index_is_waited_for(elasticsearch_url: str, open_output: Opened) -> None:
    """While an index is blocked nothing is refused for good; then all goes on by itself."""
    output = open_output("blocked")
    publish(output, simple_batch(1))
    settings = f"{elasticsearch_url}/logs-orchestrator.app-blocked/_settings"
    ask(settings, {"index.blocks.read_only": True}, "PUT")
    try:
        with pytest.raises(OutputUnavailable, match="cluster_block_exception"):
            publish(output, simple_batch(2))
    finally:
        ask(settings, {"index.blocks.read_only": None}, "PUT")
    assert publish(output, simple_batch(2)) == Delivery()


def site_for(folder: Path, url: str, namespace: str) -> Site:
    site = Site(folder)
    site.config.write_text(CONFIG.format(url=url, namespace=namespace))
    site.log_through_emit(max_bytes=10_000_000, backups=50)
    done = site.run("setup")
    assert done.returncode == 0, done.stderr
    return site


def ids_written(site: Site) -> dict[str, int]:
    return {f"{run}-{seq}": 1 for run, seq in site.written()}


@pytest.mark.slow
def test_too_much_load(tmp_path: Path, start_elasticsearch: StartNode) -> None:
    """A node that answers 429 gets less at a time, and in the end every record once."""
    node = start_elasticsearch(settings=PRESSURE)
    site = site_for(tmp_path, node.url, "load")
    site.write(5000).wait(30)
    done = site.run("run", "--once", "--timeout", "60s")
    assert done.returncode == 0, done.stderr
    assert "429" in done.stderr
    assert stored(node.url, "load") == ids_written(site)


@pytest.mark.slow
def test_a_node_that_is_killed(tmp_path: Path, start_elasticsearch: StartNode) -> None:
    """A node that dies in the middle and comes back has every record once, without a restart."""
    node = start_elasticsearch()
    site = site_for(tmp_path, node.url, "killed")
    shipper = site.start()
    writer = site.write(20_000, pause_every=100)
    wait_until(lambda: "acked" in site.run("status").stdout, seconds=20)
    wait_until(lambda: sum(stored(node.url, "killed").values()) > 0, seconds=30)
    node.kill()
    wait_until(lambda: "Connection refused" in site.run("status").stdout, seconds=30)
    node.start()
    writer.wait(60)
    wait_until(lambda: stored(node.url, "killed") == ids_written(site), seconds=60)
    shipper.terminate()
    assert shipper.wait(30) == 0


@pytest.mark.slow
@pytest.mark.timeout(580)
def test_a_hundred_thousand(
    tmp_path: Path, start_elasticsearch: StartNode, capsys: pytest.CaptureFixture[str]
) -> None:
    """With 429s, a node and a shipper that are killed: every record once, in little memory."""
    node = start_elasticsearch(settings="indexing_pressure.memory.limit: 2mb")
    site = site_for(tmp_path, node.url, "many")
    writer = site.write(100_000)
    first = site.start()
    wait_until(lambda: counted(node, "many") > 5000, seconds=60)
    kill(first)
    second = site.start()
    wait_until(lambda: counted(node, "many") > 20_000, seconds=60)
    node.kill()
    node.start()
    writer.wait(120)
    written = ids_written(site)
    wait_until(lambda: counted(node, "many") >= len(written), seconds=240)
    peak = peak_mib(second)
    second.terminate()
    assert second.wait(30) == 0
    assert len(written) == 100_000
    assert stored(node.url, "many") == written
    with capsys.disabled():
        print(f"\n100,000 records once each; peak RSS {peak:.0f} MiB")  # noqa: T201 -- to be seen
    assert peak < 100


def counted(node: LocalNode, namespace: str) -> int:
    try:
        return int(ask(f"{node.url}/logs-orchestrator.*-{namespace}/_count")["count"])
    except urllib.error.HTTPError as error:
        error.close()
        return 0


def peak_mib(process: subprocess.Popen[bytes]) -> float:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
