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
from shipper.commands.invocation import Invocation, examples, invoked, json_option
from shipper.commands.moments import moment_option
from shipper.config.main import load
from shipper.errors import ConfigError, DataFolderError
from shipper.process import data_folder
from shipper.view import incidents as view

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.alerts.incidents.sla import Sla
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
        raise DataFolderError(
            f"no alert job has run with this config: there is no {path}", "start shipper alerts run"
        )
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
        raise ConfigError(f"there is no incident {prefix}", "see shipper alerts list")
    if len(found) > 1:
        names = ", ".join(each.id for each in found[:5])
        raise ConfigError(f"{prefix} matches {names}", "type more of it")
    return found[0]


def _echo(found: Sequence[Incident], sla: Sla, now: int, *, as_json: bool) -> None:
    if as_json:
        lines = [view.incident_json(each, sla) for each in found]
    else:
        lines = view.list_text(found, sla, now)
    for line in lines:
        click.echo(line)


@click.command(
    "list", epilog=examples("shipper alerts list", "shipper alerts list --json | jq .rule")
)
@json_option()
@invoked
def list_(invocation: Invocation, *, as_json: bool) -> int:
    """
    Show the open incidents.

    Shows ID, severity, state (pending, firing, acknowledged or muted), rule, group and start of
    each, and `clock`, the next time limit of the SLA.
    """
    config = load(invocation.config)
    sla, now = sla_of(config.alerts.sla), invocation.now()
    with ledger_of(config) as ledger:
        found = ledger.incidents(OPEN)
    _echo(found, sla, now, as_json=as_json)
    return 0


@click.command(epilog=examples("shipper alerts show k3x9", "shipper alerts show k3x9 --json"))
@click.argument("incident", metavar="ID")
@json_option("One JSON object.")
@invoked
def show(invocation: Invocation, incident: str, *, as_json: bool) -> int:
    """
    Show one incident in detail.

    Shows its values, time limits and history, and which alerters were notified, or why not. The
    first letters of the ID are enough.
    """
    config = load(invocation.config)
    sla = sla_of(config.alerts.sla)
    with ledger_of(config) as ledger:
        found = one_incident(ledger, incident)
        if as_json:
            click.echo(view.incident_json(found, sla))
            return 0
        history, acts = ledger.history(found.id), ledger.acts.of(found)
        notifications = Outbox(ledger).notifications(found.id)
    for line in view.show_text(found, history, acts, notifications, sla, invocation.now()):
        click.echo(line)
    return 0


@click.command(
    epilog=examples(
        "shipper alerts history --since 7d",
        "shipper alerts history --rule error_rate_high",
        "shipper alerts history --since 90d --sla",
    )
)
@moment_option("--since", "Incidents opened since this time: 7d (ago) or ISO 8601.", default="30d")
@click.option("--rule", metavar="RULE", help="Incidents of this rule only.")
@click.option(
    "--sla", "as_sla", is_flag=True, help="Show whether the SLA was met, per month and severity."
)
@json_option()
@invoked
def history(
    invocation: Invocation, *, since: int, rule: str | None, as_sla: bool, as_json: bool
) -> int:
    """
    Show open and resolved incidents, oldest first.

    With --sla, counts per month and severity how many incidents were acknowledged and resolved in
    time, and exits with 1 if a limit was missed.
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
    _echo(found, sla, now, as_json=as_json)
    return 0
