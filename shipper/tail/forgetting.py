"""
Which records are dropped: those of files that have been nowhere for long.

A file that is not found may be away with its folder, on a disk that is not mounted. Only a folder
that is there, on the disk where the file was, says that the file is gone. A clock that is set says
nothing of files: the times of the records are moved with it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipper.tail.harvester import SETTLE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.registry.identity import FileIdentity
    from shipper.registry.records import FileRecord
    from shipper.tail.copies import Copies
    from shipper.tail.file_table import FileTable

FORGET_AFTER_MS = 24 * 3600 * 1000  # a file that is nowhere any more is forgotten then;
FORGET_AWAY_AFTER_MS = 90 * FORGET_AFTER_MS  # one whose folder is away may come back with it
CLOCK_JUMP_MS = 60_000  # more than a scan takes


class Forgetting:
    """Drops records from a table; used by one thread."""

    def __init__(self, files: FileTable, copies: Copies) -> None:
        self._files = files
        self._copies = copies
        self._scanned_at: tuple[float, int] | None = None

    def follow_clock(self, now: float, wall: int) -> int:
        """Move the times of records, if the clock was set since the last call; return by what."""
        then, self._scanned_at = self._scanned_at, (now, wall)
        if then is not None:
            jump = wall - then[1] - int((now - then[0]) * 1000)
            if abs(jump) > CLOCK_JUMP_MS:
                for record in self._files.records.values():
                    record.seen_at += jump
                return jump
        return 0

    def forget(
        self,
        found: set[FileIdentity],
        may_have_copy: Callable[[str], bool],
        now: float,
        wall: int,
    ) -> None:
        """Drop what no file or copy can be known by any more."""
        files = self._files
        for truncated in list(self._copies.truncated.values()):
            is_over = now - truncated.since >= SETTLE_SECONDS
            if is_over and not may_have_copy(truncated.record.path):
                del self._copies.truncated[truncated.record.id]
                files.drop(truncated.record)
        for key in files.known.keys() - found - files.open.keys():
            if _is_gone(files.known[key], wall):
                files.drop(files.known[key])
        self._copies.forget()


def _is_gone(record: FileRecord, wall: int) -> bool:
    absent = wall - record.seen_at
    if absent < FORGET_AFTER_MS or absent >= FORGET_AWAY_AFTER_MS:
        return absent >= FORGET_AFTER_MS
    try:
        return os.stat(os.path.dirname(record.path)).st_dev == record.file.device
    except OSError:
        return False
