"""`shipper alerts`: the group; each of its commands is a module `alerts_NAME.py`."""

from __future__ import annotations

import click

from shipper.commands.groups import LazyGroup
from shipper.commands.invocation import common_options, examples

COMMANDS = {
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
