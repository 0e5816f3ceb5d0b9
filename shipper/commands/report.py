"""`shipper report`: summaries and reports of the records, written as files."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper.commands.invocation import Command, Invocation, common_options, examples, invoked
from shipper.commands.moments import as_day
from shipper.commands.report_sources import open_sources
from shipper.files import write_whole
from shipper.reports import daily as summaries
from shipper.reports.daily_report import daily_report
from shipper.reports.document import as_json
from shipper.reports.html import as_html
from shipper.reports.markdown import as_markdown
from shipper.reports.periods import Period, PeriodKind, day_at, period_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from shipper.reports.document import ReportDocument
    from shipper.reports.sources import ReportSources

FORMATS = ("html", "md", "json")


@click.group(epilog=examples("shipper report daily", "shipper report daily --date yesterday"))
@common_options
def report() -> None:
    """Write reports about the records."""


def _date_option(text: str) -> Callable[[Command], Command]:
    return click.option(
        "--date", "day", callback=as_day, metavar="D", default="today", show_default=True, help=text
    )


_format_option = click.option(
    "--format",
    "form",
    type=click.Choice(FORMATS),
    default="html",
    show_default=True,
    help="Format of the report.",
)


@report.command(
    epilog=examples(
        "shipper report daily",
        "shipper report daily --date yesterday --format md",
        "shipper report daily --date 2026-02-05 --directory reports",
    )
)
@_date_option("The day: 2026-02-05, today (so far) or yesterday.")
@_format_option
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=Path("logs"),
    show_default=True,
    help="Directory of the summary.",
)
@invoked
def daily(invocation: Invocation, day: date, form: str, directory: Path) -> int:
    """
    Write the report of a day, and its summary to daily_summary_D.json.

    The keys of the summary are date, total_requests, errors, warnings, success_rate,
    avg_response_time and top_errors; docs/commands.md describes them. The report is in the folder
    reports.folder of the config.
    """
    with open_sources(invocation) as sources:
        summary = summaries.summarize(sources.store, day)
        path = summaries.write(summary, directory)
        click.echo(summary)
        click.echo(f"written to {path}")
        _report(sources, PeriodKind.DAY, day, form)
    return 0


_MAKERS: dict[PeriodKind, Callable[[ReportSources, Period], ReportDocument]] = {
    PeriodKind.DAY: daily_report,
}


def _report(sources: ReportSources, kind: PeriodKind, day: date, form: str) -> None:
    """Make the metrics files that the report needs, then the report; print where it is."""
    period = period_of(kind, day, sources.zone)
    today = day_at(sources.now, sources.zone)
    _build(sources, period, today)
    document = _MAKERS[kind](sources, period)
    path = _write(document, sources.folder, form, sources)
    click.echo(f"report in {path}")


def _build(sources: ReportSources, period: Period, today: date) -> None:
    """Make the metrics files of a period and the one before it, up to yesterday."""
    last = min(period.last, today - timedelta(days=1))
    first = period.before().first
    if first <= last:
        sources.builder.build(first, last)


def _write(document: ReportDocument, folder: Path, form: str, sources: ReportSources) -> Path:
    path = folder / f"{document.kind}-{document.name}.{form}"
    match form:
        case "html":
            data = as_html(document, sources.zone).encode()
        case "md":
            data = as_markdown(document, sources.zone).encode()
        case _:
            data = as_json(document)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(path, data, durable=True, mode=0o644)
    return path
