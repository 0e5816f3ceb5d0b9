"""A poison event is told from an outage: the first is taken out, the second condemns nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from shipper.config.main import DeliveryOptions
from shipper.deliver.batch import QueuedBlock
from shipper.deliver.deadletters import DeadLetters
from shipper.deliver.lumberjack import FramePreparer, Frames
from shipper.deliver.outputs.logstash import STRIKES
from shipper.deliver.publisher import Publisher
from shipper.errors import OutputUnavailable
from shipper.events import Delivery
from shipper.times import Clock
from tests.deliver.delivering import NOW, publish, queued, simple_batch
from tests.deliver.logstash_sending import batch_to, ids, insist, logstash
from tests.servers.lumberjack_scripted import (
    Step,
    Window,
    accept,
    cut,
    cut_after,
    poisoned,
    scripted,
)

SIZE = 20


@pytest.mark.parametrize("bad", [{0}, {9}, {SIZE - 1}, {4, 5}, {0, 7, 8, SIZE - 1}])
@pytest.mark.parametrize("before", [0, 3])
def test_poison_is_taken_out_and_the_rest_goes_on(bad: set[int], before: int) -> None:
    """Wherever it stands, it alone is refused, and all others are stored."""
    with scripted(always=poisoned(*ids(*bad))) as server, logstash(server.address) as output:
        if before:
            publish(output, simple_batch(*range(100, 100 + before)))
        refused = insist(output, batch_to(SIZE))

    assert len(refused) == len(bad)
    assert all("ended the connection at this event alone" in each.reason for each in refused)
    assert set(server.stored) >= set(ids(*(set(range(SIZE)) - bad)))
    assert not set(server.stored) & set(ids(*bad))


def test_the_first_publish_delivers_all_but_the_poison() -> None:
    """The rest does not wait for the verdict: it is accepted at once, only the poison is owed."""
    with scripted(always=poisoned(*ids(9))) as server, logstash(server.address) as output:
        assert publish(output, batch_to(SIZE)) == Delivery(again=(9,))
        with pytest.raises(OutputUnavailable, match=f"accepts others: {ids(9)[0]}; it is tried"):
            publish(output, simple_batch(9))
        (rejection,) = publish(output, simple_batch(9)).rejected

    assert rejection.index == 0
    assert f"{STRIKES} times" in rejection.reason
    assert server.address in rejection.reason


def test_a_window_full_of_poison() -> None:
    """Where every event is poison, each is found, as long as something was accepted before."""
    bad = ids(*range(8))
    with scripted(always=poisoned(*bad)) as server, logstash(server.address) as output:
        publish(output, simple_batch(100))
        refused = insist(output, batch_to(8))

    assert sorted({each.reason for each in refused}) == [refused[0].reason]
    assert len(refused) == 8
    assert set(server.stored) == set(ids(100))


def test_what_is_no_poison_any_more_is_accepted() -> None:
    """Strikes are forgotten with their batch: what is mended in time is never refused."""
    with scripted(always=poisoned(*ids(1))) as server, logstash(server.address) as output:
        assert publish(output, batch_to(3)) == Delivery(again=(1,))
        server.always = accept
        assert publish(output, simple_batch(1)) == Delivery()
        server.always = poisoned(*ids(1))
        assert publish(output, batch_to(3)) == Delivery(again=(1,))


def test_alone_and_without_witness_it_is_no_poison() -> None:
    """Nothing was ever accepted, nothing else is there: that cannot be told from an outage."""
    with scripted(always=cut) as server, logstash(server.address) as output:
        for _ in range(3 * STRIKES):
            with pytest.raises(OutputUnavailable, match="ended the connection before the ack"):
                publish(output, simple_batch(1))
        server.always = accept
        assert publish(output, simple_batch(1)) == Delivery()


def every_second(step: Step) -> Step:
    count = iter(range(1_000_000))

    def either(window: Window) -> None:
        (step if next(count) % 2 else accept)(window)

    return either


def after_the_first(step: Step) -> Step:
    count = iter(range(1_000_000))

    def either(window: Window) -> None:
        (step if next(count) else accept)(window)

    return either


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("step", [cut, cut_after(0), cut_after()], ids=["reset", "end", "lost ack"])
def test_an_outage_condemns_nothing(step: Step, *, started: bool) -> None:
    """A host that ends every connection is an outage, however long; then everything is stored."""
    always = after_the_first(step) if started else step
    with scripted(always=always) as server, logstash(server.address) as output:
        for _ in range(4 * STRIKES):
            try:
                assert publish(output, batch_to(SIZE)).rejected == ()
            except OutputUnavailable as error:
                assert "ended the connection" in str(error)  # noqa: PT017 -- it may also pass
        before = server.connections
        with pytest.raises(OutputUnavailable):
            publish(output, batch_to(SIZE))
        assert server.connections - before <= 3  # a long outage costs next to nothing
        server.always = accept
        assert publish(output, batch_to(SIZE)) == Delivery()


@pytest.mark.parametrize("size", [1, 2, SIZE])
def test_every_second_window_is_cut(size: int) -> None:
    """A host that cuts every second window, or a balancer with one bad host, condemns nothing."""
    with scripted(always=every_second(cut_after())) as server, logstash(server.address) as output:
        publish(output, simple_batch(100))
        assert insist(output, batch_to(size)) == []

    assert set(server.stored) == set(ids(100, *range(size)))


def test_one_host_of_two_resets_everything() -> None:
    """Events that the bad host cuts off are accepted by the good one, and none is suspected."""
    with (
        scripted(always=cut) as bad,
        scripted() as good,
        logstash(bad.address, good.address, window_events=1) as output,
    ):
        assert publish(output, batch_to(SIZE)) == Delivery()

    assert set(good.stored) == set(ids(*range(SIZE)))


def test_poison_at_two_hosts() -> None:
    """With several hosts the poison is found as well, and the rest is stored."""
    always = poisoned(*ids(9))
    with (
        scripted(always=always) as one,
        scripted(always=always) as two,
        logstash(one.address, two.address) as output,
    ):
        assert len(insist(output, batch_to(SIZE))) == 1

    stored: Counter[str] = one.stored + two.stored
    assert set(stored) == set(ids(*(set(range(SIZE)) - {9})))


def framed(*seqs: int) -> QueuedBlock[Frames]:
    block = queued(*seqs)
    return QueuedBlock(FramePreparer().prepare(block.content), block.file, block.end, block.size)


@pytest.fixture
def publisher_for(tmp_path: Path) -> Iterator[Callable[[str], Publisher]]:
    outputs = []

    def make(address: str) -> Publisher:
        context = logstash(address)
        outputs.append(context)
        settings = DeliveryOptions(backoff_seconds=0.001, backoff_max_seconds=0.002)
        letters = DeadLetters(tmp_path / "deadletters.ndjson")
        return Publisher(
            context.__enter__(), letters, settings, clock=Clock(lambda: NOW), on_ack=lambda: None
        )

    yield make
    for context in outputs:
        context.__exit__(None, None, None)


def test_poison_is_sent_once_more_as_text(publisher_for: Callable[[str], Publisher]) -> None:
    """A refused event is wrapped: its `_id` is found as text, and it is no dead letter."""

    def poisoned_unless_wrapped(window: Window) -> None:
        bare = [event["@metadata"]["origin"] for event in window.events if "tags" not in event]
        poisoned(*(id_ for id_ in ids(1) if id_ in bare))(window)

    with scripted(always=poisoned_unless_wrapped) as server:
        publisher = publisher_for(server.address)
        publisher.put(framed(0, 1, 2), 1)
        publisher.drain()
        publisher.run()

    assert (publisher.counters.acked, publisher.counters.wrapped) == (3, 1)
    assert publisher.counters.dead_letters == 0
    assert set(server.stored) == set(ids(0, 1, 2))


def test_poison_in_either_form_is_a_dead_letter(
    publisher_for: Callable[[str], Publisher], tmp_path: Path
) -> None:
    """What no form of it gets through is buried, with the reason, and everything is acked."""
    with scripted(always=poisoned(*ids(1))) as server:
        publisher = publisher_for(server.address)
        publisher.put(framed(0, 1, 2), 1)
        publisher.drain()
        publisher.run()

    assert (publisher.counters.acked, publisher.counters.dead_letters) == (3, 1)
    assert set(server.stored) == set(ids(0, 2))
    letter = msgspec.json.decode((tmp_path / "deadletters.ndjson").read_bytes())
    assert letter["_id"] == ids(1)[0]
    assert "ended the connection at this event alone" in letter["reason"]
