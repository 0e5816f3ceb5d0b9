"""A shipper that dies at a step, and what is true after that: shared by the tests that kill."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from shipper.crashpoints import CrashPoint
from shipper.deliver.deadletters import DeadLetters
from shipper.tail.holds import held_in
from tests.faults.live import ENVIRONMENT, Origin, Writer, delete_what_is_held

if TYPE_CHECKING:
    from tests.acceptance.server import Site

REACH_SECONDS = 100  # within which a step comes up, on the slowest machine


def occurrences(step: CrashPoint) -> tuple[int, ...]:
    """Return when to kill: the first time, the third, and one drawn from a fixed seed."""
    return 1, 3, random.Random(step.name).randint(2, 6)


def crash(site: Site, step: CrashPoint, count: int, *command: str) -> None:
    """Run the shipper until it dies at the step; fails where it is not reached."""
    line = [sys.executable, "-m", "tests.crashing", step.name, str(count)]
    line += ["--config", str(site.config), *(command or ("run",))]
    with (site.folder / "shipper.err").open("ab") as log:
        process = subprocess.Popen(line, cwd=site.folder, env=ENVIRONMENT, stderr=log, stdout=log)
    try:
        ended = process.wait(REACH_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert ended == -signal.SIGKILL, (site.folder / "shipper.err").read_text()[-2000:]


def crash_and_delete(site: Site, writer: Writer, step: CrashPoint, count: int) -> int:
    """Kill it at the step; then delete what it held; return how many files were deleted."""
    crash(site, step, count)
    with writer.paused():
        return delete_what_is_held(site.folder)


def finish(site: Site) -> None:
    """Let a shipper deliver all that there is."""
    done = site.run("run", "--once", "--timeout", "100s", timeout=120)
    assert done.returncode == 0, done.stderr
    with (site.folder / "shipper.err").open("a") as log:
        log.write(done.stderr)


def assert_consistent(site: Site) -> None:
    """The registry is whole and says that all is delivered; holds and letters are what they say."""
    folder = site.folder / "var/shipper"
    with closing(sqlite3.connect(folder / "registry.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = db.execute("SELECT inode, offset, path FROM files").fetchall()
        assert db.execute("SELECT count(*) FROM tombstones").fetchone() == (0,)
    offsets = {int(inode): offset for inode, offset, _path in rows}
    for path in (site.folder / "logs").iterdir():
        assert offsets[path.stat().st_ino] == path.stat().st_size, path
    holds = folder / "holds"
    assert len(held_in(str(holds))) == len([*holds.iterdir()])
    assert {held.stat.st_ino for held in held_in(str(holds))} <= {*offsets}
    assert not (folder / "registry.db.new").exists()


def assert_audit_says(site: Site, written: set[Origin]) -> None:
    """The audit closes, and counts what the writers count."""
    done = site.run("audit", "--json", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert (told["written"], told["indexed"], told["gaps"]) == (len(written), len(written), [])


def dead_letters(site: Site) -> set[str]:
    """Return the ids of what was buried."""
    letters = DeadLetters(site.folder / "var/shipper/deadletters.ndjson")
    return {line.letter.id for line in letters.read()}


def doubled(found: Counter[Origin]) -> set[Origin]:
    return {origin for origin, count in found.items() if count > 1}


def warnings(site: Site) -> str:
    return (site.folder / "shipper.err").read_text()


def origin_of(id_: str) -> Origin:
    run, _, number = id_.rpartition("-")
    return run, int(number)


def of_runs(found: Counter[str], written: set[Origin]) -> Counter[Origin]:
    """Return how often each record of the writers was found, by its `_id`; nothing else."""
    runs = {run for run, _number in written}
    origins = {origin_of(id_): count for id_, count in found.items()}
    return Counter({origin: count for origin, count in origins.items() if origin[0] in runs})


def stored_once(site: Site, written: set[Origin]) -> tuple[set[Origin], set[Origin]]:
    """Return what is lost and what is doubled in the embedded store."""
    found = Counter(origin for origin in site.origins_of_runs() if origin[0] in _runs(written))
    return written - {*found}, doubled(found)


def _runs(written: set[Origin]) -> set[str]:
    return {run for run, _number in written}


def configure(site: Site, output: str, extra: str = "") -> None:
    """Let the site ship to another output, and soon again after a failure."""
    text = site.config.read_text().partition("output:")[0]
    text = text.replace(
        "{linger_seconds: 100ms}",
        "{linger_seconds: 100ms, backoff_seconds: 50ms, backoff_max_seconds: 500ms}",
    )
    site.config.write_text(f"{text}{extra}output:\n  {output}\n")


def data_folder(site: Site) -> Path:
    return site.folder / "var/shipper"
