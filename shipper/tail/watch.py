"""
Hints of the kernel that a file may have changed.

Only hints: watchdog swallows the overflow of inotify's queue, and network file systems give no
events at all. Every one of them may be missing; the scan finds what they would have reported.

An event costs about as much CPU as reading ten lines, so under load they are not worth having:
above `BUSY` of them a second those of writes are left out for a while; files that grow are looked
at many times a second then anyway. What reports new names stays, as a new file may be gone before
the next scan; only if that alone is too much, all events are switched off for a while.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from watchdog.events import (
    FileCreatedEvent,
    FileDeletedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from watchdog.observers.api import BaseObserver

log = logging.getLogger(__name__)
# Events are hints: what watchdog cannot do (it logs an error for each event of an observer that was
# just stopped) costs nothing, as the next scan finds what changed.
logging.getLogger("watchdog").setLevel(logging.CRITICAL)

BUSY = 50  # hints a second above which they cost more than they give
REST_SECONDS = 10.0

NAMES: list[type[FileSystemEvent]] = [FileCreatedEvent, FileDeletedEvent, FileMovedEvent]
ALL: list[type[FileSystemEvent]] = [*NAMES, FileModifiedEvent]


class Watch(FileSystemEventHandler):
    """
    Listens to folders and wakes `wake` when something changed in them.

    `listen` and `take` are for one thread; the events come from watchdog's own. `polled` are files
    that are looked at several times a second: that they were written to is seen sooner than the
    event, which watchdog keeps for half a second.
    """

    def __init__(self, wake: threading.Event) -> None:
        self._wake = wake
        self._lock = threading.Lock()
        self._hints: set[str] = set()  # guarded by _lock
        self._count = 0  # guarded by _lock
        self._since = 0.0
        self._resting_until = 0.0
        self._names_until = 0.0
        self._observer: BaseObserver | None = None
        self._folders: frozenset[str] = frozenset()
        self._kinds = ALL
        self.polled: frozenset[str] = frozenset()

    def dispatch(self, event: FileSystemEvent) -> None:
        """Take an event of watchdog."""
        path = str(event.dest_path or event.src_path)
        is_news = not (isinstance(event, FileModifiedEvent) and path in self.polled)
        with self._lock:
            self._count += 1
            if is_news:
                self._hints.add(path)
        if is_news:
            self._wake.set()

    def listen(self, folders: Iterable[str], now: float) -> None:
        """Listen to exactly these folders from now on, if it is worth it; never raises."""
        wanted = frozenset(folders)
        if now < self._resting_until:
            return
        with self._lock:
            count, self._count = self._count, 0
        is_busy = count > BUSY * max(now - self._since, 1.0)
        self._since = now
        if is_busy and self._kinds is NAMES:
            self._resting_until = now + REST_SECONDS
            self._kinds = ALL
            self.close()
            return
        if is_busy:
            self._names_until = now + REST_SECONDS
        kinds = NAMES if now < self._names_until else ALL
        if wanted != self._folders or self._observer is None or kinds is not self._kinds:
            self.close()
            self._start(wanted, kinds)

    def _start(self, folders: frozenset[str], kinds: list[type[FileSystemEvent]]) -> None:
        observer = None
        self._kinds = kinds
        try:
            observer = Observer()
            for folder in folders:
                observer.schedule(self, folder, event_filter=kinds)
            observer.start()
        except (
            OSError,
            RuntimeError,
        ) as error:  # none left, or a folder went
            log.debug("no kernel events (inotify), new lines wait for the next scan: %s", error)
            if observer is not None and observer.is_alive():
                observer.stop()
            return
        self._observer, self._folders = observer, folders

    def take(self) -> set[str]:
        """Return the paths that had an event since the last call."""
        with self._lock:
            hints, self._hints = self._hints, set()
        return hints

    def close(self) -> None:
        """Stop listening; a second call does nothing."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            observer.join()
