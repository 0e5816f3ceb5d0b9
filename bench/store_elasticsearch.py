"""
What asking Elasticsearch costs beyond what Elasticsearch itself takes.

    python -m bench.store_elasticsearch 50000

The questions of `bench.store`, asked of a real node (made here, or that of
SHIPPER_TEST_ELASTICSEARCH). `ours` is the CPU time of this process for one question: making the
request, the HTTP client, reading the answer. The budget is 5 ms.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bench.store import QUESTIONS, ROUNDS, events_of
from elasticsearch import Elasticsearch
from shipper.config.outputs import ElasticsearchOutput
from shipper.deliver.bulk import BulkPreparer
from shipper.net.elastic import Cluster
from shipper.store.api import Question, Selection, Store
from shipper.store.elasticsearch.setup import set_up
from shipper.store.opening import open_elasticsearch
from tests.servers.elasticsearch import LocalNode, NoServerError, require_tools

LINES = {"accept": "application/json", "content-type": "application/x-ndjson"}


def load(output: ElasticsearchOutput, namespace: str, lines: int) -> None:
    """Store the documents of the corpus."""
    list(set_up(output))
    cluster, preparer = Cluster(output, raw=True), BulkPreparer(namespace)
    for _, events in events_of(lines):
        cluster.ask(partial(send, events.prepared_by(preparer).body))
    cluster.close()


def send(body: bytes, client: Elasticsearch) -> object:
    return client.perform_request("POST", "/_bulk?refresh=true", headers=LINES, body=body)


def ask(store: Store) -> None:
    """Print for each question the whole time and our part of it, the medians."""
    for name, (query, aggregation) in QUESTIONS.items():
        question = Question(Selection(query), {"x": aggregation})
        print_times(name, partial(store.ask, [question]))
    words = Selection("timeout OR locked")
    print_times("search for words, 100 hits", lambda: list(store.search(words, limit=100).hits))
    print_times("count by a range under extra", partial(store.count, Selection("extra.n:>5")))


def print_times(name: str, call: Callable[[], object]) -> None:
    walls, ours = [], []
    for _ in range(ROUNDS):
        started, cpu = time.perf_counter(), time.process_time()
        call()
        walls.append(time.perf_counter() - started)
        ours.append(time.process_time() - cpu)
    wall, our = statistics.median(walls) * 1e3, statistics.median(ours) * 1e3
    print(f"{wall:8.1f} ms, ours {our:5.1f} ms  {name}")


def node_url(stack: ExitStack) -> str | None:
    """Return the address of a node, started here where none is given; None if none can be."""
    url = os.environ.get("SHIPPER_TEST_ELASTICSEARCH")
    if url:
        return url
    node = LocalNode(Path(stack.enter_context(tempfile.TemporaryDirectory())))
    stack.callback(node.stop)
    try:
        require_tools()
        node.start()
    except NoServerError as error:
        print(f"left out: {error}")
        return None
    return node.url


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.store_elasticsearch")
    parser.add_argument("lines", nargs="?", type=int, default=100_000)
    lines = parser.parse_args().lines
    with ExitStack() as stack:
        url = node_url(stack)
        if url is None:
            return
        output, namespace = ElasticsearchOutput(hosts=(url,)), uuid.uuid4().hex
        load(output, namespace, lines)
        ask(open_elasticsearch(output, namespace))


if __name__ == "__main__":
    main()
