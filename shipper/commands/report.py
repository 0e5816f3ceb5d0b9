"""`shipper report`: summaries and reports of the records, written as files."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipper.commands.invocation import (
    Command,
    Invocation,
    common_options,
    examples,
    invoked,
    refuse,
)
from shipper.commands.moments import NamedDay, as_named_day
from shipper.commands.report_sending import send_due, send_now
from shipper.commands.report_sources import open_builder, open_sources, rules_in, store_size_of
from shipper.commands.stores import open_store
from shipper.config.main import load
from shipper.files import make_folder, write_whole
from shipper.reports import daily as summaries
from shipper.reports.checklist import checklist_of, checklist_section, read_ticks
from shipper.reports.daily_report import daily_report
from shipper.reports.document import as_json, limited
from shipper.reports.glance import glance_section
from shipper.reports.html import as_html
from shipper.reports.markdown import as_markdown
from shipper.reports.monthly_report import monthly_report
from shipper.reports.periods import Period, PeriodKind, day_at, period_of
from shipper.reports.retained import with_what_is_gone
from shipper.reports.weekly_report import weekly_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from shipper.config.main import Config
    from shipper.reports.document import ReportDocument
    from shipper.reports.sources import ReportSources

_NO = 1
FORMATS = ("html", "md", "json")


@click.group(epilog=examples("shipper report daily", "shipper report daily --date yesterday"))
@common_options
def report() -> None:
    """Write reports about the records."""


def _date_option(text: str) -> Callable[[Command], Command]:
    return click.option(
        "--date",
        "day",
        callback=as_named_day,
        metavar="D",
        default="today",
        show_default=True,
        help=text,
    )


_progress_option = click.option(
    "--progress", is_flag=True, help="Print each step to stderr, with how many there are."
)
_mail_option = click.option(
    "--mail", is_flag=True, help="Send it, too, by the alerters of reports.to in the config."
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
@_mail_option
@_progress_option
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=Path("logs"),
    show_default=True,
    help="Directory of the summary.",
)
@invoked
def daily(  # noqa: PLR0913 - its options
    invocation: Invocation, day: NamedDay, form: str, directory: Path, *, mail: bool, progress: bool
) -> int:
    """
    Write the report of a day, and its summary.

    The summary is daily_summary_DATE.json. Its keys are date, total_requests, errors, warnings,
    success_rate, avg_response_time and top_errors; docs/commands.md describes them. The report is
    in the folder reports.folder of the config.
    """
    begun_day(load(invocation.config), PeriodKind.DAY, day, invocation.now())
    with open_store(invocation) as store:
        summary = summaries.summarize(store, day.of(UTC))
    path = summaries.write(summary, directory)
    click.echo(summary)
    click.echo(f"written to {path}")
    return _report(invocation, PeriodKind.DAY, day, form, mail=mail, progress=progress)


@report.command(
    epilog=examples("shipper report weekly", "shipper report weekly --date 2026-02-05 --format md")
)
@_date_option("A day of the week (Monday to Sunday): 2026-02-05, today or yesterday.")
@_format_option
@_mail_option
@_progress_option
@invoked
def weekly(invocation: Invocation, day: NamedDay, form: str, *, mail: bool, progress: bool) -> int:
    """
    Write the report of a week.

    Shows key figures beside those of the week before, error trends, slow routes, log files and
    their rotation, backups, noisy rules and incidents.
    """
    return _report(invocation, PeriodKind.WEEK, day, form, mail=mail, progress=progress)


@report.command(
    epilog=examples(
        "shipper report monthly", "shipper report monthly --date 2026-02-05 --format json"
    )
)
@_date_option("A day of the month: 2026-02-05, today or yesterday.")
@_format_option
@_mail_option
@_progress_option
@invoked
def monthly(invocation: Invocation, day: NamedDay, form: str, *, mail: bool, progress: bool) -> int:
    """
    Write the report of a month.

    Shows performance, SLA compliance, the error budget, proposals for alert thresholds, the
    capacity plan for the next quarter and a security audit of the access logs.
    """
    return _report(invocation, PeriodKind.MONTH, day, form, mail=mail, progress=progress)


def begun_day(config: Config, kind: PeriodKind, day: NamedDay, now: int) -> date:
    """Return the day of `--date` in the zone of reports; exit with 2 if it is yet to come."""
    found = day.of(config.reports.zone)
    period = period_of(kind, found, config.reports.zone)
    if period.since > now:
        refuse(f"--date: {period.name} has not begun; use a day that has")
    return found


def _report(  # noqa: PLR0913 - what is asked for
    invocation: Invocation,
    kind: PeriodKind,
    day: NamedDay,
    form: str,
    *,
    mail: bool,
    progress: bool,
) -> int:
    """Make the metrics files that the report needs, then the report; print where it is."""
    config = load(invocation.config)
    found = begun_day(config, kind, day, invocation.now())
    with open_sources(config, invocation.now()) as sources:
        if progress:
            builder = replace(sources.builder, begins=_print_day)
            sources = replace(sources, builder=builder)  # noqa: PLW2901 - the same, with a listener
        document = made(config, sources, kind, found)
        path = _write(document, sources.folder, form, sources)
    click.echo(f"report in {path}")
    if mail:
        send_now(invocation, config, document)
    return 0


@report.command(epilog=examples("shipper report due", "shipper --config shipper.yml report due"))
@invoked
def due(invocation: Invocation) -> int:
    """
    Make and send the reports of reports.schedule that are due.

    Each is sent once per period and alerter, also after a crash or a downtime. Makes the metrics
    files up to yesterday first. `shipper alerts run` does this when it is time; where no alert job
    runs, it is meant for cron or a systemd timer, every few minutes. Exits with 1 if a report could
    not be sent; it is tried again.
    """
    config = load(invocation.config)
    with open_builder(config, invocation.now()) as builder:
        today = day_at(invocation.now(), config.reports.zone)
        builder.build(None, today - timedelta(days=1))
    return 0 if send_due(invocation, config, made) else _NO


def _print_day(number: int, of: int, day: date) -> None:
    """Print that the figures of a day are made; the report itself comes after the last of them."""
    click.echo(f"[{number}/{of + 1}] figures of {day}", err=True)
    if number == of:
        click.echo(f"[{of + 1}/{of + 1}] the report, after the figures of {day}", err=True)


def made(config: Config, sources: ReportSources, kind: PeriodKind, day: date) -> ReportDocument:
    """Return the report of the period that a day lies in, after making its metrics files."""
    period = period_of(kind, day, sources.zone)
    today = day_at(sources.now, sources.zone)
    _build(sources, period, today)
    document = _composed(config, sources, period)
    found = with_what_is_gone(sources.store, period, document.facts, document.sections)
    document = replace(document, sections=tuple(map(limited, found)))
    items = checklist_of(document, read_ticks(config.data_dir))
    when = {each.item: sources.local(each.ticked_at) for each in items if each.ticked_at}
    first = glance_section(document.sections, document.note), checklist_section(items, when)
    return replace(document, sections=(*first, *document.sections))


def _composed(config: Config, sources: ReportSources, period: Period) -> ReportDocument:
    match period.kind:
        case PeriodKind.DAY:
            return daily_report(sources, period, config.reports)
        case PeriodKind.WEEK:
            return weekly_report(sources, period, config.reports, config.inputs)
        case PeriodKind.MONTH:
            rules, size = rules_in(config), store_size_of(config)
            return monthly_report(sources, period, config.reports, rules, size)


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
    make_folder(folder, 0o777)
    write_whole(path, data, durable=True, mode=0o644)
    return path
