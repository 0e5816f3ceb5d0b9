"""`shipper alerts alerters` and `send-test`: who is notified of what, and whether it works."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipper.alerts.alerters.alerter import AlerterContext, AlerterRefused, open_alerter
from shipper.alerts.incident import Change, Incident, Phase, Transition
from shipper.alerts.page import Page
from shipper.alerts.routing import is_catch_all
from shipper.alerts.settings import AlertSettings
from shipper.alerts.settings import load as load_settings
from shipper.alerts.severity import Severity
from shipper.alerts.verdict import Verdict, VerdictState, Window
from shipper.commands.invocation import Invocation, examples, invoked
from shipper.config.main import load
from shipper.errors import ConfigError
from shipper.text import safe, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.alerts.settings import Route

RULE = "test"
_MINUTE_MS = 60_000


def settings_of(invocation: Invocation) -> AlertSettings:
    """
    Read the alerters and routes of a config.

    Raises:
        ConfigError: one of the two files cannot be used.
    """
    return load_settings(load(invocation.config).alerts.settings)


@click.command(epilog=examples("shipper alerts alerters"))
@invoked
def alerters(invocation: Invocation) -> int:
    """
    Show the alerters, and which incidents each is notified of.

    Secrets are not shown and nothing is sent. Exits with 1 if nobody would be notified.
    """
    settings = settings_of(invocation)
    rows = [("alerter", "kind", "notifies", "fallback")]
    surroundings = AlerterContext(invocation.clock)
    for name, each in settings.all_alerters.items():
        where = open_alerter(name, each, surroundings).where
        rows.append((name, each.kind, safe(where), each.fallback or "-"))
    if len(rows) == 1:
        click.echo("No alerter is configured: nobody is notified.")
        return 1
    click.echo("\n".join(table(rows)))
    click.echo()
    click.echo("\n".join(_routes(settings)))
    return 0


def _routes(settings: AlertSettings) -> Iterator[str]:
    for route in settings.all_routes:
        goes_on = ", and continue" if route.goes_on else ""
        yield f"{_conditions(route)} → {', '.join(route.to) or 'nobody'}{goes_on}"
    if not any(is_catch_all(route) for route in settings.all_routes):
        yield "everything else → nobody"


def _conditions(route: Route) -> str:
    named = {
        "severity": route.severity,
        "service": route.service,
        "rule": route.rule,
        "change": route.change,
    }
    parts = [f"{key} {' or '.join(values)}" for key, values in named.items() if values]
    return ", ".join(parts) or "everything"


@click.command(
    "send-test",
    epilog=examples(
        "shipper alerts send-test ops_mail",
        "shipper alerts send-test pager --severity critical",
        "shipper alerts send-test chat --keep-open",
    ),
)
@click.argument("name", metavar="ALERTER")
@click.option(
    "--severity",
    type=click.Choice([severity.value for severity in Severity]),
    default=Severity.LOW.value,
    show_default=True,
    help="Severity of the test incident.",
)
@click.option("--keep-open", is_flag=True, help="Leave the test incident open.")
@invoked
def send_test(invocation: Invocation, name: str, severity: str, *, keep_open: bool) -> int:
    """
    Send a test incident to an alerter, then its resolution.

    Nothing is recorded, and routes and fallbacks are not used. Exits with 1 if the service refuses
    the message, with 3 if it cannot be reached, with 2 if there is no such alerter.
    """
    settings = settings_of(invocation)
    known = settings.all_alerters
    if name not in known:
        remedy = f"use one of: {', '.join(known)}" if known else "add it to alerts.settings"
        raise ConfigError(f'there is no alerter "{name}"', remedy)
    surroundings = AlerterContext(invocation.clock, invocation.colors)
    now = invocation.now()
    changes = [Change.FIRED] if keep_open else [Change.FIRED, Change.RESOLVED]
    alerter = open_alerter(name, known[name], surroundings)
    reference = None
    for change in changes:
        page = page_of(change, Severity(severity), now)
        try:
            reference = alerter.notify(page, reference)
        except AlerterRefused as refused:
            click.echo(f"shipper: {safe(str(refused))}", err=True)
            return 1
        click.echo(f"{name}: notified of {page.thread} {change.value}: {safe(alerter.where)}")
    return 0


def page_of(change: Change, severity: Severity, now: int) -> Page:
    """Make a page of an incident that there is not."""
    window = Window(now - 5 * _MINUTE_MS, now)
    reason = "no rule was evaluated, this is a test"
    is_over = change is Change.RESOLVED
    incident = Incident(
        id=f"test-{now // 1000:x}",
        rule=RULE,
        group=(),
        severity=severity,
        phase=Phase.RESOLVED if is_over else Phase.FIRING,
        opened_at=now,
        verdict=Verdict(RULE, (), window, VerdictState.BREACH, reason),
        fired_at=now,
        resolved_at=now if is_over else None,
        resolved_by="send-test" if is_over else None,
    )
    return Page(
        transition=Transition(incident, change, now),
        key=f"{incident.id}-{change.value}",
        thread=incident.id,
        title=f"Test {change.value}: nothing is wrong",
        summary="Sent by shipper alerts send-test to check that this alerter works.",
        asked="none",
        numbers=reason,
        runbook=("Nothing to do.",),
    )
