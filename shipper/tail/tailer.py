"""
The files of all inputs, read in turn: what the pipeline sees of `tail`.

    scanner   lists the folders, opens and closes files     scanner.py
    reader    reads a block of every file that has one      reader.py
    table     what is known of files, which are open        file_table.py

`take_changes` returns what the registry has to save, `saved` notes that it has: only then are holds
released, and blocks read that end where an event might have gone on (harvester.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.fingerprint import EMPTY
from shipper.tail.copies import Copies
from shipper.tail.file_table import FileTable
from shipper.tail.holds import Holds
from shipper.tail.lag import Lag
from shipper.tail.reader import Reader
from shipper.tail.scanner import Scanner
from shipper.tail.tombstones import DroppedFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shipper.events import Block
    from shipper.fingerprint import Fingerprint
    from shipper.registry.records import FileRecord, SavedFiles, Tombstone
    from shipper.tail.harvester import Harvester
    from shipper.tail.inputs import InputFiles


class Tailer:
    """
    The harvesters of all inputs; used by one thread.

    `memory` is what the registry knows.
    """

    def __init__(
        self,
        inputs: Iterable[InputFiles],
        memory: SavedFiles,
        *,
        host: str,
        block_bytes: int,
        holds: Holds | None = None,
    ) -> None:
        self._holds = holds or Holds(None)
        self._files = FileTable(memory, host)
        self._copies = Copies(self._files.open, self._files.known)
        self._dropped = DroppedFiles()
        self.scanner = Scanner(
            inputs,
            self._files,
            self._copies,
            self._holds,
            self._dropped,
        )
        self.reader = Reader(self._files, self._copies, self._holds, block_bytes)

    def set_inputs(self, inputs: Iterable[InputFiles], *, host: str, block_bytes: int) -> None:
        """Go on with other inputs; what none of them names any more is read to its end."""
        self._files.host = host
        self.reader.block_bytes = block_bytes
        self.scanner.set_inputs(inputs)

    def scan(self, *, now: float, wall: int) -> None:
        """Look at all folders; `now` is monotonic seconds, `wall` epoch milliseconds."""
        self.reader.wants_scan = False
        self.scanner.scan(now=now, wall=wall)

    def read(self, *, now: float, wall: int) -> Iterator[Block]:
        """Yield a block of every file that has one, each file once; raises nothing of a file."""
        return self.reader.read(now=now, wall=wall)

    def rewind(self) -> None:
        """Go on reading every file at what is acked; nothing may be under way."""
        self.reader.rewind()

    def hint(self, paths: Iterable[str]) -> bool:
        """Take hints that files have changed; return whether any is of a file not known yet."""
        return self.reader.hint(paths)

    def has_rotation(self) -> bool:
        """Return whether a scan is due, as for a file that has another name by now."""
        return self.reader.wants_scan or self.reader.has_rotation()

    def end_events(self) -> bool:
        """Let all events end that wait for more lines; return whether there were any."""
        return self.reader.end_events()

    def is_splitting(self) -> bool:
        """Return whether a block waits for a save."""
        return self.reader.is_splitting()

    def reread(self, file: int, start: int = 0) -> int:
        """Let a file be read again, see `FileRecord.reread`; return the bytes of it."""
        return self._files.reread(file, start)

    def records(self) -> list[FileRecord]:
        """Return what is known of every file."""
        return list(self._files.records.values())

    def is_there(self, record: FileRecord) -> bool:
        """Return whether a file was there in the last scan, or can still be read."""
        return record.file in self._files.open or record.file in self._copies.found

    def forget(self, file: int) -> None:
        """Forget a file that is not there."""
        self._files.drop(self._files.records[file])

    def ack(self, file: int, offset: int, last: Fingerprint = EMPTY) -> None:
        """
        Move the acked offset of a file, or the start of its tombstone if it was dropped.

        `last` is the fingerprint of the bytes before the offset.
        """
        if not self._files.ack(file, offset, last):
            self._dropped.ack(file, offset)

    def take_changes(self) -> tuple[list[FileRecord], list[FileRecord]]:
        """Return the records that are new or have moved, and those that are over; start over."""
        self.reader.saving()
        return self._files.take_changes()

    def take_tombstones(self) -> list[Tombstone]:
        """Return what was dropped since the last call; to be saved with the changes."""
        return self._dropped.take()

    def saved(self) -> None:
        """Note that the registry has saved all that was taken."""
        self.reader.saved()
        self._holds.sweep()

    def held(self) -> dict[int, int]:
        """Return id → bytes that are not acked, of the files that have no name any more."""
        return {
            harvester.record.id: max(harvester.size - harvester.record.offset, 0)
            for harvester in self._files.open.values()
            if harvester.missing
        }

    def lags(self, now: float) -> list[Lag]:
        """Look how far every file is that is open or waits to be; `now` is monotonic."""
        lags = self.scanner.waiting()
        for harvester in self._files.open.values():
            try:
                lags.append(harvester.lag(now))
            except OSError:  # as of a network that is down: nothing is known but what was
                record, read = harvester.record, harvester.position
                lags.append(Lag(record.path, read, record.offset, read + 1, record.current_at))
        return lags

    def unreadable_since(self) -> list[int]:
        """Return when each file was last read to its end (epoch ms) that cannot be opened now."""
        return list(self.scanner.unreadable.times.values())

    def unreadable(self) -> list[str]:
        """Return the paths of files that could not be opened."""
        return sorted(self.scanner.unreadable.reasons)

    def harvesters(self) -> list[Harvester]:
        """Return the files that are open."""
        return list(self._files.open.values())

    def is_caught_up(self) -> bool:
        """Return whether nothing was found to read since the last looks."""
        return not self._files.ready

    def close(self) -> None:
        """Close all files."""
        for harvester in self._files.open.values():
            harvester.close()
        self._files.open.clear()
        self.scanner.unreadable.archives.close()
