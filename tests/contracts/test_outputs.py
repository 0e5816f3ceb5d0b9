"""
What every output promises, whatever it writes to; a new one is added to `SUBJECTS` and must pass.

A subject is an output in a folder with a way to look at what its destination holds, and, where
there can be one, an outage.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipper.config.inputs import InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import (
    ConsoleOutput,
    ElasticsearchOutput,
    EmbeddedOutput,
    LogstashOutput,
    Output,
    TlsOptions,
)
from shipper.deliver.batch import Batch
from shipper.deliver.output import Output as Opened
from shipper.deliver.output import open_output
from shipper.errors import OutputUnavailable
from shipper.events import Events
from shipper.store.api import Selection
from shipper.store.opening import open_embedded
from tests.deliver.delivering import (
    NOW,
    RUN,
    batch_with,
    docs_of,
    document_of,
    foreign_events,
    part_of,
    publish,
    simple_batch,
)
from tests.servers.elasticsearch_scripted import Says, Streams, scripted_server
from tests.servers.lumberjack_scripted import ScriptedServer

SECRET = "c0rrect h0rse b4ttery st4ple"  # stands in every file that may hold a secret


@dataclass
class Subject:
    """
    An output under test.

    `stored` gives the documents that the destination holds, by `_id`. Where there can be such:
    `fail` and `mend` begin and end an outage; `secretive` has files that hold nothing but
    `SECRET`, and cannot work with them; `refused` are fields that no event may have.
    """

    output: Output
    stored: Callable[[], dict[str, dict[str, Any]]]
    fail: Callable[[], None] | None = None
    mend: Callable[[], None] | None = None
    secretive: Output | None = None
    refused: dict[str, Any] | None = None


def console(folder: Path, _stack: ExitStack) -> Subject:
    path = folder / "out"

    def stored() -> dict[str, dict[str, Any]]:
        documents = [json.loads(line) for line in path.read_bytes().splitlines()]
        return {document.pop("_id"): document for document in documents}

    return Subject(ConsoleOutput(path=str(path)), stored)


def embedded(folder: Path, _stack: ExitStack) -> Subject:
    path = folder / "index"

    def stored() -> dict[str, dict[str, Any]]:
        with closing(open_embedded(path)) as store:
            found = store.search(Selection(), limit=1000)
            # Readers show the guide's name of `@timestamp` too.
            return {
                hit.id: {key: value for key, value in hit.source.items() if key != "timestamp"}
                for hit in found.hits
            }

    refused = {"status_code": "no number"}
    return Subject(EmbeddedOutput(path, max_bytes=1 << 26), stored, refused=refused)


def logstash(folder: Path, stack: ExitStack) -> Subject:
    server = ScriptedServer()
    stack.callback(server.stop)
    key = folder / "mine.key"
    key.write_text(SECRET)

    def stored() -> dict[str, dict[str, Any]]:
        events = [event for window in server.windows for event in window.events]
        return {
            event["@metadata"]["origin"]: {k: v for k, v in event.items() if k != "@metadata"}
            for event in events
        }

    output = LogstashOutput((server.address,), TlsOptions(enabled=False), window_events=3)
    secretive = LogstashOutput((server.address,), TlsOptions(certificate=key, key=key))
    return Subject(output, stored, server.stop, server.start, secretive)


def elasticsearch(folder: Path, stack: ExitStack) -> Subject:
    streams = Streams()
    server = stack.enter_context(scripted_server(streams))
    key = folder / "key"
    key.write_text(SECRET)

    def fail() -> None:
        server.otherwise = Says(503, {"error": {"type": "no_master", "reason": "down"}})

    def mend() -> None:
        server.otherwise = streams

    return Subject(
        ElasticsearchOutput((server.url,)),
        lambda: streams.held,
        fail,
        mend,
        ElasticsearchOutput((server.url,), api_key_file=key),
        {"status_code": "no number"},
    )


SUBJECTS: dict[type, Callable[[Path, ExitStack], Subject]] = {
    ConsoleOutput: console,
    ElasticsearchOutput: elasticsearch,
    EmbeddedOutput: embedded,
    LogstashOutput: logstash,
}

HOSTILE = {
    "message": 'quotes " and \\ and {"braces"}} and \x00 and \u2028 and \U0001f9c0, {{ x }} %s',
    "extra": {"deep": {"er": [1, "two", None, {"three": 3.5}]}},
}


@dataclass
class Running:
    """A subject with its output open."""

    subject: Subject
    output: Opened[Any]


@pytest.fixture(params=SUBJECTS, ids=lambda kind: kind.__name__)
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    with ExitStack() as stack:
        subject = SUBJECTS[request.param](tmp_path, stack)
        config = config_of(tmp_path / "data", subject.output)
        output = stack.enter_context(closing(open_output(config)))
        yield Running(subject, output)


def config_of(data: Path, output: Output) -> Config:
    return Config(
        service=ServiceOptions("app"),
        namespace="contract",
        data_dir=data,
        inputs=(InputOptions(("*.log",)),),
        output=output,
    )


def owed(batch: Batch[Events]) -> dict[str, dict[str, Any]]:
    documents = map(msgspec.json.decode, docs_of(batch))
    return dict(zip(batch.ids, documents, strict=True))


def publish_until_accepted(output: Opened[Any], batch: Batch[Events]) -> None:
    """Do what the publisher does, without its pauses; nothing may be refused."""
    for _ in range(20):
        delivery = publish(output, batch)
        assert not delivery.rejected
        if not delivery.again:
            return
        batch = part_of(batch, delivery.again)
    raise AssertionError("still owed")


def test_accepted_means_stored(running: Running) -> None:
    """When `publish` returns, each event it does not name is held, whole, under its `_id`."""
    batch = simple_batch(*range(10))

    delivery = publish(running.output, batch)

    assert (delivery.again, delivery.rejected) == ((), ())
    assert running.subject.stored() == owed(batch)


def test_batches_add_up(running: Running) -> None:
    """Batch after batch is held; a batch of one event is a batch."""
    batches = [simple_batch(1), simple_batch(2, 3), simple_batch(4)]

    for batch in batches:
        publish_until_accepted(running.output, batch)

    assert running.subject.stored() == {k: v for batch in batches for k, v in owed(batch).items()}


def test_a_part_of_a_batch_is_a_batch(running: Running) -> None:
    """What the publisher sends again, in any order, is held like everything else."""
    batch = part_of(simple_batch(*range(6)), [5, 0, 3])

    publish_until_accepted(running.output, batch)

    assert Counter(running.subject.stored()) == Counter(owed(batch))


def test_foreign_lines_are_held_too(running: Running) -> None:
    """An `_id` of file and offset is an `_id`."""
    batch = Batch((foreign_events(0, 120, 99_999_999_999),))

    publish_until_accepted(running.output, batch)

    assert set(running.subject.stored()) == set(batch.ids)


def test_any_text_arrives_as_it_is(running: Running) -> None:
    """Quotes, braces, control characters, templates: data is never anything but data."""
    batch = batch_with(simple_batch(1), [document_of(1, **HOSTILE)])

    publish_until_accepted(running.output, batch)

    (document,) = running.subject.stored().values()
    assert document["message"] == HOSTILE["message"]
    assert document["extra"] == HOSTILE["extra"]


def test_what_is_refused_is_named_and_costs_no_neighbour(running: Running) -> None:
    """A refused event is named by its index, with a reason; all others are held."""
    refused = running.subject.refused
    if refused is None:
        pytest.skip("it refuses nothing by itself")
    good = simple_batch(1, 2, 3)
    docs = [docs_of(good)[0], document_of(2, **refused), docs_of(good)[2]]

    delivery = publish(running.output, batch_with(good, docs))

    assert delivery.again == ()
    assert [(each.index, bool(each.reason)) for each in delivery.rejected] == [(1, True)]
    assert running.subject.stored() == owed(part_of(good, [0, 2]))


def test_house_keeping_changes_nothing(running: Running) -> None:
    """`tend` and `commit` may be called at any time; commits only grow."""
    before = running.output.commit()
    running.output.maintain(NOW)
    batch = simple_batch(1, 2)
    publish_until_accepted(running.output, batch)
    running.output.maintain(NOW)

    assert running.output.commit() >= before
    assert running.subject.stored() == owed(batch)


def test_what_is_held_can_be_asked_for_or_is_absorbed(running: Running) -> None:
    """Origins that an output gives after a commit are such that it holds; 0 commits give none."""
    publish_until_accepted(running.output, simple_batch(1, 2))

    held = {(stream, number) for stream, each in running.output.stored_after(0) for number in each}

    assert held == ({(RUN, 1), (RUN, 2)} if running.output.commit() else set())


def test_closing_twice_does_nothing(running: Running) -> None:
    """`close` may come twice, and before anything was published."""
    running.output.close()
    running.output.close()


def test_an_outage_is_told_and_ends_by_itself(running: Running) -> None:
    """While it is down nothing is known of any event; then the same output accepts all of them."""
    subject = running.subject
    if subject.fail is None or subject.mend is None:
        pytest.skip("its destination is always there")
    publish_until_accepted(running.output, simple_batch(1))
    subject.fail()
    told = []
    for _ in range(3):
        with pytest.raises(OutputUnavailable) as caught:
            publish(running.output, simple_batch(2, 3))
        told.append(str(caught.value))
    subject.mend()

    publish_until_accepted(running.output, simple_batch(2, 3))

    assert set(subject.stored()) >= set(simple_batch(1, 2, 3).ids)
    assert all(each and "\n" not in each for each in told)


def test_no_secret_is_told(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever fails, neither an error nor a log line nor a repr holds what a secret file does."""
    if running.subject.secretive is None:
        pytest.skip("it has no secrets")
    config = config_of(tmp_path / "other", running.subject.secretive)
    with closing(open_output(config)) as output, pytest.raises(OutputUnavailable) as caught:
        publish(output, simple_batch(1))

    told = f"{caught.value} {caught.value!r} {output!r} {config!r} {caplog.text}"
    assert not [word for word in SECRET.split() if word in told]
