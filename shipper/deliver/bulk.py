"""
The body of an Elasticsearch `_bulk` request: an action line and a document line per event.

The action is `create`: with an `_id` made of the origin, a second try of the same event is refused
by the store (409) instead of stored twice.
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk

The body of a block is made by the thread that read it, at once: then its parts are still in the
caches, and what waits in the queue is one string of bytes instead of a thousand objects (measured:
a third of the CPU of the whole way).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.deliver.batch import Batch, time_in
from shipper.events import Events
from shipper.splice import BEGIN, END, Spliced, encode_column

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_BYTES = 1 << 18  # passed to the compressor at a time

AFTER_ID = '"}}'


@dataclass(eq=False)
class BulkBody:
    """The events of a block as the body of a request."""

    body: bytes
    count: int

    def __len__(self) -> int:
        return self.count

    @property
    def ids(self) -> list[str]:
        """The `_id` of each event."""
        return [*map(_id_in, self.lines()[0::2])]

    def lines(self) -> list[bytes]:
        """Return the action and document lines; not kept, as they are many and seldom needed."""
        return self.body.split(b"\n")[:-1]

    def events(self) -> Events:
        """Take the documents out again."""
        lines = self.lines()
        actions, docs = lines[0::2], lines[1::2]
        return Events(
            [*map(_id_in, actions)],
            docs,
            [time_in(doc) or 0 for doc in docs],
            [*map(_dataset_in, actions)],
        )

    def cut(self, first: int, last: int) -> Iterator[bytes | memoryview]:
        """Yield the body of the events from `first` up to `last` in chunks."""
        if (first, last) != (0, self.count):
            yield b"\n".join([*self.lines()[2 * first : 2 * last], b""])
            return
        view = memoryview(self.body)
        for start in range(0, len(view), CHUNK_BYTES):
            yield view[start : start + CHUNK_BYTES]


def _id_in(action: bytes) -> str:
    return action.rsplit(b'"', 2)[1].decode()


def _dataset_in(action: bytes) -> str:
    return action.split(b'"', 6)[5].decode().split("-")[1]


class BulkPreparer:
    """Makes the bodies of blocks; the data stream of an event is `logs-<dataset>-<namespace>`."""

    def __init__(self, namespace: str) -> None:
        self._heads = _Heads(namespace)

    def prepare(self, events: Events) -> BulkBody:
        """Put action lines and documents together."""
        heads = self._heads
        lines: list[bytes] = [b""] * (2 * len(events) + 1)
        lines[0:-1:2] = encode_column(
            f"{heads[dataset]}{id}{AFTER_ID}"
            for dataset, id in zip(events.datasets, events.ids, strict=True)  # noqa: A001 -- its name
        )
        lines[1:-1:2] = events.docs
        return BulkBody(b"\n".join(lines), len(events))

    def prepare_spliced(self, events: Spliced) -> BulkBody:
        """
        Put bodies, tails and what is between them together: no document is made on its own.

        Between a tail and the next body stand the digits of the offset, the end of the document,
        the action line of the next one, and its begin. They are encoded together, separated by a
        tab, which no JSON text holds as it is.
        """
        if not len(events):
            return BulkBody(b"", 0)
        begin = f"{AFTER_ID}\n{BEGIN.decode()}"
        end = END.decode()
        heads = self._heads
        actions = [heads[tail[0]] for tail in events.tails]
        after = zip(["", *events.offsets], actions, events.runs, events.seqs, strict=False)
        between = "\t".join(
            [f"{offset}{end}\n{action}{run}-{seq}{begin}" for offset, action, run, seq in after]
        )
        pieces = [b""] * (3 * len(actions) + 1)
        pieces[0::3] = [*between.removeprefix(f"{end}\n").encode().split(b"\t"), b""]
        pieces[1::3] = events.bodies
        pieces[2::3] = [tail[1] for tail in events.tails]
        pieces[-1] = f"{events.offsets[-1]}{end}\n".encode()
        return BulkBody(b"".join(pieces), len(events))


class _Heads(dict[str, str]):
    """Dataset → action line up to the `_id`."""

    def __init__(self, namespace: str) -> None:
        super().__init__()
        self._namespace = namespace

    def __missing__(self, dataset: str) -> str:
        head = f'{{"create":{{"_index":"logs-{dataset}-{self._namespace}","_id":"'
        return self.setdefault(dataset, head)


def bulk_chunks(batch: Batch[BulkBody], start: int, end: int) -> Iterator[bytes | memoryview]:
    """Yield the body of the events from `start` up to `end` in chunks."""
    for content, first, last in batch.ranges(start, end):
        yield from content.cut(first, last)
