"""`shipper alerts run` and `shipper alerts once`: the alert job."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shipper.alerts.due_reports import DueReports
from shipper.alerts.job import read_setup
from shipper.alerts.job import run as work
from shipper.alerts.settings import with_console
from shipper.commands.invocation import Invocation, examples, invoked
from shipper.commands.moments import duration_option
from shipper.commands.run import log_to_stderr
from shipper.config.main import load

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.alerts.job import Setup


@dataclass(frozen=True, slots=True)
class Choice:
    """Which rules, and who is notified."""

    rules: Path | None
    alerters: Path | None
    console: bool
    skip_broken: bool

    def setup(self, invocation: Invocation) -> Setup:
        """Read the files."""
        setup = read_setup(
            load(invocation.config),
            rules=self.rules,
            alerters=self.alerters,
            skip_broken=self.skip_broken,
        )
        settings = with_console(setup.settings) if self.console else setup.settings
        return replace(setup, settings=settings)


def _choice(command: Callable[..., Any]) -> Callable[..., Any]:
    """Take the options that both commands have."""
    for option in (
        click.option(
            "--skip-broken",
            is_flag=True,
            help="Skip rule files that cannot be used, and open an incident that lists them.",
        ),
        click.option("--console", is_flag=True, help="Also print every page on standard output."),
        click.option(
            "--alerters",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="File with alerters and routes.  [default: alerts.settings of the config]",
        ),
        click.option(
            "--rules",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder of the rules.  [default: alerts.rules of the config]",
        ),
    ):
        command = option(command)
    return command


@click.command(
    epilog=examples(
        "shipper alerts run", "shipper alerts run --console", "shipper alerts run --skip-broken"
    )
)
@_choice
@invoked
def run(invocation: Invocation, /, **options: Any) -> int:
    """
    Evaluate the rules and notify people, until stopped.

    SIGTERM or Ctrl-C stops gracefully; notifications that are not sent yet are sent at the next
    start. SIGHUP reloads config, rules and alerters. Reports of `reports.schedule` are made and
    sent when they are due, in a process of their own. Only one job runs per data folder; of several
    jobs on one Elasticsearch, one is active and the others stand by.
    """
    log_to_stderr(invocation)
    choice = Choice(**options)
    return work(
        choice.setup(invocation),
        colors=invocation.colors,
        search=search_command(invocation),
        read_again=lambda: choice.setup(invocation),
        due_reports=DueReports(
            [sys.executable, "-m", "shipper", *_config_option(invocation), "report", "due"]
        ),
    )


@click.command(epilog=examples("shipper alerts once", "shipper alerts once --timeout 20s"))
@_choice
@duration_option(
    "--timeout", "Stop sending after this time; the next run sends the rest.", default="60s"
)
@invoked
def once(invocation: Invocation, /, *, timeout: int, **options: Any) -> int:
    """
    Evaluate what is due now, notify people, and exit: for cron or a systemd timer.

    All windows since the last run are evaluated, so it finds the same incidents as `run`. Exits
    with 3 if the store did not answer, or if a notification could not be sent yet.
    """
    log_to_stderr(invocation)
    return work(
        Choice(**options).setup(invocation),
        once=True,
        colors=invocation.colors,
        search=search_command(invocation),
        timeout_seconds=timeout / 1000,
    )


def search_command(invocation: Invocation) -> str:
    """Write the command that pages show: it finds this config."""
    return shlex.join(["shipper", *_config_option(invocation), "search"])


def _config_option(invocation: Invocation) -> list[str]:
    if invocation.usual_config:
        return []
    return ["--config", str(invocation.config.absolute())]
