"""What may happen to the data folder, under a live writer: every record is stored once after it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from shipper.crashpoints import CrashPoint
from shipper.registry.owner import WRITTEN_WITHIN_NS
from tests.acceptance.server import SHIPPER, kill, wait_until
from tests.faults import killing
from tests.faults.disks import bound, small_disk
from tests.faults.live import ENVIRONMENT, Writer, delete_what_is_held, writer
from tests.faults.table import told
from tests.faults.test_kill_at_every_point import Refusing, refused_for_good
from tests.servers.elasticsearch_scripted import scripted_server

if TYPE_CHECKING:
    from tests.acceptance.server import Site
    from tests.faults.table import Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

LIMIT_SECONDS = 90
OLD_SECONDS = WRITTEN_WITHIN_NS / 1e9 + 1  # of a backup: younger, it may be what was saved last
UP = "shipping as"


def start(site: Site, *command: str) -> subprocess.Popen[bytes]:
    """Start the shipper, and return when it ships."""
    line = [*(command or SHIPPER), "--config", str(site.config), "run"]
    starts = log_of(site).count(UP)
    with (site.folder / "shipper.err").open("ab") as log:
        shipper = subprocess.Popen(line, cwd=site.folder, env=ENVIRONMENT, stderr=log)
    site._processes.append(shipper)
    wait_until(lambda: log_of(site).count(UP) > starts, seconds=LIMIT_SECONDS)
    return shipper


def log_of(site: Site) -> str:
    path = site.folder / "shipper.err"
    return path.read_text() if path.exists() else ""


def wait_for_more(site: Site, records: int = 200) -> None:
    """Wait until so many more are acked, which says that it works."""
    status = site.folder / "var/shipper/status.json"
    first: list[int] = []

    def has_more() -> bool:
        try:
            acked = int(json.loads(status.read_bytes())["counters"]["acked"])
        except (OSError, ValueError, KeyError):
            return False
        first.append(acked)
        return acked >= min(first) + records

    wait_until(has_more, seconds=LIMIT_SECONDS)


def end(site: Site, application: Writer, outcome: Outcome, fault: str) -> None:
    """Deliver the rest, and hold what is stored against what was written."""
    written = application.stop()
    killing.finish(site)
    lost, doubled = killing.stored_once(site, written)
    sees = told(killing.warnings(site), site.folder)
    outcome(fault, written=written, lost=lost, doubled=doubled, sees=sees)
    assert (lost, doubled) == (set(), set())


def stop(shipper: subprocess.Popen[bytes]) -> None:
    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(LIMIT_SECONDS) == 0


def test_a_full_disk(site: Site, outcome: Outcome) -> None:
    """While its disk is full the shipper says so and waits; then it stores all, once."""
    with small_disk(site.folder / "var") as disk, writer(site.folder) as application:
        shipper = start(site)
        wait_for_more(site)
        disk.fill(shipper)
        wait_until(lambda: "WARNING" in log_of(site), seconds=LIMIT_SECONDS)
        time.sleep(2)  # of the fault, not for luck: the longer it lasts, the more is tried
        disk.free(shipper)
        wait_for_more(site)
        stop(shipper)
        end(site, application, outcome, "the disk of index and data folder is full for a while")


def test_a_kill_while_the_disk_is_full(site: Site, outcome: Outcome) -> None:
    """Killed while the disk is full, and started again when there is room, it stores all, once."""
    with small_disk(site.folder / "var") as disk, writer(site.folder) as application:
        shipper = start(site)
        wait_for_more(site)
        disk.fill(shipper)
        wait_until(lambda: "WARNING" in log_of(site), seconds=LIMIT_SECONDS)
        kill(shipper)
        if disk.is_mounted:
            disk.free(shipper)  # a limit went with its process
        stop(start(site))
        end(site, application, outcome, "kill -9 of the shipper while the disk is full")


@pytest.mark.parametrize("left", [1, 2], ids=["nearly all is lost", "half is lost"])
def test_torn_dead_letters(site: Site, outcome: Outcome, left: int) -> None:
    """Of letters that a crash tore apart, those that count are written again."""
    refusing = Refusing()
    with scripted_server(refusing) as server, writer(site.folder) as application:
        killing.configure(site, f"elasticsearch: {{hosts: ['{server.url}']}}")
        path = site.folder / "var/shipper/deadletters.ndjson"
        for _ in range(2):
            before = path.stat().st_size if path.exists() else 0
            killing.crash(site, CrashPoint.LETTER_WRITTEN, 1)  # written, and not synced
            torn = before + (path.stat().st_size - before) * (left - 1) // 2 + 10
            with path.open("r+b") as file:
                file.truncate(torn)
        written = application.stop()
        killing.finish(site)

    found = {*killing.of_runs(Counter(refusing.held), written)}
    buried = {killing.origin_of(id_) for id_ in killing.dead_letters(site)}
    lost = written - found - buried
    fault = f"dead letters are torn by a crash, {'half' if left > 1 else 'nearly all'} of a write"
    outcome(fault, written=written, lost=lost, doubled=found & buried, sees="nothing")
    assert lost == set()
    assert killing.dead_letters(site) == refused_for_good(written)


def test_a_torn_status(site: Site, outcome: Outcome) -> None:
    """A status that is cut off is no reason to fail, neither for `status` nor for the shipper."""
    with writer(site.folder) as application:
        shipper = start(site)
        wait_for_more(site)
        kill(shipper)
        path = site.folder / "var/shipper/status.json"
        for torn in (path.read_bytes()[:100], b"\0" * 4096, b""):
            path.write_bytes(torn)
            assert site.run("status").returncode in {0, 1}
        stop(start(site))
        end(site, application, outcome, "status.json is torn by a crash")


@pytest.mark.parametrize("running", [False, True], ids=["at rest", "running"])
def test_the_registry_is_deleted(site: Site, outcome: Outcome, *, running: bool) -> None:
    """Without its registry the shipper reads all again, and the index knows what it holds."""
    with writer(site.folder) as application:
        shipper = start(site)
        wait_for_more(site)
        if not running:
            kill(shipper)
        for path in (site.folder / "var/shipper").glob("registry.db*"):
            path.unlink()
        if running:
            wait_for_more(site)
            kill(shipper)
        stop(start(site))
        how = "while the shipper runs" if running else "while no shipper runs"
        end(site, application, outcome, f"the registry is deleted {how}")


@pytest.mark.parametrize("running", [False, True], ids=["at rest", "running"])
def test_the_holds_are_deleted(site: Site, outcome: Outcome, *, running: bool) -> None:
    """Holds that somebody deletes are made again; what the files still hold is stored once."""
    holds = site.folder / "var/shipper/holds"
    with writer(site.folder) as application:
        shipper = start(site)
        wait_for_more(site)
        if not running:
            kill(shipper)
        shutil.rmtree(holds)
        if not running:
            shipper = start(site)
        wait_for_more(site, 1000)  # which has rotated meanwhile
        wait_until(lambda: holds.exists() and bool([*holds.iterdir()]), seconds=LIMIT_SECONDS)
        kill(shipper)
        with application.paused():
            delete_what_is_held(site.folder)
        stop(start(site))
        how = "while the shipper runs" if running else "while no shipper runs"
        end(site, application, outcome, f"the folder of holds is deleted {how}")


@pytest.mark.parametrize("with_index", [False, True], ids=["alone", "with the index"])
def test_an_old_backup(site: Site, outcome: Outcome, *, with_index: bool) -> None:
    """A data folder from a backup, with the index or without, is told; nothing is skipped."""
    var, names = site.folder / "var", ("shipper", "index") if with_index else ("shipper",)
    with writer(site.folder) as application:
        shipper = start(site)
        wait_for_more(site)
        stop(shipper)
        taken_at = time.monotonic()
        for name in names:
            shutil.copytree(var / name, site.folder / "backup" / name)
        shipper = start(site)
        wait_for_more(site, 500)
        wait_until(lambda: time.monotonic() > taken_at + OLD_SECONDS, seconds=LIMIT_SECONDS)
        kill(shipper)
        for name in names:
            shutil.rmtree(var / name)
            shutil.copytree(site.folder / "backup" / name, var / name)
        stop(start(site))
        what = "data folder and index are" if with_index else "the data folder is"
        end(site, application, outcome, f"{what} restored from an old backup")
    assert "a copy or an old backup" in log_of(site)


def test_a_clock_that_jumps(site: Site, outcome: Outcome) -> None:
    """Whatever the clock of the machine says, and however it jumps, every record is stored once."""
    with writer(site.folder) as application:
        for seed in range(3):
            shipper = start(site, sys.executable, "-m", "tests.faults.jumping", str(seed))
            wait_for_more(site)
            kill(shipper)
        end(site, application, outcome, "the clock jumps by up to a day, and kill -9 in between")


def test_a_folder_that_nobody_may_write_to(site: Site, outcome: Outcome) -> None:
    """While index and data folder cannot be written the shipper says so and waits."""
    folders = [site.folder / "var/index", site.folder / "var/shipper"]
    with writer(site.folder) as application:
        shipper = start(site, *bound(SHIPPER))
        wait_for_more(site)
        inner = [path for folder in folders for path in folder.rglob("*") if path.is_dir()]
        for folder in (*folders, *inner):
            folder.chmod(0o500)
        wait_until(lambda: "WARNING" in log_of(site), seconds=LIMIT_SECONDS)
        for folder in (*folders, *inner):
            folder.chmod(0o700)
        wait_for_more(site)
        stop(shipper)
        end(site, application, outcome, "index and data folder may not be written for a while")
