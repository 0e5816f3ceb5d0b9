"""`shipper check`: finds what would keep the shipper from working."""

from __future__ import annotations

import click

from shipper.check.finding import FindingLevel
from shipper.check.machine import Machine
from shipper.check.run import check as look
from shipper.commands.invocation import Invocation, examples, invoked
from shipper.config.main import load
from shipper.text import Paint
from shipper.view.findings import findings_text


@click.command(epilog=examples("shipper check", "shipper check --config /etc/shipper.yml"))
@invoked
def check(invocation: Invocation) -> int:
    """
    Check config, files, limits and output.

    Reports all errors of the config, each with its place and remedy. If there are none, checks
    paths, permissions, disk space, kernel limits, the output and the alerters. Changes nothing.
    Exits with 2 if the config cannot be used, with 1 for any other error; warnings do not count.
    """
    findings = look(load(invocation.config), Machine())
    click.echo("\n".join(findings_text(findings, Paint(invocation.colors))))
    return 1 if any(finding.level is FindingLevel.ERROR for finding in findings) else 0
