"""
Files that are made of others: `copytruncate` copies a log, `compress` makes a gzip of it.

The copy has another inode, and the same lines. Those that `emit` wrote are known by their origin;
others are known by the stream of their file, so the copy has to be read as what it was copied
from: from the same offset, under the same record. It is a copy if it belongs to the same log by
its name (`app.log` ↔ `app.log.1`, `app.log.2.gz`) and has the same bytes, where they can be
compared:

- with the file itself, while it is open: the copy is how that file begins;
- with its record, when it is gone: the first bytes, and those before the acked offset. The first
  bytes have to bear a time (dated.py), or the inode to be the same on another device: an equal file
  that takes the place of another has lines of its own.

While the original can be read, its copy is a `KnownCopy`: there is nothing to read in it. When the
original is truncated or gone, the copy takes over its record. So what was written to the file
between the last read and the copy is read from the copy, and nothing is read twice.

Two small files may be equal by chance. So a copy of less than 1 KiB whose original stays as it was
is read for itself after a while: where in doubt, a line is read twice rather than never. So is any
that has not the name of a rotated file: two logs may have the same lines.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from shipper.fingerprint import HEAD
from shipper.tail.dated import bears_time
from shipper.tail.harvester import SETTLE_SECONDS, Harvester

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from shipper.fingerprint import Fingerprint
    from shipper.registry.identity import FileIdentity
    from shipper.registry.records import FileRecord
    from shipper.tail.content import Content
    from shipper.tail.discovery import FoundFile
    from shipper.tail.inputs import InputFiles

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnknownFile:
    """A file that is there and not known; `name` is what it was called, if only a hold is left."""

    file: FoundFile
    key: FileIdentity
    source: InputFiles
    name: str | None = None

    @property
    def shown(self) -> str:
        """Return the path of the file as text."""
        return self.file.shown if self.name is None else self.name


class CopyVerdict(Enum):
    """What is to be done with a rotated file that is not known."""

    NEW = "it is read from its beginning"
    SUCCESSOR = "it takes over the record of the file that it was copied from"
    WAIT = "nothing, for now or for good"


@dataclass(frozen=True, slots=True)
class KnownCopy:
    """
    A copy of what `record` stands for, or of nothing known: state, size, when it was found.

    `since` is monotonic, as all times that are not said to be others.
    """

    record: FileRecord | None
    state: tuple[int, int]
    size: int
    since: float


@dataclass(frozen=True, slots=True)
class TruncatedFile:
    """A record whose file was truncated: how far it was read, what was before that, and when."""

    record: FileRecord
    position: int
    last: Fingerprint
    since: float


class Copies:
    """
    Tells copies from new files.

    `opened` and `known` are the tailer's: what is read, and the record of every identity. `found`
    is what the scan under way has found.
    """

    def __init__(
        self, opened: dict[FileIdentity, Harvester], known: dict[FileIdentity, FileRecord]
    ) -> None:
        self._open = opened
        self._known = known
        self.found: set[FileIdentity] = set()
        self.truncated: dict[int, TruncatedFile] = {}
        self._known_copies: dict[FileIdentity, KnownCopy] = {}
        self._unfit: dict[FileIdentity, tuple[tuple[int, int], float]] = {}  # gzips still written

    def judge(
        self,
        unknown: UnknownFile,
        kin: list[FileRecord],
        open_content: Callable[[FoundFile, FileIdentity], Content | None],
        now: float,
    ) -> tuple[CopyVerdict, KnownCopy | None]:
        """Judge a rotated file that is not empty; `kin` are the records of the same log."""
        file, key = unknown.file, unknown.key
        copy = self._known_copies.get(key)
        if copy is None or copy.state != _state(file.stat):
            content = open_content(file, key)
            copy = self._identify(unknown, kin, content, now) if content else None
            if copy is None:
                return CopyVerdict.WAIT, None
            self._known_copies[key] = copy
        verdict = self._verdict(unknown, copy, now)
        if verdict is CopyVerdict.SUCCESSOR:
            # Another copy may have fitted the little that was known of the file that is gone: that
            # one has to be compared with all the bytes of this one.
            for other in [
                k for k, each in self._known_copies.items() if each.record is copy.record
            ]:
                del self._known_copies[other]
        elif verdict is CopyVerdict.NEW:
            del self._known_copies[key]
        return verdict, copy

    def _verdict(self, unknown: UnknownFile, copy: KnownCopy, now: float) -> CopyVerdict:
        file, record = unknown.file, copy.record
        if record is None:
            is_old = file.stat.st_mtime_ns <= unknown.source.compressed_since
            return CopyVerdict.WAIT if file.compressed and is_old else CopyVerdict.NEW
        if not self._is_there(record):
            return CopyVerdict.SUCCESSOR
        harvester = self._open.get(record.file)
        stays = harvester is None or not harvester.missing
        may_be_another = copy.size < HEAD or not file.rotated
        if stays and may_be_another and now - copy.since >= SETTLE_SECONDS:
            return CopyVerdict.NEW  # two small files that are equal, as it seems
        return CopyVerdict.WAIT

    def _is_there(self, record: FileRecord) -> bool:
        """Return whether the file of a record can still be read as what it was."""
        if self._known.get(record.file) is not record:
            return False
        return record.file in self._open or record.file in self.found

    def _identify(
        self, unknown: UnknownFile, kin: list[FileRecord], content: Content, now: float
    ) -> KnownCopy | None:
        """Look what a file is a copy of; None if that cannot be said now."""
        file, key = unknown.file, unknown.key
        try:
            is_telling = file.compressed or bears_time(content.read_at(HEAD, 0))
            record = next(
                (
                    each
                    for each in kin
                    if self._fits(
                        content, each, is_telling=is_telling or each.file.inode == key.inode
                    )
                ),
                None,
            )
            if record is None and any(self._has_new_content(each, content) for each in kin):
                return None  # its original was truncated, and is about to be read again
            is_old = file.stat.st_mtime_ns <= unknown.source.compressed_since
            size = 0 if record is None and is_old else content.size(content.stat())
        except OSError as error:
            log.warning("%s: %s; it is tried again in the next scan", file.path, error)
            return None
        finally:
            content.close()
        state = _state(file.stat)
        if content.fault:
            before, since = self._unfit.get(key, (None, now))
            if before != state:
                self._unfit[key] = state, now
                return None
            if now - since < SETTLE_SECONDS:
                return None  # it is still written, as it seems
        self._unfit.pop(key, None)
        return KnownCopy(record, state, size, now)

    def _has_new_content(self, record: FileRecord, copy: Content) -> bool:
        """
        Return whether a file was truncated, and begins with the bytes of the copy since.

        Raises OSError.
        """
        harvester = self._open.get(record.file)
        if harvester is None or harvester.record is not record or harvester.is_same():
            return False
        return is_beginning_of(copy, harvester.content)

    def _fits(self, content: Content, record: FileRecord, *, is_telling: bool = False) -> bool:
        """
        Return whether a file is a copy of the one that a record stands for; raises OSError.

        Where that one is gone, the bytes have to be telling.
        """
        truncated = self.truncated.get(record.id)
        if truncated is not None:
            return is_copy_of(content, record, (truncated.position, truncated.last))
        harvester = self._open.get(record.file)
        if harvester is not None and harvester.record is record:
            if harvester.is_same():
                return is_beginning_of(content, harvester.content)
            return is_copy_of(content, record, (harvester.position, harvester.last))
        if not (is_telling or record.file in self.found):
            return False
        return is_copy_of(content, record)

    def fits_truncated(self, content: Content, kin: list[FileRecord]) -> bool:
        """
        Return whether a file is a copy of one that was truncated since; close it.

        Only then is it sure that its lines are read under another record: an equal file that
        merely took the place of another has lines of its own.
        """
        try:
            return any(self._is_truncated(record) and self._fits(content, record) for record in kin)
        except OSError as error:
            log.warning("%s: %s; it is read as a new file", content.path, error)
            return False
        finally:
            content.close()

    def _is_truncated(self, record: FileRecord) -> bool:
        if record.id in self.truncated:
            return True
        harvester = self._open.get(record.file)
        return harvester is not None and harvester.record is record and not harvester.is_same()

    def has_copy_of(self, record: FileRecord) -> bool:
        """Return whether a copy is there that can take over a record."""
        return any(copy.record is record for copy in self._known_copies.values())

    def forget(self) -> None:
        """Forget what is not there any more."""
        for key in self._known_copies.keys() - self.found:
            del self._known_copies[key]
        for key in self._unfit.keys() - self.found:
            del self._unfit[key]


def _state(stat: os.stat_result) -> tuple[int, int]:
    return stat.st_size, stat.st_mtime_ns


def begins_as(record: FileRecord, content: Content) -> bool:
    """Return whether a file begins as its record says, as far as that can be seen; close it."""
    try:
        head = content.read_at(record.head.length, 0)
    except OSError:
        return True  # it is read, and complained of, by who can say where
    finally:
        content.close()
    return bool(head) and record.head.matches(head)


def is_beginning_of(copy: Content, original: Content) -> bool:
    """Return whether the original begins with the bytes of the copy; raises OSError."""
    size = copy.size(copy.stat())
    if size > original.size(original.stat()):
        return False
    for offset in (0, max(size - HEAD, 0)):
        part = copy.read_at(HEAD, offset)
        if part != original.read_at(len(part), offset):
            return False
    return True


def is_copy_of(
    copy: Content, record: FileRecord, read: tuple[int, Fingerprint] | None = None
) -> bool:
    """
    Return whether a copy holds what was read under this record; raises OSError.

    `read` says of a truncated file how far it was read beyond its record, and what was before: a
    copy that is shorter was made before the last read.
    """
    head = record.head
    if not head.length or not head.matches(copy.read_at(head.length, 0)):
        return False
    size = copy.size(copy.stat())
    places = [(record.offset, record.last), *([read] if read else [])]
    places = [place for place in places if place[0] <= size]
    if not places:
        return read is not None
    offset, last = max(places, key=lambda place: place[0])
    return offset <= head.length or last.matches(copy.read_at(last.length, offset - last.length))
