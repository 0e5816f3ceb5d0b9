"""
All files of all inputs: which are open, which have something to read, which are done.

The scan is the truth: it lists the folders, compares identities, and finds every new, renamed,
truncated and vanished file. Hints of the kernel and looks at files that grew lately only make
reading start sooner; without them nothing is missed.

A file stays open until it was rotated away, read to its end, acked and quiet for a while. So a
rename chain `.1 → .2 → .3` needs no following, and a file that is deleted unread is still read:
the open descriptor holds it, and across a restart its hold (holds.py). What was truncated, or
another file under a used inode, becomes a new record and starts at 0; the old record stays until
the next scan has shown whether a copy (copies.py) takes it over.

`take_changes` gives what the registry has to save, `saved` tells that it has: only then are holds
let go, and blocks given that end where an event might have gone on (harvester.py).
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from shipper.registry.identity import (
    HEAD,
    NO_FINGERPRINT,
    FileIdentity,
    Fingerprint,
    identity,
    stream_name,
)
from shipper.registry.records import FileRecord
from shipper.tail.content import GZIP
from shipper.tail.copies import Copies, CopyVerdict, TruncatedFile, UnknownFile, begins_as
from shipper.tail.discovery import FoundFile, family
from shipper.tail.harvester import SETTLE_SECONDS, Harvester
from shipper.tail.holds import Holds
from shipper.tail.inputs import InputFiles
from shipper.tail.lag import Lag
from shipper.tail.tombstones import DroppedFiles
from shipper.tail.unreadable import UnreadableFiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shipper.events import Block
    from shipper.registry.records import Memory, Tombstone

log = logging.getLogger(__name__)

WARM_SECONDS = 2.0  # a file that grew this lately is looked at between the scans, too

FORGET_AFTER_MS = 24 * 3600 * 1000  # a file that is nowhere any more is forgotten then


class Tailer:
    """
    The harvesters of all inputs; used by one thread.

    `memory` is what the registry knows.
    """

    def __init__(
        self,
        inputs: Iterable[InputFiles],
        memory: Memory,
        *,
        host: str,
        block_bytes: int,
        holds: Holds | None = None,
    ) -> None:
        self._inputs = tuple(inputs)
        self._host = host
        self._block_bytes = block_bytes
        self._holds = holds or Holds(None)
        self._records = {record.id: record for record in memory.files}
        self._known = {record.file: record for record in self._records.values()}
        self._next_id = max(self._records, default=0) + 1
        self._open: dict[FileIdentity, Harvester] = {}
        self._paths: dict[str, FileIdentity] | None = None
        self._ready: dict[FileIdentity, None] = {}  # in the order in which they have to be read
        self._warm: set[FileIdentity] = set()
        self._refusals = UnreadableFiles(self._known)
        self._streams = {record.stream for record in self._records.values()} | memory.retired
        self._changed: set[int] = set()
        self._over: list[FileRecord] = []
        self._lasts: dict[tuple[int, int], Fingerprint] = {}  # file, end of a block → last bytes
        self._splits: dict[FileIdentity, Harvester] = {}  # whose next block waits for a save,
        self._saving: dict[FileIdentity, Harvester] = {}  # which is under way for these
        self._caps: dict[int, tuple[int, Fingerprint]] = {}  # acks count for no more than that
        self._copies = Copies(self._open, self._known)
        self._surrender = DroppedFiles()
        self._is_recovered = False

    def set_inputs(self, inputs: Iterable[InputFiles], *, host: str, block_bytes: int) -> None:
        """Go on with other inputs; what none of them names any more is read to its end."""
        self._inputs = tuple(inputs)
        self._host = host
        self._block_bytes = block_bytes
        for harvester in self._open.values():
            source = self._source_of(harvester.path)
            if source is not None:
                harvester.cutting = source.cutting

    def rewind(self) -> None:
        """Go on reading every file at what is acked; nothing may be under way."""
        for key, harvester in self._open.items():
            harvester.rewind()
            self._ready[key] = None

    def scan(self, *, now: float, wall: int) -> None:
        """Look at all folders; `now` is monotonic seconds, `wall` epoch milliseconds."""
        found: set[FileIdentity] = set()
        news: list[UnknownFile] = []
        opened, holds = self._open, self._holds
        if holds.were_deleted():
            for key, each in opened.items():
                holds.keep(key, each.content.fd, each.path)
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
        strangers = []
        for new in sorted(news, key=_changed_at):
            if new.key in opened or self._is_known(new, now):
                self._meet(new.file, new.key, new.source, now, wall)
            else:
                strangers.append(new)
        self._copies.found = found
        if not self._is_recovered:
            self._is_recovered = True
            self._find_orphans(now)
            self._recover(found, now, wall)
        self._judge(strangers, now, wall)
        self._visit(found, now, wall)
        self._keep_within_budget(wall)
        self._forget(found, now, wall)
        self._refusals.scanned({each.file.path for each in news}, wall)

    def _is_known(self, file: UnknownFile, now: float) -> bool:
        """Return whether a file is the one its identity stands for: a copy may have its inode."""
        record = self._known.get(file.key)
        if record is None or not file.file.rotated or _is_done(record, file.file):
            return record is not None
        content = self._refusals.open(file.file, file.key)
        if content is None or begins_as(record, content):
            return True
        del self._known[file.key]
        self._copies.orphans[record.id] = TruncatedFile(record, record.offset, record.last, now)
        return False

    def _visit(self, found: set[FileIdentity], now: float, wall: int) -> None:
        """Look at what is open: whether its name is gone, whether all of it is read."""
        gone = self._open.keys() - found
        changing = {
            key
            for key, each in self._open.items()
            if each.rotated_at is not None or each.position != each.size
        }
        for key in gone | changing:
            harvester = self._open[key]
            harvester.missing = key in gone
            if harvester.missing:
                harvester.set_rotated(now, rotated=True)
                self._look(key, harvester, now)
            if harvester.position == harvester.size:
                harvester.record.current_at = wall
            if harvester.is_rotated():
                self._retire(key, harvester, now)

    def _meet(
        self, file: FoundFile, key: FileIdentity, source: InputFiles, now: float, wall: int
    ) -> None:
        """Take notice of a known file that is there; open it if it has something to say."""
        harvester = self._open.get(key)
        if harvester is None:
            record = self._known[key]
            if _is_done(record, file):
                record.seen_at = wall
                return
            harvester = self._start(file, key, source, now, wall)
            if harvester is None:
                return
        harvester.cutting = source.cutting  # the config may have been read again
        harvester.set_rotated(now, rotated=file.rotated)
        if harvester.path != file.path:
            harvester.path = file.path
            harvester.record.path = file.shown
            self._paths = None
        harvester.record.seen_at = wall
        harvester.missing = False
        self._look(key, harvester, now, file.stat)

    def _start(
        self, file: FoundFile, key: FileIdentity, source: InputFiles, now: float, wall: int
    ) -> Harvester | None:
        content = self._refusals.open(file, key)
        if content is None:
            return None
        record = self._known.get(key) or self._record(key, file.shown, 0, wall)
        record.done = 0
        self._holds.keep(key, content.fd, file.path)
        harvester = Harvester(
            record, content, cutting=source.cutting, name_stream=self._name_stream, now=now
        )
        harvester.set_rotated(now, rotated=file.rotated)
        record.path = file.shown
        self._register(key, record)
        self._open[key] = harvester
        self._paths = None
        self._warm.add(key)
        self._ready[key] = None  # even if its size is as remembered: its head may not be
        self._look(key, harvester, now)
        if content.fault:
            log.warning("%s: %s; it is read up to there", file.path, content.fault)
        return harvester

    def _name_stream(self, record: FileRecord, head: bytes) -> str:
        """Name a stream as no file was named before, in this folder's memory."""
        while True:
            name = stream_name(self._host, record.file, head, record.generation)
            if name not in self._streams:
                self._streams.add(name)
                return name
            record.generation += 1

    def _record(self, key: FileIdentity, path: str, generation: int, wall: int) -> FileRecord:
        return FileRecord(0, key, Fingerprint(), path, "", generation, 0, wall)

    def _register(self, key: FileIdentity, record: FileRecord) -> None:
        if not record.id:
            record.id = self._next_id
            self._next_id += 1
            self._changed.add(record.id)
        self._records[record.id] = record
        self._known[key] = record

    def _look(
        self,
        key: FileIdentity,
        harvester: Harvester,
        now: float,
        stat: os.stat_result | None = None,
    ) -> None:
        """See whether a file has something to read, and whether it still is the same file."""
        try:
            if harvester.has_grown(now, stat):
                self._ready[key] = None
                self._warm.add(key)
        except OSError as error:
            log.warning("%s: %s; it is tried again in the next scan", harvester.path, error)

    def _restart(self, key: FileIdentity, harvester: Harvester, now: float, wall: int) -> None:
        """Begin again with a file that was truncated, or is another one under the same inode."""
        old = harvester.record
        log.info("%s was truncated or replaced; it is read from its beginning", harvester.path)
        new = self._record(key, old.path, old.generation + 1, wall)
        new.current_at = old.current_at
        self._register(key, new)
        self._copies.orphans[old.id] = TruncatedFile(old, harvester.position, harvester.last, now)
        harvester.restart(new)

    def _find_orphans(self, now: float) -> None:
        """Find the records whose file had been truncated when the registry was saved last."""
        for record in self._records.values():
            if self._known.get(record.file) is not record:
                self._copies.orphans[record.id] = TruncatedFile(
                    record, record.offset, record.last, now
                )

    def _recover(self, found: set[FileIdentity], now: float, wall: int) -> None:
        """Open what only a hold leads to, once at the start."""
        for held in self._holds.left():
            key = identity(held.stat)
            if key in found:
                continue
            record = self._known.get(key)
            gz = held.path.endswith(GZIP)
            file = FoundFile(held.link, held.stat, rotated=True, compressed=gz)
            path = record.path if record else FoundFile(held.path, held.stat, rotated=True).shown
            source = self._source_of(path)
            harvester = self._start(file, key, source or self._inputs[0], now, wall)
            if harvester is not None:
                harvester.record.path = path
                if source is None:
                    self._give_up(key, "no input takes it any more", wall)

    def _source_of(self, path: str) -> InputFiles | None:
        """Return the input that takes a file which has no name any more."""
        if not path.startswith("/"):
            return self._inputs[0]  # only the end of the path is known
        return next((each for each in self._inputs if each.patterns.take(path)), None)

    def _judge(self, strangers: list[UnknownFile], now: float, wall: int) -> None:
        """Tell copies of known files from new files."""
        for stranger in strangers:
            if not stranger.file.rotated:
                self._start(stranger.file, stranger.key, stranger.source, now, wall)
        rotated = [stranger for stranger in strangers if stranger.file.rotated]
        families: dict[str, list[FileRecord]] = {}
        for record in self._records.values() if rotated else ():
            families.setdefault(family(record.path), []).append(record)
        for stranger in rotated:
            if stranger.file.stat.st_size:  # an empty one may be a copy in the making
                kin = families.get(family(stranger.file.shown), [])
                self._judge_rotated(stranger, kin, now, wall)
        for stranger in strangers:  # the oldest is read first
            if stranger.key in self._ready:
                self._ready[stranger.key] = self._ready.pop(stranger.key)

    def _judge_rotated(
        self, stranger: UnknownFile, kin: list[FileRecord], now: float, wall: int
    ) -> None:
        """Read a rotated file that is not known: on, if it is a copy; as new; or not at all."""
        verdict, shadow = self._copies.judge(stranger, kin, self._refusals.open, now)
        if verdict is CopyVerdict.NEW:
            self._start(stranger.file, stranger.key, stranger.source, now, wall)
        elif verdict is CopyVerdict.SUCCESSOR and shadow is not None and shadow.record is not None:
            self._take_over(stranger, shadow.record, shadow.size, now, wall)

    def _take_over(
        self, stranger: UnknownFile, record: FileRecord, size: int, now: float, wall: int
    ) -> None:
        """Read a copy on from where its original was read to."""
        file, key = stranger.file, stranger.key
        orphan = self._copies.orphans.pop(record.id, None)
        if self._known.get(record.file) is record:
            del self._known[record.file]
        record.file = key
        self._known[key] = record
        self._changed.add(record.id)
        log.info("%s is a copy of what was read as %s; it is read on", file.path, record.path)
        harvester = self._start(file, key, stranger.source, now, wall)
        if harvester is None or orphan is None:
            return
        harvester.position, harvester.last = orphan.position, orphan.last
        if orphan.position > size:  # the copy was made before the last read
            cap = self._caps[record.id] = size, harvester.skip_to(size)
            if record.offset > size:
                record.offset, record.last = cap

    def hint(self, paths: Iterable[str]) -> bool:
        """Take hints that files have changed; return whether any means a file not known yet."""
        if self._paths is None:
            self._paths = {harvester.path: key for key, harvester in self._open.items()}
        unknown = False
        for path in paths:
            key = self._paths.get(path)
            if key is None:
                unknown = unknown or not self._holds.contain(path)
            else:
                self._ready[key] = None
        return unknown

    def poll(self, now: float) -> bool:
        """Look at the files that grew lately; return whether there are any such files."""
        for key in list(self._warm):
            harvester = self._open.get(key)
            if harvester is None or now - harvester.grown_at >= WARM_SECONDS:
                self._warm.discard(key)
            else:
                self._look(key, harvester, now)
        return bool(self._warm)

    def has_rotation(self) -> bool:
        """Return whether a file that grew lately has another name by now: a scan is due."""
        for key in self._warm:
            harvester = self._open.get(key)
            if harvester is None or harvester.is_rotated():
                continue
            try:
                if os.stat(harvester.path).st_ino != key.inode:
                    return True
            except OSError:
                return True
        return False

    def read(self, *, now: float, wall: int) -> Iterator[Block]:
        """Yield a block of every file that has one, each file once; raises nothing of a file."""
        for key in list(self._ready):
            harvester = self._open.get(key)
            block = self._read(key, harvester, now, wall) if harvester else None
            if block is None:
                self._ready.pop(key, None)
            else:
                self._changed.add(block.file)
                self._warm.add(key)
                yield block

    def _read(self, key: FileIdentity, harvester: Harvester, now: float, wall: int) -> Block | None:
        try:
            if not harvester.is_same():
                self._restart(key, harvester, now, wall)
            block = harvester.read(self._block_bytes, now=now, read_at=wall)
        except OSError as error:
            log.warning("%s: %s; it is tried again in the next scan", harvester.path, error)
            return None
        if block is not None:
            self._lasts[block.file, block.end] = harvester.last
        elif harvester.wants_save():
            self._await_save(key, harvester)
        if harvester.position == harvester.size:
            harvester.record.current_at = wall
        return block

    def _await_save(self, key: FileIdentity, harvester: Harvester) -> None:
        self._changed.add(harvester.record.id)
        self._splits[key] = harvester

    def end_events(self) -> bool:
        """Let all events end that wait for more lines; return whether there were any."""
        ended = [key for key, each in self._open.items() if each.end_event()]
        for key in ended:
            self._await_save(key, self._open[key])
        return bool(ended)

    def reread(self, file: int, start: int = 0) -> int:
        """Have a file read again, see `FileRecord.reread`; return the bytes of it."""
        record = self._records[file]
        bytes_again = record.reread(start)
        self._changed.add(file)
        self._caps.pop(file, None)
        harvester = self._open.get(record.file)
        if harvester is not None:
            harvester.rewind()
            self._ready[record.file] = None
        return bytes_again

    def records(self) -> list[FileRecord]:
        """Return what is known of every file."""
        return list(self._records.values())

    def is_there(self, record: FileRecord) -> bool:
        """Return whether a file was there in the last scan, or can still be read."""
        return record.file in self._open or record.file in self._copies.found

    def forget(self, file: int) -> None:
        """Forget a file that is not there."""
        self._drop(self._records[file])

    def ack(self, file: int, offset: int) -> None:
        """Move the acked offset of a file; one that is over is left alone."""
        last = self._lasts.pop((file, offset), NO_FINGERPRINT)
        record = self._records.get(file)
        if record is None:
            self._surrender.ack(file, offset)
            return
        cap = self._caps.get(file)
        if cap is not None and offset >= cap[0]:
            offset, last = cap
        if offset > record.offset:
            record.offset, record.last = offset, last
            self._changed.add(file)

    def take_changes(self) -> tuple[list[FileRecord], list[FileRecord]]:
        """Return the records that are new or have moved, and those that are over; begin anew."""
        moved = [self._records[file] for file in sorted(self._changed) if file in self._records]
        over, self._over = self._over, []
        self._changed = set()
        self._saving.update(self._splits)
        self._splits = {}
        return moved, over

    def take_tombstones(self) -> list[Tombstone]:
        """Return what was given up since the last call; to be saved with the changes."""
        return self._surrender.take()

    def saved(self) -> None:
        """Take note that the registry has saved all that was taken."""
        for key, harvester in self._saving.items():
            harvester.split_saved = harvester.record.split
            self._ready[key] = None
        self._saving = {}
        self._holds.sweep()

    def is_splitting(self) -> bool:
        """Return whether a block waits for a save."""
        return bool(self._splits or self._saving)

    def _retire(self, key: FileIdentity, harvester: Harvester, now: float) -> None:
        """
        Close a file that was rotated away, is read, acked and quiet.

        Its position is dropped only if no name leads to it any more: a folder that cannot be
        listed for a moment would else have all of its files read again.
        """
        if not (harvester.is_settled(now) and harvester.is_read()):
            return
        record, stat = harvester.record, self._close(key)
        names = stat.st_nlink - self._holds.has(key)
        self._holds.release(key)
        if harvester.missing and not names and not self._copies.has_copy_of(record):
            self._drop(record)
        else:
            record.done = stat.st_mtime_ns
            self._changed.add(record.id)

    def _close(self, key: FileIdentity) -> os.stat_result:
        harvester = self._open.pop(key)
        self._ready.pop(key, None)
        self._warm.discard(key)
        self._paths = None
        return harvester.close()

    def _keep_within_budget(self, wall: int) -> None:
        """Return up the oldest files that only we still hold, while they take too many bytes."""
        if not self._holds.are_on:
            return
        nameless = []
        for key, harvester in self._open.items():
            if harvester.missing:
                stat = harvester.content.stat()
                if stat.st_nlink <= self._holds.has(key):
                    nameless.append((stat.st_mtime_ns, stat.st_size, key))
        over = sum(size for _changed, size, _key in nameless) - self._holds.max_bytes
        for _changed, size, key in sorted(nameless):
            if over <= 0:
                break
            over -= size
            self._give_up(key, "the files held took more than holds.max_bytes", wall)

    def _give_up(self, key: FileIdentity, reason: str, wall: int) -> None:
        harvester = self._open[key]
        record = harvester.record
        if not record.stream:
            record.stream = self._name_stream(record, harvester.content.read_at(HEAD, 0))
        self._surrender.give_up(harvester, reason, wall)
        self._close(key)
        self._holds.release(key)
        self._drop(record)

    def _drop(self, record: FileRecord) -> None:
        self._records.pop(record.id, None)
        if self._known.get(record.file) is record:
            del self._known[record.file]
        self._changed.discard(record.id)
        self._caps.pop(record.id, None)
        self._over.append(record)

    def _forget(self, found: set[FileIdentity], now: float, wall: int) -> None:
        """Drop what is known of files that have been nowhere for long."""
        for orphan in list(self._copies.orphans.values()):
            if now - orphan.since >= SETTLE_SECONDS:
                del self._copies.orphans[orphan.record.id]
                self._drop(orphan.record)
        for key in self._known.keys() - found - self._open.keys():
            record = self._known[key]
            if wall - record.seen_at >= FORGET_AFTER_MS:
                self._drop(record)
        self._copies.forget()

    def held(self) -> dict[str, int]:
        """Return path → bytes that are not acked, of the files that have no name any more."""
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
        """Return when each file that cannot be opened was last read to its end (epoch ms)."""
        return list(self._refusals.times.values())

    def harvesters(self) -> list[Harvester]:
        """Return the files that are open."""
        return list(self._open.values())

    def refused(self) -> list[str]:
        """Return the paths of files that could not be opened."""
        return sorted(self._refusals.reasons)

    def is_caught_up(self) -> bool:
        """Return whether nothing was found to read since the last looks."""
        return not self._ready

    def close(self) -> None:
        """Close all files."""
        for harvester in self._open.values():
            harvester.close()
        self._open.clear()


def _changed_at(stranger: UnknownFile) -> int:
    return stranger.file.stat.st_mtime_ns


def _is_done(record: FileRecord, file: FoundFile) -> bool:
    """Return whether a file was read to its end and is as it was then."""
    is_whole = file.compressed or record.offset == file.stat.st_size
    return is_whole and record.done == file.stat.st_mtime_ns
