"""`shipper users`: who may log in to the dashboard, and who may act there."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from shipper.commands.alerts_acts import user as caller
from shipper.commands.invocation import Invocation, common_options, examples, invoked, json_option
from shipper.config.main import load
from shipper.errors import ConfigError, DataFolderError
from shipper.process import data_folder
from shipper.text import safe_json, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.web.people import Role, UsersFile

ROLES: Final = ("viewer", "operator")
MOST_CHARS: Final = 4000  # that are read of a password

name_argument = click.argument("name", metavar="NAME")
role_option = click.option(
    "--role",
    type=click.Choice(ROLES),
    default="viewer",
    show_default=True,
    help="viewer: looks; operator: acts, too.",
)


@click.group(
    epilog=examples(
        "shipper users add ada --role operator",
        "shipper users list",
        "shipper users remove ada",
    )
)
@common_options
def users() -> None:
    """
    Say who may log in to the dashboard, and act there.

    Passwords are asked for on a terminal, else read from the first line of stdin. A running
    dashboard knows of a change with the next request.
    """


@users.command(epilog=examples("shipper users add ada --role operator", "shipper users add bo <pw"))
@name_argument
@role_option
@click.option(
    "--no-password", is_flag=True, help="Only a proxy may log them in (--proxy-user-header)."
)
@invoked
def add(invocation: Invocation, name: str, role: str, *, no_password: bool) -> int:
    """Add a user."""
    password = None if no_password else _asked()
    _change(
        invocation, "add", name, lambda file: file.add(name, _role(role), password), f"role={role}"
    )
    return 0


@users.command("list", epilog=examples("shipper users list", "shipper users list --json"))
@json_option()
@invoked
def list_(invocation: Invocation, *, as_json: bool) -> int:
    """List the users. Exits with 1 if there are none."""
    found = sorted(_file(invocation).users().values(), key=lambda each: each.name)
    rows = [(each.name, each.role.value, "password" if each.hash else "proxy") for each in found]
    if as_json:
        for name, role, way in rows:
            click.echo(safe_json({"name": name, "role": role, "login": way}))
    elif rows:
        click.echo("\n".join(table([("name", "role", "log-in"), *rows])))
    else:
        click.echo("no users", err=True)
    return 0 if rows else 1


@users.command(epilog=examples("shipper users remove ada"))
@name_argument
@invoked
def remove(invocation: Invocation, name: str) -> int:
    """Remove a user, and end their sessions."""
    _change(invocation, "remove", name, lambda file: file.remove(name))
    return 0


@users.command(epilog=examples("shipper users password ada"))
@name_argument
@invoked
def password(invocation: Invocation, name: str) -> int:
    """Change the password of a user, and end their sessions."""
    given = _asked()
    _change(invocation, "password", name, lambda file: file.set_password(name, given))
    return 0


@users.command(epilog=examples("shipper users role ada operator"))
@name_argument
@click.argument("role", type=click.Choice(ROLES))
@invoked
def role(invocation: Invocation, name: str, role: str) -> int:
    """Change the role of a user."""
    _change(invocation, "role", name, lambda file: file.set_role(name, _role(role)), f"role={role}")
    return 0


def _role(name: str) -> Role:
    from shipper.web.people import Role  # noqa: PLC0415 - an extra

    return Role(name)


def _asked() -> str:
    """Return a password from the terminal, asked twice, or the first line of stdin."""
    if sys.stdin.isatty():
        given: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return given
    return sys.stdin.readline(MOST_CHARS).rstrip("\r\n")


def _file(invocation: Invocation) -> UsersFile:
    try:
        from shipper.web.people import UsersFile  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            f"the users of the dashboard need {error.name}",
            "pip install 'orchestrator-shipper[web]'",
        ) from None
    return UsersFile(load(invocation.config).data_dir / data_folder.USERS)


def _change(
    invocation: Invocation,
    act: str,
    name: str,
    change: Callable[[UsersFile], None],
    given: str = "",
) -> None:
    """Change the users, and leave a record of who did it."""
    from shipper.web.trail import WebAct, WebTrail  # noqa: PLC0415 - an extra

    file = _file(invocation)
    folder = load(invocation.config).data_dir
    if folder.exists() and (fault := data_folder.fault_of_owner(folder)):
        raise DataFolderError(*fault)
    change(file)
    trail = WebTrail(folder / data_folder.WEB_LOG, invocation.now)
    trail.note(WebAct(f"user {act}", caller(), on=name, address="terminal", given=given))
    trail.close()
