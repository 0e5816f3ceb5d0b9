"""The journal: each entry is in the spool once, whatever ends when; by a scripted `journalctl`."""

from __future__ import annotations

import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shipper.config.intake import JournaldOptions
from shipper.crashpoints import CrashPoint
from shipper.intake import journald
from shipper.intake.journald import JournaldIntake, line_of
from shipper.intake.spool import Spool
from shipper.intake.stopping import StopRequest
from tests.acceptance.server import Site, documents, wait_until

PACKAGE = Path(__file__).parent.parent.parent
ARRIVED = 1_770_302_000_000

# Writes the entries of a file as `journalctl -o json --follow` does, behind a cursor if it is given
# one; ends after `most` of them, as a process that was killed would, else it waits for more.
JOURNALCTL = """\
#!{python}
import json, os, sys, time
folder = {folder!r}
after = next((each.split("=", 1)[1] for each in sys.argv if each.startswith("--after-cursor=")), "")
with open(folder + "/asked", "a") as asked:
    asked.write(" ".join(sys.argv[1:]) + "\\n")
most = int(open(folder + "/most").read())
at = int(after.split("i=")[1]) + 1 if after else 0
total = int(open(folder + "/total").read())
for number in range(at, min(total, at + most)):
    entry = {{
        "__CURSOR": f"s=abc;i={{number}}", "__REALTIME_TIMESTAMP": str(1770302000000000 + number),
        "MESSAGE": f"entry {{number:04d}}", "PRIORITY": "3", "SYSLOG_IDENTIFIER": "app",
        "_PID": "71", "_SYSTEMD_UNIT": "app.service", "_HOSTNAME": "web-1",
    }}
    print(json.dumps(entry), flush=number % 50 == 0)
sys.stdout.flush()
while at + most >= total:
    time.sleep(0.05)
    if os.getppid() == 1:
        break
"""


class Journal:
    """A journal of so many entries, and a program that reads it."""

    def __init__(self, folder: Path, total: int, most: int = 10**6) -> None:
        self.folder = folder
        self.program = folder / "journalctl"
        self.program.write_text(JOURNALCTL.format(python=sys.executable, folder=str(folder)))
        self.program.chmod(self.program.stat().st_mode | stat.S_IXUSR)
        (folder / "total").write_text(str(total))
        (folder / "most").write_text(str(most))
        self.options = replace(JournaldOptions(), journalctl=str(self.program))

    @property
    def asked(self) -> list[str]:
        return (self.folder / "asked").read_text().splitlines()


def entries(spool: Spool) -> list[str]:
    data = b"".join(Path(path).read_bytes() for path in sorted(spool.paths()))
    return [msgspec.json.decode(line)["message"] for line in data.splitlines() if line.strip()]


def read_until(spool: Spool, options: JournaldOptions, count: int) -> None:
    """Read the journal in a thread until the spool has so many entries."""
    stop = StopRequest()
    intake = JournaldIntake(spool, options, lambda: ARRIVED)
    thread = threading.Thread(target=intake.run, args=(stop,), daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while spool.counters.messages < count:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


def test_it_goes_on_behind_the_last_entry_of_the_spool(tmp_path: Path) -> None:
    """`journalctl` may end at any time; its successor gets the cursor of the last entry."""
    journal = Journal(tmp_path, 300, most=100)
    spool = Spool(tmp_path / "spool", 1 << 20, keep_last=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(journald, "PAUSES", (0.01,))
        read_until(spool, replace(journal.options, units=("a.service", "b.service")), 300)

    assert entries(spool) == [f"entry {number:04d}" for number in range(300)]
    begins = [each.partition("--follow --no-tail ")[2] for each in journal.asked]
    assert begins == [
        "--unit=a.service --unit=b.service",
        "--unit=a.service --unit=b.service --after-cursor=s=abc;i=99",
        "--unit=a.service --unit=b.service --after-cursor=s=abc;i=199",
    ]


def test_what_a_crash_cut_off_is_read_again_and_once(tmp_path: Path) -> None:
    """Half of an entry at the end of the spool is made blank; the whole one comes behind it."""
    journal = Journal(tmp_path, 20)
    read_until(Spool(tmp_path / "spool", 1 << 20, keep_last=True), journal.options, 20)
    [path] = (tmp_path / "spool").glob("*.log")
    data = path.read_bytes()
    path.write_bytes(data[:-30])

    spool = Spool(tmp_path / "spool", 1 << 20, keep_last=True)
    read_until(spool, journal.options, 1)

    assert entries(spool) == [f"entry {number:04d}" for number in range(20)]
    assert journal.asked[-1].endswith("--after-cursor=s=abc;i=18")


def test_a_program_that_is_missing_is_tried_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, and other inputs go on."""
    stop = StopRequest()
    spool = Spool(tmp_path, 1 << 20, keep_last=True)
    options = replace(JournaldOptions(), journalctl="/nowhere/journalctl")
    thread = threading.Thread(target=JournaldIntake(spool, options, lambda: 0).run, args=(stop,))
    thread.start()
    wait_until(lambda: "/nowhere/journalctl: No such file" in caplog.text)
    stop.set()
    thread.join(30)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("entry", "fields"),
    [
        ({"MESSAGE": [104, 105, 255]}, {"message": "hi\ufffd"}),
        ({"MESSAGE": ["first", "second"]}, {"message": "first"}),
        ({"MESSAGE": None}, {"message": ""}),
        ({"PRIORITY": "9", "_PID": "x" * 100}, {"message": ""}),
        ({"_COMM": "cron", "PRIORITY": "4"}, {"message": "", "level": "WARNING", "logger": "cron"}),
        (
            {"_SOURCE_REALTIME_TIMESTAMP": "1770302001123456", "__REALTIME_TIMESTAMP": "1"},
            {"message": "", "timestamp": "2026-02-05T14:33:21.123Z"},
        ),
    ],
)
def test_entries_of_any_form_are_read(entry: dict[str, Any], fields: dict[str, Any]) -> None:
    """Bytes, several values, none, and values that mean nothing."""
    found, is_cut = line_of({"__CURSOR": "s=1", **entry}, ARRIVED)

    assert found is not None
    assert not is_cut
    assert fields.items() <= found.items()
    assert found["cursor"] == "s=1"


def test_a_message_without_end_is_cut() -> None:
    """It fits into a line of the spool in any case."""
    found, is_cut = line_of({"__CURSOR": "s=1", "MESSAGE": "\0" * 10**6}, ARRIVED)

    assert is_cut
    assert len(msgspec.json.encode(found)) < 1 << 20


@pytest.mark.parametrize(
    "step",
    [
        CrashPoint.SPOOL_WRITTEN,
        CrashPoint.SPOOL_SYNCED,
        CrashPoint.PUBLISHED,
        CrashPoint.SAVED,
        CrashPoint.SPOOL_PRUNED,
    ],
    ids=lambda step: step.name,
)
def test_killed_at_a_step_no_entry_is_lost_or_stored_twice(
    tmp_path: Path, step: CrashPoint
) -> None:
    """After kill -9 anywhere between the journal and the registry, each entry is stored once."""
    site = Site(tmp_path)
    journal = Journal(tmp_path, 600, most=200)
    section = f'  - journald: {{journalctl: "{journal.program}", spool_bytes: 64 KiB}}\n'
    text = site.config.read_text().replace("  - paths: [logs/*.log]\n", section)
    site.config.write_text(text)
    command = [sys.executable, "-m", "tests.crashing", step.name, "1"]
    command += ["--config", str(site.config), "run"]
    with (tmp_path / "crash.err").open("wb") as err:
        killed = subprocess.run(
            command,
            cwd=tmp_path,
            env={"PYTHONPATH": str(PACKAGE)},
            check=False,
            timeout=90,
            stderr=err,
        )
    assert killed.returncode == -signal.SIGKILL, (tmp_path / "crash.err").read_text()

    shipper = site.start()
    wait_until(lambda: site.count('message:"entry 0599"') == 1)
    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(30) == 0

    found = [*documents(site.run("search", "--json", "--limit", "9999").stdout)]
    expected = Counter(f"entry {number:04d}" for number in range(600))
    assert Counter(each["message"] for each in found) == expected
    assert found[0]["level"] == "ERROR"
    assert found[0]["event"]["dataset"] == "journald.log"
    assert found[0]["extra"]["unit"] == "app.service"


def test_the_real_journalctl_takes_the_options(tmp_path: Path) -> None:
    """An empty journal is followed without a complaint; a stop ends the child."""
    if shutil.which("journalctl") is None:
        pytest.skip("journalctl is not installed")
    stop, spool = StopRequest(), Spool(tmp_path / "spool", 1 << 20, keep_last=True)
    (tmp_path / "journal").mkdir()
    options = replace(JournaldOptions(), directory=tmp_path / "journal", units=("app.service",))
    command = JournaldIntake(spool, options, lambda: 0).command()
    command.remove("--follow")

    done = subprocess.run(command, capture_output=True, check=False, timeout=30)

    assert b"unrecognized" not in done.stderr
    assert b"invalid" not in done.stderr.lower()
    stop.set()
