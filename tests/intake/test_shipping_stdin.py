"""`shipper run --stdin`: every line of the input once, whatever happens; the exit code says so."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from shipper.crashpoints import CrashPoint
from tests.acceptance.server import SHIPPER, Site, documents, wait_until

PACKAGE = Path(__file__).parent.parent.parent
LINES = [f"{number:05d} what an application says" for number in range(2000)]
ALL = ("\n".join(LINES) + "\n").encode()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def ship(site: Site, data: bytes, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Pipe bytes into the shipper, to its end."""
    command = [*SHIPPER, "--config", str(site.config), "run", "--stdin", *options]
    return subprocess.run(
        command, cwd=site.folder, input=data, capture_output=True, timeout=60, check=False
    )


def messages(site: Site) -> list[str]:
    done = site.run("search", "--json", "--limit", "100000")
    assert done.returncode in {0, 1}, done.stderr
    return sorted(doc["message"] for doc in documents(done.stdout))


def spool_files(site: Site) -> list[Path]:
    return [*site.folder.glob("var/shipper/inputs/stdin/*.log")]


def test_all_of_it_is_stored_and_the_spool_is_empty(site: Site) -> None:
    """It ends by itself when all is delivered, with 0, and keeps nothing."""
    done = ship(site, ALL)

    assert done.returncode == 0, done.stderr
    assert messages(site) == LINES
    assert spool_files(site) == []


def test_the_same_input_again_is_stored_again(site: Site) -> None:
    """Two inputs with the same bytes are two, though inodes are used again."""
    for _ in range(3):
        assert ship(site, b"2026-02-05 14:30:45 the nightly report\n").returncode == 0

    assert messages(site) == ["2026-02-05 14:30:45 the nightly report"] * 3


def test_the_config_says_what_the_lines_are(site: Site) -> None:
    """Format, service, dataset, fields and tags are those of the entry; so is the name."""
    text = site.config.read_text().replace(
        "  - paths: [logs/*.log]\n",
        "  - stdin: {name: pods}\n    format: logfmt\n    service: web\n    dataset: pods.log\n"
        "    fields: {zone: a}\n    tags: [piped]\n",
    )
    site.config.write_text(text)

    done = ship(site, b'ts=2026-02-05T14:30:45.123Z level=error msg="it broke"\n')

    assert done.returncode == 0, done.stderr
    [found] = documents(site.run("search", "--json").stdout)
    assert found["message"] == "it broke"
    assert found["level"] == "ERROR"
    assert found["service"]["name"] == "web"
    assert found["event"]["dataset"] == "pods.log"
    assert found["extra"]["zone"] == "a"
    assert found["tags"] == ["piped"]


def test_an_end_without_newline_and_an_empty_input(site: Site) -> None:
    """A last half line is a line; no input at all is delivered, too."""
    assert ship(site, b"").returncode == 0
    assert ship(site, b"half").returncode == 0

    assert messages(site) == ["half"]


STEPS = (
    CrashPoint.SPOOL_WRITTEN,
    CrashPoint.SPOOL_SYNCED,
    CrashPoint.READ,
    CrashPoint.PUBLISHED,
    CrashPoint.SAVING,
    CrashPoint.SAVED,
    CrashPoint.SPOOL_PRUNED,
)


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_what_is_in_the_spool_survives_a_crash(site: Site, step: CrashPoint) -> None:
    """Killed at any step, the lines that were spooled are stored once by the next start."""
    command = [sys.executable, "-m", "tests.crashing", step.name, "1"]
    command += ["--config", str(site.config), "run", "--stdin"]
    env = {"PYTHONPATH": str(PACKAGE)}
    killed = subprocess.run(command, cwd=site.folder, env=env, input=ALL, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    spooled = sum(path.read_bytes().count(b"\n") - 1 for path in spool_files(site))

    done = site.run("run", "--once", "--timeout", "60s")

    assert done.returncode == 0, done.stderr
    stored = messages(site)
    assert stored == LINES[: len(stored)]  # the first ones, each once
    assert len(stored) >= max(spooled, 1)
    assert spool_files(site) == []


def test_ctrl_c_spools_what_was_read_and_says_that_it_is_not_all(site: Site) -> None:
    """Stopped before the end of its input it exits with 3; nothing of what was read is lost."""
    command = [*SHIPPER, "--config", str(site.config), "run", "--stdin"]
    with (site.folder / "err").open("wb") as err:
        process = subprocess.Popen(command, cwd=site.folder, stdin=subprocess.PIPE, stderr=err)
    assert process.stdin is not None
    process.stdin.write(ALL)
    process.stdin.flush()
    wait_until(lambda: spool_files(site) != [])
    wait_until(lambda: site.count() == len(LINES))
    process.send_signal(signal.SIGINT)

    assert process.wait(30) == 3
    process.stdin.close()
    assert "not delivered completely" in (site.folder / "err").read_text()
    assert messages(site) == LINES


def test_once_and_stdin_exclude_each_other(site: Site) -> None:
    """A contradiction on the command line is an error with its remedy."""
    done = ship(site, b"", "--once")

    assert done.returncode == 2
    assert b"exclude each other" in done.stderr
