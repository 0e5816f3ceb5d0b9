"""`shipper sql`: ask the embedded store in SQL."""

from __future__ import annotations

import csv
import sys
from typing import TYPE_CHECKING, Any

import click
import msgspec

from shipper.commands.invocation import Invocation, examples, invoked
from shipper.commands.moments import duration_option
from shipper.commands.stores import embedded_path
from shipper.store.opening import ReadLimits
from shipper.text import escaped_json, safe, safe_lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    import duckdb

FOUND, NOTHING_FOUND = 0, 1
PORTION = 1000  # rows read at a time
TABLE_ROWS = 1000
MAX_CELL = 100  # characters of a value in a table


@click.command(
    epilog=examples(
        'shipper sql "SELECT level, count(*) FROM logs GROUP BY level"',
        "shipper sql --format csv \"SELECT timestamp, message FROM logs WHERE level = 'ERROR'\"",
        'shipper sql "DESCRIBE SELECT * FROM logs"',
    )
)
@click.argument("words", nargs=-1, required=True, metavar="SELECT...")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How the rows are printed; json: one object per line.",
)
@duration_option("--timeout", "Time limit of the query.", default="60s")
@invoked
def sql(invocation: Invocation, /, words: tuple[str, ...], kind: str, timeout: int) -> int:
    """
    Ask the embedded store in SQL.

    SELECT is in the dialect of DuckDB. The table `logs` has a row per record; docs/store.md lists
    its columns. It reads nothing but the store. Exits with 1 if there are no rows. Words that the
    shell split are one statement; quote it if it has any of * ( ) < > ' or a dollar.
    """
    from shipper.store.embedded.sql import selected  # noqa: PLC0415 - DuckDB takes its time

    path = embedded_path(invocation)
    with selected(path, " ".join(words), ReadLimits(timeout / 1000)) as rows:
        names = [column[0] for column in rows.description or ()]
        count = PRINTERS[kind](names, rows)
    return FOUND if count else NOTHING_FOUND


def _print_csv(names: list[str], rows: duckdb.DuckDBPyConnection) -> int:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(names)
    count = 0
    while portion := rows.fetchmany(PORTION):
        writer.writerows(map(_safe_cells, portion))
        count += len(portion)
    return count


def _safe_cells(row: Iterable[Any]) -> list[Any]:
    return [safe_lines(cell) if isinstance(cell, str) else cell for cell in row]


def _print_json(names: list[str], rows: duckdb.DuckDBPyConnection) -> int:
    count = 0
    while portion := rows.fetchmany(PORTION):
        objects = (dict(zip(names, row, strict=True)) for row in portion)
        texts = (msgspec.json.encode(each, enc_hook=str).decode() for each in objects)
        click.echo("\n".join(map(escaped_json, texts)))
        count += len(portion)
    return count


def _print_table(names: list[str], rows: duckdb.DuckDBPyConnection) -> int:
    found = rows.fetchmany(TABLE_ROWS + 1)
    cells = [names, *([_cell(value) for value in row] for row in found[:TABLE_ROWS])]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in [cells[0], ["-" * width for width in widths], *cells[1:]]:
        padded = (text.ljust(width) for text, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())
    if len(found) > TABLE_ROWS:
        click.echo(f"shipper: only the first {TABLE_ROWS:,} rows; use --format csv", err=True)
    return len(found)


def _cell(value: Any) -> str:
    text = "" if value is None else safe(str(value)).replace("\n", "\\n")
    return text if len(text) <= MAX_CELL else text[: MAX_CELL - 1] + "…"


PRINTERS = {"table": _print_table, "csv": _print_csv, "json": _print_json}
