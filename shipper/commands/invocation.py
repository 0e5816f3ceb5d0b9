"""The context of every command: config, terminal and clock; and shared options."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

USUAL_CONFIG = Path("config/shipper.yml")

Command = TypeVar("Command", bound="Callable[..., Any]")


@dataclass(frozen=True, slots=True)
class Invocation:
    """
    How the command line was called.

    `interactive`: stdout is a terminal; `width`: its columns; `clock` returns the seconds
    since the epoch; `journal`: stderr is the journal of systemd.
    """

    config: Path
    debug: bool
    interactive: bool
    colors: bool
    width: int
    clock: Callable[[], float]
    journal: bool = False

    @property
    def usual_config(self) -> bool:
        """Whether commands use this config without --config."""
        return self.config == USUAL_CONFIG

    def now(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return int(self.clock() * 1000)


def common_options(command: Command) -> Command:
    """Add `--config` and `--debug` to a command, so that they can follow its name."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_overrule,
        help="The config file; see shipper --help.",
    )
    debug = click.option(
        "--debug",
        is_flag=True,
        default=None,
        expose_value=False,
        callback=_overrule,
        help="Show a traceback with every error.",
    )
    return config(debug(command))


def invoked(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the common options to a command, and hand it the invocation."""
    return common_options(click.pass_obj(command))


def json_option(text: str = "One JSON object per line.") -> Callable[[Command], Command]:
    """Return the option `--json`, as the parameter `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help=text)


def _overrule(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    if value and option.name:
        ctx.obj = dataclasses.replace(ctx.obj, **{option.name: value})
        ctx.find_root().obj = ctx.obj


def refuse(message: str) -> NoReturn:
    """Exit with 2 and a message about wrong usage that points to the help of the command."""
    raise click.UsageError(message, click.get_current_context())


def examples(*lines: str) -> str:
    """Return the examples at the end of a help text, whose lines click does not wrap."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
