"""
SQL on the records: the view `logs`, for one SELECT, which reads the store and nothing else.

`logs` has a row for each record but heartbeats, with the columns of a piece (columns.py) and
`timestamp`, the time of the record in UTC. Before the statement of a user runs, DuckDB's access to
files outside of the store, to the network and to extensions is switched off, and so is changing
that again. Of statements only a SELECT runs: any other might write into the store.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import duckdb

from shipper.errors import QueryError
from shipper.fields import HEARTBEAT
from shipper.store.embedded.columns import COLUMNS, DOCUMENT, literal, quoted
from shipper.store.embedded.compile import Compiler
from shipper.store.embedded.view import Views

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from shipper.store.api import Selection
    from shipper.store.embedded.view import View
    from shipper.store.opening import ReadLimits

LINES = "FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01'"  # a text as it is
FORMATS = {
    "parquet": "FORMAT parquet, COMPRESSION zstd",
    "csv": "FORMAT csv, HEADER true",
}
HIDDEN = ("_doc", "_leaves")  # of no use in a table of texts


@contextmanager
def selected(root: Path, sql: str, limits: ReadLimits) -> Iterator[duckdb.DuckDBPyConnection]:
    """
    Run a SELECT on `logs`; yield its rows as a cursor.

    Raises:
        QueryError: it is no single SELECT, or DuckDB refuses it.
        StoreUnavailable: the store cannot be read, or the answer takes too long.
    """
    _check(sql)
    views = Views(root, limits)
    try:
        connection = views.connection
        connection.execute(f"SET allowed_directories = [{literal(root.absolute())}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        views.answer(_into_table(views, sql.strip().rstrip(";")))
        yield connection.execute("SELECT * FROM result")
    finally:
        views.close()


def export(root: Path, selection: Selection, path: Path, kind: str, limits: ReadLimits) -> int:
    """
    Write the records of a selection into a new file, in the order of storing; return their number.

    `kind` is `ndjson`, the documents as they were stored; `parquet`, all columns; or `csv`, all
    columns but those of `HIDDEN`.

    Raises:
        QueryError: the selection cannot be answered.
        StoreUnavailable: the store cannot be read, or this takes too long.
        OSError: the file cannot be written.
    """
    views = Views(root, limits)

    def copy(view: View) -> int:
        compiler = Compiler(odd=view.is_odd(selection))
        where = compiler.selection(selection)
        chosen = DOCUMENT if kind == "ndjson" else _columns(hidden=kind == "csv")
        records = f"SELECT {chosen} FROM ({view.source(selection)}) WHERE {where}"
        statement = f"COPY ({compiler.inlined(records)}) TO {literal(path)}"
        row = views.connection.execute(f"{statement} ({FORMATS.get(kind, LINES)})").fetchone()
        return row[0] if row else 0

    try:
        return views.answer(copy)
    finally:
        views.close()


def _check(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise _refused(error) from error
    if [each.type for each in statements] != [duckdb.StatementType.SELECT]:
        raise QueryError("only one SELECT can be run", "write SELECT … FROM logs …")


def _into_table(views: Views, sql: str) -> Callable[[View], None]:
    """Return what makes the table `result`; what does not fit into memory spills to the disk."""

    def make(view: View) -> None:
        source = f"SELECT {_columns()} FROM ({view.source()})"
        heartbeats = f"\"event.dataset\" IS DISTINCT FROM '{HEARTBEAT}'"
        views.connection.execute(f"CREATE OR REPLACE TEMP VIEW logs AS {source} WHERE {heartbeats}")
        try:
            views.connection.execute(f"CREATE OR REPLACE TEMP TABLE result AS {sql}")
        except (duckdb.InterruptException, duckdb.IOException):
            raise
        except duckdb.Error as error:
            raise _refused(error) from error

    return make


def _columns(*, hidden: bool = False) -> str:
    shown = {name: quoted(name) for name in COLUMNS} | {"_doc": DOCUMENT}
    for name in (*HIDDEN, "_tail") if hidden else ("_tail",):
        del shown[name]
    return ", ".join(["make_timestamp(_ms * 1000) AS timestamp", *shown.values()])


def _refused(error: Any) -> QueryError:
    text = str(error).partition("\n\nLINE")[0].replace("\n", " ")
    return QueryError(f"DuckDB: {text}", "docs/store.md has the columns of logs")
