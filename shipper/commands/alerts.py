"""`shipper alerts`: the group; each of its commands is a module `alerts_NAME.py`."""

from __future__ import annotations

import click

from shipper.commands.groups import LazyGroup
from shipper.commands.invocation import common_options, examples

COMMANDS = {
    "run": (
        "shipper.commands.alerts_run:run",
        "Evaluate the rules and notify people until stopped.",
    ),
    "once": (
        "shipper.commands.alerts_run:once",
        "Evaluate and notify what is due now, for cron or a timer.",
    ),
    "list": ("shipper.commands.alerts_incidents:list_", "Show the open incidents."),
    "show": ("shipper.commands.alerts_incidents:show", "Show one incident in detail."),
    "ack": ("shipper.commands.alerts_acts:ack", "Acknowledge firing incidents."),
    "resolve": ("shipper.commands.alerts_acts:resolve", "Resolve incidents by hand."),
    "note": ("shipper.commands.alerts_acts:note", "Add a note to an incident."),
    "silence": (
        "shipper.commands.alerts_acts:silence",
        "Mute notifications for a while, or list the silences.",
    ),
    "unsilence": ("shipper.commands.alerts_acts:unsilence", "End silences early."),
    "history": (
        "shipper.commands.alerts_incidents:history",
        "Show past incidents, and whether the SLA was met.",
    ),
    "rules": (
        "shipper.commands.alerts_rules:rules",
        "Show the rules and their current state.",
    ),
    "test": ("shipper.commands.alerts_test:test", "Test rules on their cases."),
    "backtest": (
        "shipper.commands.alerts_backtest:backtest",
        "Show what rules would have done in the past.",
    ),
    "alerters": (
        "shipper.commands.alerts_alerters:alerters",
        "Show the alerters and their routes.",
    ),
    "init": (
        "shipper.commands.alerts_init:init",
        "Write the files of the alert job, for you to edit.",
    ),
    "send-test": (
        "shipper.commands.alerts_alerters:send_test",
        "Send a test incident to an alerter.",
    ),
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    epilog=examples(
        "shipper alerts rules",
        "shipper alerts backtest error_rate_high --since 30d --set above=2%",
    ),
)
@common_options
def alerts() -> None:
    """Evaluate rules over the records and notify people."""
