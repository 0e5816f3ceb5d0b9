"""`shipper store`: look after the embedded store."""

from __future__ import annotations

import sys
from dataclasses import asdict
from importlib.util import find_spec

import click

from shipper.commands.invocation import Invocation, common_options, examples
from shipper.commands.stores import embedded_path
from shipper.errors import ConfigError
from shipper.text import counted, safe, safe_json, size
from shipper.times import iso

GOOD, DAMAGED = 0, 1


@click.group(epilog=examples("shipper store info", "shipper store verify", "shipper store migrate"))
@common_options
def store() -> None:
    """Show, check, compact and convert the embedded store."""


@store.command(epilog=examples("shipper store info", "shipper store info --json | jq .bytes"))
@click.option("--json", "as_json", is_flag=True, help="One JSON object; bytes, epoch ms.")
@common_options
@click.pass_obj
def info(invocation: Invocation, *, as_json: bool) -> int:
    """Show how many records the store holds, of which time, and its size."""
    from shipper.store.embedded.upkeep import read_info  # noqa: PLC0415 - DuckDB takes its time

    found = read_info(embedded_path(invocation))
    if as_json:
        click.echo(safe_json(asdict(found)))
        return GOOD
    click.echo(f"records  {found.records:,}")
    click.echo(f"pieces   {found.pieces:,}")
    click.echo(f"commits  {found.commits:,} that are in no piece yet")
    click.echo(f"size     {size(found.bytes)}")
    if found.oldest is not None and found.newest is not None:
        click.echo(f"oldest   {iso(found.oldest)}")
        click.echo(f"newest   {iso(found.newest)}")
    return GOOD


@store.command(epilog=examples("shipper store verify"))
@common_options
@click.pass_obj
def verify(invocation: Invocation) -> int:
    """
    Read every file of the store, and compare it with its name.

    Exits with 1 if a file is damaged; it is named.
    """
    from shipper.store.embedded.upkeep import verify as verify_files  # noqa: PLC0415

    results = [*verify_files(embedded_path(invocation))]
    faults = [result for result in results if result is not None]
    for fault in faults:
        click.echo(safe(f"{fault.path}: {fault.fault}"))
    click.echo(f"{counted(len(results), 'file')} read, {len(faults):,} damaged")
    return DAMAGED if faults else GOOD


@store.command(epilog=examples("shipper store compact"))
@common_options
@click.pass_obj
def compact(invocation: Invocation) -> int:
    """
    Turn all commits into pieces, and merge what can be merged.

    A running shipper does this by itself, in portions; stop it before you use this command.
    """
    from shipper.store.embedded.upkeep import compact as compact_store  # noqa: PLC0415

    click.echo(f"{counted(compact_store(embedded_path(invocation)), 'record')} in pieces")
    return GOOD


@store.command(epilog=examples("shipper store migrate"))
@common_options
@click.pass_obj
def migrate(invocation: Invocation) -> int:
    """
    Convert the index of an older version to the form of this one.

    The shipper must not be running. The index stays as it is, under the name INDEX.old; delete it
    when you are content. A migration that was stopped goes on where it was.
    """
    if find_spec("tantivy") is None:
        raise ConfigError(
            "the index of an older version is read by tantivy, which is not installed",
            "install it: pip install 'orchestrator-shipper[migrate]'",
        )
    from shipper.store.tantivy_migration.migrate import is_old_form  # noqa: PLC0415
    from shipper.store.tantivy_migration.migrate import migrate as convert  # noqa: PLC0415

    path = embedded_path(invocation)
    if not is_old_form(path):
        click.echo(safe(f"{path} has the form of this version; there is nothing to do"))
        return GOOD
    with click.progressbar(length=1, label="converting", file=sys.stderr) as bar:
        records = 0
        for done, total in convert(path):
            bar.length = total
            bar.update(done - records)
            records = done
    click.echo(safe(f"{counted(records, 'record')} converted; the old index is {path}.old"))
    return GOOD
