"""What the tests of delivery share: parcels made by hand, and an output that does as it is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from shipper.deliver.batch import Batch, QueuedBlock, batch_of
from shipper.events import AnyEvents, Block, Delivery, Events

RUN = "01JKABCDEFGHJKMNPQRSTVWXYZ"
OTHER_RUN = "01JKABCDEFGHJKMNPQRSTVWXY0"
STREAM = "0123456789abcdef0123"
TIME = "2026-02-05T14:30:45.123Z"
TIME_MS = 1_770_301_845_123
NOW = 1_770_301_850_000

Answer = Delivery | Exception | Callable[[Batch], Delivery]


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


def batch_with(batch: Batch, docs: list[bytes]) -> Batch:
    """Return the batch with other documents."""
    events = Events([*batch.ids], docs, [*batch.times], [*batch.datasets])
    return Batch(batch.number, batch.parcels, (events,))


def parcel_of(*seqs: int, size: int = 10, file: int = 1, end: int = 0) -> QueuedBlock:
    return QueuedBlock(events_of(*seqs), file, end, size)


def simple_batch(*seqs: int, number: int = 0) -> Batch:
    return batch_of(number, [parcel_of(*seqs)])


def block_of(*, start: int = 0, end: int = 100, stream: str = STREAM) -> Block:
    return Block(1, "/a.log", stream, start, end, b"", NOW, 100)


def seqs_of(batch: Batch) -> list[int]:
    return [int(id_.rpartition("-")[2]) for id_ in batch.ids]


class ScriptedOutput:
    """Gives the answers of its script, one a try; then it accepts everything."""

    def __init__(self, *script: Answer) -> None:
        self._script = list(script)
        self.tries: list[Batch] = []
        self.maintained: list[int] = []

    @property
    def sent(self) -> list[list[int]]:
        return [seqs_of(batch) for batch in self.tries]

    def prepare(self, events: AnyEvents) -> AnyEvents:
        return events

    def publish(self, batch: Batch) -> Delivery:
        self.tries.append(batch)
        answer = self._script.pop(0) if self._script else Delivery(commit=len(self.tries))
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Delivery) else answer(batch)

    def stored_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:
        return iter(())

    def stored_positions(self, stream: str, first: int, last: int) -> Sequence[int]:
        return ()

    def commit(self) -> int:
        return 0

    def maintain(self, now_ms: int) -> None:
        self.maintained.append(now_ms)

    def close(self) -> None:
        pass
