"""Sends reports: now (`--mail`), or those that are due (`shipper report due`)."""

from __future__ import annotations

from contextlib import closing
from datetime import date
from datetime import time as time_of_day
from typing import TYPE_CHECKING, Final

import click

from shipper.alerts.alerters.alerter import (
    AlerterContext,
    AlerterRefused,
    AlerterUnavailable,
    open_alerter,
)
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.report_outbox import DueReport, ReportOutbox
from shipper.alerts.settings import load as load_settings
from shipper.commands.report_sources import open_sources
from shipper.process import data_folder
from shipper.reports.schedule import NAMES, due_periods
from shipper.reports.senders import senders_of
from shipper.reports.sending import send

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from shipper.alerts.alerters.alerter import Alerter
    from shipper.commands.invocation import Invocation
    from shipper.config.main import Config
    from shipper.reports.document import ReportDocument
    from shipper.reports.periods import PeriodKind
    from shipper.reports.sources import ReportSources

    Make = Callable[[Config, ReportSources, PeriodKind, date], ReportDocument]

PAUSES_MS: Final = (60_000, 300_000, 900_000, 3_600_000)  # after a failed try; the last goes on
MOST_TRIES: Final = 24
MIDNIGHT: Final = time_of_day()


def alerters_of(
    config: Config, names: Sequence[str], clock: Callable[[], float]
) -> dict[str, Alerter]:
    """
    Open the alerters that reports are sent to: of these names, or those of the config.

    Raises:
        ConfigError: there is none, or one of them cannot send reports.
    """
    settings = load_settings(config.alerts.settings).all_alerters
    wanted = senders_of(settings, names, config.reports.to)
    context = AlerterContext(clock)
    return {name: open_alerter(name, settings[name], context) for name in wanted}


def send_now(invocation: Invocation, config: Config, document: ReportDocument) -> None:
    """Send a report to all that reports are sent to; raises as `send` does."""
    now = invocation.now()
    for name, alerter in alerters_of(config, (), invocation.clock).items():
        key = f"report.{document.kind}.{document.name}.{name}.{now}"
        send(document, alerter, config.reports.zone, key, now)
        click.echo(f"sent by {name}")


def send_due(invocation: Invocation, config: Config, make: Make) -> bool:
    """
    Send the reports that are due, each once; return whether all that is due was sent.

    Raises:
        DataFolderError: another process sends reports, or the ledger cannot be used.
    """
    now = invocation.now()
    with data_folder.hold(config.data_dir, data_folder.REPORTS_LOCK):
        path = config.data_dir / data_folder.ALERTS_LEDGER
        with closing(Ledger(path)) as ledger:
            outbox = ReportOutbox(ledger)
            alerters = _add_due(config, outbox, now, invocation.clock)
            return _send_all(config, outbox, alerters, make, now)


def _add_due(
    config: Config, outbox: ReportOutbox, now: int, clock: Callable[[], float]
) -> dict[str, Alerter]:
    """
    Add what became due: at the first time the newest of each, then all that was missed.

    Return the alerters of the schedule.
    """
    alerters: dict[str, Alerter] = {}
    for entry in config.reports.schedule:
        periods = due_periods(NAMES[entry.report], entry.at, config.reports.zone, now)
        chosen = alerters_of(config, entry.to, clock)
        alerters |= chosen
        for name in chosen:
            first = outbox.oldest(entry.report, name)
            wanted = [p.name for p in periods if first is not None and p.name > first]
            for period in wanted or [periods[-1].name]:
                outbox.add(entry.report, period, [name], now)
    return alerters


def _send_all(
    config: Config,
    outbox: ReportOutbox,
    alerters: Mapping[str, Alerter],
    make: Make,
    now: int,
) -> bool:
    made: dict[tuple[str, str], ReportDocument] = {}
    due = outbox.due(now)
    if not due:
        return True
    all_sent = True
    with open_sources(config, now) as sources:
        for each in due:
            kind = NAMES[each.report]
            by_name = {p.name: p for p in due_periods(kind, MIDNIGHT, sources.zone, now)}
            period, alerter = by_name.get(each.period), alerters.get(each.alerter)
            if period is None or alerter is None:
                fault = "it is too old" if period is None else "it is not in the schedule any more"
                outbox.give_up(each, fault)
                continue
            key = each.report, each.period
            if key not in made:
                made[key] = make(config, sources, kind, period.first)
            outbox.trying(each)
            all_sent &= _sent(outbox, each, made[key], alerter, sources)
    return all_sent


def _sent(
    outbox: ReportOutbox,
    due: DueReport,
    document: ReportDocument,
    alerter: Alerter,
    sources: ReportSources,
) -> bool:
    """Send one report; return whether it was sent."""
    name = f"{due.report} {due.period}"
    try:
        send(document, alerter, sources.zone, due.key, sources.now)
    except AlerterUnavailable as error:
        if due.tries + 1 >= MOST_TRIES:
            outbox.give_up(due, str(error))
        else:
            pause = PAUSES_MS[min(due.tries, len(PAUSES_MS) - 1)]
            outbox.again(due, sources.now + pause, str(error))
        click.echo(f"{name} is not sent yet: {error}", err=True)
        return False
    except AlerterRefused as error:
        outbox.give_up(due, str(error))
        click.echo(f"{name} cannot be sent: {error}", err=True)
        return False
    outbox.sent(due, sources.now)
    click.echo(f"{name} sent by {due.alerter}")
    return True
