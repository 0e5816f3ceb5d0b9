"""The audit beside a real shipper: what is taken out of the index is found, and nothing else."""

from __future__ import annotations

import json
import os
import shutil
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.server import wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.acceptance.server import Site

RUN = "01JKBBBBBBBBBBBBBBBBBBBBBB"
LINE = '{{"timestamp":"2026-02-05T12:00:00.{:03d}Z","run":"{}","seq":{},"message":"m"}}\n'


def audit(site: Site, *options: str) -> tuple[int, dict[str, Any]]:
    done = site.run("audit", "--json", *options, timeout=120)
    assert done.stdout, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, told


def write(path: Path, *seqs: int, run: str = RUN) -> None:
    with path.open("a") as file:
        file.write("".join(LINE.format(seq % 1000, run, seq) for seq in seqs))


def ship(site: Site) -> None:
    done = site.run("run", "--once", "--timeout", "60s")
    assert done.returncode == 0, done.stderr


def take_away(site: Site, **values: Any) -> None:
    """Delete records of the store by the values of a field, as no writer of ours does."""

    def goes(line: bytes) -> bool:
        order, _, position, _, _, _, doc, *_ = line.split(b"\x01")
        if order == b"-1":
            return False  # no record: what enrichment added to several
        fields = {**json.loads(doc), "_position": int(position or -1)}
        return any(first <= fields.get(name, -1) <= last for name, (first, last) in values.items())

    for commit in (site.folder / "var/index").glob("*/*.ndjson"):
        lines = commit.read_bytes().splitlines(keepends=True)
        new = commit.with_suffix(".changed")
        new.write_bytes(b"".join(line for line in lines if not goes(line)))
        new.rename(commit)


def test_the_sum_closes(site: Site) -> None:
    """Everything that was written is there once, in whichever file it is, with or without a run."""
    site.log_through_emit(max_bytes=64 * 1024, backups=50)
    site.write(2000).wait()
    (site.logs / "plain.log").write_text("one\n\ntwo\nthree")
    ship(site)

    done = site.run("audit")

    assert done.stdout == "2,002 written = 2,002 indexed once; 0 lost; 0 doubled\n"
    assert done.returncode == 0
    assert json.loads((site.folder / "var/shipper/audit.json").read_text())["open"] == 0


def test_what_is_deleted_is_found_and_sent_again(site: Site) -> None:
    """Records that the index lost are named one by one, and a repair brings back just these."""
    write(site.logs / "app.log", *range(100))
    (site.logs / "plain.log").write_text("".join(f"line {n}\n" for n in range(50)))
    ship(site)
    take_away(site, seq=(40, 42), _position=(0, 20))
    assert site.count() == 150 - 3 - 3

    code, told = audit(site)

    assert (code, told["lost_count"], told["indexed"], told["doubled"]) == (1, 6, 144, [])
    own, *foreign = sorted(told["lost"], key=lambda each: each["stream"] != RUN)
    assert (own["first"], own["last"], own["count"]) == (40, 42, 3)
    assert sorted(each["first"] for each in foreign) == [0, 7, 14]  # bytes in their file
    assert all(each["path"].endswith("plain.log") for each in foreign)

    code, told = audit(site, "--repair", "--wait", "1s")
    assert code == 1
    assert "no shipper is running: records are sent again at the next start" in told["repair"]
    ship(site)

    assert audit(site)[1]["closes"]
    assert site.count() == 150


def test_a_running_shipper_repairs_at_once(site: Site) -> None:
    """While a shipper runs, what is lost is sent again by it, and the audit waits for that."""
    write(site.logs / "app.log", *range(100))
    ship(site)
    take_away(site, seq=(7, 7))
    status = site.folder / "var/shipper/status.json"
    status.unlink()  # that of the run before; the next one writes it once it holds the folder
    shipper = site.start()
    wait_until(status.exists)

    code, told = audit(site, "--repair")

    assert (code, told["indexed"], told["lost"]) == (0, 100, [])
    assert site.count() == 100
    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(30) == 0


def test_what_cannot_be_sent_again_is_told(site: Site) -> None:
    """Where the file is gone the loss stays, and the audit says so."""
    write(site.logs / "app.log", *range(10))
    ship(site)
    take_away(site, seq=(3, 3))
    (site.logs / "app.log").unlink()
    shutil.rmtree(site.folder / "var/shipper/holds")

    code, told = audit(site, "--repair", "--wait", "1s")

    assert (code, told["lost_count"]) == (1, 1)
    assert "gone" in " ".join(told["repair"])


def test_a_part_that_vanishes_is_found(site: Site) -> None:
    """An index that was moved away, and one that was begun anew, lack what was acked."""
    write(site.logs / "app.log", *range(30))
    ship(site)
    shutil.rmtree(site.folder / "var/index")
    write(site.logs / "app.log", *range(30, 40))
    ship(site)

    code, told = audit(site)

    assert (code, told["lost_count"], told["indexed"]) == (1, 30, 10)
    audit(site, "--repair", "--wait", "1s")
    ship(site)
    assert audit(site)[1]["indexed"] == 40


def test_a_hole_that_the_application_made_is_its_own(site: Site) -> None:
    """A number that is in no file is named as such, and the sum closes without it."""
    write(site.logs / "app.log", 0, 1, 2, 5, 6)
    ship(site)
    write(site.logs / "app.log", 9)

    done = site.run("audit")
    code, told = audit(site)

    assert told["gaps"] == [{"run": RUN, "first": 3, "last": 4}]
    assert (code, told["written"], told["waiting"], told["lost"]) == (0, 6, 1, [])
    assert f"missing (never written, or lost before reading): {RUN}-3 to 4" in done.stdout
    assert "6 written = 5 indexed once + 1 waiting; 0 lost; 0 doubled" in done.stdout


def test_a_number_that_waits_in_another_file_is_no_hole(site: Site) -> None:
    """A number is missing only if it stands in no line that is still to be read."""
    write(site.logs / "app.log", 0, 1, 3)
    ship(site)
    write(site.logs / "other.log", 2)

    _, told = audit(site)

    assert told["gaps"] == []
    assert told["waiting"] == 1


def test_dead_letters_are_accounted_for(site: Site) -> None:
    """What is a dead letter is no loss; taken out of the letters and not stored, it is one."""
    write(site.logs / "app.log", *range(10))
    ship(site)
    take_away(site, seq=(4, 4))
    letter = {"_id": f"{RUN}-4", "dataset": "a", "reason": "r", "at": "x", "document": {}}
    (site.folder / "var/shipper/deadletters.ndjson").write_text(json.dumps(letter) + "\n")

    code, told = audit(site)

    assert (code, told["dead_letters"], told["written"]) == (0, 1, 10)
    (site.folder / "var/shipper/deadletters.ndjson").unlink()
    assert audit(site)[0] == 1


def test_a_copy_of_a_writer_is_found(site: Site) -> None:
    """Records that are in the index twice are named; one double does not hide one loss."""
    write(site.logs / "app.log", *range(10))
    ship(site)
    index = site.folder / "var/index"
    shutil.copytree(index / "main", index / "copy")
    take_away(site, seq=(4, 4))

    code, told = audit(site)

    assert (code, told["lost_count"], len(told["doubled"])) == (1, 1, 9)
    done = site.run("audit", "--repair", "--wait", "1s")
    assert done.returncode == 2
    assert "move the copy away" in done.stderr


def test_only_what_is_recent_enough_is_judged(site: Site) -> None:
    """With --since, what was delivered before is left out."""
    write(site.logs / "app.log", *range(10))
    ship(site)
    take_away(site, seq=(4, 4))

    code, told = audit(site, "--since", "2100-01-01")

    assert (code, told["written"]) == (0, 0)


def test_without_a_registry_or_an_index_nothing_can_be_told(site: Site) -> None:
    """An audit that cannot be made is no clean one: it exits with 3."""
    assert site.run("audit").returncode == 3
    write(site.logs / "app.log", 1)
    ship(site)
    os.rename(site.folder / "var/index", site.folder / "var/elsewhere")

    done = site.run("audit")

    assert done.returncode == 3
    assert "no store at" in done.stderr


@pytest.mark.slow
def test_under_load_there_is_no_false_alarm(site: Site) -> None:
    """While records are written, read, rotated and acked, every audit closes."""
    site.log_through_emit(max_bytes=128 * 1024, backups=100)
    shipper = site.start()
    wait_until((site.folder / "var/shipper/status.json").exists)
    writers = [site.write(15_000, pause_every=100) for _ in range(2)]
    results: list[tuple[int, dict[str, Any]]] = []
    while len(results) < 2 or any(writer.poll() is None for writer in writers):
        results.append(audit(site))
    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(60) == 0
    ship(site)

    alarms = [told for code, told in results if code or told["gaps"]]
    assert alarms == [], json.dumps(alarms)
    assert audit(site)[1]["indexed"] == 30_000
