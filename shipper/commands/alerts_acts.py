"""`shipper alerts ack`, `resolve`, `note`, `silence`, `unsilence`: what people do to incidents."""

from __future__ import annotations

import os
import pwd
from typing import TYPE_CHECKING, Any

import click

from shipper.alerts.incident import Incident, Phase
from shipper.alerts.incidents.lifecycle import Step, acknowledge
from shipper.alerts.incidents.lifecycle import resolve as end
from shipper.alerts.incidents.muting import Silence
from shipper.alerts.judge.decide import act as record
from shipper.alerts.ledger.ledger import Ledger
from shipper.commands.alerts_incidents import ledger_of, one_incident
from shipper.commands.invocation import Invocation, examples, invoked, refuse
from shipper.commands.moments import duration_option
from shipper.commands.silence_matchers import refuse_unknown
from shipper.config.main import load
from shipper.config.matchers import parse_matcher
from shipper.errors import ConfigError
from shipper.text import instant, safe
from shipper.view import incidents as view

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NO = 1
_ID_BYTES = 3


def user() -> str:
    """Return the name of the user of this process."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


def _by(command: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--by", metavar="NAME", default=user, help="Your name; default: the user of this terminal."
    )(command)


def _act(
    invocation: Invocation,
    prefixes: Sequence[str],
    act: Callable[[Incident, int], Step],
    outcome: str,
) -> int:
    """Do something to incidents; 1 if it could not be done to one of them."""
    now, code = invocation.now(), 0
    with ledger_of(load(invocation.config)) as ledger:
        for prefix in prefixes:
            with ledger.deciding():
                incident = one_incident(ledger, prefix)
                _, transitions = act(incident, now)
                record(ledger, transitions, now)
            if transitions:
                click.echo(f"{incident.id} {incident.rule} is {outcome}")
            else:
                click.echo(f"{incident.id} {incident.rule} is {_as_it_is(incident)}", err=True)
                code = _NO
    return code


def _as_it_is(incident: Incident) -> str:
    who = {
        Phase.ACKNOWLEDGED: incident.acknowledged_by,
        Phase.RESOLVED: incident.resolved_by,
    }.get(incident.phase)
    by = f" by {safe(who)}" if who else ""
    return f"{incident.phase.value}{by}: nothing changed"


@click.command(
    epilog=examples("shipper alerts ack k3x9", 'shipper alerts ack k3x9 --note "on it" --by oncall')
)
@click.argument("incidents", nargs=-1, required=True, metavar="ID...")
@_by
@click.option("--note", metavar="TEXT", default="", help="Text added to the notification.")
@invoked
def ack(invocation: Invocation, incidents: Sequence[str], *, by: str, note: str) -> int:
    """
    Acknowledge firing incidents, which stops the response clock and the reminders.

    The first letters of an ID are enough. Exits with 1 if an incident is not firing.
    """
    return _act(
        invocation,
        incidents,
        lambda incident, now: acknowledge(incident, by, now, note),
        "acknowledged",
    )


@click.command(
    epilog=examples("shipper alerts resolve k3x9", 'shipper alerts resolve k3x9 --note "restarted"')
)
@click.argument("incidents", nargs=-1, required=True, metavar="ID...")
@_by
@click.option("--note", metavar="TEXT", default="", help="Text added to the notification.")
@invoked
def resolve(invocation: Invocation, incidents: Sequence[str], *, by: str, note: str) -> int:
    """
    Resolve incidents by hand.

    If the rule is still in breach, the next evaluation opens a new incident; use a silence instead.
    The first letters of an ID are enough. Exits with 1 if an incident has already ended.
    """
    return _act(
        invocation, incidents, lambda incident, now: end(incident, by, now, note), "resolved"
    )


@click.command(
    epilog=examples('shipper alerts note k3x9 "a deployment at 14:30 changed the pool size"')
)
@click.argument("incident", metavar="ID")
@click.argument("text", metavar="TEXT")
@_by
@invoked
def note(invocation: Invocation, incident: str, text: str, *, by: str) -> int:
    """
    Add a note to an incident, open or resolved.

    It is in the history of the incident and in the log of the alert job; nobody is notified. The
    first letters of an ID are enough.
    """
    with ledger_of(load(invocation.config)) as ledger:
        found = one_incident(ledger, incident)
        ledger.acts.note(found, by, invocation.now(), text)
    click.echo(f"{found.id} {found.rule} has a note")
    return 0


@click.command(
    epilog=examples(
        'shipper alerts silence rule=error_rate_high --for 2h --comment "deploying"',
        "shipper alerts silence severity=low host=app1 --for 8h",
        "shipper alerts silence",
    )
)
@click.argument("matchers", nargs=-1, metavar="[MATCHER]...")
@duration_option(
    "--for", "Duration of the silence, such as 2h; required with matchers.", dest="lasts"
)
@click.option("--everything", is_flag=True, help="Silence all incidents, without matchers.")
@_by
@click.option(
    "--comment", metavar="TEXT", default="", help="Reason, shown with the muted incidents."
)
@invoked
def silence(  # noqa: PLR0913 - its options
    invocation: Invocation,
    matchers: Sequence[str],
    *,
    lasts: int | None,
    everything: bool,
    by: str,
    comment: str,
) -> int:
    """
    Mute notifications for a while; without matchers, list the silences.

    A MATCHER is NAME=VALUE or NAME!=VALUE (with wildcards * ? [ ]), or NAME~REGEX or NAME!~REGEX.
    All matchers must match. NAME is rule, severity, id, host, or a field in group_by of the rule.
    Incidents that still fire when the silence ends are notified then.
    """
    config, now = load(invocation.config), invocation.now()
    if not matchers and not everything:
        with ledger_of(config) as ledger:
            for line in view.silences_text(ledger.silences.active(now=now)):
                click.echo(line)
        return 0
    if lasts is None:
        refuse("--for is missing; add the duration, such as --for 2h")
    try:
        parsed = tuple(map(parse_matcher, matchers))
    except ValueError as error:
        refuse(str(error))
    with ledger_of(config) as ledger:
        refuse_unknown(parsed, config, ledger)
        made = Silence(os.urandom(_ID_BYTES).hex(), parsed, now, now + lasts, by, comment)
        ledger.silences.put(made)
    click.echo(f"silence {made.id} until {instant(made.end, unit_ms=1000)}")
    return 0


@click.command(epilog=examples("shipper alerts unsilence 3fa2c1"))
@click.argument("silences", nargs=-1, required=True, metavar="ID...")
@_by
@invoked
def unsilence(invocation: Invocation, silences: Sequence[str], *, by: str) -> int:
    """
    End silences early.

    Incidents that still fire are notified. The first letters of an ID are enough.
    """
    config, now = load(invocation.config), invocation.now()
    with ledger_of(config) as ledger:
        for prefix in silences:
            _end_silence(ledger, prefix, by, now)
    return 0


def _end_silence(ledger: Ledger, prefix: str, by: str, now: int) -> None:
    found = [each.id for each in ledger.silences.active(now=now) if each.id.startswith(prefix)]
    if len(found) != 1:
        fault = f"matches {', '.join(found)}" if found else "is not a silence"
        more = "type more of it; " if found else ""
        raise ConfigError(f"{prefix} {fault}", f"{more}see shipper alerts silence")
    ledger.silences.end(found[0], by, now)
    click.echo(f"silence {found[0]} ended")
