"""
The scan: lists the folders of all inputs, and opens and closes files by what it finds.

The scan is the truth: it compares identities, and finds every new, renamed, truncated and vanished
file. A file stays open until it was rotated away, read to its end, acked and quiet for a while, and
nobody has it open for writing (writers.py). So a rename chain `.1 → .2 → .3` needs no following,
and a file that is deleted unread is still read: the open descriptor holds it, and across a restart
its hold (holds.py). The record of a truncated file stays until the next scan has shown whether a
copy (copies.py) continues it.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from shipper.fingerprint import HEAD
from shipper.registry.identity import FileIdentity, identity
from shipper.tail.content import GZIP
from shipper.tail.copies import Copies, CopyVerdict, TruncatedFile, UnknownFile, begins_as
from shipper.tail.discovery import FoundFile, family
from shipper.tail.forgetting import Forgetting
from shipper.tail.harvester import Harvester
from shipper.tail.relatives import Relatives
from shipper.tail.room import OpenFilesLimit
from shipper.tail.unreadable import UnreadableFiles
from shipper.tail.writers import has_writer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from shipper.registry.records import FileRecord
    from shipper.tail.file_table import FileTable
    from shipper.tail.holds import HeldFile, Holds
    from shipper.tail.inputs import InputFiles
    from shipper.tail.lag import Lag
    from shipper.tail.tombstones import DroppedFiles

log = logging.getLogger(__name__)

LATE_SECONDS = 3600.0  # where it is not known who writes to a file that has no name any more


class Scanner:
    """Opens and closes the files of a table; used by one thread."""

    def __init__(
        self,
        inputs: Iterable[InputFiles],
        files: FileTable,
        copies: Copies,
        holds: Holds,
        dropped: DroppedFiles,
    ) -> None:
        self._inputs = tuple(inputs)
        self._files = files
        self._copies = copies
        self._holds = holds
        self.unreadable = UnreadableFiles(files.known)
        self._dropped = dropped
        self._limit = OpenFilesLimit(files)
        self._forgetting = Forgetting(files, copies)
        self._left: list[HeldFile] | None = None  # holds to look at; None before the first scan
        self._held: list[UnknownFile] = []  # of which only a hold is left, see _recover
        self.set_back = 0  # by how many milliseconds the clock was, in all

    def is_measuring(self) -> bool:
        """Return whether a gzip waits to be measured further: a scan is due soon."""
        return self.unreadable.archives.is_busy

    def count_not_held(self) -> int:
        """Count the open files that would be gone if they were deleted while no shipper runs."""
        if not self._holds.are_on:
            return 0
        files = self._files.open.items()
        return sum(not each.missing and not self._holds.has(key) for key, each in files)

    def waiting(self) -> list[Lag]:
        """Return how far the files are that wait to be opened: more than the process may open."""
        return [*self._limit.waiting.values()]

    def set_inputs(self, inputs: Iterable[InputFiles]) -> None:
        """
        Go on with other inputs; what none of them names any more is read to its end.

        Their times are of the clock as it was at the start.
        """
        self._inputs = tuple(each.since_earlier(self.set_back) for each in inputs)
        for harvester in self._files.open.values():
            source = self._source_of(harvester.path)
            if source is not None:
                harvester.cutting = source.cutting

    def scan(self, *, now: float, wall: int) -> None:
        """Look at all folders; `now` is monotonic seconds, `wall` epoch milliseconds."""
        jump = self._forgetting.follow_clock(now, wall)
        if jump < 0:  # what is compressed from now on must not seem older than the first start
            self.set_back -= jump
            self._inputs = tuple(each.since_earlier(-jump) for each in self._inputs)
        self._limit.begin_scan()
        self.unreadable.archives.begin_scan()
        if self._holds.were_deleted():
            for key, each in self._files.open.items():
                self._holds.keep(key, each.content.fd, each.path)
        found, news = self._list(wall)
        unknown, unjudged = list[UnknownFile](), list[UnknownFile]()
        for new in sorted(news, key=_changed_at):
            harvester = self._files.open.get(new.key)
            if harvester is not None and harvester.is_unjudged and new.file.stat.st_size:
                unjudged.append(new)
            elif harvester is not None or self._is_known(new, now):
                self._meet(new, now, wall)
            else:
                unknown.append(new)
        self._copies.found = found
        if self._left is None:
            self._find_truncated(now)
            self._left = [*self._holds.left()]
        self._left = [held for held in self._left if not self._recover(held, found, now, wall)]
        self._copies.found = found | {held.key for held in self._held}
        self._open_unknown([*self._held, *unknown], unjudged, now, wall)
        self._held = [held for held in self._held if held.key not in self._files.open]
        self._visit(found, now, wall)
        self._keep_within_budget(wall)
        self._forgetting.forget(found, self._may_have_copy, now, wall)
        gone = self._limit.end_scan(found, wall)
        if gone:
            self._left += [held for held in self._holds.left() if identity(held.stat) in gone]
        paths = {each.file.path for each in news} | {held.link for held in self._left}
        self.unreadable.scanned(paths, now, wall)

    def _list(self, wall: int) -> tuple[set[FileIdentity], list[UnknownFile]]:
        """Return all files that are there, and those that are not open, idle and unchanged."""
        found: set[FileIdentity] = set()
        news: list[UnknownFile] = []
        opened, holds = self._files.open, self._holds
        for source in self._inputs:
            for file in source.patterns.find():
                stat = file.stat
                key = FileIdentity(stat.st_dev, stat.st_ino)
                if key in found or holds.contain(file.path):
                    continue
                found.add(key)
                harvester = opened.get(key)
                if harvester is not None and harvester.is_idle(file):
                    harvester.record.seen_at = harvester.record.current_at = wall
                else:
                    news.append(UnknownFile(file, key, source))
        return found, news

    def _is_known(self, new: UnknownFile, now: float) -> bool:
        """
        Return whether a file is the one its identity stands for: a copy may have its inode.

        A record of which no byte was read says nothing of its file, which stays known by it, so
        that its lines get the same names again, unless it turns out to be a copy.
        """
        record = self._files.known.get(new.key)
        if record is None or _is_done(record, new.file):
            return record is not None
        if not record.head.length:
            return not (new.file.rotated or new.file.stat.st_size)
        if not new.file.rotated:
            return True
        content = self.unreadable.open(new.file, new.key)
        if content is None or begins_as(record, content):
            return True
        del self._files.known[new.key]
        self._copies.truncated[record.id] = TruncatedFile(record, record.offset, record.last, now)
        return False

    def _visit(self, found: set[FileIdentity], now: float, wall: int) -> None:
        """Look at what is open: whether its name is gone, whether all of it is read."""
        gone = self._files.open.keys() - found
        changing = {
            key
            for key, each in self._files.open.items()
            if each.rotated_at is not None or each.position != each.size
        }
        for key in gone | changing:
            harvester = self._files.open[key]
            harvester.missing = key in gone
            if harvester.missing:
                harvester.is_unjudged = False
                harvester.set_rotated(now, rotated=True)
                self._files.look(key, harvester, now)
            if harvester.position == harvester.size:
                harvester.record.current_at = wall
            if harvester.is_rotated():
                self._retire(key, harvester, now)

    def _meet(self, new: UnknownFile, now: float, wall: int) -> None:
        """Note that a known file is there; open it if it may have something to read."""
        file, key = new.file, new.key
        harvester = self._files.open.get(key)
        if harvester is None:
            record = self._files.known[key]
            if _is_done(record, file):
                record.seen_at = wall
                return
            harvester = self._start(new, now, wall)
            if harvester is None:
                return
        harvester.cutting = new.source.cutting  # the config may have been read again
        harvester.set_rotated(now, rotated=file.rotated)
        if harvester.path != file.path:
            harvester.path = file.path
            harvester.record.path = file.shown
            self._files.paths_changed()
        harvester.record.seen_at = wall
        harvester.missing = False
        self._files.look(key, harvester, now, file.stat)

    def _start(
        self, new: UnknownFile, now: float, wall: int, skips: tuple[tuple[int, int], ...] = ()
    ) -> Harvester | None:
        """Open a file, of which other files had these ranges; None if it cannot be read now."""
        file, key, files = new.file, new.key, self._files
        has_room = self._limit.has_room_for(new, now)
        if not has_room and self._holds.has(key):
            return None
        content = self.unreadable.open(file, key)
        if content is None:
            return None
        if not has_room:
            self._holds.keep(key, content.fd, file.path)
            content.close()
            return None
        record = files.known.get(key) or files.new_record(key, new.shown, seen_at=wall)
        record.done = 0
        self._holds.keep(key, content.fd, file.path)
        harvester = Harvester(
            record, content, cutting=new.source.cutting, name_stream=files.name_stream, now=now
        )
        harvester.set_rotated(now, rotated=file.rotated)
        record.path = new.shown
        files.register(key, record)
        files.add_open(key, harvester)
        files.look(key, harvester, now)
        if content.fault:
            log.warning("%s: %s; what is before that is read", file.path, content.fault)
        if skips:
            log.info("%s was written anew; lines that it had before are skipped", new.shown)
            record.skips = skips
            harvester.is_unsaved = True
        return harvester

    def _find_truncated(self, now: float) -> None:
        """Find the records whose file had been truncated when the registry was saved last."""
        for record in self._files.records.values():
            if self._files.known.get(record.file) is not record:
                self._copies.truncated[record.id] = TruncatedFile(
                    record, record.offset, record.last, now
                )

    def _recover(self, held: HeldFile, found: set[FileIdentity], now: float, wall: int) -> bool:
        """
        Open what only a hold leads to, as at the start; return False if it waits for room.

        A hold without a record was made right before a crash. If it is a copy of a file that was
        truncated since, its lines are known by the record of that file: it waits in `_held` until
        the reader has seen the truncation too, and is then read on. The record of another may bear
        the number that its disk had before.
        """
        key = identity(held.stat)
        if key in found or key in self._files.open:
            return True
        record = self._files.known.get(key)
        gz = held.path.endswith(GZIP)
        file = FoundFile(held.link, held.stat, rotated=True, compressed=gz)
        path = record.path if record else FoundFile(held.path, held.stat, rotated=True).shown
        source = self._source_of(path)
        new = UnknownFile(file, key, source or self._inputs[0], path)
        if not self._limit.has_room_for(new, now) or (
            gz and not _is_measured(self.unreadable, file, key)
        ):
            return False
        if source is None and not held.is_last_name:
            log.warning("no input reads %s any more; it is not held from now on", path)
            self._holds.release(key)  # it is there, and known if an input reads it again
        elif source is None:
            if self._start(new, now, wall) is not None:
                self._drop_undelivered(key, "no input reads it any more", wall)
        elif record is None and self._is_copy_of_truncated(new):
            self._held.append(new)
        elif record is None and (kin := self._files.renumbered(key, found)):
            if self._open_copy(new, kin, now, wall):
                self._start(new, now, wall)
        else:
            self._start(new, now, wall)
        return True

    def _is_copy_of_truncated(self, new: UnknownFile) -> bool:
        content = self.unreadable.open(new.file, new.key)
        kin = [
            each for each in self._files.records.values() if family(each.path) == family(new.shown)
        ]
        return content is not None and self._copies.fits_truncated(content, kin)

    def _source_of(self, path: str) -> InputFiles | None:
        """Return the input that reads a file which has no name any more."""
        if not path.startswith("/"):
            return self._inputs[0]  # only the end of the path is known
        return next((each for each in self._inputs if each.patterns.take(path)), None)

    def _judge(self, new: UnknownFile, relatives: Relatives, now: float, wall: int) -> bool:
        """
        Return whether a file that was opened while it was empty is one of its own.

        If not it is closed: it is as if its bytes had been there when it was first seen.
        """
        harvester = self._files.open[new.key]
        content = None if new.file.rotated else self.unreadable.open(new.file, new.key)
        if content is not None and any(relatives.by_content(new, content)):
            self._files.close(new.key)
            self._files.drop(harvester.record)
            self._holds.release(new.key)
            return False
        harvester.is_unjudged = False
        self._meet(new, now, wall)
        self._files.ready[new.key] = None
        return True

    def _open_unknown(
        self, unknown: list[UnknownFile], unjudged: list[UnknownFile], now: float, wall: int
    ) -> None:
        """Open new files, and tell what continues known ones from them."""
        relatives = Relatives(self._files, self._holds, self._copies.found)
        unknown += [new for new in unjudged if not self._judge(new, relatives, now, wall)]
        for each in unknown:
            if not each.file.rotated:
                self._open_live(each, relatives, now, wall)
        for each in unknown:
            if not each.file.rotated or not each.file.stat.st_size:
                continue  # an empty one may become a copy
            if self._open_copy(each, relatives.of_log(each), now, wall):
                content = self.unreadable.open(each.file, each.key)
                self._start(each, now, wall, relatives.edited(each, content))
        ready = self._files.ready
        for each in unknown:  # the oldest is read first
            if each.key in ready:
                ready[each.key] = ready.pop(each.key)

    def _open_live(self, unknown: UnknownFile, relatives: Relatives, now: float, wall: int) -> None:
        """Read a file that is not rotated: as new, if its content continues no other one."""
        may_continue = unknown.file.stat.st_size and relatives.has_any(unknown)
        content = self.unreadable.open(unknown.file, unknown.key) if may_continue else None
        kin, skips = relatives.by_content(unknown, content) if content else ([], ())
        if not kin or self._open_copy(unknown, kin, now, wall):
            harvester = self._start(unknown, now, wall, skips)
            if harvester is not None and not unknown.file.stat.st_size:
                harvester.is_unjudged = relatives.has_any(unknown)

    def _open_copy(
        self, unknown: UnknownFile, kin: list[FileRecord], now: float, wall: int
    ) -> bool:
        """Read on a file that may continue another; return whether it is a new one."""
        verdict, copy = self._copies.judge(unknown, kin, self.unreadable.open, now)
        if verdict is CopyVerdict.SUCCESSOR and copy is not None and copy.record is not None:
            self._read_on(unknown, copy.record, copy.size, now, wall)
        return verdict is CopyVerdict.NEW

    def _read_on(
        self, unknown: UnknownFile, record: FileRecord, size: int, now: float, wall: int
    ) -> None:
        """Read a copy on from where its original was read to."""
        truncated = self._copies.truncated.pop(record.id, None)
        self._files.rebind(record, unknown.key)
        log.info("%s is a copy of %s; reading continues there", unknown.shown, record.path)
        harvester = self._start(unknown, now, wall)
        if harvester is None or truncated is None:
            return
        harvester.position, harvester.last = truncated.position, truncated.last
        if truncated.position > size:  # the copy was made before the last read
            self._files.cap(record, size, harvester.skip_to(size))

    def _retire(self, key: FileIdentity, harvester: Harvester, now: float) -> None:
        """
        Close a file that was rotated away, is read, acked and quiet, and has no writer.

        Its position is dropped only if no name leads to it any more: a folder that cannot be
        listed for a moment would else have all of its files read again.
        """
        if not (harvester.is_settled(now) and harvester.is_read()):
            return
        if self._may_have_copy(harvester.path) or self._may_be_written(harvester, now):
            return
        record, stat = harvester.record, self._files.close(key)
        names = stat.st_nlink - self._holds.has(key)
        self._holds.release(key)
        if harvester.missing and not names and not self._copies.has_copy_of(record):
            self._files.drop(record)
        else:
            record.done = stat.st_mtime_ns
            self._files.mark_changed(record)

    def _may_be_written(self, harvester: Harvester, now: float) -> bool:
        """Return whether somebody may still write to a file that was rotated away."""
        if harvester.content.fixed or self._source_of(harvester.path) is None:
            return False  # or the config does not name it any more: then its writer may stay
        is_open = has_writer(harvester.content.fd)
        if is_open is not None:
            return is_open
        return harvester.missing and not harvester.is_settled(now - LATE_SECONDS)

    def _may_have_copy(self, path: str) -> bool:
        """Return whether a gzip that is not measured yet may be the copy of a file."""
        unmeasured = self.unreadable.archives.unmeasured
        return bool(unmeasured) and family(path) in map(family, unmeasured)

    def _keep_within_budget(self, wall: int) -> None:
        """While what only we still hold takes too many bytes, drop of the folder with the most."""
        if not self._holds.are_on:
            return
        nameless: dict[str, list[tuple[int, int, FileIdentity]]] = {}
        for key, harvester in self._files.open.items():
            if harvester.missing:
                stat = harvester.content.stat()
                if stat.st_nlink <= self._holds.has(key):
                    files = nameless.setdefault(os.path.dirname(harvester.path), [])
                    files.append((-stat.st_mtime_ns, stat.st_size, key))
        sizes = {folder: sum(file[1] for file in files) for folder, files in nameless.items()}
        for files in nameless.values():
            files.sort()  # the oldest last
        while sum(sizes.values()) > self._holds.max_bytes:
            most = max(sizes, key=lambda folder: sizes[folder])
            _changed, size, key = nameless[most].pop()
            sizes[most] -= size
            self._drop_undelivered(key, "the held files exceeded holds.max_bytes", wall)

    def _drop_undelivered(self, key: FileIdentity, reason: str, wall: int) -> None:
        """Drop a file on purpose; its tombstone says what was not delivered."""
        harvester = self._files.open[key]
        record = harvester.record
        if not record.stream:
            record.stream = self._files.name_stream(record, harvester.content.read_at(HEAD, 0))
        self._dropped.add(harvester, reason, wall)
        self._files.close(key)
        self._holds.release(key)
        self._files.drop(record)


def _is_measured(unreadable: UnreadableFiles, gzip: FoundFile, key: FileIdentity) -> bool:
    try:
        return unreadable.archives.text_of(gzip, key) is not None
    except OSError:
        return True  # it is logged by who opens it


def _changed_at(new: UnknownFile) -> int:
    return new.file.stat.st_mtime_ns


def _is_done(record: FileRecord, file: FoundFile) -> bool:
    """Return whether a file was read to its end and is as it was then."""
    is_whole = file.compressed or record.offset == file.stat.st_size
    return is_whole and record.done == file.stat.st_mtime_ns
