"""
The one writer of a folder of the embedded store.

Exactly the calls of `store` that returned survive a crash. A call is one commit, a file that is
synced and renamed (layout.py). After a kill before the rename, nothing of the call is stored;
after a kill behind it, all of it is, although the call did not return. The caller finds out by
`origins_after(the last commit it knows of)`.

A failed call is undone before the next one begins, so it may be repeated as it is or in other
portions. Pieces are made by `retain`, between the calls.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import duckdb

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.errors import StoreUnavailable
from shipper.fields import HEARTBEAT
from shipper.files import open_locked, sync, write_whole
from shipper.store.embedded import layout
from shipper.store.embedded.columns import ORDER_BITS, SEPARATOR, literal, paths_list, read_commits
from shipper.store.embedded.engine import WRITE_MEMORY, connect
from shipper.store.embedded.incoming import Documents, Incoming
from shipper.store.embedded.lines import LineEncoder
from shipper.store.embedded.pieces import make_piece, next_merge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from shipper.store.embedded.layout import StoredFile

HOT_RECORDS: Final = 20_000  # commits with so many records become a piece
HOT_COMMITS: Final = 200
HOT_BYTES: Final = 16 << 20  # a piece is made in memory
PORTION: Final = 50_000  # positions at a time


class EmbeddedWriter:
    """
    Stores records and drops old ones; used by one thread.

    `keep_seconds` and `max_bytes` bound what `retain` keeps; `name` is the folder of this writer,
    beside those of others.
    """

    def __init__(
        self, path: Path, *, keep_seconds: int, max_bytes: int, name: str = layout.MAIN
    ) -> None:
        """
        Open the store for writing; create it if needed.

        Raises:
            StoreUnavailable: the folder cannot be used, is in use, or has the form of an old one.
        """
        self._root = path
        self._folder = path / name
        self._keep_ms = keep_seconds * 1000
        self._max_bytes = max_bytes
        self._encoder = LineEncoder()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._uncertain = False
        self._hot: dict[int, int] = {}  # records by commit
        self._lock = _lock(path, self._folder)
        try:
            self._clear()
            self.commit = self._last_commit()
            self._hot = {f.first: _count_lines(f) for f in self._files() if not f.is_piece}
        except OSError as error:
            self.close()
            raise _unusable(path, error) from error
        except StoreUnavailable:
            self.close()
            raise

    def write(
        self, ids: Sequence[str], docs: Sequence[bytes], times: Sequence[int]
    ) -> list[tuple[int, str]]:
        """Store whole documents; see `store`."""
        return self.store([Documents(ids, docs, times)])

    def store(self, incoming: Sequence[Incoming]) -> list[tuple[int, str]]:
        """
        Store records, all but the refused ones, durably when it returns.

        Gives index (over all of them) and reason of each record that can never be stored.

        Raises:
            StoreUnavailable: nothing of this call is stored, and it may be repeated.
        """
        number = self.commit + 1
        path = layout.commit_path(self._folder, number)
        try:
            self._undo(path)
            lines, refused = self._encoder.encode([*incoming], number)
            crashpoints.reached(CrashPoint.INDEXING)
            self._uncertain = True
            write_whole(path, b"".join(lines), durable=True)
            crashpoints.reached(CrashPoint.INDEXED)
        except OSError as error:
            raise _unusable(self._root, error) from error
        self._uncertain = False
        self.commit = number
        self._hot[number] = len(lines)
        return refused

    def origins_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:
        """Return stream and positions of all that was stored after that commit, in portions."""
        least, most = (commit + 1) << ORDER_BITS, (self.commit + 1) << ORDER_BITS
        files = [file for file in self._files() if file.last > commit and file.first <= self.commit]
        rows = self._query(
            "SELECT coalesce(_stream, run) AS s, coalesce(_position, seq) AS p FROM ({files}) "
            f"WHERE _order >= {least} AND _order < {most} "
            f"AND \"event.dataset\" IS DISTINCT FROM '{HEARTBEAT}' ORDER BY s, p",
            files,
        )
        stream, positions = "", list[int]()
        for name, position in rows:
            if positions and (name != stream or len(positions) == PORTION):
                yield stream, positions
                positions = []
            stream = name
            positions.append(position)
        if positions:
            yield stream, positions

    def positions_of(self, stream: str, first: int, last: int) -> list[int]:
        """
        Return the stored positions of a stream, `first` to `last`; called by any thread.

        Raises:
            StoreUnavailable: the store cannot be read now.
        """
        text = literal(stream)
        rows = self._query(
            "SELECT coalesce(_position, seq) AS p FROM ({files}) WHERE "
            f"(_stream = {text} OR (_stream IS NULL AND run = {text})) "
            f"AND coalesce(_position, seq) BETWEEN {first:d} AND {last:d} ORDER BY p",
            self._files(),
        )
        return [row[0] for row in rows]

    def retain(self, now_ms: int) -> None:
        """
        Make pieces, and drop old ones by age and size.

        A piece is dropped when its newest record or its last write is older than the time to keep;
        the oldest are dropped while the store is larger than its limit.

        Raises:
            StoreUnavailable: a file cannot be written or dropped.
        """
        try:
            # Nothing may be dropped while a file that it has replaced is still there.
            self._clear()
            self._drop_by_age(now_ms - self._keep_ms)
            self._drop_by_size()
            self._compact(now_ms)
        except (OSError, duckdb.Error) as error:
            raise _unusable(self._root, error) from error

    def compact(self) -> int:
        """
        Turn all commits into pieces and merge them; return the number of records.

        Raises:
            StoreUnavailable: a file cannot be written.
        """
        try:
            self._make_pieces([file for file in self._files() if not file.is_piece])
            self._merge()
            self._clear()
        except (OSError, duckdb.Error) as error:
            raise _unusable(self._root, error) from error
        return self.documents

    def size_bytes(self) -> int:
        """Return the size of the files of this writer."""
        return sum(file.path.stat().st_size for file in self._files())

    @property
    def documents(self) -> int:
        """The number of records of this writer."""
        return sum(f.records if f.is_piece else self._hot.get(f.first, 0) for f in self._files())

    def close(self) -> None:
        """Close the store; a second call does nothing."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _files(self) -> list[StoredFile]:
        try:
            return layout.list_writer(self._folder)
        except OSError as error:
            raise _unusable(self._root, error) from error

    def _undo(self, path: Path) -> None:
        """Remove what a failed call may have stored under the number of the next one."""
        if self._uncertain:
            path.unlink(missing_ok=True)
            sync(self._folder)
            self._uncertain = False

    def _clear(self) -> None:
        for path in layout.replaced_files(self._folder):
            path.unlink()
            crashpoints.reached(CrashPoint.REPLACED_REMOVED)

    def _last_commit(self) -> int:
        numbers = (file.last for file in layout.list_writer(self._folder))
        return max(layout.dropped_commits(self._folder), *numbers, 0)

    def _query(self, sql: str, files: Sequence[StoredFile]) -> list[tuple[Any, ...]]:
        sources = []
        if pieces := [file.path for file in files if file.is_piece]:
            chosen = '_order, _stream, _position, run, seq, "event.dataset"'
            sources.append(f"SELECT {chosen} FROM read_parquet({paths_list(pieces)})")
        if commits := [file.path for file in files if not file.is_piece]:
            chosen = '_order, _stream, _position, run, seq, "event.dataset"'
            sources.append(f"SELECT {chosen} FROM ({read_commits(commits)})")
        if not sources:
            return []
        try:
            text = sql.replace("{files}", " UNION ALL ".join(sources))
            return self._connect().cursor().execute(text).fetchall()
        except duckdb.Error as error:
            raise _unusable(self._root, error) from error

    def _connect(self) -> duckdb.DuckDBPyConnection:
        if self._connection is None:
            self._connection = connect(self._root, memory=WRITE_MEMORY, threads=1)
        return self._connection

    def _compact(self, now_ms: int) -> None:
        hot = [file for file in self._files() if not file.is_piece]
        if hot and (len(hot) >= HOT_COMMITS or self._is_large(hot) or self._is_old(hot, now_ms)):
            self._make_pieces(hot)
        self._merge()

    def _merge(self) -> None:
        while files := next_merge(self._files()):
            make_piece(self._connect(), files)

    def _is_large(self, hot: Sequence[StoredFile]) -> bool:
        records = sum(self._hot.get(file.first, 0) for file in hot)
        size = sum(file.path.stat().st_size for file in hot)
        return records >= HOT_RECORDS or size >= HOT_BYTES

    def _is_old(self, hot: Sequence[StoredFile], now_ms: int) -> bool:
        """Return whether the oldest commit waits for longer than a thirtieth of what is kept."""
        return now_ms - _written_ms(hot[0]) > self._keep_ms // 30

    def _make_pieces(self, hot: Sequence[StoredFile]) -> None:
        portion: list[StoredFile] = []
        for file in hot:
            portion.append(file)
            if file is hot[-1] or self._is_large(portion):
                make_piece(self._connect(), portion)
                portion = []
        for file in hot:
            self._hot.pop(file.first, None)

    def _drop_by_age(self, oldest_kept: int) -> None:
        for file in self._files():
            if file.times is not None:
                newest = (
                    min(file.times[1], _written_ms(file)) if file.records else _written_ms(file)
                )
                if newest < oldest_kept:
                    self._drop(file)

    def _drop_by_size(self) -> None:
        files = self._files()
        sizes = [file.path.stat().st_size for file in files]
        excess = sum(sizes) - self._max_bytes
        for file, size in zip(files, sizes, strict=True):
            if excess <= 0:
                return
            if file.is_piece:
                self._drop(file)
                excess -= size

    def _drop(self, file: StoredFile) -> None:
        dropped = layout.dropped_commits(self._folder)
        layout.note_dropped(self._folder, max(file.last, dropped))
        crashpoints.reached(CrashPoint.DROP_NOTED)
        file.path.unlink()
        sync(self._folder)


def _written_ms(file: StoredFile) -> int:
    return file.path.stat().st_mtime_ns // 1_000_000


def _count_lines(file: StoredFile) -> int:
    """Return the number of records in a commit; raise `StoreUnavailable` if it is damaged."""
    content = file.path.read_bytes()
    if content and not (
        content.endswith(b"\n") and content.split(SEPARATOR.encode(), 1)[0].isdigit()
    ):
        raise StoreUnavailable(
            f"the commit {file.path} is damaged", "move this file away (its records are lost)"
        )
    return content.count(b"\n")


def _lock(root: Path, folder: Path) -> int:
    """Create the folders and acquire the lock of the writer, which ends with the process."""
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        layout.refuse_old_form(root, os.listdir(root))
        folder.mkdir(mode=0o700, exist_ok=True)
        return open_locked(folder / "lock", wait=False)
    except BlockingIOError as error:
        raise StoreUnavailable(
            f"cannot write the store {root}: another shipper is writing to it",
            "stop the other shipper first",
        ) from error
    except OSError as error:
        raise _unusable(root, error) from error


def _unusable(path: Path, error: Exception) -> StoreUnavailable:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StoreUnavailable(
        f"cannot write the store {path}: {reason}",
        "check that this user can write to the folder, and that the disk has free space",
    )
