"""`shipper setup`: what Elasticsearch needs before the first record."""

from __future__ import annotations

import click

from shipper.commands.invocation import Invocation, common_options, examples
from shipper.config.main import ElasticsearchOutput, load
from shipper.errors import ConfigError
from shipper.text import safe


@click.command(epilog=examples("shipper setup --dry-run", "shipper setup"))
@click.option("--dry-run", is_flag=True, help="Change nothing; show what would change.")
@common_options
@click.pass_obj
def setup(invocation: Invocation, *, dry_run: bool) -> int:
    """
    Install or update what Elasticsearch needs.

    Templates of the data streams, a lifecycle policy, a role to write and one to read. What is
    there already is left alone; the component template logs-orchestrator@custom is yours and never
    touched. What the cluster does not offer is told and left out. With --dry-run, exits with 1 if
    there is something to change.
    """
    output = load(invocation.config).output
    if not isinstance(output, ElasticsearchOutput):
        raise ConfigError("there is nothing to set up for this output; use output.elasticsearch")
    from shipper.store.elasticsearch.setup import SetupState, set_up  # noqa: PLC0415 -- an extra

    done = {
        SetupState.NEW: "installed",
        SetupState.CHANGED: "updated",
        SetupState.SAME: "is up to date",
    }
    if dry_run:
        done |= {SetupState.NEW: "is missing", SetupState.CHANGED: "is to be updated"}
    changes = 0
    for step in set_up(output, dry_run=dry_run):
        note = f" ({safe(step.note)})" if step.note else ""
        click.echo(f"{step.piece}: {done.get(step.state, step.state)}{note}")
        changes += step.state in {SetupState.NEW, SetupState.CHANGED}
        for line in step.diff if dry_run else ():
            click.echo(f"  {safe(line)}")
    return 1 if dry_run and changes else 0
