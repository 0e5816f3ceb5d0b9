"""`shipper status`: the state of the shipper and its files."""

from __future__ import annotations

import click

from shipper.agent.status import status as read_status
from shipper.commands.invocation import Invocation, examples, invoked, json_option
from shipper.config.main import load
from shipper.text import Paint
from shipper.view.status import status_json, status_text


@click.command(
    epilog=examples("shipper status", "shipper status --json | jq '[.files[].behind] | add'")
)
@json_option("One JSON object; times in epoch ms.")
@invoked
def status(invocation: Invocation, *, as_json: bool) -> int:
    """
    Show how far each file is shipped.

    Shows per file its size, the offset up to which it is delivered, the bytes behind, the oldest
    undelivered record, and its state; then totals, rates, and the time up to which all records can
    be searched. Exits with 1 if no shipper is running.
    """
    found = read_status(load(invocation.config))
    if as_json:
        click.echo(status_json(found))
    else:
        click.echo("\n".join(status_text(found, invocation.now(), Paint(invocation.colors))))
    return 0 if found.running else 1
