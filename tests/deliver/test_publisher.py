"""The publisher: every event is stored or a dead letter before its ack, whatever happens."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from shipper.config.main import DeliveryOptions
from shipper.deliver.deadletters import DeadLetters
from shipper.deliver.publisher import Publisher, pause_seconds
from shipper.errors import OutputUnavailable, ShipperError
from shipper.events import Delivery, Rejection
from shipper.times import Clock
from tests.deliver.delivering import NOW, ScriptedOutput, docs_of, document_of, queued, seqs_of

SLOW = 1000.0  # seconds that a slow output takes
LIMIT = 20.0  # seconds that a thread may take on a busy machine
DOWN = OutputUnavailable("the output is down")


def settings_of(
    batch_bytes: int = 10, linger: float = 0.0, queue_bytes: int = 1000, backoff: float = 0.001
) -> DeliveryOptions:
    return DeliveryOptions(
        batch_bytes=batch_bytes,
        linger_seconds=linger,
        queue_bytes=queue_bytes,
        backoff_seconds=backoff,
        backoff_max_seconds=4 * backoff,
    )


class Publishing:
    """A publisher with its parts; `letters_at_ack` counts the dead letters at each ack."""

    def __init__(
        self,
        folder: Path,
        *script: Delivery | Exception | Callable[..., Delivery],
        settings: DeliveryOptions | None = None,
        output: ScriptedOutput | None = None,
    ) -> None:
        self.output = output or ScriptedOutput(*script)
        self.letters = folder / "letters" / "deadletters.ndjson"
        self.letters.parent.mkdir(exist_ok=True)
        self.letters_at_ack: list[int] = []
        self.seconds = 0.0  # that the monotonic clock is ahead
        self.on_wall: Callable[[], None] = lambda: None
        self.publisher = Publisher(
            self.output,
            DeadLetters(self.letters),
            settings or settings_of(),
            clock=Clock(self._wall, lambda: time.monotonic() + self.seconds),
            on_ack=self._on_ack,
        )

    def _wall(self) -> int:
        self.on_wall()
        return NOW

    def be_slow(self) -> None:
        """Let the output take very long for a first batch."""

        def publish(_batch: object) -> Delivery:
            self.seconds += SLOW
            return Delivery()

        self.output.script.append(publish)
        self.put(0)
        assert self.publisher.step()
        self.output.tries.clear()

    def _on_ack(self) -> None:
        self.letters_at_ack.append(len(self.dead_letters()))

    def put(self, *seqs: int, size: int = 10, timeout: float = 0.0) -> bool:
        return self.publisher.put(queued(*seqs, size=size), timeout)

    def run(self) -> None:
        """Publish what was put, in this thread."""
        self.publisher.drain()
        self.publisher.run()

    @contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self.publisher.run)
        thread.start()
        try:
            yield
        finally:
            self.publisher.abandon()
            thread.join(LIMIT)
            assert not thread.is_alive()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + LIMIT
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.001)

    def acked(self) -> list[list[int]]:
        return [seqs_of(block.content) for block, _commit in self.publisher.take_acked()]

    def dead_letters(self) -> list[dict[str, object]]:
        if not self.letters.exists():
            return []
        return [msgspec.json.decode(line) for line in self.letters.read_bytes().splitlines()]


def test_in_the_order_of_reading(tmp_path: Path) -> None:
    """Blocks are published in the order in which they were put, each once, and acked so."""
    publishing = Publishing(tmp_path)
    for seq in range(5):
        assert publishing.put(seq)
    assert not publishing.publisher.is_idle()
    publishing.run()
    assert publishing.output.sent == publishing.acked() == [[seq] for seq in range(5)]
    assert publishing.publisher.is_idle()
    assert publishing.publisher.counters.acked == 5
    assert publishing.publisher.counters.retries == 0


def test_batches_are_bounded(tmp_path: Path) -> None:
    """A batch takes as many blocks as fit; one that is larger than a batch goes alone."""
    publishing = Publishing(tmp_path, settings=settings_of(batch_bytes=100))
    for seq, size in enumerate([40, 60, 1, 500, 99, 1, 1]):
        assert publishing.put(seq, size=size)
    publishing.run()
    assert publishing.output.sent == [[0, 1], [2], [3], [4, 5], [6]]


def test_the_commit_comes_with_the_ack(tmp_path: Path) -> None:
    """An ack comes with the number of the commit that has its batch."""
    publishing = Publishing(tmp_path, Delivery(commit=7), Delivery(commit=9))
    publishing.put(1)
    publishing.put(2)
    publishing.run()
    assert [commit for _block, commit in publishing.publisher.take_acked()] == [7, 9]


def test_nothing_to_publish(tmp_path: Path) -> None:
    """A block of which all lines were duplicates is acked without a try."""
    publishing = Publishing(tmp_path)
    publishing.put()
    publishing.run()
    assert publishing.output.tries == []
    assert publishing.acked() == [[]]


def test_an_output_that_is_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same batch is tried until it is accepted; the next one waits."""
    caplog.set_level(logging.INFO)
    publishing = Publishing(tmp_path, *[DOWN] * 5)
    publishing.put(1, 2)
    publishing.put(3)
    publishing.run()
    assert publishing.output.sent == [[1, 2]] * 6 + [[3]]
    assert publishing.acked() == [[1, 2], [3]]
    assert publishing.publisher.counters.retries == 5
    assert publishing.publisher.counters.last_error is None
    said = [record.message for record in caplog.records]
    assert said == [
        "the output is down; nothing is lost, the shipper keeps trying",
        "the output works again",
    ]


def test_pauses_grow_to_a_limit() -> None:
    """The pause doubles from failure to failure up to the longest, however many there are."""
    settings = settings_of(backoff=0.02)
    failures = 1, 2, 3, 4, 5, 100_000

    longest = [pause_seconds(settings, each, lambda _low, high: high) for each in failures]
    shortest = [pause_seconds(settings, each, lambda low, _high: low) for each in failures]

    assert longest == [0.02, 0.04, 0.08, 0.08, 0.08, 0.08]
    assert shortest == [each / 2 for each in longest]


def test_it_pauses_after_a_failure(tmp_path: Path) -> None:
    """There is a pause between two attempts; a slow machine only makes it longer."""
    times: list[float] = []

    def fail(_batch: object) -> Delivery:
        times.append(time.monotonic())
        raise DOWN

    publishing = Publishing(tmp_path, *[fail] * 3, settings=settings_of(backoff=0.02))
    publishing.put(1)
    publishing.run()
    first, second = (later - earlier for earlier, later in itertools.pairwise(times))
    assert first >= 0.01
    assert second >= 0.02


def test_only_the_rest_is_sent_again(tmp_path: Path) -> None:
    """What was accepted is not sent again with what was not."""
    script = Delivery(again=(0, 2, 3)), DOWN, Delivery(again=(1,))
    publishing = Publishing(tmp_path, *script)
    publishing.put(10, 11, 12, 13)
    publishing.run()
    assert publishing.output.sent == [[10, 11, 12, 13], [10, 12, 13], [10, 12, 13], [12]]
    assert publishing.acked() == [[10, 11, 12, 13]]


def test_refused_events_are_wrapped(tmp_path: Path) -> None:
    """A refused event is sent once more, as text; then it is no dead letter."""
    refusal = Delivery(rejected=(Rejection(1, "mapping conflict"),))
    publishing = Publishing(tmp_path, refusal)
    publishing.put(10, 11, 12)
    publishing.run()
    assert publishing.output.sent == [[10, 11, 12], [11]]
    wrapped = msgspec.json.decode(docs_of(publishing.output.tries[1])[0])
    assert wrapped["tags"] == ["rejected"]
    assert wrapped["message"] == document_of(11).decode()
    assert publishing.dead_letters() == []
    assert publishing.acked() == [[10, 11, 12]]
    tally = publishing.publisher.counters
    assert (tally.acked, tally.wrapped, tally.dead_letters) == (3, 1, 0)


def test_what_is_refused_twice_is_a_dead_letter_before_its_ack(tmp_path: Path) -> None:
    """A dead letter is on the disk when its batch is acked, with its own document and reason."""
    publishing = Publishing(
        tmp_path,
        Delivery(rejected=(Rejection(0, "first"), Rejection(2, "second"))),
        Delivery(rejected=(Rejection(1, "too large"),)),
    )
    publishing.put(10, 11, 12)
    publishing.run()
    (letter,) = publishing.dead_letters()
    assert letter["_id"] == publishing.output.tries[0].ids[2]
    assert letter["reason"] == "second"
    assert letter["document"] == msgspec.json.decode(document_of(12))
    assert publishing.letters_at_ack[0] == 1
    assert publishing.acked() == [[10, 11, 12]]
    tally = publishing.publisher.counters
    assert (tally.wrapped, tally.dead_letters) == (2, 1)


def test_refused_and_to_send_again_at_once(tmp_path: Path) -> None:
    """Over all tries each event is stored, wrapped or a dead letter; none is forgotten."""
    publishing = Publishing(
        tmp_path,
        Delivery(again=(1, 2), rejected=(Rejection(0, "a"),)),
        Delivery(again=(0,), rejected=(Rejection(1, "b"),)),
        Delivery(),
        Delivery(again=(0,)),  # the wrapped event of the first try
        Delivery(rejected=(Rejection(0, "no"),)),
    )
    publishing.put(10, 11, 12)
    publishing.run()
    assert publishing.output.sent == [[10, 11, 12], [11, 12], [11], [10], [10], [12]]
    assert [letter["reason"] for letter in publishing.dead_letters()] == ["a"]
    assert publishing.acked() == [[10, 11, 12]]


def test_a_full_disk_for_dead_letters(tmp_path: Path) -> None:
    """While a dead letter cannot be written, its batch is not acked."""
    calls = 0

    def count() -> None:  # the clock is read once for each try to write
        nonlocal calls
        calls += 1
        if calls == 5:
            publishing.letters.parent.mkdir()

    refusal = Delivery(rejected=(Rejection(0, "no"),))
    publishing = Publishing(tmp_path, refusal, refusal)
    publishing.on_wall = count
    publishing.letters.parent.rmdir()
    publishing.put(1)
    publishing.run()
    assert len(publishing.dead_letters()) == 1
    assert publishing.letters_at_ack[0] == 1
    assert publishing.publisher.counters.retries >= 2


def test_the_queue_is_bounded(tmp_path: Path) -> None:
    """A full queue refuses a block, but an empty one accepts a block of any size."""
    publishing = Publishing(tmp_path, settings=settings_of(queue_bytes=100))
    assert publishing.put(1, size=500)
    assert not publishing.put(2, size=1)
    other = Publishing(tmp_path, settings=settings_of(queue_bytes=100))
    assert other.put(1, size=60)
    assert other.put(2, size=40)
    assert not other.put(3, size=1)


def test_put_waits_for_room(tmp_path: Path) -> None:
    """Reading goes on as soon as there is room."""
    publishing = Publishing(tmp_path, settings=settings_of(queue_bytes=10))
    assert publishing.put(1)
    with publishing.running():
        assert publishing.put(2, timeout=LIMIT)
        assert publishing.put(3, timeout=LIMIT)
        publishing.wait_for(publishing.publisher.is_idle)
    assert publishing.output.sent == [[1], [2], [3]]


def test_a_full_queue_ends_the_wait_for_more(tmp_path: Path) -> None:
    """A batch does not wait for more while the queue is full."""
    settings = settings_of(batch_bytes=100, linger=1000.0, queue_bytes=100)
    publishing = Publishing(tmp_path, settings=settings)
    publishing.be_slow()
    with publishing.running():
        assert publishing.put(1, size=60)
        assert publishing.put(2, size=60, timeout=LIMIT)
    assert publishing.output.sent[0] == [1]


def test_a_batch_waits_for_more(tmp_path: Path) -> None:
    """To a slow output, a batch that is not full lingers; when it is full, it goes at once."""
    settings = settings_of(batch_bytes=30, linger=1000.0)
    publishing = Publishing(tmp_path, settings=settings)
    publishing.be_slow()
    with publishing.running():
        for seq in range(3):
            assert publishing.output.tries == []
            publishing.put(seq)
        publishing.wait_for(lambda: publishing.output.sent == [[0, 1, 2]])


def test_a_line_goes_at_once_and_those_behind_it_together(tmp_path: Path) -> None:
    """A line after a rest waits a few times what the output takes; others are gathered."""
    publishing = Publishing(tmp_path, settings=settings_of(batch_bytes=1000, linger=1000.0))
    with publishing.running():
        publishing.put(0)
        publishing.wait_for(lambda: publishing.output.sent == [[0]])
        publishing.put(1)
        publishing.put(2)
        publishing.publisher.drain()
        publishing.wait_for(lambda: publishing.output.sent == [[0], [1, 2]])


def test_a_batch_does_not_wait_for_ever(tmp_path: Path) -> None:
    """A batch that has waited for `linger` is published, however small it is."""
    publishing = Publishing(tmp_path, settings=settings_of(batch_bytes=1000, linger=0.01))
    publishing.be_slow()
    with publishing.running():
        publishing.put(1)
        publishing.wait_for(lambda: publishing.output.sent == [[1]])


def test_drain_does_not_linger(tmp_path: Path) -> None:
    """A publisher that is drained does not wait for more."""
    publishing = Publishing(tmp_path, settings=settings_of(batch_bytes=1000, linger=1000.0))
    publishing.put(1)
    publishing.put(2)
    publishing.run()
    assert publishing.output.sent == [[1, 2]]


def test_abandon_leaves_it_unacked(tmp_path: Path) -> None:
    """An abandoned publisher ends at the next pause; what was not accepted is not acked."""
    publishing = Publishing(tmp_path, Delivery(), *[DOWN] * 10_000)
    publishing.put(1)
    publishing.put(2)
    publishing.put(3)
    with publishing.running():
        publishing.wait_for(lambda: len(publishing.output.tries) >= 3)
    assert publishing.acked() == [[1]]
    assert publishing.publisher.failure is None
    assert publishing.publisher.counters.last_error == str(DOWN)


def test_a_pause_can_be_abandoned(tmp_path: Path) -> None:
    """A long pause does not delay the end."""
    settings = settings_of(backoff=1000.0)
    publishing = Publishing(tmp_path, *[DOWN] * 10, settings=settings)
    publishing.put(1)
    with publishing.running():
        publishing.wait_for(lambda: len(publishing.output.tries) == 1)
    assert publishing.acked() == []


def test_a_failure_ends_it(tmp_path: Path) -> None:
    """An output that can never work again ends the publisher, which keeps the error."""
    failure = ShipperError("closed by its reader")
    publishing = Publishing(tmp_path, Delivery(), failure)
    publishing.put(1)
    publishing.put(2)
    publishing.run()
    assert publishing.publisher.failure is failure
    assert publishing.acked() == [[1]]
    assert len(publishing.letters_at_ack) == 2  # the one ack, and the end


def test_a_bug_ends_it(tmp_path: Path) -> None:
    """A bug is raised and kept, and nobody waits for a thread that has ended."""
    publishing = Publishing(tmp_path, ValueError("a bug"))
    publishing.put(1)
    with pytest.raises(ValueError, match="a bug"):
        publishing.run()
    assert isinstance(publishing.publisher.failure, ValueError)
    assert publishing.acked() == []
    assert publishing.letters_at_ack == [0]


def test_maintenance(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The output is maintained once a minute, not with each batch; its failure stops nothing."""

    class Untidy(ScriptedOutput):
        def maintain(self, now_ms: int) -> None:
            super().maintain(now_ms)
            raise OutputUnavailable("cannot drop the oldest part")

    untidy = Untidy()
    publishing = Publishing(tmp_path, output=untidy)
    for seq in range(3):
        publishing.put(seq)
    publishing.run()
    assert untidy.maintained == [NOW]
    assert untidy.sent == [[0], [1], [2]]
    assert "cannot drop the oldest part; nothing is lost" in caplog.text
