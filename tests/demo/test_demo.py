"""`shipper demo`, started and stopped as by a user."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from shipper.cli import main
from shipper.process import data_folder
from tests.acceptance.server import wait_until
from tests.commands.cli_index import config_in

# Two at a time would look for the same free port.
pytestmark = pytest.mark.xdist_group("demo")

LIMIT_SECONDS = 60.0
MARK = "DEMO_OF_A_TEST"


def shipper(*args: str) -> list[str]:
    return [sys.executable, "-m", "shipper", *args]


def members_of(directory: Path) -> list[str]:
    """Return the processes that were started for the folder, by the mark in their environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                marked = f"{MARK}={directory}\0".encode() in (entry / "environ").read_bytes()
            except OSError:
                continue  # it has ended
            if marked:
                found.append((entry / "cmdline").read_text())
    return found


@contextmanager
def demo_in(directory: Path, *args: str) -> Iterator[subprocess.Popen[str]]:
    config = config_in(directory)
    process = subprocess.Popen(
        shipper("--config", str(config), "demo", "--directory", str(directory), *args),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, MARK: str(directory)},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(LIMIT_SECONDS)


@pytest.mark.slow
def test_a_demo_ships_what_its_application_writes_and_leaves_nothing_behind(
    tmp_path: Path,
) -> None:
    """
    After --seconds it ends by itself: every record once in the index, no process left.

    The command that it prints can be typed as it is.
    """
    with demo_in(tmp_path, "--seconds", "3", "--rate", "30") as process:
        output, errors = process.communicate(timeout=LIMIT_SECONDS)

    assert process.returncode == 0, errors
    assert output.startswith("application at http://127.0.0.1:")
    assert members_of(tmp_path) == []
    written = {
        (record["run"], record["seq"])
        for path in (*(tmp_path / "logs").glob("*.log"), *(tmp_path / "data").glob("polls.log"))
        for record in map(json.loads, path.read_text().splitlines())
    }
    printed = output.splitlines()[-1].strip()
    assert "search 'level:ERROR' --since 5m" in printed
    typed = printed.replace("'level:ERROR' --since 5m", "--count")
    found = subprocess.run(
        ["bash", "-c", typed], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(found.stdout) == len(written) > 50


@pytest.mark.slow
def test_a_shipper_that_is_killed_is_started_again(tmp_path: Path) -> None:
    """After `kill -9` of the shipper the demo goes on, and every record is stored once."""
    killed = 0

    def started() -> int:
        folder = tmp_path / "data"
        pid = data_folder.holder_of(folder) if folder.exists() else None
        return pid if pid and pid != killed else 0

    with demo_in(tmp_path, "--seconds", "12", "--rate", "30") as process:
        wait_until(lambda: bool(started()), seconds=LIMIT_SECONDS)
        killed = started()
        os.kill(killed, signal.SIGKILL)
        wait_until(lambda: bool(started()), seconds=LIMIT_SECONDS)
        _, errors = process.communicate(timeout=LIMIT_SECONDS)

    assert process.returncode == 0, errors
    audit = subprocess.run(
        shipper("--config", str(tmp_path / "shipper.yml"), "audit"),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert audit.returncode == 0, audit.stdout + audit.stderr


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_all_of_it(tmp_path: Path, number: signal.Signals) -> None:
    """A signal stops the demo and all of its processes; that is no error."""
    with demo_in(tmp_path) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        process.send_signal(number)
        _, errors = process.communicate(timeout=LIMIT_SECONDS)

    assert first.startswith("application at http://127.0.0.1:")
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert members_of(tmp_path) == []


@pytest.mark.slow
def test_ctrl_c_while_it_starts_ends_all_of_it(tmp_path: Path) -> None:
    """Ctrl-C while the demo is starting leaves no process behind."""
    with demo_in(tmp_path) as process:
        deadline = time.monotonic() + LIMIT_SECONDS
        while not (tmp_path / "var/demo/application.out").exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=LIMIT_SECONDS)

    assert process.returncode == 0, errors
    assert members_of(tmp_path) == []


def demo(tmp_path: Path, config: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(MARK, str(tmp_path))
    result = CliRunner().invoke(main, ["--config", str(config), "demo", "--seconds", "1"])
    return result.exit_code, result.stderr


def test_a_second_shipper_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo refuses a data folder that is in use, and names the process."""
    config = config_in(tmp_path)
    with data_folder.hold(tmp_path / "data"):
        code, errors = demo(tmp_path, config, monkeypatch)

    assert code == 3
    assert f"is already running on {tmp_path / 'data'}; stop it first" in errors
    assert members_of(tmp_path) == []


@pytest.mark.slow
def test_an_output_that_only_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an output that cannot be searched, the demo shows what was acknowledged."""
    config = config_in(tmp_path)
    output = f"output: {{console: {{path: {tmp_path}/out}}}}\n"
    config.write_text(config.read_text().split("output:")[0] + output)
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(main, ["--config", str(config), "demo", "--seconds", "3"])

    assert result.exit_code == 0, result.stderr
    written = len((tmp_path / "out").read_text().splitlines())
    assert f"the output acknowledged {written:,} record" in result.stdout
    assert written > 50


def test_without_the_example_application_the_demo_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the example application, as in an installed wheel, the demo says so."""
    monkeypatch.setattr("shipper.demo.run.ROOT", tmp_path)

    code, errors = demo(tmp_path, config_in(tmp_path), monkeypatch)

    assert code == 3
    assert "run it in a git checkout" in errors


@pytest.mark.slow
def test_a_config_that_reads_other_files_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config that does not read the demo's files is an error, instead of an endless wait."""
    config = config_in(tmp_path)
    config.write_text(config.read_text().replace("logs/*.log", "elsewhere/*.log"))

    code, errors = demo(tmp_path, config, monkeypatch)

    assert code == 2
    assert "add the path logs/*.log" in errors
    assert members_of(tmp_path) == []


@pytest.mark.slow
def listens_at(listener: socket.socket, port: int) -> bool:
    """Take a port, and return whether that succeeded."""
    try:
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        return False
    return True


def test_a_busy_port_is_no_hindrance(tmp_path: Path) -> None:
    """If another program has the usual port, the application uses a free one."""
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        wait_until(lambda: listens_at(other, 8000), seconds=LIMIT_SECONDS)  # another demo has it
        with demo_in(tmp_path, "--seconds", "1") as process:
            output, errors = process.communicate(timeout=LIMIT_SECONDS)

    assert process.returncode == 0, errors
    assert output.startswith("application at http://127.0.0.1:")
    assert ":8000;" not in output
