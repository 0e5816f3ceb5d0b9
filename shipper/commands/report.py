"""`shipper report`: summaries of the records, written as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper.commands.invocation import Invocation, common_options, examples, invoked
from shipper.commands.moments import as_day
from shipper.commands.stores import open_store
from shipper.reports import daily as reports

if TYPE_CHECKING:
    from datetime import date


@click.group(epilog=examples("shipper report daily", "shipper report daily --date yesterday"))
@common_options
def report() -> None:
    """Write summaries of the records."""


@report.command(
    epilog=examples(
        "shipper report daily",
        "shipper report daily --date yesterday",
        "shipper report daily --date 2026-02-05 --directory reports",
    )
)
@click.option(
    "--date",
    "day",
    callback=as_day,
    metavar="D",
    default="today",
    show_default=True,
    help="The day in UTC: 2026-02-05, today (so far) or yesterday.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=Path("logs"),
    show_default=True,
    help="Directory of the file.",
)
@invoked
def daily(invocation: Invocation, day: date, directory: Path) -> int:
    """
    Write the summary of a day to daily_summary_D.json.

    Its keys are date, total_requests, errors, warnings, success_rate, avg_response_time and
    top_errors; docs/commands.md describes them.
    """
    with open_store(invocation) as store:
        summary = reports.summarize(store, day)
    path = reports.write(summary, directory)
    click.echo(summary)
    click.echo(f"written to {path}")
    return 0
