"""What the registry holds, as values; shipper/registry/registry.py saves and reads them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from shipper.fingerprint import EMPTY, Fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipper.registry.identity import FileIdentity

NEVER = 1 << 43  # in epoch milliseconds the year 2248


@dataclass(slots=True)
class FileRecord:
    """
    One file; `id` is never used for another one.

    `offset` is in bytes, acked; `last` covers the bytes before it. `stream` is that of the first
    line, with which the names of all others of the file begin (shipper/tail/streams.py), and empty
    until there is one; `generation` counts those that would have the same name. `seen_at` (epoch
    ms) is when the file was last found. `split` is where a block had to end although its event
    might have continued: after a restart, one ends there too. What lies below `again` was acked
    once and is being read again. `done` is the time of change (ns) that the file had when it was
    read to its end and closed, or 0; `changed` is the one that it had when it was last read to its
    end. `format` is what the file was taken for, where its input leaves that open. `skips` are
    ranges of bytes that are not read: another file had these lines. `current_at` (epoch ms) is when
    the file was last read to its end; it is not saved.
    """

    id: int
    file: FileIdentity
    head: Fingerprint
    path: str
    stream: str
    generation: int
    offset: int
    seen_at: int
    last: Fingerprint = EMPTY
    split: int = 0
    again: int = 0
    done: int = 0
    changed: int = 0
    format: str = ""
    skips: tuple[tuple[int, int], ...] = ()
    current_at: int = 0

    def skipped_to(self, position: int) -> int:
        """Return where reading goes on that has come to a place; there, if nothing is skipped."""
        return next((end for start, end in self.skips if start <= position < end), position)

    def reread(self, start: int = 0) -> int:
        """
        Move the position back to `start`, where a line has to begin; return the bytes to read.

        This is the only way to send something again that counts as delivered: whether one of these
        lines is sent is decided by what the output is proven to hold, not by the accepted numbers
        (shipper/deliver/dedupe.py). Nothing of the file may be on its way.
        """
        start = min(start, self.offset)
        size = self.offset - start
        self.done = 0
        self.again = max(self.again, self.offset)
        if size:
            self.offset, self.last = start, EMPTY
        return size


@dataclass(frozen=True, slots=True)
class Tombstone:
    """
    Bytes `start` to `end` of a file that were dropped undelivered, on purpose.

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
class SavedFiles:
    """
    The files in the registry, and the streams of files that were dropped from it.

    `owner` is whose it is (shipper/registry/owner.py), `number` was drawn for it.
    """

    files: tuple[FileRecord, ...] = ()
    retired: frozenset[str] = frozenset()
    owner: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class Receipt:
    """
    Records of one stream in bytes `start` to `end` of a file, all of them stored or dead letters.

    `first` and `last` are positions, `count` is the number of lines. They were acked from `since`
    to `until` (epoch ms); `done` is the commit of the embedded store that the first of them is in.
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
    What the registry has to save.

    `dropped` are ids of files, `retired` the streams of these; `accounted`, `watermark` and `begun`
    stay as they are where they are None.
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
    begun: int | None = None

    def add_files(self, changed: Iterable[FileRecord], dropped: Iterable[FileRecord]) -> None:
        """Add records that are new or have changed, and those to delete."""
        self.files.update((record.id, record) for record in changed)
        for record in dropped:
            self.dropped.add(record.id)
            self.files.pop(record.id, None)
            if record.stream:
                self.retired.add(record.stream)

    def add_seen(self, rows: Iterable[SeenRow]) -> None:
        """Add chunks; a newer one replaces an older one."""
        self.seen.update(((row.run, row.chunk), row) for row in rows)

    def add_tombstones(self, tombstones: Iterable[Tombstone]) -> None:
        """Add tombstones; a newer one of a file replaces an older one."""
        self.tombstones.update((each.file, each) for each in tombstones)

    def add_receipts(self, receipts: Iterable[Receipt]) -> None:
        """Add receipts; one that has grown replaces its older state."""
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
            or self.begun is not None
        )
