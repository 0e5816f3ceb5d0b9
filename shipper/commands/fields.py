"""`shipper fields`: which fields the records have."""

from __future__ import annotations

import click

from shipper.commands.invocation import Invocation, examples, invoked, json_option
from shipper.commands.moments import duration_option, moment_option
from shipper.commands.stores import open_store
from shipper.store.api import Selection
from shipper.store.inventory import SAMPLE, fields_of_records
from shipper.store.opening import ReadLimits
from shipper.text import Paint, counted
from shipper.view.records import fields_json, fields_text

FOUND, NOTHING_FOUND = 0, 1


@click.command(
    epilog=examples(
        "shipper fields",
        "shipper fields event.dataset:nginx.access --since 1h",
        "shipper fields --json | jq -r .field",
    )
)
@click.argument("query", nargs=-1)
@moment_option(
    "--since", "From this time on: 15m, 2h, 7d (ago), 03:00, today, yesterday or ISO 8601."
)
@moment_option("--until", "Before this time, in the same forms.")
@click.option(
    "--sample",
    type=click.IntRange(1, 100_000),
    default=SAMPLE,
    show_default=True,
    metavar="N",
    help="Records whose names, types and values are looked at, the newest.",
)
@json_option()
@duration_option("--timeout", "Time limit of the query in the embedded store.", default="60s")
@invoked
def fields(  # noqa: PLR0913 - one parameter per option
    invocation: Invocation,
    /,
    *,
    query: tuple[str, ...],
    since: int | None,
    until: int | None,
    sample: int,
    as_json: bool,
    timeout: int,
) -> int:
    """
    Show which fields the records have that match QUERY: type, share, values.

    Without QUERY all records match. Names, types and values are those of the newest records, shares
    are exact. Exits with 1 if no record matches.
    """
    selection = Selection(" ".join(query), since, until)
    with open_store(invocation, ReadLimits(timeout / 1000)) as store:
        found = fields_of_records(store, selection, sample)
    if not found.fields:
        return NOTHING_FOUND
    lines = fields_json(found) if as_json else fields_text(found, Paint(invocation.colors))
    click.echo("\n".join(lines))
    if found.sample < found.total and not as_json:
        looked_at = f"the newest {found.sample:,} of {counted(found.total, 'record')}"
        click.echo(f"shipper: names, types and values are of {looked_at}; see --sample", err=True)
    if found.left_out:
        click.echo(f"shipper: {found.left_out:,} or more further names left out", err=True)
    return FOUND
