"""`shipper deadletters`: nothing that was refused is lost, and what is mended is stored once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shipper.crashpoints import CrashPoint
from shipper.deliver.deadletters import DeadLetters
from shipper.events import Rejection
from tests.acceptance.server import documents, wait_until
from tests.deliver.delivering import NOW, RUN, add_letters, simple_batch

if TYPE_CHECKING:
    from tests.acceptance.server import Site

ROOT = Path(__file__).parent.parent.parent
IDS = [f"{RUN}-{seq}" for seq in range(3)]


def bury(site: Site, count: int = 3) -> DeadLetters:
    """Leave dead letters, as a shipper would whose output refused them."""
    folder = site.folder / "var/shipper"
    folder.mkdir(parents=True, exist_ok=True)
    letters = DeadLetters(folder / "deadletters.ndjson")
    refused = [Rejection(index, f"reason {index // 2}") for index in range(count)]
    add_letters(letters, simple_batch(*range(count)), refused, NOW)
    return letters


def listed(site: Site) -> list[str]:
    return [each["_id"] for each in documents(site.run("deadletters", "list", "--json").stdout)]


def test_letters_are_listed_by_time_and_reason(site: Site) -> None:
    """The list has every letter once, however often it was buried, and counts by reason."""
    assert site.run("deadletters", "list").returncode == 1
    bury(site)
    bury(site)

    text = site.run("deadletters", "list")

    assert text.returncode == 0, text.stderr
    assert [text.stdout.count(id_) for id_ in IDS] == [1, 1, 1]
    assert "       2  reason 0" in text.stdout
    assert "       1  reason 1" in text.stdout
    assert site.run("deadletters", "list", "--since", "1m").returncode == 1
    (first, *_) = documents(
        site.run("deadletters", "list", "--json", "--since", "2026-02-05").stdout
    )
    assert (first["_id"], first["times"], first["reason"]) == (IDS[0], 2, "reason 0")


def test_a_letter_is_shown_whole(site: Site) -> None:
    """`show` gives the letter with its document as JSON; of one that isn't there, exit 1."""
    bury(site)

    shown = json.loads(site.run("deadletters", "show", IDS[1]).stdout)

    assert (shown["_id"], shown["document"]["message"]) == (IDS[1], "event 1")
    assert site.run("deadletters", "show", "x-1").returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("running", [False, True], ids=["at rest", "running"])
def test_replayed_letters_are_stored_once(site: Site, *, running: bool) -> None:
    """Replayed beside a shipper or without one, a letter is stored once and taken out."""
    bury(site)
    shipper = site.start() if running else None
    if shipper:
        wait_until(lambda: site.run("status").returncode == 0, seconds=60)

    one = site.run("deadletters", "replay", IDS[1])
    left = listed(site)
    rest = site.run("deadletters", "replay", "--all")
    none = site.run("deadletters", "replay", "--all")
    if shipper:
        shipper.terminate()
        assert shipper.wait(60) == 0

    assert (one.returncode, rest.returncode, none.returncode) == (0, 0, 1), one.stderr
    assert left == [IDS[0], IDS[2]]
    assert listed(site) == []
    assert sorted(site.origins()) == [(RUN, 0), (RUN, 1), (RUN, 2)]
    assert set(site.origins().values()) == {1}
    assert [*(site.folder / "var/shipper/requests").iterdir()] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    "step",
    [
        CrashPoint.PUBLISHING,
        CrashPoint.INDEXING,
        CrashPoint.INDEXED,
        CrashPoint.ACKED,
        CrashPoint.LETTERS_REWRITTEN,
        CrashPoint.LETTERS_REPLACED,
    ],
    ids=lambda step: step.name,
)
def test_killed_while_letters_are_replayed(site: Site, step: CrashPoint) -> None:
    """Killed at any step of a replay, no letter is lost; the next shipper ends it, once each."""
    bury(site)
    command = [sys.executable, "-m", "tests.crashing", step.name, "1", "--config", str(site.config)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    crashed = subprocess.run(
        [*command, "deadletters", "replay", "--all"],
        cwd=site.folder,
        env=env,
        check=False,
        timeout=90,
    )
    assert crashed.returncode == -9

    shipper = site.start()
    wait_until(lambda: site.count() == 3 and listed(site) == [], seconds=60)
    shipper.terminate()
    assert shipper.wait(60) == 0

    assert sorted(site.origins().items()) == [((RUN, seq), 1) for seq in range(3)]


def test_a_replay_after_a_killed_one_tells_of_its_own(site: Site) -> None:
    """The request of a killed replay is carried out first, and the next one is answered too."""
    bury(site)
    command = [sys.executable, "-m", "tests.crashing", "PUBLISHING", "1"]
    command += ["--config", str(site.config), "deadletters", "replay", "--all"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    crashed = subprocess.run(command, cwd=site.folder, env=env, check=False, timeout=90)
    assert crashed.returncode == -9

    again = site.run("deadletters", "replay", IDS[0])

    assert again.returncode == 0, again.stderr
    assert listed(site) == []


def test_letters_are_dropped_when_it_is_meant(site: Site) -> None:
    """Where nobody can be asked, dropping needs --yes; then what was named goes, the rest stays."""
    bury(site)

    asked = site.run("deadletters", "drop", IDS[0])
    neither = site.run("deadletters", "drop", "--yes")
    done = site.run("deadletters", "drop", IDS[0], "--yes")

    assert (asked.returncode, neither.returncode, done.returncode) == (2, 2, 0)
    assert "--yes" in asked.stderr
    assert listed(site) == IDS[1:]
    assert site.run("deadletters", "drop", IDS[0], "--yes").returncode == 1
