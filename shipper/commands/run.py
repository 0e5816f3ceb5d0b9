"""`shipper run`: ships log files until stopped."""

from __future__ import annotations

import logging
import time

import click

from shipper.agent.loop import run as ship
from shipper.commands.invocation import Invocation, examples, invoked, refuse
from shipper.commands.moments import duration_option
from shipper.config.main import Config, load, with_stdin
from shipper.text import safe

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


class SafeFormatter(logging.Formatter):
    """Formats the shipper's own log in UTC, and escapes it: parts come from log lines."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """Return the record with its control characters escaped."""
        return "\n".join(map(safe, super().format(record).splitlines()))


class JournalFormatter(SafeFormatter):
    """Formats for the journal of systemd: it has the time, and takes a priority for each line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return each line behind its priority, see sd-daemon(3)."""
        priority = next((to for level, to in _PRIORITIES if record.levelno >= level), 7)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def log_to_stderr(invocation: Invocation) -> None:
    """Send the log of a long-running command to stderr."""
    handler = logging.StreamHandler()
    if invocation.journal:
        handler.setFormatter(JournalFormatter("%(levelname)s %(message)s"))
    else:
        handler.setFormatter(SafeFormatter("%(asctime)s %(levelname)s %(message)s"))
    level = logging.DEBUG if invocation.debug else logging.INFO
    logging.basicConfig(level=level, handlers=[handler])


@click.command(
    epilog=examples(
        "shipper run",
        "shipper run --once --timeout 60s",
        "kubectl logs app | shipper run --stdin",
        "shipper --config /etc/shipper.yml run",
    )
)
@click.option("--once", is_flag=True, help="Ship what is in the files now, then exit.")
@click.option(
    "--stdin",
    is_flag=True,
    help="Also ship standard input, then exit: 0 if all of it is delivered, else 3.",
)
@duration_option("--timeout", "With --once: exit after this time, such as 60s, even if not done.")
@invoked
def run(invocation: Invocation, *, once: bool, stdin: bool, timeout: int | None) -> int:
    """
    Ship log files until stopped.

    SIGTERM or Ctrl-C stops gracefully: what was read is delivered and positions are saved. A second
    one stops at once; what was in flight is sent again at the next start, and stored once. SIGHUP
    reloads the config, SIGUSR1 logs the current state.
    """
    if timeout is not None and not once:
        refuse("--timeout needs --once; use both or neither")
    if once and stdin:
        refuse("--once and --stdin exclude each other; use one of them")
    log_to_stderr(invocation)
    seconds = None if timeout is None else timeout / 1000

    def read_config() -> Config:
        config = load(invocation.config)
        return with_stdin(config) if stdin else config

    return ship(
        read_config(), once=once, stdin=stdin, timeout_seconds=seconds, read_config=read_config
    )
