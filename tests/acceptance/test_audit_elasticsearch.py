"""The audit of what a real Elasticsearch holds, directly and behind a Logstash that loses."""

from __future__ import annotations

import json
import signal
import urllib.request
import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from shipper.config.outputs import ElasticsearchOutput
from shipper.store.elasticsearch.setup import set_up
from tests.acceptance.server import wait_until
from tests.acceptance.test_audit import RUN, audit, ship, write

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.acceptance.server import Site
    from tests.servers.lumberjack import Receiver, StartReceiver

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]

CONFIG = """\
service: {{name: automation-orchestrator, environment: test, version: 1.0.0}}
namespace: {namespace}
data_dir: var/shipper
inputs:
  - paths: [logs/*.log]
tail: {{scan_seconds: 0.2s}}
delivery: {{linger_seconds: 50ms, backoff_seconds: 50ms, backoff_max_seconds: 500ms}}
heartbeat: {{every: 500ms}}
{output}
"""


class Cluster:
    """A namespace of a node, in which records come and go by hand."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.namespace = uuid.uuid4().hex
        self.stream = f"logs-orchestrator.app-{self.namespace}"
        list(set_up(ElasticsearchOutput(hosts=(url,))))

    @property
    def address(self) -> str:
        return f'{{hosts: ["{self.url}"], request_seconds: 10s}}'

    def call(self, method: str, target: str, body: bytes | None = None) -> Any:
        kind = "application/x-ndjson" if "_bulk" in target else "application/json"
        asked = urllib.request.Request(
            self.url + target, data=body, method=method, headers={"content-type": kind}
        )
        with urllib.request.urlopen(asked, timeout=60) as answered:
            return json.loads(answered.read())

    def copies(self) -> Counter[str]:
        """Return how often each `_id` is there, heartbeats left out."""
        self.call("POST", f"/logs-orchestrator.*-{self.namespace}/_refresh")
        return Counter(hit["_id"] for hit in self._hits())

    def _hits(self) -> list[dict[str, Any]]:
        found = self.call("GET", f"/{self.stream}/_search?size=10000")
        hits: list[dict[str, Any]] = found["hits"]["hits"]
        return hits

    def take_away(self, *ids: str) -> None:
        """Delete records, all copies."""
        self.call("POST", f"/{self.stream}/_refresh")
        for hit in self._hits():
            if hit["_id"] in ids:
                self.call("DELETE", f"/{hit['_index']}/_doc/{hit['_id']}?refresh=true")

    def double(self, *ids: str) -> None:
        """Store records once more after a rollover, as a resend then would."""
        self.call("POST", f"/{self.stream}/_refresh")
        chosen = [hit for hit in self._hits() if hit["_id"] in ids]
        self.call("POST", f"/{self.stream}/_rollover")
        self.store((hit["_id"], hit["_source"]) for hit in chosen)

    def store(self, documents: Iterable[tuple[str, Any]]) -> None:
        """Store documents as Logstash does."""
        lines = []
        for id_, document in documents:
            dataset = document["data_stream"]["dataset"]
            index = f"logs-{dataset}-{self.namespace}"
            lines += [{"create": {"_index": index, "_id": id_}}, document]
        body = "".join(json.dumps(line) + "\n" for line in lines).encode()
        answered = self.call("POST", "/_bulk?refresh=true", body)
        assert not answered["errors"], answered


@pytest.fixture
def cluster(elasticsearch_url: str) -> Cluster:
    return Cluster(elasticsearch_url)


def ship_to(site: Site, cluster: Cluster) -> None:
    output = f"output: {{elasticsearch: {cluster.address}}}"
    site.config.write_text(CONFIG.format(namespace=cluster.namespace, output=output))


def plain(path: Path, count: int) -> None:
    path.write_text("".join(f"line {number:03d}\n" for number in range(count)))


def test_losses_are_found_and_sent_again_once(site: Site, cluster: Cluster) -> None:
    """Deleted records are named; a repair after a rollover stores them and doubles none."""
    ship_to(site, cluster)
    write(site.logs / "app.log", *range(300))
    plain(site.logs / "plain.log", 20)
    ship(site)
    foreign = sorted(id_ for id_ in cluster.copies() if not id_.startswith(RUN))
    cluster.take_away(f"{RUN}-7", f"{RUN}-8", f"{RUN}-250", foreign[3])
    cluster.call("POST", f"/{cluster.stream}/_rollover")

    code, told = audit(site)

    assert (code, told["lost_count"], told["indexed"], told["doubled"]) == (1, 4, 316, [])
    own = [(each["first"], each["last"]) for each in told["lost"] if each["stream"] == RUN]
    assert own == [(7, 8), (250, 250)]
    assert audit(site, "--repair", "--wait", "4s")[0] == 1
    ship(site)
    assert audit(site)[1]["indexed"] == 320
    copies = cluster.copies()
    assert (len(copies), max(copies.values())) == (320, 1)


def test_doubles_across_a_rollover_are_found_and_removed(site: Site, cluster: Cluster) -> None:
    """A record in two backing indices is found by its `_id`; the repair leaves the older copy."""
    ship_to(site, cluster)
    write(site.logs / "app.log", *range(50))
    plain(site.logs / "plain.log", 10)
    ship(site)
    foreign = sorted(id_ for id_ in cluster.copies() if not id_.startswith(RUN))
    doubled = [f"{RUN}-5", f"{RUN}-49", foreign[2]]
    cluster.double(*doubled)
    cluster.take_away(f"{RUN}-6")  # a double does not make up for a loss

    code, told = audit(site)

    assert (code, told["lost_count"], sorted(told["doubled"])) == (1, 1, sorted(doubled))
    told = audit(site, "--repair", "--wait", "4s")[1]
    assert "3 copies removed" in told["repair"]
    assert told["doubled"] == []
    ship(site)
    assert audit(site)[0] == 0
    assert set(cluster.copies().values()) == {1}


def test_what_was_wrapped_is_there(site: Site, cluster: Cluster) -> None:
    """A record that is stored as text has neither run nor seq in its fields, and is no loss."""
    ship_to(site, cluster)
    write(site.logs / "app.log", *range(10))
    ship(site)
    cluster.take_away(f"{RUN}-3")
    wrapped = {
        "@timestamp": "2026-02-05T12:00:00.000Z",
        "message": "{}",
        "tags": ["rejected"],
        "data_stream": {"dataset": "orchestrator.app"},
    }
    cluster.store([(f"{RUN}-3", wrapped)])

    code, told = audit(site)

    assert (code, told["wrapped"], told["indexed"]) == (0, 1, 9)


def test_under_load_there_is_no_false_alarm(site: Site, cluster: Cluster) -> None:
    """While records are written and sent, what is acked and not shown yet is not called lost."""
    ship_to(site, cluster)
    site.log_through_emit(max_bytes=256 * 1024, backups=100)
    shipper = site.start()
    wait_until(lambda: site.run("fleet").returncode == 0, seconds=60)
    writers = [site.write(4000, pause_every=20) for _ in range(2)]
    results = []
    while any(writer.poll() is None for writer in writers):
        results.append(audit(site))
    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(60) == 0
    ship(site)

    assert [told for code, told in results if code or told["gaps"]] == []
    assert results
    assert audit(site)[1]["indexed"] == 8000


def behind_logstash(site: Site, cluster: Cluster, receiver: Receiver) -> None:
    output = (
        f"output:\n  logstash: {{hosts: ['{receiver.address}'], tls: {{enabled: false}}}}\n"
        f"search: {{elasticsearch: {cluster.address}}}"
    )
    site.config.write_text(CONFIG.format(namespace=cluster.namespace, output=output))


def received(receiver: Receiver) -> list[tuple[str, Any]]:
    """Return what came to the receiver in place of Logstash, as it would store it."""
    events = [json.loads(line) for line in receiver.file.read_bytes().splitlines()]
    return [(event.pop("@metadata")["origin"], event) for event in events]


def test_what_logstash_loses_after_its_ack_is_found(
    site: Site, cluster: Cluster, start_lumberjack: StartReceiver
) -> None:
    """What was acked by a queue in memory and died with it is named, sent again and then there."""
    receiver = start_lumberjack()
    behind_logstash(site, cluster, receiver)
    write(site.logs / "app.log", *range(100))
    ship(site)
    events = received(receiver)
    cluster.store(event for event in events if event[0] not in {f"{RUN}-10", f"{RUN}-99"})

    code, told = audit(site, "--wait", "2s")

    assert (code, told["lost_count"], told["indexed"]) == (1, 2, 98)
    audit(site, "--repair", "--wait", "2s")
    ship(site)
    again = received(receiver)[len(events) :]
    assert {f"{RUN}-10", f"{RUN}-99"} == {id_ for id_, _ in again if id_.startswith(RUN)}
    cluster.store(event for event in again if event[0].startswith(RUN))
    assert audit(site, "--wait", "2s")[0] == 0


def test_what_logstash_still_holds_is_not_judged(
    site: Site, cluster: Cluster, start_lumberjack: StartReceiver
) -> None:
    """While no heartbeat comes through, acked records may be in its queue: that is no loss."""
    receiver = start_lumberjack()
    behind_logstash(site, cluster, receiver)
    write(site.logs / "app.log", *range(20))
    shipper = site.start()
    wait_until(lambda: receiver.file.exists() and len(received(receiver)) > 20, seconds=60)
    cluster.store(received(receiver)[:5])

    done = site.run("audit", "--wait", "3s")

    assert done.returncode == 3
    assert "no newer heartbeat has arrived" in done.stderr
    shipper.kill()
