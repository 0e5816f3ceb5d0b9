"""An `_id` that another record has at Elasticsearch: both are stored; what is sent again, once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from shipper.config.outputs import ElasticsearchOutput
from shipper.deliver.batch import Batch
from shipper.deliver.conflicts import MOST_IDS
from shipper.deliver.outputs.elasticsearch import DataStreams
from shipper.deliver.same_origin import TAG
from shipper.deliver.wrap import RefusedEvents, wrap
from shipper.errors import OutputUnavailable
from shipper.events import Delivery, Events
from tests.deliver.delivering import RUN, batch_with, document_of, publish, simple_batch
from tests.deliver.test_elasticsearch import config_of
from tests.deliver.test_elasticsearch_node import ask, output_to, prepared, stored
from tests.servers.elasticsearch_scripted import Asked, Says, Streams, item, scripted_server

INDEX = ".ds-logs-orchestrator.app-blue-2026.02.05-000001"


class Node(Streams):
    """Keeps documents, and returns them by `_id`; says `failing` to that, if it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.failing: Says | None = None
        self.got: list[int] = []

    def __call__(self, asked: Asked) -> Says:
        if not asked.path.startswith("/_mget"):
            return super().__call__(asked)
        if self.failing is not None:
            return self.failing
        wanted = json.loads(asked.body)["docs"]
        self.got.append(len(wanted))
        assert {each["_index"] for each in wanted} == {INDEX}
        return Says(body={"docs": [{"_source": self.held[each["_id"]]} for each in wanted]})

    def keep(self, id_: str, document: dict[str, Any]) -> dict[str, Any]:
        if id_ in self.held:
            refused = item(409, "version_conflict_engine_exception")
            refused["create"]["error"]["index"] = INDEX
            return refused
        return super().keep(id_, document)


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def output(node: Node) -> Iterator[DataStreams]:
    with scripted_server() as server:
        server.otherwise = node
        streams = DataStreams(config_of(ElasticsearchOutput((server.url,), compression_level=0)))
        yield streams
        streams.close()


def others(*seqs: int) -> Batch[Events]:
    """Return what another machine has written under these numbers."""
    return batch_with(simple_batch(*seqs), [document_of(seq, message="other") for seq in seqs])


def test_another_record_is_stored_beside_the_first(output: DataStreams, node: Node) -> None:
    """Under an id of its own, which is the same at every try; its run and seq are under extra."""
    assert publish(output, simple_batch(0, 1, 2)) == Delivery()
    for apart in (2, 0):
        assert publish(output, others(1, 2)) == Delivery(apart=apart)
    new = [each for each in node.held if each.count("-") == 2]
    assert [each.rpartition("-")[0] for each in new] == [f"{RUN}-1", f"{RUN}-2"]
    document = node.held[new[0]]
    assert (document["message"], document["tags"]) == ("other", [TAG])
    assert (document["extra"], "run" in document) == ({"run": RUN, "seq": 1}, False)


def test_what_is_sent_again_is_stored_once(output: DataStreams, node: Node) -> None:
    """As after an answer that was lost; it is compared in bounded portions."""
    count = MOST_IDS + 5
    batch = simple_batch(*range(count))
    publish(output, batch)
    assert publish(output, batch) == Delivery()
    assert (len(node.held), node.got) == (count, [MOST_IDS, 5])


def test_text_of_a_refused_record_is_no_other_record(output: DataStreams, node: Node) -> None:
    """It stands for the record, under whose id it is stored."""
    node.held[f"{RUN}-0"] = {"message": "{...}", "tags": ["rejected"]}
    assert publish(output, simple_batch(0)) == Delivery()
    assert len(node.held) == 1


def test_text_of_another_record_has_its_own_id(output: DataStreams, node: Node) -> None:
    """Under the first one it would count as stored, and be lost."""
    publish(output, simple_batch(0, 1, 2))
    odd = [document_of(seq, message="other", status_code="odd") for seq in (1, 2)]
    odd[0] = document_of(1, message="other")
    batch = batch_with(simple_batch(1, 2), odd)
    found = publish(output, batch)
    refused = RefusedEvents.of(batch, found.rejected)
    (new,) = refused.events.ids
    assert (found.apart, [each.index for each in found.rejected]) == (1, [1])
    assert new.startswith(f"{RUN}-2-")

    for _ in range(2):  # also after a crash
        assert publish(output, Batch((wrap(refused),))) == Delivery()
        assert publish(output, batch) == Delivery()
    assert node.held[new]["tags"] == ["rejected"]
    assert '"odd"' in node.held[new]["message"]
    assert len(node.held) == 5


@pytest.mark.parametrize("status", [0, 503])
def test_what_cannot_be_compared_now_is_sent_again(
    output: DataStreams, node: Node, status: int
) -> None:
    """It is not known to be stored before it was compared."""
    publish(output, simple_batch(0))
    node.failing = Says(status) if status else Says(body=b"nonsense")
    assert publish(output, others(0, 5)).again == (0,)
    with pytest.raises(OutputUnavailable):
        publish(output, others(0))
    node.failing = None
    assert publish(output, others(0)) == Delivery(apart=1)


def test_a_user_that_may_not_read(output: DataStreams, node: Node) -> None:
    """What is refused counts as stored, as ever, and nothing is asked for any more."""
    publish(output, simple_batch(0))
    denied = {"error": {"type": "security_exception", "reason": "no"}}
    for failing in (Says(403, denied), Says(body={"docs": [denied]})):
        node.failing = failing
        assert publish(output, others(0)) == Delivery()
    assert (len(node.held), node.got) == (1, [])


def test_ids_of_lines_are_not_compared(output: DataStreams, node: Node) -> None:
    """A line without run and seq may have grown since: its place is what it is."""
    events = replace(simple_batch(0).contents[0], ids=["0123456789abcdef0123-0"])
    for _ in range(2):
        assert publish(output, Batch((events,))) == Delivery()
    assert node.got == []


@pytest.mark.server
def test_two_hosts_with_one_run(elasticsearch_url: str) -> None:
    """A real node says which index has the `_id`, and returns what it has at once."""
    prepared(elasticsearch_url)
    first, second = (output_to(elasticsearch_url, "twohosts") for _ in range(2))
    try:
        publish(first, simple_batch(0, 1))
        assert publish(second, others(1, 2)) == Delivery(apart=1)
        assert publish(second, others(1, 2)) == Delivery()
        assert publish(first, simple_batch(0, 1)) == Delivery()
    finally:
        first.close()
        second.close()
    ids = stored(elasticsearch_url, "twohosts")
    assert (len(ids), {*ids.values()}) == (4, {1})
    query = {"query": {"term": {"tags": TAG}}}
    found = ask(f"{elasticsearch_url}/logs-orchestrator.*-twohosts/_search", query)
    assert found["hits"]["total"]["value"] == 1
