"""DuckDB connections of the store, with their limits."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

READ_MEMORY: Final = "512MB"
WRITE_MEMORY: Final = "128MB"
INTERRUPTED: Final = "Query interrupted"  # DuckDB's RuntimeError when a signal handler raised


def connect(root: Path, *, memory: str, threads: int | None = None) -> duckdb.DuckDBPyConnection:
    """Return a connection without a database; what exceeds its memory spills beside the store."""
    config: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(root / "spill.tmp"),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
    }
    if threads is not None:
        config["threads"] = threads
    connection = duckdb.connect(":memory:", config=config)
    # The other side of a join keeps the order in which records were stored (columns.py).
    connection.execute("SET disabled_optimizers = 'build_side_probe_side'")
    return _quiet(connection)


def cursor_of(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Return a cursor for another thread; it has the limits of the connection."""
    return _quiet(connection.cursor())


def _quiet(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Switch off the progress bar, which would be printed among the answers."""
    return connection.execute("SET enable_progress_bar = false")


@contextmanager
def signals_pass() -> Iterator[None]:
    """Raise KeyboardInterrupt where DuckDB swallowed that of a signal and raised its own error."""
    try:
        yield
    except RuntimeError as error:
        if str(error) != INTERRUPTED:
            raise
        raise KeyboardInterrupt from error
