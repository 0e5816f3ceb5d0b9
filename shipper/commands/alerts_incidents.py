"""`shipper alerts list`, `show` and `history`: incidents as they stand, and how they came about."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import click

from shipper.alerts.incident import Incident, Phase
from shipper.alerts.incidents.sla import compliance
from shipper.alerts.ledger.ledger import Ledger
from shipper.alerts.ledger.outbox import Outbox
from shipper.alerts.policy import sla_of
from shipper.commands.invocation import Invocation, common_options, examples
from shipper.commands.moments import as_moment
from shipper.config.main import load
from shipper.errors import ConfigError, DataFolderError
from shipper.process import data_folder
from shipper.view import incidents as view

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.config.main import Config

OPEN = (Phase.PENDING, Phase.FIRING, Phase.ACKNOWLEDGED)
_NO = 1


@contextmanager
def ledger_of(config: Config) -> Iterator[Ledger]:
    """
    Open the ledger of a data folder.

    Raises:
        DataFolderError: no alert job has worked with this data folder, or it cannot be read.
    """
    path = config.data_dir / data_folder.ALERTS_LEDGER
    if not path.exists():
        raise DataFolderError(f"there is no {path}; start shipper alerts run with this config")
    with closing(Ledger(path)) as ledger:
        yield ledger


def one_incident(ledger: Ledger, prefix: str) -> Incident:
    """
    Return the incident whose id begins so.

    Raises:
        ConfigError: there is none, or more than one.
    """
    found = ledger.find(prefix.lower()) if prefix else []
    if not found:
        raise ConfigError(f"there is no incident {prefix}; shipper alerts list shows them")
    if len(found) > 1:
        names = ", ".join(each.id for each in found[:5])
        raise ConfigError(f"{prefix} could be {names}; type more of it")
    return found[0]


@click.command(
    "list", epilog=examples("shipper alerts list", "shipper alerts list --json | jq .rule")
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@common_options
@click.pass_obj
def list_(invocation: Invocation, *, as_json: bool) -> int:
    """
    Show the open incidents: pending, firing, acknowledged; muted ones too, with the reason.

    `clock` says until when an incident has to be answered or resolved.
    """
    config = load(invocation.config)
    sla, now = sla_of(config.alerts.sla), invocation.now()
    with ledger_of(config) as ledger:
        found = ledger.incidents(OPEN)
    lines = (
        [view.incident_json(each, sla) for each in found]
        if as_json
        else view.list_text(found, sla, now)
    )
    for line in lines:
        click.echo(line)
    return 0


@click.command(epilog=examples("shipper alerts show k3x9", "shipper alerts show k3x9 --json"))
@click.argument("incident", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@common_options
@click.pass_obj
def show(invocation: Invocation, incident: str, *, as_json: bool) -> int:
    """
    Show one incident: its numbers, its clocks, its history, and who was notified.

    The first letters of its ID are enough.
    """
    config = load(invocation.config)
    sla = sla_of(config.alerts.sla)
    with ledger_of(config) as ledger:
        found = one_incident(ledger, incident)
        if as_json:
            click.echo(view.incident_json(found, sla))
            return 0
        history, notifications = ledger.history(found.id), Outbox(ledger).notifications(found.id)
    for line in view.show_text(found, history, notifications, sla, invocation.now()):
        click.echo(line)
    return 0


@click.command(
    epilog=examples(
        "shipper alerts history --since 7d",
        "shipper alerts history --rule error_rate_high",
        "shipper alerts history --since 90d --sla",
    )
)
@click.option(
    "--since",
    callback=as_moment,
    metavar="T",
    default="30d",
    show_default=True,
    help="Incidents that were opened since: 7d ago, or 2026-02-05.",
)
@click.option("--rule", metavar="RULE", help="Those of one rule.")
@click.option(
    "--sla", "as_sla", is_flag=True, help="How the limits were kept, per month and severity."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@common_options
@click.pass_obj
def history(
    invocation: Invocation, *, since: int, rule: str | None, as_sla: bool, as_json: bool
) -> int:
    """
    Show past incidents, open and resolved, the oldest first.

    With --sla: how many clocks stopped in time, by the month of the first notification. Exits with
    1 if a limit was missed.
    """
    config = load(invocation.config)
    sla, now = sla_of(config.alerts.sla), invocation.now()
    with ledger_of(config) as ledger:
        found = ledger.incidents(list(Phase), since=since)
    found = [each for each in found if rule in (None, each.rule)]
    if as_sla:
        kept = compliance(found, sla, now)
        for line in view.sla_json(kept) if as_json else view.sla_text(kept):
            click.echo(line)
        return _NO if any(each.share is not None and each.share < 1 for each in kept) else 0
    lines = (
        [view.incident_json(each, sla) for each in found]
        if as_json
        else view.list_text(found, sla, now)
    )
    for line in lines:
        click.echo(line)
    return 0
