"""`shipper registry`: show and change the positions up to which files are delivered."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from shipper.agent import positions
from shipper.agent.requests import ForgetRequest, RereadRequest
from shipper.commands.invocation import Invocation, common_options, examples, invoked, json_option
from shipper.commands.moments import duration_option
from shipper.config.main import load
from shipper.process import data_folder
from shipper.text import Paint, duration, safe, safe_json, size, table

if TYPE_CHECKING:
    from shipper.agent.positions import KnownFile
    from shipper.agent.requests import RequestOutcome
    from shipper.config.main import Config

DEFAULT_WAIT = "60s"  # a running shipper first gets everything acked that it has read

wait_option = duration_option(
    "--wait", "How long to wait for a running shipper to finish this.", default=DEFAULT_WAIT
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
    Show and change the positions up to which files are delivered.

    While a shipper is running, it makes the change itself, between two batches.
    """


@registry.command(
    "list", epilog=examples("shipper registry list", "shipper registry list --json | jq .path")
)
@json_option("One JSON object per line; bytes, epoch ms.")
@invoked
def list_(invocation: Invocation, *, as_json: bool) -> int:
    """
    List the files in the registry.

    Shows per file its identity (device:inode), the stream of its lines without run and seq, the
    offset up to which it is acked, its size, its state, and when it was last seen. Exits with 1 if
    there is no file.
    """
    files = positions.known_files(load(invocation.config))
    if as_json:
        for file in files:
            click.echo(safe_json(asdict(file)))
    elif files:
        head = ["file", "identity", "stream", "offset", "size", "state", "last seen"]
        rows = [_row(file, invocation.now()) for file in files]
        heading, *lines = table([head, *rows], right={3, 4})
        click.echo("\n".join([Paint(invocation.colors).strong(heading), *lines]))
    else:
        click.echo("no files in the registry", err=True)
    return 0 if files else 1


def _row(file: KnownFile, now: int) -> list[str]:
    state = f"again, up to {file.again}" if file.state == "again" else file.state
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
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@wait_option
@invoked
def reset(invocation: Invocation, paths: tuple[str, ...], *, wait: int) -> int:
    """
    Read files again from their beginning.

    Records that the output still has are not stored twice; records that it lost are sent again.
    PATH is a path or a glob pattern. Exits with 1 if a file could not be reset.
    """
    config = load(invocation.config)
    request = RereadRequest({os.path.abspath(path): 0 for path in paths})
    outcomes = _carry_out(invocation, config, request, wait)
    for each in outcomes:
        done = f"reading {size(each.count)} ({each.count} bytes) again"
        click.echo(f"{safe(each.subject)}: {each.fault or done}", err=each.fault is not None)
    return 1 if any(each.fault for each in outcomes) else 0


@registry.command(epilog=examples("shipper registry forget 'logs/old/*'"))
@click.argument("patterns", nargs=-1, required=True, metavar="PATH...")
@wait_option
@invoked
def forget(invocation: Invocation, patterns: tuple[str, ...], *, wait: int) -> int:
    """
    Forget files that are gone.

    The shipper does so itself one day after it last saw a file. A file that still exists is not
    forgotten, as it would be read again from its beginning. Exits with 1 if a file was not
    forgotten.
    """
    config = load(invocation.config)
    request = ForgetRequest(tuple(os.path.abspath(pattern) for pattern in patterns))
    outcomes = _carry_out(invocation, config, request, wait)
    for each in outcomes:
        done = f"forgotten at {each.count} bytes"
        click.echo(f"{safe(each.subject)}: {each.fault or done}", err=each.fault is not None)
    return 1 if any(each.fault for each in outcomes) else 0


def _carry_out(
    invocation: Invocation, config: Config, request: RereadRequest | ForgetRequest, wait: int
) -> tuple[RequestOutcome, ...]:
    if data_folder.holder_of(config.data_dir) is None:
        return positions.change(config, request, invocation.now())
    return positions.hand_over(config, request, invocation.clock, wait / 1000)
