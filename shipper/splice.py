"""
The format of spliced documents: the bytes of a line with the enrichment behind them.

    {"timestamp":"2026-02-05T14:30:45.123Z","level":"INFO", … }                 a line of `emit`
    └ LINE_BEGIN ┘└── body ──────────────────────────────────┘└ LINE_END

    {"@timestamp":"2026-02-05T14:30:45.123Z","level":"INFO", … ,"host":{ … },"offset":4711}}
    └── BEGIN ────┘└── body ──────────────────────────────────┘└── tail ────────────┘└┘END

The body has known fields only, each of its type, and no objects; it begins with the time. The tail
has the objects that enrichment adds, `log` last, up to the digits of `log.offset`. So neither part
is decoded or encoded again on its way to an output.

The functions that an output calls for every block work column by column: a step over all records
costs less than all steps over one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import NamedTuple, Protocol, TypeVar

from shipper.events import Events, PreparesEvents

LINE_BEGIN = b'{"timestamp":"'  # of every line that `emit` writes
LINE_END = b"}\n"
AROUND_BODY = len(LINE_BEGIN) + len(LINE_END)  # bytes of a line beside its body

BEGIN = b'{"@timestamp":"'  # of every spliced document; its body follows
END = b"}}"  # of every spliced document, behind the digits of `log.offset`
TIME_BYTES = 24  # of the time with which a body begins
AFTER_TIME = TIME_BYTES + len('",')  # where the rest of a body begins


ABSENT = "(absent)"  # } compared by identity: no text
NO_NUMBER = float("nan")  # } and no number of a line is the same object

P_co = TypeVar("P_co", covariant=True)


class SplicedTail(NamedTuple):
    """What enrichment adds behind a line, up to the digits of `log.offset`."""

    dataset: str
    data: bytes


class RecordFields(Protocol):
    """The fields of a line that an output reads; `ABSENT` or `NO_NUMBER` where there is none."""

    message: str
    exc_info: str
    request_id: str
    execution_time_ms: float
    duration_ms: float


class Preparer(PreparesEvents[P_co], Protocol[P_co]):
    """What brings events into the form in which they are sent; see `Output`."""

    def prepare_spliced(self, events: Spliced) -> P_co:
        """Return the form of spliced events."""


class AnyEvents(Protocol):
    """The events of a block, spliced or not; the columns are those of `Events`."""

    @property
    def ids(self) -> list[str]: ...  # noqa: D102 -- described in `Events`
    @property
    def docs(self) -> list[bytes]: ...  # noqa: D102
    @property
    def times(self) -> list[int]: ...  # noqa: D102
    @property
    def datasets(self) -> list[str]: ...  # noqa: D102
    @property
    def origins(self) -> dict[str, list[int]]: ...  # noqa: D102
    @property
    def tagged(self) -> int: ...  # noqa: D102
    @property
    def misfits(self) -> int: ...  # noqa: D102

    def __len__(self) -> int: ...

    def part(self, chosen: Sequence[int]) -> AnyEvents:
        """Return the events at these indexes; the origins and the count of tags stay."""

    def events(self) -> Events:
        """Return the events as documents."""

    def prepared_by(self, preparer: Preparer[P_co]) -> P_co:
        """Return the events in the form in which they are sent."""


@dataclass(eq=False)
class Spliced:
    """
    Records that `emit` wrote, as the parts of their documents, in the order of their file.

    `runs` and `seqs` are the origins. The columns of `Events` are each made when first asked for.
    `records` are for `prepare_spliced` only: they would take too much room in the queue.
    """

    bodies: list[bytes]
    tails: list[SplicedTail]
    offsets: list[int]
    runs: list[str]
    seqs: list[int]
    origins: dict[str, list[int]]
    records: Sequence[RecordFields]

    tagged = misfits = 0  # a line with a tag is never spliced

    def __len__(self) -> int:
        return len(self.bodies)

    @cached_property
    def ids(self) -> list[str]:
        """The `_id` of each event."""
        return [f"{run}-{seq}" for run, seq in zip(self.runs, self.seqs, strict=True)]

    @cached_property
    def docs(self) -> list[bytes]:
        """The documents."""
        return [
            document(body, tail.data, offset)
            for body, tail, offset in zip(self.bodies, self.tails, self.offsets, strict=True)
        ]

    @cached_property
    def times(self) -> list[int]:
        """The time of each event in epoch milliseconds."""
        return read_times(body[:TIME_BYTES] for body in self.bodies)

    @property
    def datasets(self) -> list[str]:
        """The dataset of each event."""
        return [tail.dataset for tail in self.tails]

    def part(self, chosen: Sequence[int]) -> Spliced:
        """Return the events at these indexes; the origins stay."""
        return Spliced(
            [self.bodies[i] for i in chosen],
            [self.tails[i] for i in chosen],
            [self.offsets[i] for i in chosen],
            [self.runs[i] for i in chosen],
            [self.seqs[i] for i in chosen],
            self.origins,
            [self.records[i] for i in chosen] if self.records else (),
        )

    def events(self) -> Events:
        """Return the same events with their documents."""
        return Events(self.ids, self.docs, self.times, self.datasets, self.origins)

    def prepared_by(self, preparer: Preparer[P_co]) -> P_co:
        """Return the events in the form in which they are sent."""
        return preparer.prepare_spliced(self)


def split_lines(data: bytes) -> list[bytes] | None:
    """
    Split whole lines of `emit` into their bodies; None if any line is of another form.

    The bodies are not decoded: one may hold what is no body, or several records on one line.
    """
    if not data.startswith(LINE_BEGIN) or not data.endswith(LINE_END):
        return None
    bodies = data.split(LINE_END + LINE_BEGIN)
    bodies[0] = bodies[0][len(LINE_BEGIN) :]
    bodies[-1] = bodies[-1][: -len(LINE_END)]
    if b"\n" in b"".join(bodies):  # a quarter of the time of counting newlines
        return None
    return bodies


def begin_with_their_times(bodies: Iterable[bytes], times: Sequence[str]) -> bool:
    """
    Return whether each body begins with its time, as text.

    A line may have a key twice. A decoder returns the last value, and a body begins with the first.
    """
    begins = b"".join([body[:AFTER_TIME] for body in bodies])
    return begins == '",'.join([*times, ""]).encode(errors="replace")


def body_of(line: bytes) -> bytes | None:
    """Return the body of one line without its newline; None if the line is of another form."""
    if not line.startswith(LINE_BEGIN) or not line.endswith(b"}"):
        return None
    return line[len(LINE_BEGIN) : -1]


def tail_of(context: bytes, log: bytes) -> bytes:
    """
    Make a tail of two JSON objects: `context`, and `log` whose last key is the offset 0.

    `context` has `host` as its first key, and the objects of enrichment but for `log`.
    """
    return b"," + context[1:-1] + b"," + log[1 : -len(b"0}}")]


def document(body: bytes, tail: bytes, offset: int) -> bytes:
    """Put one document together."""
    return BEGIN + body + tail + str(offset).encode() + END


def encode_column(texts: Iterable[str]) -> list[bytes]:
    """Encode many texts at once; none may hold a newline, as JSON on one line never does."""
    together = "\n".join(texts).encode()
    return together.split(b"\n") if together else []


def read_times(times: Iterable[bytes]) -> list[int]:
    """Read canonical times as epoch milliseconds."""
    seconds: dict[bytes, int] = {}
    found = []
    for text in times:
        second = text[:19]
        if second not in seconds:
            moment = datetime.fromisoformat(f"{second.decode()}+00:00")
            seconds[second] = int(moment.timestamp()) * 1000
        found.append(seconds[second] + int(text[20:23]))
    return found
