"""`shipper alerts`: the group; each of its commands is a module `alerts_NAME.py`."""

from __future__ import annotations

import click

from shipper.commands.groups import LazyGroup
from shipper.commands.invocation import common_options, examples

COMMANDS = {
    "run": (
        "shipper.commands.alerts_run:run",
        "Judge the rules and tell people, until it is told to stop.",
    ),
    "once": (
        "shipper.commands.alerts_run:once",
        "Judge and tell what is due now: for cron or a timer.",
    ),
    "list": ("shipper.commands.alerts_incidents:list_", "Show the open incidents."),
    "show": ("shipper.commands.alerts_incidents:show", "Show all of one incident."),
    "ack": ("shipper.commands.alerts_acts:ack", "Take over incidents that fire."),
    "resolve": ("shipper.commands.alerts_acts:resolve", "End incidents by hand."),
    "silence": (
        "shipper.commands.alerts_acts:silence",
        "Have nobody told for some time; show the silences.",
    ),
    "unsilence": ("shipper.commands.alerts_acts:unsilence", "End silences before their time."),
    "history": (
        "shipper.commands.alerts_incidents:history",
        "Show the incidents of a time, and how the SLA was kept.",
    ),
    "rules": (
        "shipper.commands.alerts_rules:rules",
        "Show what each rule asks, and how it stands now.",
    ),
    "test": ("shipper.commands.alerts_test:test", "Test rules on cases: records over time."),
    "backtest": (
        "shipper.commands.alerts_backtest:backtest",
        "Show what rules would have done, had they been there.",
    ),
    "alerters": (
        "shipper.commands.alerts_alerters:alerters",
        "Show the alerters, whom each tells, and what goes to which.",
    ),
    "send-test": (
        "shipper.commands.alerts_alerters:send_test",
        "Tell an alerter of an incident that is made up.",
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
    """Judge rules over the records, and tell people."""
