"""`shipper run`: the shipper itself."""

from __future__ import annotations

import logging
import time

import click

from shipper.agent.loop import run as ship
from shipper.commands.invocation import Invocation, common_options, examples, refuse
from shipper.commands.moments import as_duration
from shipper.config.main import load
from shipper.text import safe


class SafeFormatter(logging.Formatter):
    """Tells what the shipper says of itself, in UTC; parts of it come from log lines."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """Write the record with its control characters as escapes."""
        return "\n".join(map(safe, super().format(record).splitlines()))


def log_to_stderr(*, debug: bool) -> None:
    """Have a long-running command tell what it does."""
    handler = logging.StreamHandler()
    handler.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.DEBUG if debug else logging.INFO, handlers=[handler])


@click.command(
    epilog=examples(
        "shipper run",
        "shipper run --once --timeout 60s",
        "shipper --config /etc/shipper.yml run",
    )
)
@click.option("--once", is_flag=True, help="Ship what is in the files now, then exit.")
@click.option(
    "--timeout",
    callback=as_duration,
    metavar="D",
    help="With --once: give up after this time, such as 60s.",
)
@common_options
@click.pass_obj
def run(invocation: Invocation, *, once: bool, timeout: int | None) -> int:
    """
    Ship what the application logs, until it is told to stop.

    SIGTERM or Ctrl-C ends it in good order: what was read is delivered and the positions are saved;
    a second one ends it at once, and what was under way is sent at the next start. SIGHUP reads the
    config again, SIGUSR1 writes the state to the log.
    """
    if timeout is not None and not once:
        refuse("--timeout is the limit of --once; use both or none")
    log_to_stderr(debug=invocation.debug)
    seconds = None if timeout is None else timeout / 1000
    return ship(
        load(invocation.config),
        once=once,
        timeout_seconds=seconds,
        read_config=lambda: load(invocation.config),
    )
