"""Loaders of the stores that the contract tests cover: they store records in portions."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from shipper.config.outputs import ElasticsearchOutput
from shipper.deliver.bulk import BulkPreparer
from shipper.events import Events
from shipper.store.api import Store
from shipper.store.elasticsearch.setup import SetupState, set_up
from shipper.store.opening import open_elasticsearch, open_embedded
from shipper.times import iso
from tests.store.store_records import Record, write_parts

Load = Callable[[pytest.FixtureRequest, Sequence[Sequence[Record]]], Store]

DATASET = "orchestrator.app"


def load_embedded(request: pytest.FixtureRequest, portions: Sequence[Sequence[Record]]) -> Store:
    """Write each portion to a part of its own."""
    factory: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    path = factory.mktemp("embedded") / "index"
    write_parts(path, portions)
    return open_embedded(path)


def load_elasticsearch(
    request: pytest.FixtureRequest, portions: Sequence[Sequence[Record]]
) -> Store:
    """Send each portion to a backing index of its own, in a namespace of its own."""
    url: str = request.getfixturevalue("elasticsearch_url")
    node = Node(url, uuid.uuid4().hex)
    for number, records in enumerate(portions):
        if number:
            node.call("POST", f"/{node.stream}/_rollover")
        node.send(records)
    return node.open()


class Node:
    """A namespace of a node."""

    def __init__(self, url: str, namespace: str) -> None:
        self.url = url
        self.namespace = namespace
        self.stream = f"logs-{DATASET}-{namespace}"
        self._output = ElasticsearchOutput(hosts=(url,))
        for step in set_up(self._output):  # it is done step by step
            assert step.state in SetupState

    def call(self, method: str, target: str, body: bytes | None = None) -> Any:
        """Send a request that has to succeed."""
        kind = "application/x-ndjson" if "_bulk" in target else "application/json"
        asked = urllib.request.Request(
            self.url + target, data=body, method=method, headers={"content-type": kind}
        )
        try:
            with urllib.request.urlopen(asked, timeout=60) as answered:
                return json.loads(answered.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()) from error

    def send(self, records: Sequence[Record], *, refresh: bool = True) -> None:
        """Store records as the output does."""
        if not records:  # a stream is made by its first record
            records = [Record("none-0", b'{"message": "removed"}', 0)]
            self.send(records)
            self.call("POST", f"/{self.stream}/_rollover")
            hits = self.call("GET", f"/{self.stream}/_search")["hits"]["hits"]
            for hit in hits:
                self.call("DELETE", f"/{hit['_index']}/_doc/{hit['_id']}?refresh=true")
            return
        events = Events(
            ids=[record.id for record in records],
            docs=[document(record) for record in records],
            times=[record.time for record in records],
            datasets=[DATASET] * len(records),
        )
        body = BulkPreparer(self.namespace).prepare(events).body
        answered = self.call("POST", f"/_bulk?refresh={str(refresh).lower()}", body)
        assert not answered["errors"], [
            item["create"]["error"] for item in answered["items"] if "error" in item["create"]
        ]

    def open(self) -> Store:
        """Open the store."""
        return open_elasticsearch(self._output, self.namespace)


def document(record: Record) -> bytes:
    """Return a record as enrichment makes it: with its time, and every key once."""
    return json.dumps({**record.fields, "@timestamp": iso(record.time)}).encode()


STORES = [
    pytest.param(load_embedded, id="embedded"),
    pytest.param(load_elasticsearch, id="elasticsearch", marks=pytest.mark.server),
]
