"""
Lumberjack v2, the protocol of Beats, as Logstash and Elastic's go-lumber speak it.

A frame is the byte `2`, a letter, and numbers of four bytes, high byte first:

    →  2 W  events                  a window begins: so many events, then an ack is due
    →  2 C  length  zlib stream     frames, compressed
    →  2 J  number  length  JSON    one event
    ←  2 A  number                  everything up to this number of the window is taken over

What was measured against Logstash 8.19 and go-lumber, and what is done about it:

- Logstash acks the last number that it saw, go-lumber the count of the window. Where the events
  of each window are numbered 1, 2, … anew, both say the same.
- A window is one `W` and one `C` with all its `J` frames. Where fewer events come than were
  announced, Logstash loses the next window without an ack; go-lumber refuses a window in two `C`.
- A server that is blocked (Elasticsearch is down) sends ack 0 every few seconds, but only while
  one window alone is under way. So there is never a second one, and ack 0 is a sign of life.
- Silence is the only thing that has a time limit. The writing side stays open until the ack.
- One event that Logstash cannot read (no object, invalid UTF-8, nested deeper than 1000) makes it
  reset the connection, after it has taken the events before it, and again at every resend.
- An idle connection is closed after 60 s.
- The ack means "in the queue of Logstash". Only `queue.type: persisted` survives its kill.

A block that `emit` wrote is framed by the thread that read it, at once, as for a `_bulk` body
(bulk.py), numbered from 1: it goes out as a window of its own.

The `_id` of an event travels in `@metadata.origin`. Logstash keeps `@metadata` of what it gets from
Beats, can use it (`document_id => "%{[@metadata][origin]}"`), and does not store it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import repeat
from operator import add, itemgetter
from typing import TYPE_CHECKING

from shipper.events import BEGIN, END, TIME_BYTES, AnyEvents, Events, Spliced, joined, times_of

try:
    from isal.isal_zlib import compressobj
except ImportError:  # the extra `logstash` is not installed: the same, five times as slow
    from zlib import compressobj  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_WINDOW = struct.Struct(">2sI")
_COMPRESSED = struct.Struct(">2sI")
_EVENT = struct.Struct(">2sII")
_SPLICED = struct.Struct(f">2sII{len(BEGIN)}s")  # an event, and how its document begins
_ACK = struct.Struct(">2sI")

_BEFORE_ORIGIN = ',"@metadata":{"origin":"'

_BODY = itemgetter(slice(None, -1))

CHUNK_EVENTS = 256  # made and compressed at a time: what fits into the caches
CHUNK_BYTES = 1 << 18  # compressed at a time, of what is made already
TLS_ALERT = b"\x15\x03"  # how a server that wants TLS answers clear text


class ProtocolError(Exception):
    """What came is not what a Lumberjack server says; the message ends a sentence about it."""


@dataclass(eq=False)
class Framed:
    """The events of a block as the frames of a window; read as `Events`, they are taken apart."""

    frames: bytes
    datasets: list[str]
    origins: dict[str, list[int]]

    tagged = 0

    def __len__(self) -> int:
        return len(self.datasets)

    @property
    def _documents(self) -> list[tuple[str, bytes]]:  # not kept: needed after a failure alone
        documents, at = [], 0
        while at < len(self.frames):
            _kind, _number, length = _EVENT.unpack_from(self.frames, at)
            at += _EVENT.size + length
            doc, _, rest = self.frames[at - length : at].rpartition(_BEFORE_ORIGIN.encode())
            documents.append((rest[: -len('"}}')].decode(), doc + b"}"))
        return documents

    @property
    def ids(self) -> list[str]:
        """The `_id` of each event."""
        return [origin for origin, _ in self._documents]

    @property
    def docs(self) -> list[bytes]:
        """The documents."""
        return [doc for _, doc in self._documents]

    @property
    def times(self) -> list[int]:
        """The time of each event in epoch milliseconds."""
        return times_of(doc[len(BEGIN) :][:TIME_BYTES] for doc in self.docs)

    def part(self, chosen: Sequence[int]) -> Events:
        """Return the events at these indexes; the origins stay."""
        documents = self._documents
        docs = [documents[i][1] for i in chosen]
        return Events(
            [documents[i][0] for i in chosen],
            docs,
            times_of(doc[len(BEGIN) :][:TIME_BYTES] for doc in docs),
            [self.datasets[i] for i in chosen],
            self.origins,
        )


def frame(events: AnyEvents) -> AnyEvents:
    """Make the frames of spliced events; others are left as they are."""
    if not isinstance(events, Spliced):
        return events
    ends = joined(
        f'{offset}{END[1:]}{_BEFORE_ORIGIN}{run}-{seq}"}}}}'
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
    return Framed(b"".join(parts), events.datasets, events.origins)


def encode_window(ids: Sequence[str], docs: Sequence[bytes], level: int) -> bytes:
    """Make the bytes of one window; level 0 leaves them uncompressed."""
    return _window(
        len(ids),
        (
            _event_frames(
                ids[start : start + CHUNK_EVENTS], docs[start : start + CHUNK_EVENTS], start
            )
            for start in range(0, len(ids), CHUNK_EVENTS)
        ),
        level,
    )


def framed_window(events: Framed, level: int) -> bytes:
    """Make the bytes of the window of a block that is framed already."""
    view = memoryview(events.frames)
    starts = range(0, len(view), CHUNK_BYTES)
    return _window(len(events), (view[at : at + CHUNK_BYTES] for at in starts), level)


def _window(events: int, frames: Iterable[bytes | memoryview], level: int) -> bytes:
    head = _WINDOW.pack(b"2W", events)
    if not level:
        return b"".join((head, *frames))
    packer = compressobj(level)
    packed = [packer.compress(chunk) for chunk in frames]
    packed.append(packer.flush())
    return b"".join((head, _COMPRESSED.pack(b"2C", sum(map(len, packed))), *packed))


def _event_frames(ids: Sequence[str], docs: Sequence[bytes], before: int) -> bytes:
    """
    Make the `J` frames of events that have so many of their window before them.

    Every step is one pass in C over the column. A document ends with its brace: that is cut off,
    and the tail closes it again.
    """
    tails = f'"}}}}\n{_BEFORE_ORIGIN}'.join(["", *ids, ""]).encode().split(b"\n")[1:-1]
    bodies = [*map(_BODY, docs)]
    numbers = range(before + 1, before + len(bodies) + 1)
    lengths = map(add, map(len, bodies), map(len, tails))
    parts = [b""] * (3 * len(bodies))
    parts[0::3] = map(_EVENT.pack, repeat(b"2J"), numbers, lengths)
    parts[1::3] = bodies
    parts[2::3] = tails
    return b"".join(parts)


class AckReader:
    """
    Reads the acks of one window of `events` events, in whatever pieces they come.

    `acked` is how many events are taken over, counted from the first. It never falls.
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
        Take what came; return how many whole acks were in it, zeros too.

        Raises:
            ProtocolError: it is no ack, or acks more than was sent. Acks before it count.

        """
        data = self._rest + data
        whole = len(data) - len(data) % _ACK.size
        self._rest = data[whole:]
        for kind, number in _ACK.iter_unpack(data[:whole]):
            self._take(kind, number)
        if self._rest and not b"2A".startswith(self._rest[:2]):
            raise _surprise(self._rest)
        return whole // _ACK.size

    def _take(self, kind: bytes, number: int) -> None:
        if kind != b"2A":
            raise _surprise(kind)
        if number > self._events:
            raise ProtocolError(f"acked event {number} of a window of {self._events}")
        self.acked = max(self.acked, number)


def _surprise(data: bytes) -> ProtocolError:
    if data[:2] == TLS_ALERT:
        return ProtocolError("wants TLS; see output.logstash.tls.enabled")
    return ProtocolError(
        "answers, but does not speak Lumberjack; is this the port of a beats input?"
    )
