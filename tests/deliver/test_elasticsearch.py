"""Output `elasticsearch` against a scripted server: each of its answers has one meaning."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.config.inputs import InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import ElasticsearchOutput
from shipper.deliver.output import open_output
from shipper.deliver.outputs.elasticsearch import LEAST_REQUEST_BYTES, DataStreams
from shipper.errors import OutputUnavailable, ShipperError
from shipper.events import Delivery, Rejection
from shipper.net.elastic import Cluster, ElasticFailure
from tests.deliver.delivering import RUN, document_of, publish, simple_batch
from tests.servers.elasticsearch_scripted import (
    Asked,
    Says,
    Scripted,
    item,
    items,
    scripted_server,
)

SECRET = "s3cr3t-of-the-test"
CONFLICT = item(409, "version_conflict_engine_exception")
NO_STREAM = item(404, "resource_not_found_exception", "[x] is not a data stream")
BLOCKED = item(403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/8/index write]")

Open = Callable[..., DataStreams]


def config_of(output: ElasticsearchOutput) -> Config:
    return Config(
        service=ServiceOptions("app"),
        namespace="blue",
        data_dir=Path("data"),
        inputs=(InputOptions(("*.log",)),),
        output=output,
    )


@pytest.fixture
def server() -> Iterator[Scripted]:
    with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def start(server: Scripted) -> Iterator[Open]:
    opened = []

    def start(**options: Any) -> DataStreams:
        hosts = options.pop("hosts", (server.url,))
        output = open_output(config_of(ElasticsearchOutput(hosts, **options)))
        assert isinstance(output, DataStreams)
        opened.append(output)
        return output

    yield start
    for output in opened:
        output.close()
        output.close()


def test_events_are_created_under_their_ids(server: Scripted, start: Open) -> None:
    """Each event goes to its data stream with the op `create` and its `_id`; 201 is an ack."""
    assert publish(start(), simple_batch(1, 2)) == Delivery()
    (asked,) = server.asked
    lines = asked.body.splitlines()
    assert lines[0] == b'{"create":{"_index":"logs-orchestrator.app-blue","_id":"%s-1"}}' % (
        RUN.encode()
    )
    assert lines[1::2] == [document_of(1), document_of(2)]
    assert asked.body.endswith(b"\n")
    assert "require_data_stream=true" in asked.path


@pytest.mark.parametrize("level", [0, 1, 3])
def test_compression(server: Scripted, start: Open, level: int) -> None:
    """However it is compressed, the same body arrives."""
    publish(start(compression_level=level), simple_batch(*range(600)))
    assert server.asked[0].ids == [f"{RUN}-{seq}" for seq in range(600)]


def test_each_event_is_answered_for(server: Scripted, start: Open) -> None:
    """Accepted, again and rejected are told apart by status and type, whatever stands beside."""
    server.script = [
        items(
            item(201),
            CONFLICT,
            item(429, "es_rejected_execution_exception"),
            item(503, "unavailable_shards_exception"),
            BLOCKED,
            item(403, "security_exception"),
            item(404, "index_not_found_exception"),
            item(400, "index_closed_exception"),
            item(400, "validation_exception", "this action would add [2] shards"),
            item(409, "resource_already_exists_exception"),
            item(400, "document_parsing_exception", "failed to parse"),
            item(404, "document_missing_exception"),
            item(201, failure_store="used"),
            NO_STREAM,
        )
    ]
    delivery = publish(start(), simple_batch(*range(14)))
    assert delivery.again == (2, 3, 4, 5, 6, 7, 8, 9, 13)
    assert [rejection.index for rejection in delivery.rejected] == [10, 11, 12]
    assert delivery.rejected[0].reason == "document_parsing_exception: failed to parse"
    assert "failure_store" in delivery.rejected[2].reason


def test_an_answer_that_ends_in_nonsense(server: Scripted, start: Open) -> None:
    """What was understood of an answer counts; the rest is sent again."""
    odd = {"create": {"status": 400, "error": {"type": "x", "reason": None}}}
    bad = {"create": {"status": 400, "error": "text"}}
    server.script = [items(item(201), odd, bad, item(201))]
    delivery = publish(start(), simple_batch(1, 2, 3, 4))
    assert delivery == Delivery((2, 3), (Rejection(1, "x: "),))


def test_a_used_failure_store_is_seen_though_nothing_failed(server: Scripted, start: Open) -> None:
    """Elasticsearch says `errors: false` when it put a record where no search finds it."""
    server.script = [items(item(201), item(201, failure_store="used"), errors=False)]
    assert [r.index for r in publish(start(), simple_batch(1, 2)).rejected] == [1]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (items(BLOCKED, BLOCKED), "answered 403 (cluster_block_exception: index [x] blocked by"),
        (items(NO_STREAM, NO_STREAM), "; delete the index or alias that has the name"),
        (items(BLOCKED, BLOCKED), "; free disk space on the node, or remove the block"),
        (items(item(404, "index_not_found_exception")), "answered for 1 of 2 events"),
        (items(*[item(404, "index_not_found_exception")] * 2), "; run `shipper setup`"),
        (Says(401, {"error": {"type": "security_exception"}}), "answered 401 (security_exception"),
        (Says(403, {"error": {"type": "security_exception"}}), "role that `shipper setup` creates"),
        (Says(404, {"error": "no handler found"}), "answered 404 (error: no handler found)"),
        (Says(429, {"error": {"type": "es_rejected_execution_exception"}}), "answered 429"),
        (Says(503, b"<html>"), "answered 503"),
        (Says(200, b"<html>"), "sent no valid bulk answer"),
        (Says(200, {"errors": True}), "answered for 0 of 2 events"),
        (Says(200, b'{"errors":true,"more":' + b"[" * 100_000), "sent no valid bulk answer"),
        (
            Says(
                200,
                b'{"errors":true,"items":[{"create":{"status":400,"error":{"type":"\xff"}}},'
                b'{"create":{"status":200}}]}',
            ),
            "sent no valid bulk answer",
        ),
        (Says(500, b'{"error":' + b"[" * 100_000), "answered 500"),
        (Says(500, b'{"error":"\xff"}'), "answered 500"),
        (items(*[item(0)] * 2), "answered 0"),
        (items(*[item(102)] * 2), "answered 102"),
        (items(*[item(302, "x" * 9999)] * 2), "answered 302 (xxxx"),
        (Says(200, {}, product="Other"), "check that it is Elasticsearch"),
    ],
)
def test_a_reason_to_wait(server: Scripted, start: Open, answer: Says, told: str) -> None:
    """Where nothing was taken, all is sent again, and the error names the server and the reason."""
    server.script = [answer]
    output = start()
    with pytest.raises(OutputUnavailable) as caught:
        publish(output, simple_batch(1, 2))
    assert server.url in str(caught.value)
    assert told in str(caught.value)
    assert publish(output, simple_batch(1, 2)) == Delivery()


def test_nobody_listens(start: Open) -> None:
    """A server that is down is named with the cause."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(OutputUnavailable, match=f"cannot reach {url}: Connection refused"):
        publish(start(hosts=(url,)), simple_batch(1))


def test_a_name_that_nobody_knows(start: Open) -> None:
    """A wrong name is told as that."""
    with pytest.raises(OutputUnavailable, match=r"es1\.invalid:9200: the name cannot be resolved"):
        publish(start(hosts=("http://es1.invalid:9200",)), simple_batch(1))


def test_a_server_that_says_nothing(start: Open) -> None:
    """No answer within `request_seconds` is a reason to send again."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        output = start(hosts=(url,), request_seconds=0.2)
        with pytest.raises(OutputUnavailable, match=rf"{url} did not answer within 0\.2 s"):
            publish(output, simple_batch(1))


def test_a_request_has_its_bytes(server: Scripted, start: Open) -> None:
    """No request is larger than `request_bytes`, and together they have every event once."""
    batch = simple_batch(*range(3000))
    assert publish(start(request_bytes=LEAST_REQUEST_BYTES), batch) == Delivery()
    assert len(server.asked) > 3
    assert max(len(asked.body) for asked in server.asked) <= LEAST_REQUEST_BYTES
    assert [id_ for asked in server.asked for id_ in asked.ids] == batch.ids


def test_an_index_is_that_of_the_batch(server: Scripted, start: Open) -> None:
    """Whatever request an event went with, its answer is told by its index in the batch."""
    refused = f"{RUN}-2500"

    def answer(asked: Asked) -> Says:
        bad = item(400, "document_parsing_exception")
        return items(*(bad if id_ == refused else item(201) for id_ in asked.ids))

    server.otherwise = answer
    delivery = publish(start(request_bytes=LEAST_REQUEST_BYTES), simple_batch(*range(3000)))
    assert delivery == Delivery(rejected=(Rejection(2500, "document_parsing_exception: why"),))


def test_too_large_for_the_server(server: Scripted, start: Open) -> None:
    """After a 413 the request is made in halves; an event that is too large alone is refused."""
    large = f"{RUN}-5"
    server.otherwise = lambda asked: (
        Says(413, {"error": {"type": "too_large"}})
        if large in asked.ids or len(asked.ids) > 8
        else items(*[item(201)] * len(asked.ids), errors=False)
    )
    delivery = publish(start(), simple_batch(*range(20)))
    assert [rejection.index for rejection in delivery.rejected] == [5]
    assert "413" in delivery.rejected[0].reason
    assert delivery.again == ()


def test_what_was_taken_before_a_failure_is_not_sent_again(server: Scripted, start: Open) -> None:
    """Where a batch takes several requests and one fails, only the rest is sent again."""
    output = start(request_bytes=LEAST_REQUEST_BYTES)
    server.script = [
        lambda asked: items(*[item(201)] * len(asked.ids), errors=False),
        Says(503, {"error": {"type": "x"}}),
    ]
    batch = simple_batch(*range(3000))
    delivery = publish(output, batch)
    taken = len(server.asked[0].ids)
    assert delivery.again == tuple(range(taken, 3000))
    assert len(server.asked) == 2


def test_less_is_sent_to_a_server_under_load(server: Scripted, start: Open) -> None:
    """A 429 of the whole request halves the next one; it grows again once batches are taken."""
    batch = simple_batch(*range(3000))
    output = start(request_bytes=4 * LEAST_REQUEST_BYTES)
    server.script = [Says(429), Says(429), Says(429)]
    for _ in range(3):
        with pytest.raises(OutputUnavailable):
            publish(output, batch)
    del server.asked[:]
    publish(output, batch)
    busy = max(len(asked.body) for asked in server.asked)
    assert busy <= LEAST_REQUEST_BYTES
    for _ in range(20):
        publish(output, batch)
    assert len(server.asked[-1].body) > 3 * busy


def test_a_renewed_secret_needs_no_restart(server: Scripted, start: Open, tmp_path: Path) -> None:
    """On a 401 the secret is read again; the events go out with the new one at once."""
    path = tmp_path / "key"
    path.write_text("b2xkOmtleQ==\n")
    output = start(api_key_file=path)
    server.otherwise = lambda asked: (
        items(item(201), errors=False) if "bmV3OmtleQ==" in asked.authorization else Says(401)
    )
    with pytest.raises(OutputUnavailable, match="correct the API key in"):
        publish(output, simple_batch(1))
    path.write_text("bmV3OmtleQ==\n")
    assert publish(output, simple_batch(1)) == Delivery()
    path.unlink()
    assert publish(output, simple_batch(1)) == Delivery()


@pytest.mark.parametrize("kind", ["api_key", "password"])
def test_no_secret_is_shown(
    server: Scripted, start: Open, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    """Neither an error, nor a repr, nor a log has the secret or a log line."""
    path = tmp_path / "secret"
    path.write_text(SECRET)
    options: dict[str, Any] = {"api_key_file": path}
    if kind == "password":
        options = {"username": "shipper", "password_file": path}
    caplog.set_level(logging.DEBUG)
    output = start(**options)
    shown = [repr(Cluster(ElasticsearchOutput((server.url,), **options)))]
    for answer in (Says(401, {"error": {"type": "x"}}), Says(503), Says(200, b"{")):
        server.script = [answer]
        with pytest.raises(OutputUnavailable) as caught:
            publish(output, simple_batch(1))
        shown += [str(caught.value), repr(caught.value), repr(caught.value.__cause__)]
    shown += [record.getMessage() for record in caplog.records]
    assert server.asked[0].authorization
    for secret in (SECRET, server.asked[0].authorization.split()[1], "event 1"):
        assert not [text for text in shown if secret in text]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        ("", "does not hold one line"),
        ("a\nb", "does not hold one line"),
        ("schlüssel", "holds no API key"),
    ],
)
def test_a_secret_that_is_none(tmp_path: Path, content: str | None, told: str) -> None:
    """A file without a secret is told before anything is read."""
    path = tmp_path / "key"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ShipperError, match=told):
        open_output(config_of(ElasticsearchOutput(("http://127.0.0.1:1",), api_key_file=path)))


def test_another_node_is_asked(server: Scripted, start: Open) -> None:
    """With several nodes, one that is down costs a try, not the delivery."""
    output = start(hosts=("http://127.0.0.1:1", server.url))
    results = []
    for _ in range(4):
        try:
            results.append(publish(output, simple_batch(1)))
        except OutputUnavailable as error:
            assert "http://127.0.0.1:1" in str(error)  # noqa: PT017 -- it may fail or not
    assert results
    assert server.asked


def test_it_has_no_commits(start: Open) -> None:
    """A resend is absorbed by `_id`: nothing has to be asked for after a crash."""
    output = start()
    output.maintain(0)
    assert (output.commit(), [*output.stored_after(0)]) == (0, [])


def test_the_words_for_a_failure_have_a_status(server: Scripted) -> None:
    """Who asks the cluster is told the status and the type, to decide by."""
    server.script = [Says(404, {"error": {"type": "index_not_found_exception", "reason": "r"}})]
    cluster = Cluster(ElasticsearchOutput((server.url,)))
    with pytest.raises(ElasticFailure) as caught:
        cluster.ask(lambda client: client.info())
    assert (caught.value.status, caught.value.kind) == (404, "index_not_found_exception")
    cluster.close()
