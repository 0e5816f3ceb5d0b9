"""The command line as a whole: exit codes, errors, help, positions of options."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from shipper.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]


def commands(
    group: click.Group, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


ALL = dict(commands(main))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_has_help_with_examples(path: tuple[str, ...]) -> None:
    """Help shows examples that can be typed as they are."""
    result = CliRunner().invoke(main, [*path, "--help"])

    assert result.exit_code == 0
    assert f"\n  Examples:\n    shipper {path[0]}" in result.output
    examples = result.output.partition("\n  Examples:\n")[2].splitlines()
    assert not [line for line in examples if "…" in line]
    assert "..." not in result.output.partition("Commands:\n")[2].partition("Examples:")[0]
    assert all(option.help for option in ALL[path].params if isinstance(option, click.Option))


def test_the_table_tells_what_the_commands_tell() -> None:
    """`shipper --help` imports no command, and still shows their summaries."""
    summaries = {name: sentence for name, (_, sentence) in COMMANDS.items()}

    assert summaries == {
        name: command.get_short_help_str(limit=100)
        for (name, *rest), command in ALL.items()
        if not rest
    }


def test_a_mistyped_command_is_answered_with_the_nearest() -> None:
    """Who writes `serch` is asked whether it is `search`."""
    for typed, meant in ((["serch"], "search"), (["alerts", "silense"], "silence")):
        result = CliRunner().invoke(main, typed)
        assert result.exit_code == 2
        assert f"do you mean '{meant}'?" in result.output


def test_help_lists_the_commands() -> None:
    """`--help` lists all commands."""
    result = CliRunner().invoke(main, ["--help"])

    assert result.exit_code == 0
    assert all(f"  {name} " in result.output for name in COMMANDS)


def test_the_version_is_told() -> None:
    """`--version` prints the version."""
    done = subprocess.run(
        [sys.executable, "-m", "shipper", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout.split()[0]) == (0, "shipper,")


@pytest.mark.parametrize(
    "args",
    [
        ["nonsense"],
        ["search", "--nonsense"],
        ["search", "--since", "soon"],
        ["run", "--timeout", "x"],
    ],
)
def test_wrong_use_exits_with_2(args: list[str]) -> None:
    """A mistyped command is an error on stderr that points to the help."""
    result = CliRunner().invoke(main, args)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Error: " in result.stderr
    assert "--help" in result.stderr


@pytest.mark.parametrize("where", ["before", "after", "environment"])
@pytest.mark.parametrize(
    "command", [["search"], ["check"], ["status"], ["run"], ["report", "daily"]]
)
def test_the_config_is_named_anywhere(where: str, command: list[str]) -> None:
    """--config works before and after the command, and as SHIPPER_CONFIG."""
    option = ["--config", "nowhere.yml"]
    args = {"before": option + command, "after": command + option, "environment": command}[where]
    environment = {"SHIPPER_CONFIG": "nowhere.yml" if where == "environment" else "other.yml"}

    result = CliRunner().invoke(main, args, env=environment)

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "cannot read nowhere.yml" in result.stderr


def test_all_faults_of_a_config_are_told_without_a_traceback(tmp_path: Path) -> None:
    """All faults are shown at once; --debug adds a traceback."""
    config = tmp_path / "bad.yml"
    config.write_text("service: {nme: x}\ninputs: []\n")

    plain = CliRunner().invoke(main, ["check", "--config", str(config)])
    debug = CliRunner().invoke(main, ["check", "--config", str(config), "--debug"])

    assert (plain.exit_code, debug.exit_code) == (2, 2)
    assert plain.stderr.startswith(f"shipper: cannot use {config}:\n")
    assert "service.name" in plain.stderr
    assert "inputs" in plain.stderr
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr


def test_a_refusal_of_the_system_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even an error of the system that no command expected names the place and a remedy."""

    def refused(_path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", "logs/app.log")

    monkeypatch.setattr("shipper.commands.check.load", refused)
    result = CliRunner().invoke(main, ["check"])

    assert result.exit_code == 3
    assert "shipper: Permission denied: logs/app.log; run this as" in result.stderr


def test_an_error_cannot_steer_the_terminal() -> None:
    """Control characters in a path on the command line are escaped in errors."""
    result = CliRunner().invoke(main, ["check", "--config", "\x1b[2J.yml"])

    assert r"\x1b[2J.yml" in result.stderr
    assert "\x1b" not in result.stderr


def test_a_fault_of_ours_exits_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bug exits with 3: exit code 1 always means that the answer is no."""
    monkeypatch.setattr("shipper.config.main.load", lambda path: 1 / 0)
    monkeypatch.setattr("shipper.commands.check.load", lambda path: 1 / 0)

    result = CliRunner().invoke(main, ["check"])

    assert result.exit_code == 3
    assert "ZeroDivisionError" in result.stderr


INTERRUPTED = """
import os, runpy, signal, sys
class Interrupt:
    def find_spec(self, name, path, target=None):
        if name == "shipper.cli":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Interrupt())
runpy.run_module("shipper", run_name="__main__")
"""


def test_ctrl_c_while_the_command_loads_is_quiet() -> None:
    """Who changes their mind at once sees no traceback; a shell reports 130."""
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, check=False)

    assert (done.returncode, done.stderr) == (-signal.SIGINT, b"")


def test_help_answers_at_once() -> None:
    """Nothing heavy is imported before a command is chosen."""
    code = "import sys\nfrom shipper.cli import main\nmain(['--help'], standalone_mode=False)\n"

    done = subprocess.run(
        [sys.executable, "-c", f"{code}print(*sys.modules)"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert not {"tantivy", "yaml", "rich", "msgspec", "watchdog"} & set(done.stdout.split())
