"""`shipper demo`: an example application, the shipper and the alert job in one terminal."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live

from shipper.commands.invocation import Invocation, examples, invoked
from shipper.demo.picture import Place, picture_line, render
from shipper.demo.run import DemoPlan
from shipper.demo.run import demo as started
from shipper.text import counted

if TYPE_CHECKING:
    from shipper.demo.picture import Picture
    from shipper.demo.run import Demo

LINE_SECONDS = 2.0  # between two lines where there is no terminal to draw on


@click.command(
    epilog=examples(
        "shipper demo",
        "shipper demo --seconds 60 --rate 100",
        "shipper demo --directory /tmp/demo",
    )
)
@click.option(
    "--seconds", type=click.FloatRange(min=1), metavar="N", help="Stop after this many seconds."
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0.1, max=1000),
    metavar="N",
    default=50,
    show_default=True,
    help="Requests per second to the application.",
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=Path(),
    help="Folder for logs/ and var/; default: the working directory.",
)
@invoked
def demo(invocation: Invocation, /, *, seconds: float | None, rate: float, directory: Path) -> int:
    """
    Run an example application and watch its logs arrive.

    Starts the application with its log files in logs/, sends it requests, ships the files, and
    shows what can be searched, with commands to try in a second terminal. Ctrl-C stops everything;
    the records stay in the index.
    """
    commands = _search_commands(invocation, directory)
    plan = DemoPlan(invocation.config.absolute(), rate, seconds)
    directory.mkdir(parents=True, exist_ok=True)
    os.chdir(directory)
    click.echo("starting the shipper, the application and the load …", err=True)
    try:
        with started(plan) as running:
            place = Place(running.url, rate, commands)
            if invocation.interactive:
                last = _on_a_terminal(running, place, colors=invocation.colors)
            else:
                last = _as_lines(running, place)
    except KeyboardInterrupt:
        return 0  # Ctrl-C is how a demo ends
    if running.store is None:
        click.echo(f"the output acknowledged {counted(last.total, 'record')}")
    else:
        click.echo(f"{counted(last.total, 'record')} can still be searched:\n  {commands[0]}")
    return 0


def _on_a_terminal(running: Demo, place: Place, *, colors: bool) -> Picture:
    with Live(console=Console(no_color=not colors), auto_refresh=False) as live:
        with suppress(KeyboardInterrupt):
            for picture in running.pictures():
                live.update(render(picture, replace(place, page=running.page)), refresh=True)
        last = running.finish()
        live.update(render(last, place), refresh=True)
    return last


def _as_lines(running: Demo, place: Place) -> Picture:
    click.echo(f"application at {place.url}; search with: {place.commands[0]}")
    due, page = 0.0, ""
    with suppress(KeyboardInterrupt):
        for picture in running.pictures():
            if running.page != page:  # a link opens the dashboard once
                page = running.page
                click.echo(f"dashboard: {page}")
            if picture.elapsed >= due:
                click.echo(picture_line(picture))
                due = picture.elapsed + LINE_SECONDS
    last = running.finish()
    click.echo(picture_line(last))
    return last


def _search_commands(invocation: Invocation, directory: Path) -> list[str]:
    """Return commands to try in another terminal whose working directory is the same."""
    elsewhere = directory != Path()
    words = [_program(elsewhere=elsewhere)]
    if elsewhere or not invocation.usual_config:
        words += ["--config", str(invocation.config.absolute())]
    there = f"cd {shlex.quote(str(directory))} && " if elsewhere else ""
    return [
        f"{there}{shlex.join(words)} {question}"
        for question in (
            "search 'level:ERROR' --since 5m",
            "search 'level:ERROR' --since 5m --by error_type",
            "search --follow",
            "alerts list",
        )
    ]


def _program(*, elsewhere: bool) -> str:
    """Return how to call this program in a terminal without its virtual environment."""
    own = Path(sys.executable).with_name("shipper")
    if sys.prefix == sys.base_prefix or not own.exists():
        return "shipper"
    here = Path.cwd()
    return str(own.relative_to(here)) if own.is_relative_to(here) and not elsewhere else str(own)
