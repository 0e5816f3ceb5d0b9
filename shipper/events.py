"""
What flows between tail, enrich and deliver.

    Block    bytes of one file, whole lines           tail   → enrich
    Events   the same lines as documents, in columns  enrich → deliver
    Batch    blocks' events that share one fate       deliver → output

Columns, not an object per event: at 100,000 events a second an object each would cost more than
all of the work done on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Block:
    """
    Whole lines of one file, as read at one go.

    `data` ends with a newline, except at the end of a file that was rotated away. `start` and
    `end` are byte offsets in the file; `read_at` is the wall clock in epoch milliseconds. Of a line
    at most `limit` bytes are kept. A `cut` block is one line that is longer than that: `data` is
    its beginning, `end` lies after all of it. The lines of a block that is read `again` on demand
    were acked before.
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


@dataclass(slots=True)
class Events:
    """
    Records in columns of equal length, in the order of their file.

    `ids` is `<stream>-<position>`, `docs` a complete JSON object each (UTF-8, no newline),
    `times` the `@timestamp` in epoch milliseconds, `datasets` the part of the data stream's name
    between `logs-` and the namespace. `origins` holds the numbers of the records per run,
    `tagged` counts the lines that were odd enough for a tag.
    """

    ids: list[str] = field(default_factory=list)
    docs: list[bytes] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    datasets: list[str] = field(default_factory=list)
    origins: dict[str, list[int]] = field(default_factory=dict)
    tagged: int = 0

    def __len__(self) -> int:
        return len(self.ids)


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
