"""
The records as a question sees them: the pieces of the listing, and the commits in memory.

A commit is read once, into a table in memory, which is a few megabytes; it leaves the table when a
piece has replaced it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar

import duckdb

from shipper.errors import StoreUnavailable
from shipper.store.answers import cancelled
from shipper.store.api import Selection
from shipper.store.embedded import layout
from shipper.store.embedded.columns import (
    IS_ODD,
    ORDER_BITS,
    STORED,
    literal,
    quoted,
    read_any_pieces,
    read_commits,
    read_pieces,
)
from shipper.store.embedded.compile import Compiler
from shipper.store.embedded.engine import READ_MEMORY, connect, signals_pass
from shipper.store.embedded.needles import asks_for_ids, may_match
from shipper.store.embedded.sharing import (
    MOST_FOUND,
    SHARED_RECORDS,
    is_within,
    named_columns,
    shared_time,
)
from shipper.store.embedded.sound import file_fault
from shipper.store.query.parser import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from shipper.store.api import Question
    from shipper.store.embedded.layout import StoredFile
    from shipper.store.opening import ReadLimits

ATTEMPTS: Final = 20  # the writer may replace files between the listing and the reading


Answer = TypeVar("Answer")

# Writer, number, inode and time of a commit: another store may take the place of the one before.
CommitFile = tuple[str, int, int, int]


@dataclass(frozen=True, slots=True)
class View:
    """The files of the store at one moment."""

    pieces: Sequence[StoredFile]
    newest: dict[str, int]  # the last commit of each writer
    same_columns: bool  # whether all pieces have the columns of this version
    odd_commits: bool  # whether a commit has records as `StoredFile.odd` says
    recent: Selection | None = None  # the time of the table `recent`
    _chosen: dict[Selection, list[StoredFile]] = field(default_factory=dict)

    def chosen(self, selection: Selection | None) -> list[StoredFile]:
        """Return the pieces that may have records of a selection."""
        if selection is None:
            return [*self.pieces]
        if selection not in self._chosen:
            pieces = [piece for piece in self.pieces if not _is_outside(piece, selection)]
            query = parse(selection.query)
            if asks_for_ids(query):
                pieces = [piece for piece in pieces if may_match(query, piece.path)]
            self._chosen[selection] = pieces
        return self._chosen[selection]

    def is_odd(self, selection: Selection | None = None) -> bool:
        """Return whether objects may have keys without columns, so that leaves are to be read."""
        return self.odd_commits or any(piece.odd for piece in self.chosen(selection))

    def only(self, pieces: Sequence[StoredFile]) -> View:
        """Return the view of some of the pieces, and of the commits."""
        return replace(self, pieces=pieces, _chosen={})

    def source(self, selection: Selection | None = None) -> str:
        """Return the SQL of the records, without pieces that lie outside of the selection."""
        if self.recent is not None and selection is not None and is_within(selection, self.recent):
            return "SELECT * FROM recent"
        by_writer: dict[str, list[Path]] = {}
        for piece in self.chosen(selection):
            by_writer.setdefault(piece.writer, []).append(piece.path)
        read = read_pieces if self.same_columns else read_any_pieces
        parts = [
            f"SELECT {literal(writer)} AS _writer, * FROM ({read(paths)})"
            for writer, paths in by_writer.items()
        ]
        return " UNION ALL ".join([*parts, "SELECT * FROM commits"])


class Views:
    """The connection of a reader, and the commits that it has read."""

    def __init__(self, root: Path, limits: ReadLimits) -> None:
        self.root = root
        self._left_out: set[Path] = set()  # damaged files
        self._limits = limits
        self._same_columns = True
        self._odd_commits = False
        self.connection = connect(root, memory=READ_MEMORY)
        columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in STORED.items())
        self.connection.execute(f"CREATE TABLE commits (_writer VARCHAR, {columns})")
        self._loaded: set[CommitFile] = set()
        self._is_cancelled = False

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
            StoreUnavailable: there is no store, it can't be read, or this takes too long.
        """
        with self._in_time():
            for _ in range(ATTEMPTS):
                files = [f for f in layout.list_store(self.root) if f.path not in self._left_out]
                try:
                    self._load([file for file in files if not file.is_piece])
                    return ask(
                        View(
                            [file for file in files if file.is_piece],
                            _newest(files),
                            self._same_columns,
                            self._odd_commits,
                        )
                    )
                except duckdb.InterruptException:
                    raise
                except (duckdb.Error, OSError) as error:
                    failed = error
                    if all(file.path.exists() for file in files):
                        if self._same_columns:
                            self._same_columns = False
                        elif not self._leave_out(files):
                            break
        raise unreadable(self.root, [file.path for file in files], failed) from failed

    @contextmanager
    def _in_time(self) -> Iterator[None]:
        """Interrupt what takes longer than the limit."""
        if self._is_cancelled:
            raise cancelled()
        done = Event()
        watch = Thread(target=self._interrupt, args=(done,), name="timeout", daemon=True)
        watch.start()
        try:
            with signals_pass():
                yield
        except duckdb.InterruptException as error:
            if self._is_cancelled:
                raise cancelled() from None
            raise StoreUnavailable(
                f"the store {self.root} did not answer within "
                f"{self._limits.timeout_seconds:g} seconds",
                "ask for a shorter time (--since, --until), or wait longer (--timeout)",
            ) from error
        finally:
            done.set()
            watch.join()  # a thread that ends with the process may not be the last to hold DuckDB

    def cancel(self) -> None:
        """Interrupt the statement of another thread, and answer nothing from now on."""
        self._is_cancelled = True
        self.connection.interrupt()

    def _interrupt(self, done: Event) -> None:
        """Interrupt statements from the time limit on, until the answer ends."""
        pause = self._limits.timeout_seconds
        while not done.wait(pause):
            self.connection.interrupt()
            pause = 0.1  # the one before may have fallen between two statements

    def _leave_out(self, files: Sequence[StoredFile]) -> bool:
        """Leave the damaged files out from now on, if that is allowed; return whether it was."""
        report = self._limits.on_damaged
        if report is None:
            return False
        known = len(self._left_out)
        for file in files:
            fault = file_fault(self.connection, file)
            if fault is not None:
                self._left_out.add(file.path)
                report(file.path, fault)
        return len(self._left_out) > known

    @contextmanager
    def sharing(self, view: View, questions: Sequence[Question]) -> Iterator[View]:
        """
        Read once what many questions ask about the same time; yield the view to ask.

        Raises:
            QueryError: a question cannot be answered.
        """
        recent = shared_time([question.selection for question in questions])
        if recent is None or _estimate(view, recent) > SHARED_RECORDS:
            yield view
            return
        shared = [each for each in questions if is_within(each.selection, recent)]
        chosen = ", ".join(map(quoted, named_columns(shared)))
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE recent AS SELECT {chosen} "
            f"FROM ({view.source(recent)}) WHERE _ms >= {recent.since:d} AND _ms < {recent.until:d}"
        )
        try:
            yield replace(view, recent=recent)
        finally:
            self.connection.execute("DROP TABLE recent")

    @contextmanager
    def found(
        self, view: View, questions: Sequence[Question], time: Selection
    ) -> Iterator[View | None]:
        """Read once what questions within a time find; yield None if that is too much."""
        chosen = ", ".join(map(quoted, named_columns(questions)))
        compiler = Compiler(odd=view.is_odd(time))
        found = " OR ".join(f"({compiler.selection(each.selection)})" for each in questions)
        sql = f"SELECT {chosen} FROM ({view.source(time)}) WHERE {found} LIMIT {MOST_FOUND + 1}"
        self.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE recent AS {sql}", compiler.parameters(sql)
        )
        try:
            row = self.connection.execute("SELECT count(*) FROM recent").fetchone()
            yield replace(view, recent=time) if row and row[0] <= MOST_FOUND else None
        finally:
            self.connection.execute("DROP TABLE recent")

    def rows(self, sql: str, compiler: Compiler) -> list[tuple[Any, ...]]:
        """Return the rows of a statement."""
        return self.connection.execute(sql, compiler.parameters(sql)).fetchall()

    def close(self) -> None:
        """Close the connection; a second call does nothing."""
        self.connection.close()

    def _load(self, commits: Sequence[StoredFile]) -> None:
        there = {_identity(file): file for file in commits}
        for gone in self._loaded - there.keys():
            self.connection.execute(
                "DELETE FROM commits WHERE _writer = ? AND _order >= ? AND _order < ?",
                [gone[0], gone[1] << ORDER_BITS, (gone[1] + 1) << ORDER_BITS],
            )
            self._loaded.discard(gone)
        by_writer: dict[str, list[StoredFile]] = {}
        for new in sorted(there.keys() - self._loaded):
            by_writer.setdefault(new[0], []).append(there[new])
        for writer, files in by_writer.items():
            records = read_commits([file.path for file in files])
            self.connection.execute(
                f"INSERT INTO commits SELECT {literal(writer)}, * FROM ({records}) ORDER BY _order"
            )
            self._loaded |= {new for new, file in there.items() if file in files}
        if by_writer:
            row = self.connection.execute(f"SELECT bool_or({IS_ODD}) FROM commits").fetchone()
            self._odd_commits = bool(row and row[0])


def unreadable(root: Path, paths: Sequence[Path], failed: Exception) -> StoreUnavailable:
    """Return the error for a store that can't be read: files of another user are not damaged."""
    closed = [path for path in paths if not os.access(path, os.R_OK, effective_ids=True)]
    if closed:
        return StoreUnavailable(
            f"cannot read the store {root}: this user may not read {closed[0]}",
            "run this as the user of the store, or give the file to that user (chown)",
        )
    if isinstance(failed, duckdb.OutOfMemoryException):
        return StoreUnavailable(
            f"the answer of the store {root} takes more memory than {READ_MEMORY}",
            "ask for a shorter time (--since, --until), or for fewer groups",
        )
    reason = str(failed).splitlines()[0]  # what follows quotes the SQL
    return StoreUnavailable(
        f"cannot read the store {root}: {reason}",
        "if the disk is intact, move the file that is named away (its records are lost)",
    )


def _identity(file: StoredFile) -> CommitFile:
    stat = file.path.stat()
    return file.writer, file.first, stat.st_ino, stat.st_mtime_ns


def _newest(files: Sequence[StoredFile]) -> dict[str, int]:
    newest: dict[str, int] = {}
    for file in files:
        newest[file.writer] = max(newest.get(file.writer, 0), file.last)
    return newest


def _estimate(view: View, selection: Selection) -> float:
    """Return about how many records of pieces lie in a time."""
    since, until = selection.since or 0, selection.until or 0
    found = 0.0
    for piece in view.chosen(selection):
        first, last = piece.times or (0, 0)
        share = (min(last, until) - max(first, since) + 1) / (last - first + 1)
        found += piece.records * min(share, 1.0)
    return found


def _is_outside(piece: StoredFile, selection: Selection) -> bool:
    """Return whether no record of a piece can lie within the time of a selection."""
    if piece.times is None:
        return False
    first, last = piece.times
    return (selection.since is not None and last < selection.since) or (
        selection.until is not None and first >= selection.until
    )
