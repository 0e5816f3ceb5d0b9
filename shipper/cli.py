"""
The command line: takes argv and environment, calls a command, exits with its code.

    0  success     1  the answer is "no"     2  wrong usage or config     3  cannot work now

Only this module reads the environment and decides about colours, and only the commands print. A
command is imported when it is called, so `shipper --help` is fast, and returns its exit code. An
error that the user can correct is one message on stderr; a traceback is a bug, or comes with
`--debug`. Ctrl-C and a closed pipe end a command without a message.
"""

from __future__ import annotations

import io
import os
import shutil
import sys
import time
import traceback
from pathlib import Path

import click

from shipper.commands.groups import LazyGroup
from shipper.commands.invocation import USUAL_CONFIG, Invocation
from shipper.errors import ShipperError, remedy_of
from shipper.text import safe

COMMANDS = {
    "run": ("shipper.commands.run:run", "Ship log files until stopped."),
    "check": ("shipper.commands.check:check", "Check config, files, limits and output."),
    "setup": (
        "shipper.commands.setup:setup",
        "Install or update what Elasticsearch needs: templates, lifecycle policy and roles.",
    ),
    "health": (
        "shipper.commands.health:health",
        "Ask how an application is: that of URL, or all those of the config.",
    ),
    "status": ("shipper.commands.status:status", "Show how far each file is shipped."),
    "process": (
        "shipper.commands.process:process",
        "Show the first records of FILE before and after processors and redaction.",
    ),
    "redact": (
        "shipper.commands.redact:redact",
        "Show the records of FILES as they would be stored, without secrets.",
    ),
    "registry": (
        "shipper.commands.registry:registry",
        "Show and change the positions up to which files are delivered.",
    ),
    "deadletters": (
        "shipper.commands.deadletters:deadletters",
        "List, show, send again or drop dead letters.",
    ),
    "fleet": ("shipper.commands.fleet:fleet", "Show every host that ships to this store."),
    "audit": ("shipper.commands.audit:audit", "Account for every record that was written."),
    "search": ("shipper.commands.search:search", "Find, count, group or follow records."),
    "fields": (
        "shipper.commands.fields:fields",
        "Show which fields the records have that match QUERY: type, share, values.",
    ),
    "sql": ("shipper.commands.sql:sql", "Ask the embedded store in SQL."),
    "export": (
        "shipper.commands.export:export",
        "Write records of the embedded store into a file.",
    ),
    "store": (
        "shipper.commands.store:store",
        "Show, check, compact and convert the embedded store.",
    ),
    "metrics": ("shipper.commands.metrics:metrics", "Make metrics files of days and months."),
    "report": ("shipper.commands.report:report", "Write reports about the records."),
    "checklist": (
        "shipper.commands.checklist:checklist",
        "Show the regular checks of a day, week or month, with what proves them.",
    ),
    "alerts": (
        "shipper.commands.alerts:alerts",
        "Evaluate rules over the records and notify people.",
    ),
    "serve": ("shipper.commands.serve:serve", "Show records, incidents and hosts in a browser."),
    "users": (
        "shipper.commands.users:users",
        "Say who may log in to the dashboard, and act there.",
    ),
    "demo": ("shipper.commands.demo:demo", "Run an example application and watch its logs arrive."),
}

CANNOT_WORK_NOW = 3
INTERRUPTED = 130  # as a shell reports SIGINT


class Main(LazyGroup):
    """All commands; turns what they return or raise into the exit code."""

    def invoke(self, ctx: click.Context) -> None:
        """Run the command and exit with its code."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except ShipperError as error:
            code = _failed(ctx, str(error), error.exit_code)
        except BrokenPipeError:
            code = _reader_left()
        except OSError as error:
            code = _failed(ctx, _sentence(error), CANNOT_WORK_NOW)
        except KeyboardInterrupt:
            code = INTERRUPTED
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception:  # noqa: BLE001 - the last resort: exit 1 would mean "the answer is no"
            traceback.print_exc()
            code = CANNOT_WORK_NOW
        ctx.exit(code or 0)


def _failed(ctx: click.Context, message: str, code: int) -> int:
    if ctx.obj.debug:
        traceback.print_exc()
    priority = "<3>" if ctx.obj.journal else ""
    lines = f"shipper: {message}".splitlines()
    click.echo("\n".join(priority + safe(line) for line in lines), err=True)
    return code


def _sentence(error: OSError) -> str:
    place = f": {error.filename}" if error.filename else ""
    remedy = remedy_of(error)
    return f"{error.strerror or error}{place}{'; ' if remedy else ''}{remedy}"


def _reader_left() -> int:
    # Python would flush the closed pipe once more at exit, and complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _is_journal(stream: str) -> bool:
    """Return whether stderr is what systemd calls the stream to the journal, device:inode."""
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):
        return False  # closed, or in a test
    return stream == f"{status.st_dev}:{status.st_ino}"


@click.command(
    "shipper",
    cls=Main,
    table=COMMANDS,
    context_settings={"help_option_names": ["--help", "-h"]},
    epilog="Exit codes: 0 success; 1 the answer is no; 2 wrong usage or config; 3 cannot work "
    "now. For examples see `shipper COMMAND --help`.",
)
@click.version_option(None, "--version", package_name="orchestrator-shipper", prog_name="shipper")
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    envvar="SHIPPER_CONFIG",
    default=USUAL_CONFIG,
    show_default=True,
    show_envvar=True,
    help="The config file; may also follow the command.",
)
@click.option(
    "--debug",
    is_flag=True,
    envvar="SHIPPER_DEBUG",
    show_envvar=True,
    help="Show a traceback with every error.",
)
@click.pass_context
def main(ctx: click.Context, config: Path, *, debug: bool) -> None:
    """Ship an application's log files to a store, every record once, and search them."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # not every terminal can show every letter
    interactive = sys.stdout.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    ctx.color = interactive and not plain
    ctx.obj = Invocation(
        config=config,
        debug=debug,
        interactive=interactive,
        colors=ctx.color,
        width=shutil.get_terminal_size().columns,
        clock=time.time,
        journal=_is_journal(os.environ.get("JOURNAL_STREAM", "")),
    )


if __name__ == "__main__":
    main()
