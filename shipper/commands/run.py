"""`shipper run`: the shipper itself."""

from __future__ import annotations

import click

from shipper.commands.invocation import Invocation, common_options, examples
from shipper.commands.moments import as_span
from shipper.config import load
from shipper.run import run as ship


@click.command(
    epilog=examples(
        "shipper run",
        "shipper run --once --timeout 60s",
        "shipper --config /etc/shipper.yml run",
    )
)
@click.option("--once", is_flag=True, help="Ship what is in the files now, then exit.")
@click.option(
    "--timeout",
    callback=as_span,
    metavar="D",
    help="With --once: give up after this time, such as 60s.",
)
@common_options
@click.pass_obj
def run(invocation: Invocation, *, once: bool, timeout: int | None) -> int:
    """
    Ship what the application logs, until SIGTERM or Ctrl-C.

    Either ends it in good order: what was read is delivered and the positions are saved.
    """
    if timeout is not None and not once:
        raise click.UsageError("--timeout is the limit of --once; use both or none")
    seconds = None if timeout is None else timeout / 1000
    return ship(load(invocation.config), once=once, timeout_seconds=seconds)
