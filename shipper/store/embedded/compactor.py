"""
The side work of a writer: commits become pieces, pieces are merged, old ones are dropped.

It runs in a thread of its own beside `store`, and no call of `store` waits for it, unless it falls
behind by `BEHIND` pieces: then `store` makes them. It only ever adds a piece that replaces others,
and removes what is replaced or too old (layout.py); so it may be stopped or killed anywhere. What
is replaced stays for half a minute: a reader that has just listed the folder can still read it.
"""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Final

import duckdb

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.files import sync
from shipper.store.embedded import layout
from shipper.store.embedded.engine import WRITE_MEMORY, connect, cursor_of
from shipper.store.embedded.needles import remove_with_ids
from shipper.store.embedded.pieces import MergeLimits, make_piece, next_merge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from shipper.store.embedded.commits import PendingCommits
    from shipper.store.embedded.layout import StoredFile

log = logging.getLogger(__name__)

GRACE_MS: Final = 30_000  # for a reader that has listed the folder
BEHIND: Final = 5  # pieces to make: what a reader reads of commits takes a second then
SMALLEST_EXTENT_MS: Final = 60_000


class Compactor:
    """Looks after the files of one writer; one call at a time."""

    def __init__(
        self, folder: Path, commits: PendingCommits, *, keep_ms: int, max_bytes: int
    ) -> None:
        self._folder = folder
        self._commits = commits
        self._keep_ms = keep_ms
        self._max_bytes = max_bytes
        # Retention drops whole pieces, so none may have more than a small part of what is kept.
        self._limits = MergeLimits(
            size=max(max_bytes // 20, 1), extent_ms=max(keep_ms // 20, SMALLEST_EXTENT_MS)
        )
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._working: duckdb.DuckDBPyConnection | None = None  # the cursor of the side work
        self._running = Lock()
        self._opening = Lock()
        self._stopped = self._merging = False
        self._unfit: set[Path] = set()  # too large for the memory, with others or alone

    def retain(self, now_ms: int) -> None:
        """
        Drop what is too old or too much, then do what `make_pieces` does.

        A piece is dropped when its newest record or its last write is older than the time to keep;
        the oldest are dropped while the store is larger than its limit.

        Raises:
            OSError, duckdb.Error: a file cannot be written or dropped.
        """
        with self._running:
            self.clear(now_ms)
            self._drop_by_age(now_ms - self._keep_ms)
            self._drop_by_size()
            pending = self._pending()
            if self._is_old(pending, now_ms):
                self._make_pieces(pending)
        self.make_pieces()

    def make_pieces(self) -> None:
        """Make the pieces that are due, and merge them; raises as `retain` does."""
        with self._running:
            pending = self._pending()
            if pending:
                self.clear(_written_ms(pending[-1]))
            if self._commits.pieces_due() >= 1:
                self._make_pieces(pending)
            self._merge()

    def catch_up(self) -> None:
        """Make the pieces that are due, if there are too many; raises as `retain` does."""
        if self._commits.pieces_due() >= BEHIND:
            with self._running:
                self._make_pieces(self._pending())

    def compact_all(self) -> None:
        """Turn all commits into pieces, and merge them; raises as `retain` does."""
        with self._running:
            self._make_pieces(self._pending())
            self._merge()
            self.clear()

    def clear(self, now_ms: int | None = None) -> None:
        """Remove what pieces have replaced; with the time, not what was replaced a moment ago."""
        for file, piece in layout.replaced_files(self._folder):
            if now_ms is None or abs(now_ms - _written_ms(piece)) > GRACE_MS:
                remove_with_ids(file.path)
                crashpoints.reached(CrashPoint.REPLACED_REMOVED)

    def cursor(self) -> duckdb.DuckDBPyConnection:
        """Return a cursor on the connection of this writer, for any thread."""
        with self._opening:
            if self._connection is None:
                self._connection = connect(self._folder, memory=WRITE_MEMORY, threads=1)
            return cursor_of(self._connection)

    def stop(self) -> None:
        """End a running merge soon; no other follows, only pieces are made from now on."""
        self._stopped = True
        with self._opening:
            if self._merging and self._working is not None:
                self._working.interrupt()

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        with self._opening:
            for each in (self._working, self._connection):
                if each is not None:
                    each.close()
            self._working = self._connection = None

    def _pending(self) -> list[StoredFile]:
        files = layout.list_writer(self._folder)
        return [
            file
            for file in files
            if not file.is_piece and file.first in self._commits and file.path not in self._unfit
        ]

    def _is_old(self, pending: Sequence[StoredFile], now_ms: int) -> bool:
        """Return whether the oldest commit waits for longer than a thirtieth of what is kept."""
        return bool(pending) and now_ms - _written_ms(pending[0]) > self._keep_ms // 30

    def _make(self, files: Sequence[StoredFile]) -> None:
        """Make one piece; several, where the records are too large for the memory."""
        if self._working is None:
            self._working = self.cursor()
        try:
            make_piece(self._working, files)
        except duckdb.OutOfMemoryException as error:
            if len(files) == 1 or files[0].is_piece:
                log.info("%s stays as it is: %s", files[0].path, str(error).splitlines()[0])
                self._unfit |= {file.path for file in files}
                return
            half = len(files) // 2
            self._make(files[:half])
            self._make(files[half:])

    def _make_pieces(self, pending: Sequence[StoredFile]) -> None:
        for portion in self._commits.portions(pending):
            self._make(portion)
            self._commits.remove(file.first for file in portion)

    def _merge(self) -> None:
        while not self._stopped:
            files = next_merge(layout.list_writer(self._folder), self._limits, self._unfit)
            if not files:
                return
            self._merging = True
            try:
                self._make(files)
            finally:
                self._merging = False
            if self._commits.pieces_due() >= 1:
                self._make_pieces(self._pending())

    def _drop_by_age(self, oldest_kept: int) -> None:
        for file in layout.list_writer(self._folder):
            if file.times is not None:
                newest = (
                    min(file.times[1], _written_ms(file)) if file.records else _written_ms(file)
                )
                if newest < oldest_kept:
                    self._drop(file)

    def _drop_by_size(self) -> None:
        files = layout.list_writer(self._folder)
        sizes = [file.path.stat().st_size for file in files]
        excess = sum(sizes) - self._max_bytes
        for file, size in zip(files, sizes, strict=True):
            if excess <= 0:
                return
            if file.is_piece:
                self._drop(file)
                excess -= size

    def _drop(self, file: StoredFile) -> None:
        # Not while a file that it has replaced is still there: that one would be read again.
        if any(piece.path == file.path for _, piece in layout.replaced_files(self._folder)):
            self.clear()
        dropped = layout.dropped_commits(self._folder)
        layout.note_dropped(self._folder, max(file.last, dropped))
        crashpoints.reached(CrashPoint.DROP_NOTED)
        remove_with_ids(file.path)
        sync(self._folder)


def _written_ms(file: StoredFile) -> int:
    return file.path.stat().st_mtime_ns // 1_000_000
