"""The Elasticsearch store beyond the contract: ranks, pages, following, failures."""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.config.outputs import ElasticsearchOutput
from shipper.errors import QueryError, StoreUnavailable
from shipper.store import untyped
from shipper.store.answers import rank_of
from shipper.store.api import (
    Cardinality,
    Filters,
    Number,
    Percentiles,
    Question,
    Selection,
    Sort,
    Store,
    Terms,
    buckets_of,
)
from shipper.store.elasticsearch import aggregate, follow, search
from shipper.store.elasticsearch.compile import compile_node, keys_to_list
from shipper.store.opening import open_elasticsearch
from shipper.store.query.parser import parse
from tests.store.store_loading import Node
from tests.store.store_records import NOON, Record, record
from tests.store.store_reference import Reference
from tests.store.test_store_contract import assert_equal


@pytest.fixture
def node(elasticsearch_url: str) -> Node:
    """A namespace without records."""
    return Node(elasticsearch_url, uuid.uuid4().hex)


@given(st.floats(0, 100), st.integers(1, 2**23))
def test_one_of_the_percents_has_the_right_rank(percent: float, total: int) -> None:
    """The rank of a percentile is exact for any number of values."""
    asked = aggregate._percent_of_rank(percent, total)

    assert asked in aggregate._percents(percent)
    assert max(1, int(asked / 100 * total + 0.5)) == rank_of(percent, total)


@given(st.integers(-(2**62), 2**62) | st.floats(-1e18, 1e18))
def test_a_number_is_read_from_each_of_its_spellings(number: float) -> None:
    """5 and 5.0 are one number, whoever wrote it."""
    for text in untyped.spellings(number):
        assert untyped.read(text) == pytest.approx(number)
    assert untyped.read(untyped.write(number)) == number


@pytest.mark.parametrize("text", ["007", "1.50", "+1", ".5", "1_000", "", "NaN", "1e400", "True"])
def test_what_no_program_writes_for_a_number_is_a_text(text: str) -> None:
    """A code like 007 stays a text."""
    assert untyped.read(text) == text


def test_only_ranges_and_wildcards_under_extra_need_the_values_of_a_key() -> None:
    """Values are listed only for queries that need them; all others are one request."""
    node = parse("a:1 OR NOT (b:>1 c:x* d:* level:E* seq:>1 e:[* TO *])")

    assert sorted(keys_to_list(node)) == ["extra.b", "extra.c"]


@pytest.mark.parametrize("query", ["host.cpus:4", "error.code:*", "log.flags:[1 TO 2]"])
def test_a_key_that_is_not_indexed_is_an_error(query: str) -> None:
    """A key that the mapping lacks is an error, not an empty result."""
    with pytest.raises(QueryError, match="is not indexed in Elasticsearch"):
        compile_node(parse(query), {})


@pytest.mark.server
def test_percentiles_have_the_right_rank_and_one_percent(node: Node) -> None:
    """Percentiles are nearest-rank, within 1 %, for any number of values."""
    chance = random.Random(7)
    sizes = [1, 2, 3, 7, 40, 333]
    records = [
        record(i, NOON, path=f"/{size}", duration_ms=10 ** chance.uniform(-3, 7), status_code=i)
        for size in sizes
        for i in range(1000 * size, 1001 * size)
    ]
    node.send(records)
    percents = (0, 1, 12.5, 25, 50, 75, 90, 95, 99, 99.9, 100)
    within = {"d": Percentiles("duration_ms", percents), "s": Percentiles("status_code", percents)}
    asked = {"paths": Terms("path", 10, within)}

    (answer,) = node.open().ask([Question(Selection(), asked)])

    wanted = Reference(records).ask(Selection(), asked)["paths"]
    assert_equal(answer.results["paths"], wanted)


@pytest.mark.server
def test_what_elasticsearch_cannot_answer_is_an_error(node: Node) -> None:
    """Percentiles of negative numbers and aggregations within ambiguous values are refused."""
    node.send([record(1, duration_ms=-1, extra={"n": 5}), record(2, extra={"n": 5.0})])
    node.send([record(3, execution_time_ms=1e-9), record(4, execution_time_ms=1e9)])
    store = node.open()

    with pytest.raises(QueryError, match="negative numbers"):
        store.ask([Question(Selection(), {"p": Percentiles("duration_ms")})])
    with pytest.raises(QueryError, match="spell 5 of n in several ways"):
        store.ask([Question(Selection(), {"t": Terms("n", 5, {"l": Terms("level")})})])
    with pytest.raises(QueryError, match="too far apart"):
        store.ask([Question(Selection(), {"p": Percentiles("execution_time_ms")})])
    (answer,) = store.ask([Question(Selection("duration_ms:>=0"), {"c": Cardinality("n")})])
    assert answer.results["c"] == Number(0)


@pytest.mark.server
def test_too_many_values_are_an_error(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """If not all values can be listed, the question is refused, not estimated."""
    node.send([record(i, path=f"/{i}", extra={"k": f"x{i}"}) for i in range(20)])
    store = node.open()
    monkeypatch.setattr(aggregate, "MAX_VALUES", 19)

    for asked in (Cardinality("path"), Cardinality("k"), Terms("k", 3)):
        with pytest.raises(QueryError, match="too many to count"):
            store.ask([Question(Selection(), {"x": asked})])
    with pytest.raises(QueryError, match="too many to count"):
        store.count(Selection("k:x*"))


@pytest.mark.server
def test_filters_may_look_into_extra(node: Node) -> None:
    """Queries of named filters that need the values of a key get them."""
    node.send([record(i, extra={"n": i, "s": f"x{i}"}) for i in range(5)])

    (answer,) = node.open().ask(
        [Question(Selection("n:>0"), {"f": Filters({"a": "n:>=3", "b": "s:x*", "c": "n:9"})})]
    )

    assert [b.count for b in buckets_of(answer, "f").buckets] == [2, 4, 0]


@pytest.mark.server
@pytest.mark.parametrize("sort", list(Sort))
def test_many_hits_are_paged_through_in_order(
    node: Node, monkeypatch: pytest.MonkeyPatch, sort: Sort
) -> None:
    """More hits than one request returns come in order, each once."""
    monkeypatch.setattr(search, "PAGE", 10)
    records = [record(i, NOON + i // 8) for i in range(45)]
    node.send(records)
    reference = Reference(records)

    for limit in (11, 40, 44, 45, 46, 1000):
        found = node.open().search(Selection(), limit=limit, sort=sort)

        assert [hit.id for hit in found.hits] == reference.search(Selection(), limit, sort)
        assert found.total == 45
    opened = node.call("GET", "/_nodes/stats/indices/search")["nodes"]
    assert [each["indices"]["search"]["open_contexts"] for each in opened.values()] == [0]


@pytest.mark.server
def test_following_gives_each_new_record_once(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over several writers, rollovers and slow refreshes each matching record arrives once."""
    monkeypatch.setattr(follow, "PORTION", 50)
    node.send([record(i, level="INFO") for i in range(30)])
    arriving = node.open().follow(Selection("level:INFO extra.n:>=0"))
    assert [hit.id for hit in next(arriving)] == []

    threads = [threading.Thread(target=write, args=(node, 1000 * (n + 1))) for n in range(3)]
    for thread in threads:
        thread.start()
    arrived: list[str] = []
    written = [each for n in range(3) for each in numbered(1000 * (n + 1))]
    wanted = [each.id for each in written if each.fields["level"] == "INFO"]
    for _ in range(2000):
        arrived += [hit.id for hit in next(arriving)]
        if len(arrived) >= len(wanted) and not any(thread.is_alive() for thread in threads):
            break
    for thread in threads:
        thread.join()
    arrived += [hit.id for _ in range(5) for hit in next(arriving)]

    assert sorted(arrived) == sorted(wanted)


def numbered(first: int) -> list[Record]:
    return [
        record(i, NOON + i % 7, level=("INFO", "DEBUG")[i % 2], extra={"n": i})
        for i in range(first, first + 300)
    ]


def write(node: Node, first: int) -> None:
    """Write records piece by piece; only some writes are refreshed at once."""
    records = numbered(first)
    for start in range(0, len(records), 30):
        node.send(records[start : start + 30], refresh=start % 60 == 0)
        if start == 150:
            node.call("POST", f"/{node.stream}/_rollover")
    node.call("POST", f"/{node.stream}/_refresh")


@pytest.mark.server
def test_without_a_data_stream_the_store_is_not_there(node: Node) -> None:
    """An empty answer would hide a wrong namespace."""
    with pytest.raises(StoreUnavailable, match=f"logs-orchestrator.*-{node.namespace}") as caught:
        node.open().count(Selection())

    assert "check the namespace" in str(caught.value)
    assert list(next(node.open().follow(Selection()))) == []


Answering = Callable[[int, bytes], Store]


@pytest.fixture
def answering() -> Iterator[Answering]:
    """Return a function that opens a store on a server with a single response."""
    servers: list[HTTPServer] = []

    def answer(status: int, body: bytes) -> Store:
        class Answers(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["content-length"]))
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("x-elastic-product", "Elasticsearch")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        server = HTTPServer(("127.0.0.1", 0), Answers)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return store_at(server.server_port)

    yield answer
    for server in servers:
        server.shutdown()
        server.server_close()


def store_at(port: int) -> Store:
    return open_elasticsearch(ElasticsearchOutput(hosts=(f"http://127.0.0.1:{port}",)))


@pytest.mark.parametrize(
    ("status", "body", "fault"),
    [
        (401, b'{"error":{"type":"security_exception","reason":"no"}}', "has neither api_key"),
        (403, b'{"error":{"type":"security_exception","reason":"no"}}', "shipper setup"),
        (429, b'{"error":{"type":"circuit_breaking_exception","reason":"no"}}', "answered 429"),
        (503, b"", "answered 503"),
        (200, b"<html>", "check that it is Elasticsearch"),
        (
            200,
            b'{"responses":[{"_shards":{"failed":1},"hits":{"total":{"value":5}}}]}',
            "could not search all shards",
        ),
        (
            200,
            b'{"responses":[{"status":503,"error":{"type":"no_shard_available","reason":"x"}}]}',
            "no_shard_available",
        ),
    ],
)
def test_a_store_that_gives_no_answer_is_unavailable(
    answering: Answering, status: int, body: bytes, fault: str
) -> None:
    """Each failure names the address, the cause and what to do; none counts as an answer."""
    store = answering(status, body)

    with pytest.raises(StoreUnavailable, match=fault) as caught:
        store.count(Selection())

    assert "http://127.0.0.1:" in str(caught.value)
    store.close()


def test_a_store_that_is_not_there_is_unavailable(answering: Answering) -> None:
    """If nothing listens, the error names the address."""
    with pytest.raises(StoreUnavailable, match=r"cannot reach http://127\.0\.0\.1:9"):
        store_at(9).search(Selection(), limit=1)


def test_a_question_that_is_refused_is_a_fault_of_the_question(answering: Answering) -> None:
    """A refusal of Elasticsearch is passed on with its reason."""
    refused = (
        b'{"responses":[{"status":400,"error":{"type":"search_phase_execution_exception",'
        b'"reason":"all shards failed","root_cause":[],"caused_by":'
        b'{"type":"too_many_buckets_exception","reason":"Trying to create too many buckets."}}}]}'
    )

    with pytest.raises(QueryError, match="too many buckets"):
        answering(200, refused).count(Selection())
