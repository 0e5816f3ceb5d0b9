"""
The body of an Elasticsearch `_bulk` request: an action line and a document line per event.

The action is `create`: with an `_id` made of the origin, a second try of the same event is
refused by the store (409) instead of stored twice.
https://www.elastic.co/docs/api/doc/elasticsearch/operation/operation-bulk

A block that `emit` wrote is rendered by the thread that read it, at once: then its pieces are
still in the caches, and what waits in the queue is one string of bytes instead of a thousand
objects (measured: a third of the CPU of the whole way).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.events import BEGIN, END, TIME_BYTES, AnyEvents, Events, Spliced, joined, times_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shipper.deliver.batch import Batch

PIECE_EVENTS = 256  # made at a time: what fits into the caches, and little memory
PIECE_BYTES = 1 << 18  # given at a time, of what is made already

AFTER_ID = '"}}'


@dataclass(eq=False)
class Rendered:
    """The events of a block as the body of a request; read as `Events`, it is taken apart again."""

    body: bytes
    count: int
    origins: dict[str, list[int]]

    tagged = 0

    def __len__(self) -> int:
        return self.count

    @property
    def _lines(self) -> list[bytes]:  # not kept: it is needed after a failure alone, and large
        return self.body.split(b"\n")

    @property
    def ids(self) -> list[str]:
        """The `_id` of each event."""
        return [_id_in(line) for line in self._lines[0:-1:2]]

    @property
    def docs(self) -> list[bytes]:
        """The documents."""
        return self._lines[1::2]

    @property
    def times(self) -> list[int]:
        """The time of each event in epoch milliseconds."""
        return times_of(map(_time_in, self.docs))

    @property
    def datasets(self) -> list[str]:
        """The dataset of each event."""
        return [_dataset_in(line) for line in self._lines[0:-1:2]]

    def part(self, chosen: Sequence[int]) -> Events:
        """Return the events at these indexes; the origins stay."""
        lines = self._lines
        actions, docs = [lines[2 * i] for i in chosen], [lines[2 * i + 1] for i in chosen]
        return Events(
            [*map(_id_in, actions)],
            docs,
            times_of(map(_time_in, docs)),
            [*map(_dataset_in, actions)],
            self.origins,
        )

    def cut(self, first: int, last: int) -> Iterator[bytes | memoryview]:
        """Yield the part of the body with the events from `first` up to `last`."""
        if (first, last) != (0, self.count):
            yield b"\n".join([*self._lines[2 * first : 2 * last], b""])
            return
        view = memoryview(self.body)
        for start in range(0, len(view), PIECE_BYTES):
            yield view[start : start + PIECE_BYTES]


def _id_in(action: bytes) -> str:
    return action.rsplit(b'"', 2)[1].decode()


def _dataset_in(action: bytes) -> str:
    return action.split(b'"', 6)[5].decode().split("-")[1]


def _time_in(doc: bytes) -> bytes:
    return doc[len(BEGIN) :][:TIME_BYTES]


class Heads(dict[str, str]):
    """Dataset → action line up to the `_id`."""

    def __init__(self, namespace: str) -> None:
        super().__init__()
        self._namespace = namespace

    def __missing__(self, dataset: str) -> str:
        head = f'{{"create":{{"_index":"logs-{dataset}-{self._namespace}","_id":"'
        return self.setdefault(dataset, head)


def render(events: AnyEvents, heads: Heads) -> AnyEvents:
    """Make the body of spliced events; others are left as they are."""
    if not isinstance(events, Spliced) or not len(events):
        return events
    return Rendered(_spliced(events, heads), len(events), events.origins)


def bulk_body(batch: Batch, namespace: str) -> bytes:
    """Make the body for a batch; the data stream is `logs-<dataset>-<namespace>`."""
    return b"".join(bulk_pieces(batch, Heads(namespace), 0, len(batch)))


def bulk_pieces(batch: Batch, heads: Heads, start: int, end: int) -> Iterator[bytes | memoryview]:
    """Make the body for the events from `start` up to `end`, piece by piece."""
    for events, first, last in batch.ranges(start, end):
        if isinstance(events, Rendered):
            yield from events.cut(first, last)
        else:
            for at in range(first, last, PIECE_EVENTS):
                yield _lines(heads, events, slice(at, min(at + PIECE_EVENTS, last)))


def size_of(events: AnyEvents, action_bytes: int) -> int:
    """Return the bytes of the body at most, where an action line has so many."""
    if isinstance(events, Rendered):
        return len(events.body)
    return sum(map(len, events.docs)) + len(events) * action_bytes


def _lines(heads: Mapping[str, str], events: AnyEvents, part: slice) -> bytes:
    """Put documents and the lines before them together."""
    ids = events.ids[part]
    lines: list[bytes] = [b""] * (2 * len(ids) + 1)
    lines[0:-1:2] = joined(
        f"{heads[dataset]}{id}{AFTER_ID}"
        for dataset, id in zip(events.datasets[part], ids, strict=True)  # noqa: A001 -- its name
    )
    lines[1:-1:2] = events.docs[part]
    return b"\n".join(lines)


def _spliced(events: Spliced, heads: Mapping[str, str]) -> bytes:
    """
    Put bodies, tails and what is between them together: no document is made on its own.

    Between a tail and the next body stand the digits of the offset, the end of the document, the
    action line of the next one, and its begin. A tab, which no JSON text holds as it is, keeps
    them apart while they are encoded.
    """
    begin = f"{AFTER_ID}\n{BEGIN.decode()}"
    actions = [heads[tail[0]] for tail in events.tails]
    after = zip(["", *events.offsets], actions, events.runs, events.seqs, strict=False)
    between = "\t".join(
        [f"{offset}{END}\n{action}{run}-{seq}{begin}" for offset, action, run, seq in after]
    )
    pieces = [b""] * (3 * len(actions) + 1)
    pieces[0::3] = [*between.removeprefix(f"{END}\n").encode().split(b"\t"), b""]
    pieces[1::3] = events.bodies
    pieces[2::3] = [tail[1] for tail in events.tails]
    pieces[-1] = f"{events.offsets[-1]}{END}\n".encode()
    return b"".join(pieces)
