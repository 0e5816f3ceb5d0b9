"""
All files of all inputs: which are open, which have something to read, which are done.

The scan is the truth: it lists the folders, compares identities, and finds every new, renamed,
truncated and vanished file. Hints of the kernel and looks at the size of files that grew lately
only make reading start sooner; without them nothing is missed.

A file stays open until it was rotated away, read to its end, acked and quiet for a while. So a
rename chain `.1 → .2 → .3` needs no following, and a file that is deleted unread is still read:
the open descriptor holds it. What was truncated, or another file under a used inode, becomes a
new record and starts at 0; an ack for the old one can no longer move anything.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.tail.harvester import Harvester
from shipper.tail.identity import Fingerprint, Identity, identity, stream_name
from shipper.tail.lag import Lag
from shipper.tail.registry import FileRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from os import stat_result

    from shipper.events import Block
    from shipper.tail.discovery import Found, Patterns

log = logging.getLogger(__name__)

WARM_SECONDS = 2.0  # a file that grew this lately is looked at between the scans, too

FORGET_AFTER_MS = 24 * 3600 * 1000  # a file that is nowhere any more is forgotten then


@dataclass(frozen=True, slots=True)
class InputFiles:
    """The files of one input, and how long a line of theirs may be."""

    patterns: Patterns
    max_line_bytes: int


@dataclass(frozen=True, slots=True)
class _Shelved:
    """A file that was read to its end and closed: what its stat said then."""

    record: FileRecord
    size: int
    changed: int


class Tailer:
    """
    The harvesters of all inputs; used by one thread.

    `records` is what the registry knows, `retired` the streams of files that are over.
    """

    def __init__(
        self,
        inputs: Iterable[InputFiles],
        records: Iterable[FileRecord],
        retired: Iterable[str] = (),
        *,
        host: str,
        block_bytes: int,
    ) -> None:
        self._inputs = tuple(inputs)
        self._host = host
        self._block_bytes = block_bytes
        self._records = {record.id: record for record in records}
        self._known = {record.file: record for record in self._records.values()}
        self._next_id = max(self._records, default=0) + 1
        self._open: dict[Identity, Harvester] = {}
        self._shelf: dict[Identity, _Shelved] = {}
        self._ready: dict[Identity, None] = {}  # in the order in which they have to be read
        self._refused: dict[str, str] = {}
        self._refused_at: dict[str, int] = {}  # when all of such a file had been read last
        self._scanned_at = 0  # the wall clock at the scan before this one
        self._streams = {record.stream for record in self._records.values()} | set(retired)
        self._changed: set[int] = set()
        self._over: list[FileRecord] = []

    def set_inputs(self, inputs: Iterable[InputFiles], *, host: str, block_bytes: int) -> None:
        """Go on with other inputs; what none of them names any more is read to its end."""
        self._inputs = tuple(inputs)
        self._host = host
        self._block_bytes = block_bytes

    def rewind(self) -> None:
        """Go on reading every file at what is acked; nothing may be under way."""
        for key, harvester in self._open.items():
            harvester.rewind()
            self._ready[key] = None

    def scan(self, *, now: float, wall: int) -> None:
        """Look at all folders; `now` is monotonic seconds, `wall` epoch milliseconds."""
        found: dict[Identity, str] = {}
        for source in self._inputs:
            for file in sorted(source.patterns.find(), key=lambda file: file.stat.st_mtime_ns):
                key = identity(file.stat)
                if key not in found:
                    found[key] = file.path
                    self._meet(file, key, source, now, wall)
        for key, harvester in list(self._open.items()):
            harvester.missing = key not in found
            if harvester.missing:
                harvester.set_rotated(now, rotated=True)
            self._look(key, harvester, now)
            if harvester.position == harvester.size:
                harvester.record.current_at = wall
            self._retire(key, harvester, now)
        self._forget(found, wall)
        paths = set(found.values())
        for path in self._refused.keys() - paths:  # gone: nobody will read it any more
            del self._refused[path], self._refused_at[path]
        self._scanned_at = wall

    def _meet(self, file: Found, key: Identity, source: InputFiles, now: float, wall: int) -> None:
        """Take notice of a file that is there; open it if it has something to say."""
        harvester = self._open.get(key)
        if harvester is None:
            shelved = self._shelf.get(key)
            if shelved and (shelved.size, shelved.changed) == _state(file.stat):
                shelved.record.seen_at = wall
                return
            harvester = self._start(file, key, source, now, wall)
            if harvester is None:
                return
        harvester.set_rotated(now, rotated=file.rotated)
        if harvester.path != file.path:
            harvester.path = file.path
            harvester.record.path = file.shown
        harvester.record.seen_at = wall

    def _start(
        self, file: Found, key: Identity, source: InputFiles, now: float, wall: int
    ) -> Harvester | None:
        self._shelf.pop(key, None)
        known = self._known.get(key)
        record = known or self._record(key, file.shown, 0, wall)
        try:
            harvester = Harvester(
                record,
                file.path,
                name_stream=self._name_stream,
                max_line_bytes=source.max_line_bytes,
                now=now,
            )
        except OSError as error:
            if file.path not in self._refused:
                self._refused_at[file.path] = known.current_at if known else self._scanned_at
            if self._refused.get(file.path) != error.strerror:
                self._refused[file.path] = str(error.strerror)
                log.warning(
                    "%s cannot be read: %s; it is tried again in every scan",
                    file.path,
                    error.strerror,
                )
            return None
        self._refused_at.pop(file.path, None)
        if self._refused.pop(file.path, None):
            log.info("%s can be read again", file.path)
        record.path = file.shown
        self._register(key, record)
        self._open[key] = harvester
        self._ready[key] = None  # even if its size is as remembered: its head may not be
        return harvester

    def _name_stream(self, record: FileRecord, head: bytes) -> str:
        """Name a stream as no file was named before, in this folder's memory."""
        while True:
            name = stream_name(self._host, record.file, head, record.generation)
            if name not in self._streams:
                self._streams.add(name)
                return name
            record.generation += 1

    def _record(self, key: Identity, path: str, generation: int, wall: int) -> FileRecord:
        return FileRecord(0, key, Fingerprint(), path, "", generation, 0, wall)

    def _register(self, key: Identity, record: FileRecord) -> None:
        if not record.id:
            record.id = self._next_id
            self._next_id += 1
            self._changed.add(record.id)
        self._records[record.id] = record
        self._known[key] = record

    def _look(self, key: Identity, harvester: Harvester, now: float) -> None:
        """See whether a file has something to read, and whether it still is the same file."""
        try:
            if harvester.has_grown(now):
                self._ready[key] = None
        except OSError as error:
            log.warning("%s: %s; it is tried again in the next scan", harvester.path, error)

    def _restart(self, key: Identity, harvester: Harvester, wall: int) -> None:
        """Begin again with a file that was truncated, or is another one under the same inode."""
        old = harvester.record
        log.info("%s was truncated or replaced; it is read from its beginning", harvester.path)
        new = self._record(key, old.path, old.generation + 1, wall)
        new.current_at = old.current_at
        self._drop(old)
        self._register(key, new)
        harvester.restart(new)

    def hint(self, paths: Iterable[str]) -> bool:
        """Take hints that files have changed; tell whether any means a file not known yet."""
        by_path = {harvester.path: key for key, harvester in self._open.items()}
        unknown = False
        for path in paths:
            key = by_path.get(path)
            if key is None:
                unknown = True
            else:
                self._ready[key] = None
        return unknown

    def poll(self, now: float) -> bool:
        """Look at the files that grew lately; tell whether there are any such files."""
        warm = False
        for key, harvester in self._open.items():
            if now - harvester.grown_at < WARM_SECONDS:
                warm = True
                self._look(key, harvester, now)
        return warm

    def read(self, *, now: float, wall: int) -> Iterator[Block]:
        """Give a block of every file that has one, each file once; raises nothing of a file."""
        for key in list(self._ready):
            harvester = self._open.get(key)
            block = self._read(key, harvester, now, wall) if harvester else None
            if block is None:
                self._ready.pop(key, None)
            else:
                self._changed.add(block.file)
                yield block

    def _read(self, key: Identity, harvester: Harvester, now: float, wall: int) -> Block | None:
        try:
            if not harvester.is_same():
                self._restart(key, harvester, wall)
            block = harvester.read(self._block_bytes, now=now, read_at=wall)
        except OSError as error:
            log.warning("%s: %s; it is tried again in the next scan", harvester.path, error)
            return None
        if harvester.position == harvester.size:
            harvester.record.current_at = wall
        return block

    def reread(self, file: int, start: int = 0) -> int:
        """Have a file read again, see `FileRecord.reread`; give the bytes of it."""
        record = self._records[file]
        bytes_again = record.reread(start)
        self._changed.add(file)
        self._shelf.pop(record.file, None)
        harvester = self._open.get(record.file)
        if harvester is not None:
            harvester.rewind()
            self._ready[record.file] = None
        return bytes_again

    def records(self) -> list[FileRecord]:
        """Give what is known of every file."""
        return list(self._records.values())

    def is_there(self, record: FileRecord) -> bool:
        """Tell whether a file was there in the last scan, or can still be read."""
        return record.file in self._open or record.file in self._shelf

    def forget(self, file: int) -> None:
        """Forget a file that is not there."""
        self._drop(self._records[file])

    def ack(self, file: int, offset: int) -> None:
        """Move the acked offset of a file; one that is over is left alone."""
        record = self._records.get(file)
        if record is not None and offset > record.offset:
            record.offset = offset
            self._changed.add(file)

    def take_changes(self) -> tuple[list[FileRecord], list[FileRecord]]:
        """Give the records that are new or have moved, and those that are over; begin anew."""
        moved = [self._records[file] for file in sorted(self._changed) if file in self._records]
        over, self._over = self._over, []
        self._changed = set()
        return moved, over

    def _retire(self, key: Identity, harvester: Harvester, now: float) -> None:
        """
        Close a file that was rotated away, is read, acked and quiet.

        Its position is dropped only if no name leads to it any more: a folder that cannot be
        listed for a moment would else have all of its files read again.
        """
        if not (harvester.is_settled(now) and harvester.is_read()):
            return
        stat = harvester.close()
        del self._open[key]
        self._ready.pop(key, None)
        if harvester.missing and not stat.st_nlink:
            self._drop(harvester.record)
        else:
            self._shelf[key] = _Shelved(harvester.record, *_state(stat))

    def _drop(self, record: FileRecord) -> None:
        self._records.pop(record.id, None)
        if self._known.get(record.file) is record:
            del self._known[record.file]
        self._shelf.pop(record.file, None)
        self._changed.discard(record.id)
        self._over.append(record)

    def _forget(self, found: dict[Identity, str], wall: int) -> None:
        """Drop what the registry knows of files that have been nowhere for long."""
        for record in list(self._records.values()):
            if record.file in found or record.file in self._open:
                continue
            if wall - record.seen_at >= FORGET_AFTER_MS:
                self._drop(record)

    def held(self) -> dict[str, int]:
        """Give path → bytes that are not acked, of the files that only open descriptors hold."""
        return {
            harvester.record.path: max(harvester.size - harvester.record.offset, 0)
            for harvester in self._open.values()
            if harvester.missing
        }

    def lags(self, now: float) -> list[Lag]:
        """Look how far every open file is; `now` is monotonic."""
        lags = []
        for harvester in self._open.values():
            try:
                lags.append(harvester.lag(now))
            except OSError:  # as of a network that is down: nothing is known but what was
                record, read = harvester.record, harvester.position
                lags.append(Lag(record.path, read, record.offset, read + 1, record.current_at))
        return lags

    def refused_at(self) -> list[int]:
        """Give for each file that cannot be opened when (epoch ms) all of it had been read last."""
        return list(self._refused_at.values())

    def state(self) -> Iterator[str]:
        """Tell of every file how far it is; for an operator to read."""
        for key, harvester in self._open.items():
            record = harvester.record
            yield (
                f"open: {harvester.path}, size {harvester.size}, read {harvester.position}, acked"
                f" {record.offset}, missing {harvester.missing}, to read {key in self._ready}"
            )
        for shelved in self._shelf.values():
            yield f"closed: {shelved.record.path}, acked {shelved.record.offset}"
        for path, why in self._refused.items():
            yield f"refused: {path}: {why}"

    def refused(self) -> list[str]:
        """Give the paths of files that could not be opened."""
        return sorted(self._refused)

    def is_caught_up(self) -> bool:
        """Tell whether nothing was found to read since the last looks."""
        return not self._ready

    def close(self) -> None:
        """Close all files."""
        for harvester in self._open.values():
            harvester.close()
        self._open.clear()


def _state(stat: stat_result) -> tuple[int, int]:
    return stat.st_size, stat.st_mtime_ns
