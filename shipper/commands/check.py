"""`shipper check`: every fault of the config and of the machine, before it costs a record."""

from __future__ import annotations

import click

from shipper.check.finding import FindingLevel
from shipper.check.machine import Machine
from shipper.check.run import check as look
from shipper.commands.invocation import Invocation, common_options, examples
from shipper.config.main import load
from shipper.text import Paint
from shipper.view.findings import findings_text


@click.command(epilog=examples("shipper check", "shipper check --config /etc/shipper.yml"))
@common_options
@click.pass_obj
def check(invocation: Invocation) -> int:
    """
    Find every fault before it costs a record.

    First all faults of the config, each with its place and remedy; then paths, permissions, limits
    of the kernel, disk and output. Changes nothing. Exits with 2 for a config that cannot be used,
    with 1 for an error elsewhere; warnings do not count.
    """
    findings = look(load(invocation.config), Machine())
    click.echo("\n".join(findings_text(findings, Paint(invocation.colors))))
    return 1 if any(finding.level is FindingLevel.ERROR for finding in findings) else 0
