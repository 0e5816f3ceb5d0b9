"""Opening what the scan has found, and remembering what could not be opened."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shipper.tail.archives import Archives
from shipper.tail.content import open_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipper.registry.identity import FileIdentity
    from shipper.registry.records import FileRecord
    from shipper.tail.content import Content
    from shipper.tail.discovery import FoundFile

log = logging.getLogger(__name__)

UNREADABLE_SECONDS = 300.0  # a file that cannot be read holds the watermark back so long


class UnreadableFiles:
    """
    The files that cannot be opened; each is logged once, and tried again in every scan.

    The watermark waits for them, as there may be something in them, but not for ever: else one file
    blinds all rules of its host. After that it is an incident of its own, as heartbeats count them.

    `known` is the tailer's: the record of every identity.
    """

    def __init__(self, known: Mapping[FileIdentity, FileRecord]) -> None:
        self._known = known
        self._scanned_at = 0  # the wall clock at the scan before this one
        self.archives = Archives()
        self.reasons: dict[str, str] = {}  # by path
        self.times: dict[str, int] = {}  # when (epoch ms) all of such a file had been read last
        # Since when (monotonic) each of these waits; None in the scan that meets it.
        self._waiting: dict[str, float | None] = {}

    def open(self, file: FoundFile, key: FileIdentity) -> Content | None:
        """
        Open a file; None if it cannot be read, or is another one by now.

        None as well for a gzip that is not measured yet: a later scan opens it.
        """
        path = file.path
        try:
            text = self.archives.text_of(file, key) if file.compressed else None
            if file.compressed and text is None:
                return None
            content = open_content(path, key, compressed=file.compressed, text=text)
        except OSError as error:
            if path not in self.reasons:
                known = self._known.get(key)
                self.times[path] = known.current_at if known else self._scanned_at
                self._waiting[path] = None
            if self.reasons.get(path) != error.strerror:
                self.reasons[path] = str(error.strerror)
                log.warning(
                    "%s cannot be read: %s; it is tried again in every scan", path, error.strerror
                )
            return None
        self.times.pop(path, None)
        self._waiting.pop(path, None)
        if self.reasons.pop(path, None):
            log.info("%s can be read again", path)
        return content

    def scanned(self, paths: set[str], now: float, wall: int) -> None:
        """Forget what is gone, and what could not be read for too long; `now` is monotonic."""
        self.archives.end_scan(paths)
        for path in self.reasons.keys() - paths:
            del self.reasons[path]
            self.times.pop(path, None)
            self._waiting.pop(path, None)
        for path, since in [*self._waiting.items()]:
            if since is None:
                self._waiting[path] = now
            elif now - since >= UNREADABLE_SECONDS:
                del self._waiting[path]
                self.times.pop(path, None)
                log.error(
                    "%s could not be read for %.0f s; the watermark no longer waits for it",
                    path,
                    now - since,
                )
        self._scanned_at = wall
