"""Opening what the scan has found, and remembering what could not be opened."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from shipper.tail.content import open_content

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipper.registry.identity import FileIdentity
    from shipper.registry.records import FileRecord
    from shipper.tail.content import Content
    from shipper.tail.discovery import FoundFile

log = logging.getLogger(__name__)


class UnreadableFiles:
    """
    The files that cannot be opened; each is logged once, and tried again in every scan.

    `known` is the tailer's: the record of every identity.
    """

    def __init__(self, known: Mapping[FileIdentity, FileRecord]) -> None:
        self._known = known
        self._scanned_at = 0  # the wall clock at the scan before this one
        self.reasons: dict[str, str] = {}  # by path
        self.times: dict[str, int] = {}  # when (epoch ms) all of such a file had been read last

    def open(self, file: FoundFile, key: FileIdentity) -> Content | None:
        """Open a file; None if it cannot be read, or is another one by now."""
        path = file.path
        try:
            content = open_content(path, key, compressed=file.compressed)
        except OSError as error:
            if path not in self.reasons:
                known = self._known.get(key)
                self.times[path] = known.current_at if known else self._scanned_at
            if self.reasons.get(path) != error.strerror:
                self.reasons[path] = str(error.strerror)
                log.warning(
                    "%s cannot be read: %s; it is tried again in every scan", path, error.strerror
                )
            return None
        self.times.pop(path, None)
        if self.reasons.pop(path, None):
            log.info("%s can be read again", path)
        return content

    def scanned(self, paths: set[str], wall: int) -> None:
        """Forget what is gone: nobody will read it any more."""
        for path in self.reasons.keys() - paths:
            del self.reasons[path], self.times[path]
        self._scanned_at = wall
