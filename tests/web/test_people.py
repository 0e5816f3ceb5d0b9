"""Users of the dashboard: the file, and the commands that change it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipper.cli import main
from shipper.errors import ConfigError
from shipper.web.people import Role, UsersFile, is_password_of
from tests.web.test_serve import CONFIG

PASSWORD = "correct horse battery"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "users.json"


def run(folder: Path, *given: str, stdin: str = "") -> Result:
    (folder / "shipper.yml").write_text(
        CONFIG.replace("data_dir: data", f"data_dir: {folder}/data")
    )
    config = str(folder / "shipper.yml")
    return CliRunner().invoke(main, ["--config", config, "users", *given], input=stdin)


def test_a_user_is_known_by_the_password_and_by_no_other(path: Path) -> None:
    """The file holds an argon2id hash, and only its owner can read it."""
    UsersFile(path).add("ada", Role.OPERATOR, PASSWORD)

    entry = UsersFile(path).users()["ada"]
    assert is_password_of(entry, PASSWORD)
    assert not is_password_of(entry, PASSWORD + "x")
    assert not is_password_of(None, PASSWORD)
    assert entry.hash.startswith("$argon2id$")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PASSWORD not in path.read_text()


def test_a_password_is_the_same_however_a_keyboard_composes_it(path: Path) -> None:
    """An é is one character or two; both open the same account."""
    UsersFile(path).add("ada", Role.VIEWER, "cafe\u0301 au lait")

    assert is_password_of(UsersFile(path).users()["ada"], "caf\u00e9 au lait")


def test_without_a_password_no_password_is_right(path: Path) -> None:
    """Who comes by a proxy only can't log in here, with an empty password either."""
    UsersFile(path).add("ada", Role.VIEWER, None)

    assert not is_password_of(UsersFile(path).users()["ada"], "")


def test_a_change_of_another_process_is_seen(path: Path) -> None:
    """Whoever has the file open sees each change with the next look."""
    seen, other = UsersFile(path), UsersFile(path)
    assert seen.users() == {}

    other.add("ada", Role.VIEWER, PASSWORD)
    stamp = seen.users()["ada"].stamp
    other.set_role("ada", Role.OPERATOR)
    assert seen.users()["ada"].role is Role.OPERATOR
    assert seen.users()["ada"].stamp == stamp
    other.set_password("ada", PASSWORD + "2")
    assert seen.users()["ada"].stamp != stamp
    other.remove("ada")
    assert seen.users() == {}


@pytest.mark.parametrize("content", ["{", '{"users": [{"name": "a", "role": "god"}]}', "\xff"])
def test_a_damaged_file_lets_nobody_in(path: Path, content: str) -> None:
    """It is no empty file, which would open the dashboard to the printed link."""
    path.parent.mkdir()
    path.write_bytes(content.encode("latin-1"))

    with pytest.raises(ConfigError, match=r"users\.json"):
        UsersFile(path).users()
    with pytest.raises(ConfigError):
        UsersFile(path).add("ada", Role.VIEWER, PASSWORD)
    assert path.read_bytes() == content.encode("latin-1")


def test_a_fifo_in_its_place_is_not_waited_for(path: Path) -> None:
    """Opening it does not hang."""
    path.parent.mkdir()
    os.mkfifo(path)

    with pytest.raises(ConfigError):
        UsersFile(path).users()


@pytest.mark.parametrize("name", ["", "a b", "a\nb", "../x", "-x", "\u202eada", "a" * 65, "<b>"])
def test_a_name_is_plain(path: Path, name: str) -> None:
    """What could forge a line, a path or a mark is no name."""
    with pytest.raises(ConfigError, match="is no name"):
        UsersFile(path).add(name, Role.VIEWER, PASSWORD)


@pytest.mark.parametrize("password", ["", "short", " " * 20, "x" * 1001])
def test_a_password_is_not_too_short_or_long(path: Path, password: str) -> None:
    """It is refused, and the user is not made."""
    with pytest.raises(ConfigError, match="a password has"):
        UsersFile(path).add("ada", Role.VIEWER, password)
    assert UsersFile(path).users() == {}


def test_the_commands_change_the_users_and_leave_records(tmp_path: Path) -> None:
    """A password comes from stdin; who did what is in the audit trail, and no password."""
    assert run(tmp_path, "list").exit_code == 1
    added = run(tmp_path, "add", "ada", "--role", "operator", stdin=f"{PASSWORD}\n")
    assert added.exit_code == 0, added.output
    assert run(tmp_path, "add", "ada", stdin=f"{PASSWORD}\n").exit_code == 2
    assert run(tmp_path, "add", "bo", "--no-password").exit_code == 0
    assert run(tmp_path, "password", "ada", stdin=f"{PASSWORD}2\n").exit_code == 0
    assert run(tmp_path, "role", "bo", "operator").exit_code == 0
    listed = run(tmp_path, "list", "--json").output.splitlines()
    assert [json.loads(line) for line in listed] == [
        {"name": "ada", "role": "operator", "login": "password"},
        {"name": "bo", "role": "operator", "login": "proxy"},
    ]
    assert run(tmp_path, "remove", "bo").exit_code == 0
    assert run(tmp_path, "remove", "bo").exit_code == 2

    file = UsersFile(tmp_path / "data/users.json")
    assert is_password_of(file.users()["ada"], f"{PASSWORD}2")
    log = (tmp_path / "data/web.log").read_text()
    acts = [(each["act"], each["on"]) for each in map(json.loads, log.splitlines())]
    assert acts == [
        ("user add", "ada"),
        ("user add", "bo"),
        ("user password", "ada"),
        ("user role", "bo"),
        ("user remove", "bo"),
    ]
    assert PASSWORD not in log
