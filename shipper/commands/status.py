"""`shipper status`: how far each file is shipped."""

from __future__ import annotations

import click

from shipper.agent.status import status as look
from shipper.commands.invocation import Invocation, common_options, examples
from shipper.config.main import load
from shipper.text import Paint
from shipper.view.status import status_json, status_text


@click.command(
    epilog=examples("shipper status", "shipper status --json | jq '[.files[].behind] | add'")
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object; times in epoch ms.")
@common_options
@click.pass_obj
def status(invocation: Invocation, *, as_json: bool) -> int:
    """
    Show how far each file is shipped.

    Per file its size, the offset up to which it is delivered, the bytes behind, the oldest record
    not delivered, and its state; then totals, rates and up to when all is searchable. Exits with 1
    when no shipper is running.
    """
    found = look(load(invocation.config))
    if as_json:
        click.echo(status_json(found))
    else:
        click.echo("\n".join(status_text(found, invocation.now(), Paint(invocation.colors))))
    return 0 if found.running else 1
