"""
What flows between tail, enrich and deliver.

    Block            bytes of one file, whole lines            tail   → enrich
    Events, Spliced  the same lines as documents, in columns   enrich → deliver
    Delivery         what became of a published batch          output → publisher

Columns, not an object per event: at 100,000 events a second an object each would cost more than all
of the work done on it. A block as `emit` writes it becomes `Spliced` (shipper/splice.py), whose
documents are only made for who needs them; any other block becomes `Events`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from shipper.fingerprint import EMPTY, Fingerprint

# Under this name behind that of its run or stream stands what processors dropped of it.
DROPPED = "#dropped"

P_co = TypeVar("P_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Source:
    """
    What an input says of its lines: their format, and what their records have besides.

    `format` is a name of shipper/formats, or that of a pattern of the config; `zone` is the zone of
    times that name none. Empty: emit's and other JSON, this machine's zone, the service of the
    config, the dataset that enrichment chooses. `service_from_path` is a regular expression whose
    group is the service. `fields` go under `extra`.
    """

    format: str = ""
    zone: str = ""
    service: str = ""
    service_from_path: str = ""
    dataset: str = ""
    fields: tuple[tuple[str, str | int | float | bool], ...] = ()
    tags: tuple[str, ...] = ()

    def is_plain(self) -> bool:
        """Return whether records get nothing but what enrichment adds to every record."""
        return not (self.dataset or self.fields or self.tags)


ANY_SOURCE = Source()

LONGEST_PREAMBLE = 1 << 14  # bytes of a line that says how those after it are to be read


@dataclass(frozen=True, slots=True)
class Block:
    """
    Whole lines of one file, read at once.

    `data` ends with a newline, except at the end of a file that was rotated away. `start` and
    `end` are byte offsets in the file; `read_at` is the wall clock in epoch milliseconds. At most
    `limit` bytes of a line are kept. A `cut` block is one line longer than that: `data` is its
    beginning, `end` lies after all of it. The lines of a block that is read `again` on request
    were acked before. `starts` are the offsets in `data` at which events of several lines begin;
    empty where every line is an event. `last` is the fingerprint of the bytes before `end`.
    `source` is what the input says of the lines; `preamble` is the last line before them that says
    how they are to be read, where their format has such lines.
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
    source: Source = ANY_SOURCE
    preamble: bytes = b""


class PreparesEvents(Protocol[P_co]):
    """What brings documents into the form in which they are sent; see `Output`."""

    def prepare(self, events: Events) -> P_co:
        """Return the form of these events."""


@dataclass(slots=True)
class Events:
    """
    Documents in columns of equal length, in the order of their file.

    `ids` is `<stream>-<position>`, `docs` a complete JSON object each (UTF-8, no newline),
    `times` the `@timestamp` in epoch milliseconds, `datasets` the part of the data stream's name
    between `logs-` and the namespace. `origins` holds the numbers of the records per run, and under
    its name with `DROPPED` those of records that were dropped; `tagged` counts the lines that got a
    tag, `misfits` those that do not have the form of their format.
    """

    ids: list[str] = field(default_factory=list)
    docs: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    origins: dict[str, list[int]] = field(default_factory=dict)
    tagged: int = 0
    misfits: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def extend(self, more: Events) -> None:
        """Add the events of another block, or line, behind these."""
        self.ids += more.ids
        self.docs += more.docs
        self.times += more.times
        self.datasets += more.datasets
        for run, numbers in more.origins.items():
            self.origins.setdefault(run, []).extend(numbers)
        self.tagged += more.tagged
        self.misfits += more.misfits

    def part(self, chosen: Sequence[int]) -> Events:
        """Return the events at these indexes; the origins and the count of tags stay."""
        return Events(
            [self.ids[i] for i in chosen],
            [self.docs[i] for i in chosen],
            [self.times[i] for i in chosen],
            [self.datasets[i] for i in chosen],
            self.origins,
            self.tagged,
            self.misfits,
        )

    def events(self) -> Events:
        """Return these events: they are their own form in a queue."""
        return self

    def prepared_by(self, preparer: PreparesEvents[P_co]) -> P_co:
        """Return the events in the form in which they are sent."""
        return preparer.prepare(self)


@dataclass(frozen=True, slots=True)
class Rejection:
    """
    An event that an output refused for good: its index in the batch, and why.

    `instead` is what was refused in its place, where another record has its `_id`: that `_id`
    would count as stored.
    """

    index: int
    reason: str
    instead: Events | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    What became of every event of a published batch.

    Events named in neither list are accepted: the destination has stored them. `again` are the
    indexes to send again. `commit` is the number of the destination's last commit, where it numbers
    its commits (the embedded store does). `apart` counts the events that are stored under another
    `_id`, as another record has theirs.
    """

    again: tuple[int, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    commit: int = 0
    apart: int = 0
