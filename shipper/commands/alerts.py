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
}


@click.group(
    cls=LazyGroup,
    table=COMMANDS,
    epilog=examples("shipper alerts rules", "shipper alerts rules error_rate_high"),
)
@common_options
def alerts() -> None:
    """Judge rules over the records, and tell people."""
