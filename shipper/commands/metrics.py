"""`shipper metrics`: metrics files of days and months."""

from __future__ import annotations

import click

from shipper.commands.invocation import Invocation, common_options, examples, invoked, refuse
from shipper.commands.moments import NamedDay, as_named_day
from shipper.commands.report_sources import open_builder
from shipper.config.main import load
from shipper.reports.periods import day_at
from shipper.text import counted

_NO = 1


@click.group(epilog=examples("shipper metrics build"))
@common_options
def metrics() -> None:
    """Make metrics files of days and months."""


@metrics.command(
    epilog=examples(
        "shipper metrics build",
        "shipper metrics build --since 2026-02-01 --until 2026-02-28",
    )
)
@click.option(
    "--since",
    callback=as_named_day,
    metavar="D",
    help="The first day.  [default: that of the first record]",
)
@click.option(
    "--until",
    callback=as_named_day,
    metavar="D",
    default="yesterday",
    show_default=True,
    help="The last day.",
)
@invoked
def build(invocation: Invocation, since: NamedDay | None, until: NamedDay) -> int:
    """
    Make the metrics files that are missing, incomplete or out of date.

    Writes YYYY-MM-DD.json per day and monthly/YYYY-MM.json per month. A day with late records is
    made again. Exits with 1 if a day is not complete.
    """
    config = load(invocation.config)
    today = day_at(invocation.now(), config.reports.zone)
    zone = config.reports.zone
    first = None if since is None else since.of(zone)
    if first is not None and first > until.of(zone):
        refuse("--since is after --until")
    if first is not None and first > today:
        refuse("--since has not begun; use a day that has")
    with open_builder(config, invocation.now()) as builder:
        built = builder.build(first, min(until.of(zone), today))
    for name in built.changed:
        click.echo(f"made {name}")
    for name, reason in built.incomplete.items():
        click.echo(f"{name} is not complete: {reason}")
    click.echo(f"{counted(len(built.changed), 'file')} made in {config.reports.metrics}")
    return _NO if built.incomplete else 0
