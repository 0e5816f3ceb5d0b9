"""What the registry knows, as values; shipper/registry/registry.py keeps them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from shipper.registry.identity import NO_FINGERPRINT, FileIdentity, Fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable


NEVER = 1 << 43  # in epoch milliseconds the year 2248


@dataclass(slots=True)
class FileRecord:
    """
    One file as the registry knows it; `id` is given by the registry and never used again.

    `offset` is in bytes and acked. `stream` is empty until the file has a first line. `seen_at`
    (epoch ms) is when the file was last there. `last` covers the bytes before `offset`. `split`
    is where what was read had to end although it might have gone on: a restart ends it there too.
    What lies below `again` was acked once, and is read another time on demand (`reread`).
    `done` is when the file had last changed (ns) when it was read to its end and closed, or 0.
    """

    id: int
    file: FileIdentity
    head: Fingerprint
    path: str
    stream: str
    generation: int
    offset: int
    seen_at: int
    last: Fingerprint = NO_FINGERPRINT
    split: int = 0
    again: int = 0
    done: int = 0
    current_at: int = 0  # not saved: when (epoch ms) all of it had been read last

    def reread(self, start: int = 0) -> int:
        """
        Have what is acked read again from `start`, where a line has to begin; return its bytes.

        The one way to send something again that counts as delivered: whether a line goes out is
        then not decided by the numbers that were taken, but by what the output proves to hold
        (shipper/deliver/dedupe.py). Nothing of the file may be under way.
        """
        start = min(start, self.offset)
        bytes_again = self.offset - start
        self.done = 0
        self.again = max(self.again, self.offset)
        if start < self.offset:
            self.offset, self.last = start, NO_FINGERPRINT
        return bytes_again


@dataclass(frozen=True, slots=True)
class Tombstone:
    """
    Bytes `start` to `end` of a file that were given up unshipped, on purpose.

    `lines` is None where they were not counted; `at` is in epoch milliseconds.
    """

    file: int
    path: str
    stream: str
    start: int
    end: int
    lines: int | None
    at: int
    reason: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What the registry knows of files: those that are followed, the streams of those before."""

    files: tuple[FileRecord, ...] = ()
    retired: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    Records of one stream in bytes `start` to `end` of a file, all answered for.

    `first` and `last` are positions, `count` how many lines; `since` and `until` (epoch ms) when
    they were acked; `done` is the commit of the embedded index that the first of them is in.
    """

    id: int
    file: int
    path: str
    stream: str
    first: int
    last: int
    count: int
    start: int
    end: int
    since: int
    until: int
    done: int = 0


class SeenRow(NamedTuple):
    """A chunk of the numbers of a run; see shipper/registry/seen.py."""

    run: str
    low: int
    chunk: int
    data: bytes


@dataclass(slots=True)
class Changes:
    """
    What the registry has to be told.

    `dropped` are ids of files that are over, `retired` the streams of such files; `accounted`
    and `watermark` stay as they are where they are None.
    """

    files: dict[int, FileRecord] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    seen: dict[tuple[str, int], SeenRow] = field(default_factory=dict)
    streams: dict[str, int] = field(default_factory=dict)
    retired: set[str] = field(default_factory=set)
    tombstones: dict[int, Tombstone] = field(default_factory=dict)
    receipts: dict[int, Receipt] = field(default_factory=dict)
    accounted: int | None = None
    watermark: int | None = None

    def add_files(self, moved: Iterable[FileRecord], over: Iterable[FileRecord]) -> None:
        """Add records that moved and those of files that are over."""
        self.files.update((record.id, record) for record in moved)
        for record in over:
            self.dropped.add(record.id)
            self.files.pop(record.id, None)
            if record.stream:
                self.retired.add(record.stream)

    def add_seen(self, rows: Iterable[SeenRow]) -> None:
        """Add chunks; a newer one takes the place of an older one."""
        self.seen.update(((row.run, row.chunk), row) for row in rows)

    def add_tombstones(self, tombstones: Iterable[Tombstone]) -> None:
        """Add what was given up; a newer word on a file takes the place of an older one."""
        self.tombstones.update((each.file, each) for each in tombstones)

    def add_receipts(self, receipts: Iterable[Receipt]) -> None:
        """Add receipts; one that has grown takes the place of what it was."""
        self.receipts.update((each.id, each) for each in receipts)

    def is_empty(self) -> bool:
        """Return whether there is nothing worth a commit."""
        return not (
            self.files
            or self.dropped
            or self.seen
            or self.streams
            or self.tombstones
            or self.receipts
        )
