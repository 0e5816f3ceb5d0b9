"""`shipper alerts init`: copies what came with the package to where people edit it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from shipper.commands.invocation import Invocation, examples, invoked
from shipper.config.shipped import OWN, SHIPPED
from shipper.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

ALERTERS: Final = "alerts.json"
FOLDERS: Final = ("rules", "runbooks")
_MODE: Final = 0o644  # no secret is in them: secrets have files of their own


@click.command(
    epilog=examples(
        "shipper alerts init", "shipper alerts init /etc/shipper", "shipper alerts init --rules"
    )
)
@click.argument(
    "folder", type=click.Path(path_type=Path, file_okay=False), default=OWN, metavar="[FOLDER]"
)
@click.option("--rules", is_flag=True, help="Also copy the rules, their cases and the runbooks.")
@invoked
def init(_invocation: Invocation, folder: Path, *, rules: bool) -> int:
    """
    Write the files of the alert job into FOLDER (config), for you to edit.

    That is alerts.json: who is notified. The rules of the package are used as they are, and
    updated with it, until you copy them with --rules. A file that is there is left alone.
    """
    wanted = [Path(ALERTERS)]
    if rules:
        wanted += [path for each in FOLDERS for path in _files_in(each)]
    written = [path for path in wanted if _copy(path, folder)]
    for path in written:
        click.echo(f"{folder / path}")
    kept = len(wanted) - len(written)
    if kept:
        click.echo(f"{kept} already there, not changed")
    if folder != OWN:
        click.echo("\nIn the config:\n\n    alerts:")
        click.echo(f"      settings: {folder.absolute() / ALERTERS}")
        if rules:
            click.echo(f"      rules: {folder.absolute() / 'rules'}")
            click.echo(f'\nIn {ALERTERS}:\n\n    "runbooks": "{folder.absolute() / "runbooks"}"')
    return 0


def _files_in(folder: str) -> Iterator[Path]:
    for path in sorted((SHIPPED / folder).rglob("*")):
        if path.is_file():
            yield path.relative_to(SHIPPED)


def _copy(path: Path, folder: Path) -> bool:
    """Copy a file of the package, unless there is one of its name; return whether it was."""
    target = folder / path
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    except FileExistsError:
        return False
    except OSError as error:
        raise ConfigError(
            f"cannot write {target}: {error.strerror}", "name another folder, or correct its rights"
        ) from error
    with open(fd, "wb") as file:
        file.write((SHIPPED / path).read_bytes())
    return True
