"""
What is known of the files, and which of them are open.

The scanner (scanner.py) enters files and takes them out, the reader (reader.py) moves their
positions, acks move their records. `take_changes` returns what the registry has to save.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shipper.fingerprint import Fingerprint
from shipper.registry.identity import FileIdentity
from shipper.registry.records import FileRecord
from shipper.tail.streams import StreamOwner, root_of

if TYPE_CHECKING:
    import os
    from collections.abc import Set as AbstractSet

    from shipper.registry.records import SavedFiles
    from shipper.tail.harvester import Harvester

log = logging.getLogger(__name__)


class FileTable:
    """
    Records by id and by identity, and the harvesters of the open files; used by one thread.

    `records` are all that the registry knows, `known` those whose file still is what it was.
    `ready` are the open files that may have something to read, in the order of reading; `warm`
    those that grew lately.
    """

    def __init__(self, memory: SavedFiles, host: str) -> None:
        self._memory, self.host = memory, host
        self.records = {record.id: record for record in memory.files}
        self.known = {record.file: record for record in self.records.values()}
        self.open: dict[FileIdentity, Harvester] = {}
        self.ready: dict[FileIdentity, None] = {}
        self.warm: set[FileIdentity] = set()
        self._next_id = max(self.records, default=0) + 1
        self._streams = {record.stream for record in self.records.values()} | memory.retired
        self._changed: set[int] = set()
        self._over: list[FileRecord] = []
        self._caps: dict[int, tuple[int, Fingerprint]] = {}  # acks count for no more than that
        self._paths: dict[str, FileIdentity] | None = None

    def name_stream(self, record: FileRecord, head: bytes) -> str:
        """Return a name for a stream that no file of this folder's memory had before."""
        shipper = StreamOwner(self._memory.owner, self.host, self._memory.number)
        while True:
            name = root_of(shipper, record, head)
            if name not in self._streams:
                self._streams.add(name)
                return name
            record.generation += 1

    def new_record(self, key: FileIdentity, path: str, *, seen_at: int) -> FileRecord:
        """Return a record that is not registered yet; `seen_at` is in epoch milliseconds."""
        return FileRecord(0, key, Fingerprint(), path, "", 0, 0, seen_at)

    def register(self, key: FileIdentity, record: FileRecord) -> None:
        """Enter a record under an identity; a new one gets its id."""
        if not record.id:
            record.id = self._next_id
            self._next_id += 1
            self.mark_changed(record)
        self.records[record.id] = record
        self.known[key] = record

    def renumbered(self, key: FileIdentity, found: AbstractSet[FileIdentity]) -> list[FileRecord]:
        """Return the records of files that were not found, with this inode on another device."""
        return [
            record
            for record in self.records.values()
            if record.file.inode == key.inode and record.file not in found
        ]

    def rebind(self, record: FileRecord, key: FileIdentity) -> None:
        """Let a record stand for another file: the copy of the one it was read from."""
        if self.known.get(record.file) is record:
            del self.known[record.file]
        nothing_read = self.known.get(key)
        if nothing_read is not None:
            self.drop(nothing_read)
        record.file, record.changed = key, 0
        self.known[key] = record
        self.mark_changed(record)

    def mark_changed(self, record: FileRecord) -> None:
        """Note that the registry has to save a record."""
        self._changed.add(record.id)

    def add_open(self, key: FileIdentity, harvester: Harvester) -> None:
        """Enter a file that was opened; it is read even if its size is as remembered."""
        self.open[key] = harvester
        self.paths_changed()
        self.warm.add(key)
        self.ready[key] = None

    def look(
        self,
        key: FileIdentity,
        harvester: Harvester,
        now: float,
        stat: os.stat_result | None = None,
    ) -> None:
        """Look whether a file has grown; if so it is ready. `now` is monotonic."""
        try:
            if harvester.has_grown(now, stat):
                self.ready[key] = None
                self.warm.add(key)
        except OSError as error:
            log.warning("%s: %s; it is tried again in the next scan", harvester.path, error)

    def close(self, key: FileIdentity) -> os.stat_result:
        """Close a file; return what its stat said last."""
        harvester = self.open.pop(key)
        self.ready.pop(key, None)
        self.warm.discard(key)
        self.paths_changed()
        return harvester.close()

    def drop(self, record: FileRecord) -> None:
        """Take out a record: its file is over, and the registry drops it."""
        self.records.pop(record.id, None)
        if self.known.get(record.file) is record:
            del self.known[record.file]
        self._changed.discard(record.id)
        self._caps.pop(record.id, None)
        self._over.append(record)

    def cap(self, record: FileRecord, size: int, last: Fingerprint) -> None:
        """Let acks of a file count for no more than `size` bytes, which `last` ends."""
        self._caps[record.id] = size, last
        if record.offset > size:
            record.offset, record.last = size, last

    def ack(self, file: int, offset: int, last: Fingerprint) -> bool:
        """
        Move the acked offset of a file; return False for one that was dropped.

        `last` is the fingerprint of the bytes before the offset.
        """
        record = self.records.get(file)
        if record is None:
            return False
        cap = self._caps.get(file)
        if cap is not None and offset >= cap[0]:
            offset, last = cap
        if offset > record.offset:
            record.offset, record.last = offset, last
            self.mark_changed(record)
        return True

    def reread(self, file: int, start: int) -> int:
        """Let a file be read again from `start`, see `FileRecord.reread`; return the bytes."""
        record = self.records[file]
        bytes_again = record.reread(start)
        self.mark_changed(record)
        self._caps.pop(file, None)
        harvester = self.open.get(record.file)
        if harvester is not None:
            harvester.rewind()
            self.ready[record.file] = None
        return bytes_again

    def paths_changed(self) -> None:
        """Forget which path leads to which open file."""
        self._paths = None

    def by_path(self, path: str) -> FileIdentity | None:
        """Return the identity of the open file of this path."""
        if self._paths is None:
            self._paths = {harvester.path: key for key, harvester in self.open.items()}
        return self._paths.get(path)

    def take_changes(self) -> tuple[list[FileRecord], list[FileRecord]]:
        """Return the records that are new or have moved, and those that are over; start over."""
        moved = [self.records[file] for file in sorted(self._changed) if file in self.records]
        over, self._over = self._over, []
        self._changed = set()
        return moved, over
