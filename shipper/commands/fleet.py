"""`shipper fleet`: the state of every host that ships to a store."""

from __future__ import annotations

import click

from shipper.commands.invocation import Invocation, examples, invoked, json_option
from shipper.commands.moments import duration_option, moment_option
from shipper.commands.stores import open_store
from shipper.store.fleet import read_fleet
from shipper.text import Paint
from shipper.view.fleet import FleetLimits, fleet_json, fleet_text, state_of

WELL, NOT_WELL = 0, 1


@click.command(
    epilog=examples(
        "shipper fleet",
        "shipper fleet --silent 30s --behind 2m",
        "shipper fleet --json | jq -r 'select(.state != \"well\") | .host'",
    )
)
@moment_option("--since", "Show hosts with a heartbeat since this time.", default="1d")
@duration_option(
    "--silent", "A host is silent if its last heartbeat is older than this.", default="1m"
)
@duration_option("--behind", "A host is behind if its watermark is older than this.", default="5m")
@json_option("One JSON object per host; times in epoch ms.")
@invoked
def fleet(invocation: Invocation, *, since: int, silent: int, behind: int, as_json: bool) -> int:
    """
    Show every host that ships to this store.

    Shows per host its state, the age of its last heartbeat, the time up to which all its records
    can be searched, the bytes not delivered yet, dead letters, and the version of its shipper.
    Exits with 1 if a host is silent, stopped or behind, or if there is no host.
    """
    limits = FleetLimits(invocation.now(), silent, behind)
    with open_store(invocation) as store:
        beats = read_fleet(store, since=since, now=limits.now)
    if as_json:
        for beat in beats:
            click.echo(fleet_json(beat, limits))
    else:
        click.echo("\n".join(fleet_text(beats, limits, Paint(invocation.colors))))
    return WELL if beats and all(state_of(beat, limits) == "well" for beat in beats) else NOT_WELL
