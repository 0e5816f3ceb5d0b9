"""What the tests of delivery share: blocks made by hand, and an output that follows a script."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from shipper.deliver.batch import Batch, QueuedBlock
from shipper.deliver.deadletters import DeadLetters
from shipper.deliver.output import Output, WithoutCommits
from shipper.deliver.wrap import RefusedEvents
from shipper.events import Block, Delivery, Events, Rejection
from shipper.splice import AnyEvents, Spliced

RUN = "01JKABCDEFGHJKMNPQRSTVWXYZ"
OTHER_RUN = "01JKABCDEFGHJKMNPQRSTVWXY0"
STREAM = "0123456789abcdef0123"
TIME = "2026-02-05T14:30:45.123Z"
TIME_MS = 1_770_301_845_123
NOW = 1_770_301_850_000

Answer = Delivery | Exception | Callable[[Batch[Events]], Delivery]


def document_of(seq: int, **fields: Any) -> bytes:
    return msgspec.json.encode(
        {
            "@timestamp": TIME,
            "run": RUN,
            "seq": seq,
            "message": f"event {seq}",
            "level": "INFO",
            "host": {"name": "web-1"},
            "log": {"file": {"path": "/a.log"}, "offset": seq},
            **fields,
        }
    )


def events_of(*seqs: int, run: str = RUN) -> Events:
    return Events(
        [f"{run}-{seq}" for seq in seqs],
        [document_of(seq, run=run) for seq in seqs],
        [TIME_MS] * len(seqs),
        ["orchestrator.app"] * len(seqs),
        {run: [*seqs]} if seqs else {},
    )


def foreign_events(*offsets: int, stream: str = STREAM) -> Events:
    events = events_of(*offsets, run=stream)
    events.origins = {}
    return events


def docs_of(batch: Batch[Any]) -> list[bytes]:
    return [doc for content in batch.contents for doc in content.events().docs]


def batch_with(batch: Batch[Events], docs: list[bytes]) -> Batch[Events]:
    """Return the batch with other documents."""
    (events,) = batch.contents
    return Batch((Events(events.ids, docs, events.times, events.datasets),))


def queued(*seqs: int, size: int = 10, file: int = 1, end: int = 0) -> QueuedBlock[Events]:
    events = events_of(*seqs)
    return QueuedBlock(events, file, end, size, events.origins)


def simple_batch(*seqs: int) -> Batch[Events]:
    return Batch((events_of(*seqs),))


def part_of(batch: Batch[Events], indexes: Iterable[int]) -> Batch[Events]:
    return batch.part(indexes, ScriptedOutput())


def publish(output: Output[Any], batch: Batch[Events]) -> Delivery:
    """Publish a batch as the output keeps it."""
    return output.publish(Batch(tuple(map(output.prepare, batch.contents))))


def add_letters(
    letters: DeadLetters, batch: Batch[Any], rejections: Sequence[Rejection], now_ms: int
) -> None:
    """Write what was rejected of a batch to the dead letters."""
    letters.add(RefusedEvents.of(batch, rejections), now_ms)


def block_of(*, start: int = 0, end: int = 100, stream: str = STREAM) -> Block:
    return Block(1, "/a.log", stream, start, end, b"", NOW, 100)


def seqs_of(batch: Batch[Any] | AnyEvents) -> list[int]:
    return [int(id_.rpartition("-")[2]) for id_ in batch.ids]


class ScriptedOutput(WithoutCommits):
    """Gives the answers of its script, one a try; then it accepts everything."""

    def __init__(self, *script: Answer) -> None:
        self.script = list(script)
        self.tries: list[Batch[Events]] = []
        self.maintained: list[int] = []

    @property
    def sent(self) -> list[list[int]]:
        return [seqs_of(batch) for batch in self.tries]

    def prepare(self, events: Events) -> Events:
        return events

    def prepare_spliced(self, events: Spliced) -> Events:
        return events.events()

    def publish(self, batch: Batch[Events]) -> Delivery:
        self.tries.append(batch)
        answer = self.script.pop(0) if self.script else Delivery(commit=len(self.tries))
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Delivery) else answer(batch)

    def maintain(self, now_ms: int, /) -> None:
        self.maintained.append(now_ms)

    def close(self) -> None:
        pass
