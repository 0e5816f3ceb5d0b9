"""`shipper setup`: installs what Elasticsearch needs before the first record."""

from __future__ import annotations

import click

from shipper.commands.invocation import Invocation, examples, invoked
from shipper.config.main import load
from shipper.config.outputs import ElasticsearchOutput
from shipper.errors import ConfigError
from shipper.text import safe


@click.command(epilog=examples("shipper setup --dry-run", "shipper setup"))
@click.option("--dry-run", is_flag=True, help="Show what would change, without changing it.")
@invoked
def setup(invocation: Invocation, *, dry_run: bool) -> int:
    """
    Install or update templates, lifecycle policy and roles in Elasticsearch.

    What is up to date stays as it is. The component template logs-orchestrator@custom is yours:
    setup never changes it. Features that the cluster does not offer are reported and skipped. With
    --dry-run, exits with 1 if something would change.
    """
    output = load(invocation.config).output
    if not isinstance(output, ElasticsearchOutput):
        raise ConfigError(
            "this output needs no setup", "use output.elasticsearch to set up a cluster"
        )
    from shipper.store.elasticsearch.setup import SetupState, set_up  # noqa: PLC0415 -- an extra

    done = {
        SetupState.NEW: "installed",
        SetupState.CHANGED: "updated",
        SetupState.SAME: "is up to date",
    }
    if dry_run:
        done |= {SetupState.NEW: "is missing", SetupState.CHANGED: "would be updated"}
    changes = 0
    for step in set_up(output, dry_run=dry_run):
        note = f" ({safe(step.note)})" if step.note else ""
        click.echo(f"{step.resource}: {done.get(step.state, step.state)}{note}")
        changes += step.state in {SetupState.NEW, SetupState.CHANGED}
        for line in step.diff if dry_run else ():
            click.echo(f"  {safe(line)}")
    return 1 if dry_run and changes else 0
