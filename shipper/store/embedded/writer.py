"""
The one writer of a folder of the embedded store.

Exactly the calls of `store` that returned survive a crash. A call is one commit, a file that is
synced and renamed (layout.py). After a kill before the rename, nothing of the call is stored;
after a kill behind it, all of it is, although the call did not return. The caller finds out by
`origins_after(the last commit it knows of)`.

A failed call is undone before the next one begins, so it may be repeated as it is or in other
portions. Pieces are made by `retain`, which another thread may call (compactor.py).
"""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import duckdb

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.errors import StoreUnavailable
from shipper.fields import HEARTBEAT
from shipper.files import make_folder, open_locked, sync, write_whole
from shipper.store.embedded import layout
from shipper.store.embedded.columns import (
    ORDER_BITS,
    SEPARATOR,
    literal,
    paths_list,
    read_commits,
    tails_of,
)
from shipper.store.embedded.commits import PendingCommits
from shipper.store.embedded.compactor import Compactor
from shipper.store.embedded.incoming import Documents, Incoming
from shipper.store.embedded.lines import LineEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from shipper.store.embedded.layout import StoredFile

log = logging.getLogger(__name__)

PORTION: Final = 50_000  # positions at a time
ORIGINS: Final = 500_000  # records of the files that are read for their origins at a time, about
ATTEMPTS: Final = 20  # files may be replaced between the listing and the reading
_ORIGIN: Final = '_order, _stream, _position, run, seq, "event.dataset"'


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
        self._encoder = LineEncoder()
        self._uncertain = False
        self._commits = PendingCommits()
        self._compactor = Compactor(
            self._folder, self._commits, keep_ms=keep_seconds * 1000, max_bytes=max_bytes
        )
        self._lock = _lock(path, self._folder)
        try:
            layout.remove_unfinished(self._folder)
            self._compactor.clear()
            self.commit = self._last_commit()
            for file in self._files():
                if not file.is_piece:
                    self._commits.add(file.first, *_size_of(file))
        except OSError as error:
            self.close()
            raise unusable(path, error) from error
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
            self._compactor.catch_up()
            self._undo(path)
            lines = self._encoder.encode([*incoming], number)
            crashpoints.reached(CrashPoint.INDEXING)
            self._uncertain = True
            content = lines.content()
            write_whole(path, content, durable=True)
            crashpoints.reached(CrashPoint.INDEXED)
        except (OSError, duckdb.Error) as error:
            raise unusable(self._root, error) from error
        self._uncertain = False
        self.commit = number
        self._commits.add(number, len(lines.records), len(content))
        return lines.refused

    def origins_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:
        """
        Yield stream and positions of all that was stored after that commit, in portions.

        Some files are read at a time: all of them would not fit into the memory of a writer.
        """
        while (last := self._last_of_some(commit)) > commit:
            yield from self._origins(commit, last)
            commit = last

    def _last_of_some(self, commit: int) -> int:
        """Return the last commit of the next files that are read at a time."""
        records, last = 0, commit
        for file in self._files():
            if file.last > commit and records < ORIGINS:
                records += file.records
                last = min(file.last, self.commit)
        return last

    def _origins(self, commit: int, last: int) -> Iterator[tuple[str, Sequence[int]]]:
        least, most = (commit + 1) << ORDER_BITS, (last + 1) << ORDER_BITS
        rows = self._query(
            "SELECT coalesce(_stream, run) AS s, coalesce(_position, seq) AS p FROM ({files}) "
            f"WHERE _order >= {least} AND _order < {most} "
            f"AND \"event.dataset\" IS DISTINCT FROM '{HEARTBEAT}' ORDER BY s, p",
            lambda file: file.last > commit and file.first <= last,
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
            lambda _: True,
        )
        return [row[0] for row in rows]

    def retain(self, now_ms: int) -> None:
        """
        Drop what is too old or too much, and make pieces; see `Compactor.retain`.

        Another thread may call this and `make_pieces` while this one stores.

        Raises:
            StoreUnavailable: a file cannot be written or dropped.
        """
        with self._errors():
            self._compactor.retain(now_ms)

    def make_pieces(self) -> None:
        """Make the pieces that are due, and merge them; raise StoreUnavailable as `retain`."""
        with self._errors():
            self._compactor.make_pieces()

    def compact(self) -> int:
        """
        Turn all commits into pieces and merge them; return the number of records.

        Raises:
            StoreUnavailable: a file cannot be written.
        """
        with self._errors():
            self._compactor.compact_all()
        return self.documents

    @property
    def is_due(self) -> bool:
        """Whether `make_pieces` has something to do."""
        return self._commits.pieces_due() >= 1

    def stop(self) -> None:
        """Make a call of `retain` in another thread end soon; from now on nothing is merged."""
        self._compactor.stop()

    def size_bytes(self) -> int:
        """Return the size of the files of this writer."""
        return sum(file.path.stat().st_size for file in self._files())

    @property
    def documents(self) -> int:
        """The number of records of this writer."""
        pieces = sum(file.records for file in self._files() if file.is_piece)
        return pieces + self._commits.records

    def close(self) -> None:
        """Close the store; a second call does nothing."""
        self._compactor.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _files(self) -> list[StoredFile]:
        try:
            return layout.list_writer(self._folder)
        except OSError as error:
            raise unusable(self._root, error) from error

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except duckdb.InterruptException:
            log.debug("the side work was stopped; it is done again")
        except (OSError, duckdb.Error) as error:
            raise unusable(self._root, error) from error

    def _undo(self, path: Path) -> None:
        """Remove what a failed call may have stored under the number of the next one."""
        if self._uncertain:
            path.unlink(missing_ok=True)
            sync(self._folder)
            self._uncertain = False

    def _last_commit(self) -> int:
        numbers = (file.last for file in layout.list_writer(self._folder))
        return max(layout.dropped_commits(self._folder), *numbers, 0)

    def _query(self, sql: str, chosen: Callable[[StoredFile], bool]) -> list[tuple[Any, ...]]:
        """Return the rows of a statement on the origins in the chosen files."""
        for _ in range(ATTEMPTS):
            files = [file for file in self._files() if chosen(file)]
            if not files:
                return []
            try:
                text = sql.replace("{files}", " UNION ALL ".join(_origins(files)))
                return self._compactor.cursor().execute(text).fetchall()
            except (duckdb.Error, OSError) as error:
                failed = error
                if all(file.path.exists() for file in files):
                    break
        raise unusable(self._root, failed) from failed


def _origins(files: Sequence[StoredFile]) -> Iterator[str]:
    if pieces := [file.path for file in files if file.is_piece]:
        yield f"SELECT {_ORIGIN} FROM read_parquet({paths_list(pieces)})"
    if commits := [file.path for file in files if not file.is_piece]:
        yield f"SELECT {_ORIGIN} FROM ({read_commits(commits)})"


def _size_of(file: StoredFile) -> tuple[int, int]:
    """Return records and bytes of a commit; raise `StoreUnavailable` if it is damaged."""
    content = file.path.read_bytes()
    try:
        tails = len(tails_of(file.path))
    except OSError:
        tails = 0  # then the content begins with no number
    number = content.split(b"\n", tails)[-1].split(SEPARATOR.encode(), 1)[0]
    if content and not (content.endswith(b"\n") and number.isdigit()):
        raise StoreUnavailable(
            f"the commit {file.path} is damaged", "move this file away (its records are lost)"
        )
    return content.count(b"\n") - tails, len(content)


def _lock(root: Path, folder: Path) -> int:
    """Create the folders and acquire the lock of the writer, which ends with the process."""
    try:
        make_folder(root)
        layout.refuse_old_form(root, os.listdir(root))
        make_folder(folder)
        return open_locked(folder / "lock", wait=False)
    except BlockingIOError as error:
        raise StoreUnavailable(
            f"cannot write the store {root}: another shipper is writing to it",
            "stop the other shipper, or name another output.embedded.writer in one of the configs",
        ) from error
    except OSError as error:
        raise unusable(root, error) from error


def unusable(path: Path, error: Exception) -> StoreUnavailable:
    """Return the error for a store that cannot be written."""
    reason = (
        error.strerror
        if isinstance(error, OSError) and error.strerror
        else str(error).splitlines()[0]
    )
    return StoreUnavailable(
        f"cannot write the store {path}: {reason}",
        "check that this user can write to the folder, and that the disk has free space",
    )
