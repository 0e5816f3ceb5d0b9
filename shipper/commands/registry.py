"""`shipper registry`: how far files count as delivered, shown and changed."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from shipper.agent import positions
from shipper.agent.requests import Forget, Reread
from shipper.commands.invocation import Invocation, common_options, examples
from shipper.commands.moments import as_duration
from shipper.config.main import load
from shipper.process import data_folder
from shipper.text import Paint, duration, safe, safe_json, size, table

if TYPE_CHECKING:
    from shipper.agent.positions import KnownFile
    from shipper.agent.requests import Outcome
    from shipper.config.main import Config

PATIENCE = "60s"  # for a running shipper to get all that it has read acknowledged

wait_option = click.option(
    "--wait",
    callback=as_duration,
    metavar="D",
    default=PATIENCE,
    show_default=True,
    help="How long to wait for the answer of a running shipper.",
)


@click.group(
    epilog=examples(
        "shipper registry list",
        "shipper registry reset logs/app.log",
        "shipper registry forget 'logs/old/*'",
    )
)
@common_options
def registry() -> None:
    """
    Show and change how far files count as delivered.

    It can be used while the shipper runs: that one then makes the change, between two batches.
    """


@registry.command(
    "list", epilog=examples("shipper registry list", "shipper registry list --json | jq .path")
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line; bytes, epoch ms.")
@common_options
@click.pass_obj
def list_(invocation: Invocation, *, as_json: bool) -> int:
    """
    List the files that the registry knows.

    Per file its identity (device:inode), the stream of its lines without run and seq, the offset
    up to which it is acknowledged, its size, and its state. Exits with 1 when it knows none.
    """
    files = positions.known_files(load(invocation.config))
    if as_json:
        for file in files:
            click.echo(safe_json(asdict(file)))
    elif files:
        head = ["file", "identity", "stream", "offset", "size", "state", "last there"]
        rows = [_row(file, invocation.now()) for file in files]
        heading, *lines = table([head, *rows], right={3, 4})
        click.echo("\n".join([Paint(invocation.colors).strong(heading), *lines]))
    return 0 if files else 1


def _row(file: KnownFile, now: int) -> list[str]:
    state = f"again, to {file.again}" if file.state == "again" else file.state
    return [
        safe(file.path),
        f"{file.device}:{file.inode}",
        file.stream or "-",
        str(file.offset),
        "-" if file.size is None else str(file.size),
        state,
        f"{duration(max(0, now - file.seen_at) / 1000)} ago",
    ]


@registry.command(
    epilog=examples("shipper registry reset logs/app.log", "shipper registry reset 'logs/*.log*'")
)
@click.argument("paths", nargs=-1, required=True, metavar="PATH…")
@wait_option
@common_options
@click.pass_obj
def reset(invocation: Invocation, paths: tuple[str, ...], *, wait: int) -> int:
    """
    Read files again from their beginning.

    What the output holds is not stored twice, and what it lost goes out again: the embedded index
    is asked record by record, elsewhere the `_id` absorbs what is there. PATH is a path or a
    pattern of paths. Exits with 1 if a file could not be reset.
    """
    config = load(invocation.config)
    request = Reread({os.path.abspath(path): 0 for path in paths})
    outcomes = _carry_out(invocation, config, request, wait)
    for each in outcomes:
        told = each.fault or f"{size(each.count)} ({each.count} bytes) are read again"
        click.echo(f"{safe(each.subject)}: {told}", err=each.fault is not None)
    return 1 if any(each.fault for each in outcomes) else 0


@registry.command(epilog=examples("shipper registry forget 'logs/old/*'"))
@click.argument("patterns", nargs=-1, required=True, metavar="PATH…")
@wait_option
@common_options
@click.pass_obj
def forget(invocation: Invocation, patterns: tuple[str, ...], *, wait: int) -> int:
    """
    Forget files that are gone.

    The shipper does so itself a day after it saw a file last. A file that is there is not
    forgotten: it would be read from its beginning. Exits with 1 if a file was not forgotten.
    """
    config = load(invocation.config)
    request = Forget(tuple(os.path.abspath(pattern) for pattern in patterns))
    outcomes = _carry_out(invocation, config, request, wait)
    for each in outcomes:
        told = each.fault or f"forgotten at {each.count} bytes"
        click.echo(f"{safe(each.subject)}: {told}", err=each.fault is not None)
    return 1 if any(each.fault for each in outcomes) else 0


def _carry_out(
    invocation: Invocation, config: Config, request: Reread | Forget, wait: int
) -> tuple[Outcome, ...]:
    if data_folder.holder_of(config.data_dir) is None:
        return positions.change(config, request, invocation.now())
    return positions.hand_over(config, request, invocation.clock, wait / 1000)
