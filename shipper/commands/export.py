"""`shipper export`: write records of the embedded store into a file."""

from __future__ import annotations

from pathlib import Path

import click

from shipper.commands.invocation import Invocation, examples, invoked
from shipper.commands.moments import duration_option, moment_option
from shipper.commands.stores import embedded_path
from shipper.errors import ConfigError, remedy_of
from shipper.store.api import Selection
from shipper.store.opening import ReadLimits
from shipper.text import counted, safe, size

KINDS = ("parquet", "ndjson", "csv")


@click.command(
    epilog=examples(
        "shipper export --since 7d week.parquet",
        "shipper export --since 1h errors.ndjson level:ERROR",
    )
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.argument("query", nargs=-1)
@moment_option("--since", "From this time on: 15m, 2h, 7d (ago) or ISO 8601.")
@moment_option("--until", "Before this time: 15m, 2h, 7d (ago) or ISO 8601.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@duration_option("--timeout", "Time limit of the export.", default="1h")
@invoked
def export(  # noqa: PLR0913 - one parameter per option
    invocation: Invocation,
    /,
    *,
    file: Path,
    query: tuple[str, ...],
    since: int | None,
    until: int | None,
    timeout: int,
    force: bool,
) -> int:
    """
    Write records of the embedded store into a file.

    These are the records that match QUERY; without it, all. The name of the file says the form:
    .parquet and .csv have columns, .ndjson has each document as it was stored. The file appears
    when it is whole.
    """
    from shipper.store.embedded.sql import export as export_records  # noqa: PLC0415 - DuckDB

    kind = file.suffix.lstrip(".")
    if kind not in KINDS:
        raise ConfigError(f"{file} does not end in .parquet, .ndjson or .csv", "use such a name")
    if file.exists() and not force:
        raise ConfigError(f"{file} exists already", "use another name, or --force to replace it")
    new = file.with_name(f"{file.name}.new")
    selection = Selection(" ".join(query), since, until)
    path = embedded_path(invocation)
    try:
        new.write_bytes(b"")
    except OSError as error:
        remedy = remedy_of(error, "use another folder")
        raise ConfigError(f"{new} cannot be written: {error.strerror}", remedy) from error
    try:
        count = export_records(path, selection, new, kind, ReadLimits(timeout / 1000))
        new.replace(file)
    finally:
        new.unlink(missing_ok=True)
    click.echo(safe(f"{counted(count, 'record')}, {size(file.stat().st_size)}: {file}"))
    return 0
