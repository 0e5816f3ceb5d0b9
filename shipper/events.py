"""
What flows between tail, enrich and deliver.

    Block    bytes of one file, whole lines           tail   → enrich
    Events   the same lines as documents, in columns  enrich → deliver
    Batch    blocks' events that share one fate       deliver → output

Columns, not an object per event: at 100,000 events a second an object each would cost more than
all of the work done on it. A block as `emit` writes it becomes `Spliced`: its columns are the
pieces that an output puts together in one go, and the documents themselves are made only for whom
needs them. Any other block becomes `Events`, which holds ids and documents ready made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple, Protocol

from shipper.fingerprint import EMPTY, Fingerprint

BEGIN = b'{"@timestamp":"'  # of every spliced document; the time follows
TIME_BYTES = 24  # of a time in the canonical form
ABSENT = "(absent)"  # } told by identity from every text
NO_NUMBER = float("nan")  # } and number in a line
END = "}}"  # of every spliced document, behind `log.offset`


@dataclass(frozen=True, slots=True)
class Block:
    """
    Whole lines of one file, as read at one go.

    `data` ends with a newline, except at the end of a file that was rotated away. `start` and
    `end` are byte offsets in the file; `read_at` is the wall clock in epoch milliseconds. Of a line
    at most `limit` bytes are kept. A `cut` block is one line that is longer than that: `data` is
    its beginning, `end` lies after all of it. The lines of a block that is read `again` on demand
    were acked before. `starts` are the offsets in `data` at which events of several
    lines begin; empty where every line is an event.
    `last` is the fingerprint of the bytes before `end`.
    """

    file: int
    path: str
    stream: str
    start: int
    end: int
    data: bytes
    read_at: int
    limit: int
    cut: bool = False
    again: bool = False
    starts: tuple[int, ...] = ()
    last: Fingerprint = EMPTY


class AnyEvents(Protocol):
    """
    Records in columns of equal length, in the order of their file.

    `ids` is `<stream>-<position>`, `docs` a complete JSON object each (UTF-8, no newline),
    `times` the `@timestamp` in epoch milliseconds, `datasets` the part of the data stream's name
    between `logs-` and the namespace. `origins` holds the numbers of the records per run,
    `tagged` counts the lines that were odd enough for a tag.
    """

    @property
    def ids(self) -> list[str]: ...  # noqa: D102 -- told above
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

    def __len__(self) -> int: ...

    def part(self, chosen: Sequence[int]) -> AnyEvents:
        """Return the events at these indexes; the origins and the count of tags stay."""


@dataclass(slots=True)
class Events:
    """Records whose ids and documents are ready made; the columns are those of `AnyEvents`."""

    ids: list[str] = field(default_factory=list)
    docs: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    origins: dict[str, list[int]] = field(default_factory=dict)
    tagged: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def extend(self, more: AnyEvents) -> None:
        """Add the events of another block, or line, behind these."""
        self.ids += more.ids
        self.docs += more.docs
        self.times += more.times
        self.datasets += more.datasets
        for run, numbers in more.origins.items():
            self.origins.setdefault(run, []).extend(numbers)
        self.tagged += more.tagged

    def part(self, chosen: Sequence[int]) -> Events:
        """Return the events at these indexes; the origins and the count of tags stay."""
        return Events(
            [self.ids[i] for i in chosen],
            [self.docs[i] for i in chosen],
            [self.times[i] for i in chosen],
            [self.datasets[i] for i in chosen],
            self.origins,
            self.tagged,
        )


class Tail(NamedTuple):
    """What enrichment adds behind a line, up to the digits of `log.offset`."""

    dataset: str
    data: bytes


class Written(Protocol):
    """What a line held, as far as an output looks at it: `ABSENT` or `NO_NUMBER` if nothing."""

    message: str
    exc_info: str
    request_id: str
    execution_time_ms: float
    duration_ms: float


@dataclass(eq=False)
class Spliced:
    """
    Records that `emit` wrote, as the pieces of their documents, in the order of their file.

    A document is `BEGIN`, its body (a line without its begin and end, so with the time first), its
    tail, the digits of its offset, `END`. `runs` and `seqs` are the origins. Read as `Events`, it
    has the same columns, each made when it is first asked for. `records` are for the output's
    `prepare` alone: they are too many to keep in the queue.
    """

    bodies: list[bytes]
    tails: list[Tail]
    offsets: list[int]
    runs: list[str]
    seqs: list[int]
    origins: dict[str, list[int]]
    records: Sequence[Written]

    tagged = 0  # a line that is odd is never spliced

    def __len__(self) -> int:
        return len(self.bodies)

    @cached_property
    def ids(self) -> list[str]:
        """The `_id` of each event."""
        return [f"{run}-{seq}" for run, seq in zip(self.runs, self.seqs, strict=True)]

    @cached_property
    def docs(self) -> list[bytes]:
        """The documents."""
        ends = joined(f"{offset}{END}" for offset in self.offsets)
        return [
            BEGIN + body + tail.data + end
            for body, tail, end in zip(self.bodies, self.tails, ends, strict=True)
        ]

    @cached_property
    def times(self) -> list[int]:
        """The time of each event in epoch milliseconds."""
        return times_of(body[:TIME_BYTES] for body in self.bodies)

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


def times_of(written: Iterable[bytes]) -> list[int]:
    """Read canonical times as epoch milliseconds."""
    seconds: dict[bytes, int] = {}
    times = []
    for text in written:
        second = text[:19]
        if second not in seconds:
            moment = datetime.fromisoformat(f"{second.decode()}+00:00")
            seconds[second] = int(moment.timestamp()) * 1000
        times.append(seconds[second] + int(text[20:23]))
    return times


def joined(texts: Iterable[str]) -> list[bytes]:
    """Encode many texts at once; none of them may hold a newline, as JSON in one line does not."""
    together = "\n".join(texts).encode()
    return together.split(b"\n") if together else []


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that an output refused for good: its index in the batch, and why."""

    index: int
    reason: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    What became of every event of a published batch.

    Events that are named in neither list are accepted: the destination holds them. `commit`
    numbers what the destination stored, where it numbers that (the embedded index does).
    """

    again: tuple[int, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    commit: int = 0
