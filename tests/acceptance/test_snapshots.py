"""The requests that the docs have for snapshots, made of a real node: what was lost comes back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from shipper.config.outputs import ElasticsearchOutput
from shipper.store.api import Selection
from shipper.store.opening import open_elasticsearch
from tests.servers.elasticsearch import StartNode
from tests.store.store_loading import Node
from tests.store.store_records import ORDINARY, record

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.timeout(300)]

PAGE = Path(__file__).parents[2] / "docs/outputs-elasticsearch.md"


def requests() -> list[tuple[str, str, bytes | None]]:
    """Return (method, target, body) of the requests of the chapter."""
    chapter = PAGE.read_text().partition("\n## Snapshots\n")[2].partition("\n## ")[0]
    blocks = "\n\n".join(re.findall(r"```json\n(.*?)```", chapter, re.DOTALL))
    found = re.findall(r"^(PUT|POST|DELETE) (\S+)\n?(\{.*?\})?\s*$", blocks, re.MULTILINE)
    return [(method, path, body.encode() or None) for method, path, body in found]


def test_a_snapshot_has_all_records(start_elasticsearch: StartNode) -> None:
    """
    Repository, snapshot and restore, word for word, but into a stream of another name.

    This node has no API that removes a data stream, so what is restored is put beside it.
    """
    node = Node(start_elasticsearch().url, "production")
    node.send(ORDINARY)
    asked = requests()
    assert [method for method, _, _ in asked] == ["PUT", "PUT", "DELETE", "POST"]
    assert asked[2][1] == f"/_data_stream/{node.stream}"
    for method, target, body in asked[:2]:
        node.call(method, target, body)
    node.send([record(99, message="after the snapshot")])
    method, target, body = asked[3]
    assert body is not None
    names = {"rename_pattern": "-production", "rename_replacement": "-restored"}

    answered = node.call(method, target, json.dumps({**json.loads(body), **names}).encode())

    assert answered["snapshot"]["shards"]["failed"] == 0
    restored = open_elasticsearch(ElasticsearchOutput(hosts=(node.url,)), "restored")
    hits = restored.search(Selection(), limit=100)
    assert {hit.id for hit in hits.hits} == {each.id for each in ORDINARY}
    restored.close()
