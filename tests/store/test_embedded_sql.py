"""SQL and exports: the records as a table, and nothing but the store."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from shipper.errors import QueryError
from shipper.fields import HEARTBEAT
from shipper.store.api import Selection
from shipper.store.embedded.sql import export, selected
from shipper.store.opening import DEFAULT_LIMITS
from tests.store.store_records import HOSTILE, NOON, ORDINARY, Record, record, write_parts

ALL = [*ORDINARY, *HOSTILE]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Make a store of a piece and a commit."""
    write_parts(tmp_path / "index", [ALL[:20], ALL[20:]])
    return tmp_path / "index"


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with selected(path, sql, DEFAULT_LIMITS) as cursor:
        return cursor.fetchall()


def test_logs_has_a_row_per_record(path: Path) -> None:
    """Pieces and commits are one table, with the whole documents."""
    found = rows(path, "SELECT _doc, epoch_ms(timestamp) FROM logs ORDER BY _order;")

    assert [(doc.encode(), ms) for doc, ms in found] == [
        (each.doc.replace(b"\n", b" "), each.time) for each in ALL
    ]


def test_heartbeats_are_no_logs(tmp_path: Path) -> None:
    """A count of records counts no heartbeats."""
    beat = record(1, NOON, event={"dataset": HEARTBEAT})
    write_parts(tmp_path / "index", [[record(0), beat]])

    assert rows(tmp_path / "index", "SELECT count(*) FROM logs") == [(1,)]


OTHERS = [
    "COPY (SELECT 1) TO '{store}/main/000000000009.ndjson'",
    "CREATE TABLE t AS SELECT 1",
    "ATTACH '{outside}'",
    "SET threads = 1",
    "PRAGMA database_list",
    "SELECT 1; SELECT 2",
    "DROP VIEW logs",
    "EXPLAIN ANALYZE COPY (SELECT 1) TO '{store}/main/000000000009.ndjson'",
    "SELECT * FROM query('COPY (SELECT 1) TO ''{store}/x''')",
    "SELECT * FROM '{outside}'",
    "SELECT * FROM read_text('{outside}')",
    "SELECT * FROM read_csv('{outside}')",
    "SELECT * FROM glob('{outside}*')",
    "SELECT * FROM read_text('{store}/../outside')",
    "SELECT * FROM read_csv('https://127.0.0.1:1/x')",
    "SELECT nope FROM logs",
    "SELECT",
    "",
]


@pytest.mark.parametrize("statement", OTHERS)
def test_only_a_select_on_the_store_runs(path: Path, statement: str) -> None:
    """No statement writes, reads another file, or changes what is allowed; each is refused."""
    outside = path.parent / "outside"
    outside.write_text("secret")
    before = sorted(path.rglob("*"))

    with pytest.raises(QueryError):
        rows(path, statement.format(store=path, outside=outside))

    assert sorted(path.rglob("*")) == before


def test_an_export_has_the_documents_as_stored(path: Path, tmp_path: Path) -> None:
    """`ndjson` has the bytes of each document, in the order of storing."""
    file = tmp_path / "all.ndjson"

    assert export(path, Selection(), file, "ndjson", DEFAULT_LIMITS) == len(ALL)

    assert file.read_bytes().splitlines() == [each.doc.replace(b"\n", b" ") for each in ALL]


def test_an_export_is_of_a_selection(path: Path, tmp_path: Path) -> None:
    """Query and times are those of a search, whatever characters the query has."""
    file = tmp_path / "some.parquet"
    chosen = Selection('message:"it\'s $p0" OR level:INFO', NOON - 1, NOON + 10**9)
    odd = Record("odd-1", json.dumps({"message": "it's $p0; --"}).encode(), NOON)
    write_parts(path.parent / "odd", [[odd, record(2, level="INFO"), record(3, level="ERROR")]])

    count = export(path.parent / "odd", chosen, file, "parquet", DEFAULT_LIMITS)

    found = duckdb.execute(f"SELECT message, level FROM '{file}'").fetchall()
    assert (count, found) == (2, [("it's $p0; --", None), (None, "INFO")])


def test_csv_has_a_header(path: Path, tmp_path: Path) -> None:
    """`csv` has the columns for people; other programs read it back."""
    file = tmp_path / "all.csv"

    export(path, Selection(), file, "csv", DEFAULT_LIMITS)

    with file.open(newline="") as lines:
        read = [*csv.DictReader(lines)]
    assert len(read) == len(ALL)
    assert {"timestamp", "level", "host.name"} <= {*read[0]}
    assert "_doc" not in read[0]
