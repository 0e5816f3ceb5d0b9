"""
The records as a question sees them: the pieces of the listing, and the commits in memory.

A commit is read once, into a table in memory, which is a few megabytes; it leaves the table when a
piece has replaced it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import duckdb

from shipper.errors import StoreUnavailable
from shipper.store.embedded import layout
from shipper.store.embedded.columns import (
    COLUMNS,
    ORDER_BITS,
    literal,
    paths_list,
    quoted,
    read_commits,
)
from shipper.store.embedded.engine import READ_MEMORY, connect

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from shipper.store.api import Selection
    from shipper.store.embedded.compile import Compiler
    from shipper.store.embedded.layout import StoredFile

ATTEMPTS: Final = 20  # the writer may replace files between the listing and the reading


Answer = TypeVar("Answer")

# Writer, number, inode and time of a commit: another store may take the place of the one before.
CommitFile = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class View:
    """The files of the store at one moment."""

    pieces: Sequence[StoredFile]
    newest: dict[str, int]  # the last commit of each writer

    def source(self, selection: Selection | None = None) -> str:
        """Return the SQL of the records, without pieces that lie outside of the selection."""
        by_writer: dict[str, list[Path]] = {}
        for piece in self.pieces:
            if selection is None or not _is_outside(piece, selection):
                by_writer.setdefault(piece.writer, []).append(piece.path)
        parts = [
            f"SELECT {literal(writer)} AS _writer, * FROM read_parquet({paths_list(paths)})"
            for writer, paths in by_writer.items()
        ]
        return " UNION ALL ".join([*parts, "SELECT * FROM commits"])


class Views:
    """The connection of a reader, and the commits that it has read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._connection = connect(root, memory=READ_MEMORY)
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in self._columns().items())
        self._connection.execute(f"CREATE TABLE commits (_writer VARCHAR, {columns})")
        self._loaded: set[CommitFile] = set()

    def current(self) -> View:
        """
        Return the files as of now.

        Raises:
            StoreUnavailable: there is no store, or it can't be read.
        """
        return self.answer(lambda view: view)

    def answer(self, ask: Callable[[View], Answer]) -> Answer:
        """
        Return what `ask` finds in the files as of now; asked again if they change meanwhile.

        Raises:
            StoreUnavailable: there is no store, or it can't be read.
        """
        for _ in range(ATTEMPTS):
            files = layout.list_store(self.root)
            try:
                self._load([file for file in files if not file.is_piece])
                return ask(_view(files))
            except (duckdb.Error, OSError) as error:
                failed = error
                if all(file.path.exists() for file in files):
                    break
        raise StoreUnavailable(
            f"cannot read the store {self.root}: {failed}",
            "if the disk is intact, move the file that is named away (its records are lost)",
        ) from failed

    def rows(self, sql: str, compiler: Compiler) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        return self._connection.execute(sql, compiler.parameters(sql)).fetchall()

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self._connection.close()

    def _load(self, commits: Sequence[StoredFile]) -> None:
        there = {_identity(file): file for file in commits}
        for gone in self._loaded - there.keys():
            self._connection.execute(
                "DELETE FROM commits WHERE _writer = ? AND _order >= ? AND _order < ?",
                [gone[0], gone[1] << ORDER_BITS, (gone[1] + 1) << ORDER_BITS],
            )
            self._loaded.discard(gone)
        by_writer: dict[str, list[StoredFile]] = {}
        for new in sorted(there.keys() - self._loaded):
            by_writer.setdefault(new[0], []).append(there[new])
        for writer, files in by_writer.items():
            records = read_commits([file.path for file in files])
            self._connection.execute(
                f"INSERT INTO commits SELECT {literal(writer)}, * FROM ({records})"
            )
            self._loaded |= {new for new, file in there.items() if file in files}

    @staticmethod
    def _columns() -> dict[str, str]:
        return {n: "BIGINT" if k == "TIMESTAMP" else k for n, k in COLUMNS.items()}


def _identity(file: StoredFile) -> CommitFile:
    stat = file.path.stat()
    return file.writer, file.first, stat.st_ino, stat.st_mtime_ns


def _view(files: Sequence[StoredFile]) -> View:
    newest: dict[str, int] = {}
    for file in files:
        newest[file.writer] = max(newest.get(file.writer, 0), file.last)
    return View([file for file in files if file.is_piece], newest)


def _is_outside(piece: StoredFile, selection: Selection) -> bool:
    """Return whether no record of a piece can lie within the time of a selection."""
    if piece.times is None:
        return False
    first, last = piece.times
    return (selection.since is not None and last < selection.since) or (
        selection.until is not None and first >= selection.until
    )
