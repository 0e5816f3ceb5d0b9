"""
Lumberjack v2, the protocol of Beats, as Logstash and Elastic's go-lumber speak it.

A frame is the byte `2`, a letter, and numbers of four bytes, high byte first:

    →  2 W  events                  a window begins: so many events, then an ack is due
    →  2 C  length  zlib stream     frames, compressed
    →  2 J  number  length  JSON    one event
    ←  2 A  number                  everything up to this number of the window is accepted

Measured with Logstash 8.19 and go-lumber, and what follows:

- Logstash acks the last number that it saw, go-lumber the count of the window. As the events of
  each window are numbered 1, 2, …, both are the same.
- A window is one `W` and one `C` with all its `J` frames. If fewer events come than were
  announced, Logstash loses the next window without an ack; go-lumber refuses a window of two `C`.
- A server that is blocked (Elasticsearch is down) sends ack 0 every few seconds, but only while one
  window is unacked. So there is never a second one, and ack 0 is a sign of life.
- Only silence has a time limit. The writing side stays open until the ack.
- One event that Logstash cannot read (no object, invalid UTF-8, nested deeper than 1000) makes it
  reset the connection, after it has accepted the events before it, and again at every resend.
- An idle connection is closed after 60 s.
- An ack means "in the queue of Logstash". Only `queue.type: persisted` survives a crash of it.

The frames of a block are made by the thread that read it, at once, as a `_bulk` body is (bulk.py),
numbered from 1: a large block is a window as it is.

The `_id` of an event travels in `@metadata.origin`. Logstash keeps `@metadata` of what it gets from
Beats, can use it (`document_id => "%{[@metadata][origin]}"`), and does not store it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise, repeat
from operator import add, itemgetter
from typing import TYPE_CHECKING

from shipper.deliver.batch import time_in
from shipper.events import Events
from shipper.splice import BEGIN, END, Spliced, encode_column

try:
    from isal.isal_zlib import compressobj
except ImportError:  # without the extra `logstash`: the same result, five times as slow
    from zlib import compressobj  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_WINDOW = struct.Struct(">2sI")
_COMPRESSED = struct.Struct(">2sI")
_EVENT = struct.Struct(">2sII")
_SPLICED = struct.Struct(f">2sII{len(BEGIN)}s")  # an event, and how its document begins
_NUMBER = struct.Struct(">I")
_NUMBER_AT = len(b"2J")  # in a frame
_ACK = struct.Struct(">2sI")

_BEFORE_ORIGIN = b',"@metadata":{"origin":"'
_BEFORE_ORIGIN_SPLICED = f"{END[1:].decode()}{_BEFORE_ORIGIN.decode()}"
_AFTER_ORIGIN = '"}}'

_WITHOUT_BRACE = itemgetter(slice(None, -1))

CHUNK_BYTES = 1 << 18  # compressed at a time: what fits into the caches
TLS_ALERT = b"\x15\x03"  # how a server that wants TLS answers clear text


class ProtocolError(Exception):
    """The server sent something other than acks; the message continues a sentence about it."""


@dataclass(eq=False)
class Frames:
    """The events of a block as the frames of a window, numbered from 1."""

    frames: bytes
    datasets: list[str]

    def __len__(self) -> int:
        return len(self.datasets)

    def starts(self) -> list[int]:
        """Return at which byte each frame begins, and where the last one ends."""
        starts = [0]
        while starts[-1] < len(self.frames):
            _kind, _number, length = _EVENT.unpack_from(self.frames, starts[-1])
            starts.append(starts[-1] + _EVENT.size + length)
        return starts

    def _documents(self) -> list[tuple[str, bytes]]:
        documents = []
        for start, end in pairwise(self.starts()):
            doc, _, rest = self.frames[start + _EVENT.size : end].rpartition(_BEFORE_ORIGIN)
            documents.append((rest[: -len(_AFTER_ORIGIN)].decode(), doc + b"}"))
        return documents

    @property
    def ids(self) -> list[str]:
        """The `_id` of each event."""
        return [origin for origin, _ in self._documents()]

    def events(self) -> Events:
        """Take the documents out again."""
        documents = self._documents()
        return Events(
            [origin for origin, _ in documents],
            [doc for _, doc in documents],
            [time_in(doc) or 0 for _, doc in documents],
            self.datasets,
        )

    def cut(self, first: int, last: int, before: int) -> bytes:
        """Return the frames of some events for a window with `before` other events in front."""
        if (first, last, before) == (0, len(self), 0):
            return self.frames
        starts = self.starts()[first : last + 1]
        frames = bytearray(self.frames[starts[0] : starts[-1]])
        for number, start in enumerate(starts[:-1], before + 1):
            _NUMBER.pack_into(frames, start - starts[0] + _NUMBER_AT, number)
        return bytes(frames)


class FramePreparer:
    """Makes the frames of blocks."""

    def prepare(self, events: Events) -> Frames:
        """
        Make the frames of documents.

        A document ends with its brace: that is cut off, and the origin closes it again.
        """
        ends = f"\n{_BEFORE_ORIGIN.decode()}".join(
            ["", *(id + _AFTER_ORIGIN for id in events.ids)]  # noqa: A001 -- its name
        )
        tails = ends.encode().split(b"\n")[1:]
        bodies = [*map(_WITHOUT_BRACE, events.docs)]
        lengths = map(add, map(len, bodies), map(len, tails))
        parts = [b""] * (3 * len(bodies))
        parts[0::3] = map(_EVENT.pack, repeat(b"2J"), range(1, len(bodies) + 1), lengths)
        parts[1::3] = bodies
        parts[2::3] = tails
        return Frames(b"".join(parts), events.datasets)

    def prepare_spliced(self, events: Spliced) -> Frames:
        """Make the frames of spliced events: no document is made on its own."""
        ends = encode_column(
            f"{offset}{_BEFORE_ORIGIN_SPLICED}{run}-{seq}{_AFTER_ORIGIN}"
            for offset, run, seq in zip(events.offsets, events.runs, events.seqs, strict=True)
        )
        count = len(ends)
        tails = [tail[1] for tail in events.tails]
        lengths = map(add, map(add, map(len, events.bodies), map(len, tails)), map(len, ends))
        parts = [b""] * (4 * count)
        parts[0::4] = map(
            _SPLICED.pack,
            repeat(b"2J"),
            range(1, count + 1),
            map(add, lengths, repeat(len(BEGIN))),
            repeat(BEGIN),
        )
        parts[1::4] = events.bodies
        parts[2::4] = tails
        parts[3::4] = ends
        return Frames(b"".join(parts), events.datasets)


def encode_window(contents: Iterable[tuple[Frames, int, int]], level: int) -> bytes:
    """
    Make the bytes of a window of some events of each block; level 0 leaves them uncompressed.

    `contents` are what `Batch.ranges` yields.
    """
    frames, count = [], 0
    for content, first, last in contents:
        frames.append(content.cut(first, last, count))
        count += last - first
    head = _WINDOW.pack(b"2W", count)
    if not level:
        return b"".join((head, *frames))
    packer = compressobj(level)
    packed = [packer.compress(chunk) for each in frames for chunk in _chunks(each)]
    packed.append(packer.flush())
    return b"".join((head, _COMPRESSED.pack(b"2C", sum(map(len, packed))), *packed))


def _chunks(frames: bytes) -> Iterator[memoryview]:
    view = memoryview(frames)
    return (view[start : start + CHUNK_BYTES] for start in range(0, len(view), CHUNK_BYTES))


class AckReader:
    """
    Reads the acks of one window of `events` events, in whatever pieces they come.

    `acked` is how many events are accepted, counted from the first; it never decreases.
    """

    def __init__(self, events: int) -> None:
        self._events = events
        self._rest = b""
        self.acked = 0

    @property
    def is_complete(self) -> bool:
        """Return whether the whole window is acked."""
        return self.acked == self._events

    def feed(self, data: bytes) -> int:
        """
        Read received bytes; return how many complete acks were in them, zeros too.

        Raises:
            ProtocolError: there is no ack, or one for more than was sent. Acks before it count.

        """
        data = self._rest + data
        whole = len(data) - len(data) % _ACK.size
        self._rest = data[whole:]
        for kind, number in _ACK.iter_unpack(data[:whole]):
            self._accept(kind, number)
        if self._rest and not b"2A".startswith(self._rest[:2]):
            raise _unexpected(self._rest)
        return whole // _ACK.size

    def _accept(self, kind: bytes, number: int) -> None:
        if kind != b"2A":
            raise _unexpected(kind)
        if number > self._events:
            raise ProtocolError(f"acked event {number} of a window of {self._events}")
        self.acked = max(self.acked, number)


def _unexpected(data: bytes) -> ProtocolError:
    if data[:2] == TLS_ALERT:
        return ProtocolError("wants TLS; see output.logstash.tls.enabled")
    return ProtocolError(
        "answers, but does not speak Lumberjack; is this the port of a beats input?"
    )
