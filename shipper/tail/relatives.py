"""
Which records a file may continue that is not known by its identity.

A rotated file may be a copy of any file of its log, by its name. What has a name of its own, in the
same folder, is looked at by its content:

- `copytruncate` with a name that the pattern takes (`app-20260205.log`), a log that was copied or
  saved anew: it begins with the same bytes, which bear times (dated.py);
- a disk that has another device number since the last boot: the same path, the same inode;
- a log that was edited: another file at the path of one that is gone, or rotated since (edits.py).
"""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from typing import TYPE_CHECKING

from shipper.fingerprint import HEAD, fingerprint
from shipper.tail.copies import is_copy_of
from shipper.tail.dated import bears_time
from shipper.tail.discovery import family
from shipper.tail.edits import common_ranges

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    from shipper.fingerprint import Fingerprint
    from shipper.registry.identity import FileIdentity
    from shipper.registry.records import FileRecord
    from shipper.tail.content import Content
    from shipper.tail.copies import UnknownFile
    from shipper.tail.file_table import FileTable
    from shipper.tail.holds import Holds

log = logging.getLogger(__name__)


class Relatives:
    """
    The records as of one scan, which has `found` these files: by their log and by their folder.

    Each is looked up when it is first asked for: live files are opened before rotated ones are
    judged, and may be what these are copies of.
    """

    def __init__(self, files: FileTable, holds: Holds, found: AbstractSet[FileIdentity]) -> None:
        self._files = files
        self._holds = holds
        self._found = found
        self._logs: dict[str, list[FileRecord]] | None = None
        self._folders: dict[str, list[FileRecord]] | None = None

    def of_log(self, unknown: UnknownFile) -> list[FileRecord]:
        """Return the records of the log of a rotated file; first those of its inode."""
        if self._logs is None:
            self._logs = defaultdict(list)
            for record in self._files.records.values():
                self._logs[family(record.path)].append(record)
        kin = self._logs.get(family(unknown.shown), [])
        return sorted(kin, key=lambda each: (each.file.inode != unknown.key.inode, -each.seen_at))

    def has_any(self, unknown: UnknownFile) -> bool:
        """Return whether the content of a file in the folder of this one is known."""
        return bool(self._in_folder(unknown))

    def _in_folder(self, unknown: UnknownFile) -> list[FileRecord]:
        if self._folders is None:
            self._folders = defaultdict(list)
            for record in self._files.records.values():
                if record.head.length or record.file in self._files.open:
                    self._folders[os.path.dirname(record.path)].append(record)
        found = self._folders.get(os.path.dirname(unknown.shown), [])
        return [record for record in found if record.file != unknown.key]

    def by_content(
        self, unknown: UnknownFile, content: Content
    ) -> tuple[list[FileRecord], tuple[tuple[int, int], ...]]:
        """Return the records that a file may continue, or what to skip in it; close it."""
        try:
            kin = self._kin(unknown, self._in_folder(unknown), content.read_at(HEAD, 0))
            if known := [each for each in kin if self._is_renumbered(unknown, each, content)]:
                return known, ()
            skips = self._edited(unknown, content)
        except OSError as error:
            log.warning("%s: %s; it is read as a new file", content.path, error)
            return [], ()
        else:
            return ([], skips) if skips else (kin, ())
        finally:
            content.close()

    def edited(self, unknown: UnknownFile, content: Content | None) -> tuple[tuple[int, int], ...]:
        """Return what to skip in a rotated file that no known one was copied to; close it."""
        if content is None:
            return ()
        try:
            return self._edited(unknown, content)
        except OSError as error:
            log.warning("%s: %s; it is read as a new file", content.path, error)
            return ()
        finally:
            content.close()

    def _edited(self, unknown: UnknownFile, content: Content) -> tuple[tuple[int, int], ...]:
        kin = [r for r in self._in_folder(unknown) if family(r.path) == family(unknown.shown)]
        ranges = [self._common(record, content) for record in kin]
        return max(ranges, key=lambda each: sum(end - start for start, end in each), default=())

    def _common(self, record: FileRecord, content: Content) -> tuple[tuple[int, int], ...]:
        """Return what a file has in common with one whose place it took; raises OSError."""
        old = self._files.open.get(record.file)
        if old is None or record.file in self._found:
            return ()
        is_held = self._holds.has(record.file)
        end = old.content.size(old.content.stat()) if is_held else record.offset
        return common_ranges(old.content, end, content, content.size(content.stat()))

    def _kin(
        self, unknown: UnknownFile, in_folder: list[FileRecord], head: bytes
    ) -> list[FileRecord]:
        heads: dict[int, Fingerprint] = {}
        kin = []
        for record in in_folder:
            length = record.head.length
            if not length:
                continue
            if length not in heads:
                heads[length] = fingerprint(head[:length])
            if heads[length] == record.head and (
                bears_time(head[:length]) or self._is_on_another_device(unknown, record)
            ):
                kin.append(record)
        return sorted(kin, key=lambda each: -each.seen_at)

    def _is_renumbered(self, unknown: UnknownFile, record: FileRecord, content: Content) -> bool:
        return self._is_on_another_device(unknown, record) and is_copy_of(content, record)

    def _is_on_another_device(self, unknown: UnknownFile, record: FileRecord) -> bool:
        is_same = record.file.inode == unknown.key.inode and record.path == unknown.shown
        return is_same and record.file not in self._found
