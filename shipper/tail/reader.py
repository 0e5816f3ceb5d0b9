"""
Reads the open files in turn: a block of each that has one.

Hints of the kernel and looks at files that grew lately only make reading start sooner: the scan
(scanner.py) finds everything without them. A block that ends where an event might have gone on is
returned only after the registry has saved where it ends (harvester.py): `saved` says that it has.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

from shipper.fingerprint import HEAD
from shipper.tail.copies import TruncatedFile
from shipper.tail.dated import bears_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from shipper.events import Block
    from shipper.registry.identity import FileIdentity
    from shipper.tail.copies import Copies
    from shipper.tail.file_table import FileTable
    from shipper.tail.harvester import Harvester
    from shipper.tail.holds import Holds

log = logging.getLogger(__name__)

WARM_SECONDS = 2.0  # a file that grew this lately is looked at between the scans, too


class Reader:
    """Reads the open files of a table; used by one thread."""

    def __init__(self, files: FileTable, copies: Copies, holds: Holds, block_bytes: int) -> None:
        self.block_bytes = block_bytes
        self._files = files
        self._copies = copies
        self._holds = holds
        self._splits: dict[FileIdentity, Harvester] = {}  # whose next block waits for a save,
        self._saving: dict[FileIdentity, Harvester] = {}  # which is under way for these
        self.wants_scan = False  # a file that was empty has to be judged before it is read

    def rewind(self) -> None:
        """Go on reading every file at what is acked; nothing may be under way."""
        for key, harvester in self._files.open.items():
            harvester.rewind()
            self._files.ready[key] = None

    def hint(self, paths: Iterable[str]) -> bool:
        """Take hints that files have changed; return whether any is of a file not known yet."""
        unknown = False
        for path in paths:
            key = self._files.by_path(path)
            if key is None:
                unknown = unknown or not self._holds.contain(path)
            else:
                self._files.ready[key] = None
        return unknown

    def poll(self, now: float, cooled: Callable[[frozenset[str]], None] | None = None) -> bool:
        """
        Look at the files that grew lately; return whether there are any such files.

        When some have not grown any more, `cooled` is called with the paths of the others before a
        last look at these: what is written to them later is for the kernel's events to tell.
        """
        files = self._files
        looked_at = list(files.warm)
        files.warm -= {
            key
            for key in looked_at
            if key not in files.open or now - files.open[key].grown_at >= WARM_SECONDS
        }
        if cooled is not None and len(files.warm) < len(looked_at):
            cooled(self.warm_paths())
        for key in looked_at:
            if key in files.open:
                files.look(key, files.open[key], now)
        return bool(files.warm)

    def warm_paths(self) -> frozenset[str]:
        """Return the paths of the files that `poll` looks at."""
        files = self._files
        return frozenset(files.open[key].path for key in files.warm if key in files.open)

    def has_rotation(self) -> bool:
        """Return whether a file that grew lately has another name by now: a scan is due."""
        for key in self._files.warm:
            harvester = self._files.open.get(key)
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
        files = self._files
        for key in list(files.ready):
            harvester = files.open.get(key)
            block = self._read_file(key, harvester, now, wall) if harvester else None
            if block is None:
                if harvester is None or not harvester.is_searching:
                    files.ready.pop(key, None)
            else:
                files.warm.add(key)
                yield block

    def _read_file(
        self, key: FileIdentity, harvester: Harvester, now: float, wall: int
    ) -> Block | None:
        try:
            is_anew = not harvester.is_same()
            if harvester.is_unjudged and self._must_be_judged(harvester):
                return None
            if is_anew or harvester.rewrites.are_sure(harvester, now=now, wall=wall):
                self._restart(key, harvester, now, wall)
            if harvester.is_unsaved:
                if key not in self._saving:
                    self._await_save(key, harvester)
                return None
            block = harvester.read(self.block_bytes, now=now, read_at=wall)
        except OSError as error:
            log.warning("%s: %s; it is tried again in the next scan", harvester.path, error)
            harvester.is_searching = False
            return None
        if block is not None:
            self._files.mark_changed(harvester.record)
        elif harvester.wants_save() or harvester.is_unsaved:
            self._await_save(key, harvester)
        harvester.note_reached(wall)
        return block

    def _must_be_judged(self, harvester: Harvester) -> bool:
        """Return whether a file that was empty may hold the lines of another by now."""
        if harvester.size:
            harvester.is_unjudged = bears_time(harvester.content.read_at(HEAD, 0))
            self.wants_scan = self.wants_scan or harvester.is_unjudged
        return harvester.is_unjudged

    def _restart(self, key: FileIdentity, harvester: Harvester, now: float, wall: int) -> None:
        """
        Begin again with a file that was truncated, or is another one under the same inode.

        It is read once the registry has saved the new record: after a crash its lines are none of
        the old one, whose end they may lie behind.
        """
        old = harvester.record
        log.info("%s was truncated or replaced; it is read from its beginning", harvester.path)
        new = self._files.new_record(key, old.path, seen_at=wall)
        new.current_at = old.current_at
        self._files.register(key, new)
        self._copies.truncated[old.id] = TruncatedFile(old, harvester.position, harvester.last, now)
        harvester.restart(new)
        self._await_save(key, harvester)

    def _await_save(self, key: FileIdentity, harvester: Harvester) -> None:
        self._files.mark_changed(harvester.record)
        self._splits[key] = harvester

    def is_searching(self) -> bool:
        """Return whether the end of a long line is looked for: `read` has to be called again."""
        return any(
            harvester.is_searching
            for key in self._files.ready
            if (harvester := self._files.open.get(key)) is not None
        )

    def end_events(self) -> bool:
        """Let all events end that wait for more lines; return whether there were any."""
        ended = [key for key, each in self._files.open.items() if each.end_event()]
        for key in ended:
            self._await_save(key, self._files.open[key])
        return bool(ended)

    def saving(self) -> None:
        """Note that a save is under way of all that was taken."""
        self._saving.update(self._splits)
        self._splits = {}

    def saved(self) -> None:
        """Note that the registry has saved all that was taken."""
        for key, harvester in self._saving.items():
            if key in self._splits:
                continue  # it began again meanwhile, which the next save is for
            harvester.split_saved = harvester.record.split
            harvester.is_unsaved = False
            self._files.ready[key] = None
        self._saving = {}

    def has_restarted(self) -> bool:
        """Return whether a file that began again waits for a save before it is read."""
        return any(harvester.is_unsaved for harvester in self._splits.values())

    def is_splitting(self) -> bool:
        """Return whether a block waits for a save."""
        return bool(self._splits or self._saving)
