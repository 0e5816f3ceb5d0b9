"""What every command is given: the config, the terminal and the clock; and what it shares."""

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

    `interactive` tells whether stdout is a terminal, `width` its columns; `clock` gives the seconds
    since the epoch.
    """

    config: Path
    debug: bool
    interactive: bool
    colors: bool
    width: int
    clock: Callable[[], float]

    @property
    def usual_config(self) -> bool:
        """Return whether a command finds this config without being told."""
        return self.config == USUAL_CONFIG

    def now(self) -> int:
        """Return the time in milliseconds since the epoch."""
        return int(self.clock() * 1000)


def common_options(command: Command) -> Command:
    """Take `--config` and `--debug` after the command's name too."""
    config = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_overrule,
        help="The config; see shipper --help.",
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


def _overrule(ctx: click.Context, option: click.Parameter, value: Any) -> None:
    if value and option.name:
        ctx.obj = dataclasses.replace(ctx.obj, **{option.name: value})
        ctx.find_root().obj = ctx.obj


def refuse(message: str) -> NoReturn:
    """Say what is wrong with the command line, with the way to the command's help."""
    raise click.UsageError(message, click.get_current_context())


def examples(*lines: str) -> str:
    """Write the end of a command's help; click leaves the lines as they are."""
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])
