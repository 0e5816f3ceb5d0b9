"""One transaction of SQLite: all that is written in the block is durable at its end, or nothing."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[None]:
    """
    Write all of the block or nothing; the connection has no isolation level.

    Others can read meanwhile, and write before or after it: what the block reads stays as it is.

    Raises:
        sqlite3.Error: nothing was written.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite ends it by itself after some errors
            db.execute("ROLLBACK")
        raise
