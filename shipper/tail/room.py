"""
How many files are open at a time, where there are more than the process may open.

Some descriptors are kept for all else: the registry, the output, a request, a module that is
imported late. A file for which there is no room waits, and counts as behind: it is held like any
other, and opened once there is room. Room is made by closing files that are read and acked to
their end and have been quiet for a moment; such a file is opened again when it has grown.
"""

from __future__ import annotations

import logging
import resource
import sys
from typing import TYPE_CHECKING

from shipper.tail.lag import Lag

if TYPE_CHECKING:
    from shipper.registry.identity import FileIdentity
    from shipper.tail.copies import UnknownFile
    from shipper.tail.file_table import FileTable
    from shipper.tail.harvester import Harvester

log = logging.getLogger(__name__)

RESERVE = 64  # descriptors for all else
QUIET_SECONDS = 2.0  # a file that grew this lately stays open


def most_open() -> int:
    """Return how many files of the inputs may be open at a time."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if soft == resource.RLIM_INFINITY else max(soft - RESERVE, soft // 2)


class OpenFilesLimit:
    """Makes room for the files of a table, and knows which of them wait; used by one thread."""

    def __init__(self, files: FileTable) -> None:
        self._files = files
        self._scanned_at = 0  # the wall clock at the scan before this one
        self._before: dict[FileIdentity, Lag] = {}
        self._idle: list[FileIdentity] | None = None  # files that may be closed, the oldest last
        self._is_logged = False
        self.waiting: dict[FileIdentity, Lag] = {}

    def begin_scan(self) -> None:
        """Begin anew with a scan, which meets every file that waits."""
        self._before, self.waiting, self._idle = self.waiting, {}, None

    def has_room_for(self, new: UnknownFile, now: float) -> bool:
        """Return whether a file can be opened; if not it waits. `now` is monotonic."""
        if self._make_room(now):
            return True
        if new.key in self._before:
            current_at = self._before[new.key].current_at
        else:
            known = self._files.known.get(new.key)
            current_at = known.current_at if known else self._scanned_at
        record = self._files.known.get(new.key)
        offset = record.offset if record else 0
        size = new.file.stat.st_size
        self.waiting[new.key] = Lag(new.shown, offset, offset, size, current_at)
        return False

    def _make_room(self, now: float) -> bool:
        files = self._files
        if len(files.open) < most_open():
            return True
        if self._idle is None:
            idle = [
                (each.grown_at, key)
                for key, each in files.open.items()
                if _may_be_closed(each) and now - each.grown_at >= QUIET_SECONDS
            ]
            self._idle = [key for _grown_at, key in sorted(idle, reverse=True)]
        while self._idle:
            key = self._idle.pop()
            if key in files.open:
                record = files.open[key].record
                record.done = files.close(key).st_mtime_ns
                files.mark_changed(record)
                return True
        return False

    def end_scan(self, found: set[FileIdentity], wall: int) -> set[FileIdentity]:
        """Return the files that waited and are gone; say once that some wait."""
        self._scanned_at = wall
        if bool(self.waiting) != self._is_logged:
            self._is_logged = bool(self.waiting)
            if self.waiting:
                log.warning(
                    "%d files wait to be read: %d may be open at a time; raise the limit of open"
                    " files, such as by LimitNOFILE of the service",
                    len(self.waiting),
                    most_open(),
                )
            else:
                log.info("no file waits to be opened any more")
        return self._before.keys() - found - self._files.open.keys()


def _may_be_closed(harvester: Harvester) -> bool:
    """Return whether nothing is lost if a file is closed, and opened when it has grown."""
    is_in_place = harvester.rotated_at is None and not harvester.missing
    is_saved = not (harvester.is_unsaved or harvester.wants_save())
    return is_in_place and is_saved and harvester.is_read()
