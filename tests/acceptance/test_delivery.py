"""What a user relies on: written is searchable, once, whatever happens to the shipper."""

from __future__ import annotations

import json
import random
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from shipper.tail.reader import WARM_SECONDS
from tests.acceptance.server import documents, kill, wait_until

if TYPE_CHECKING:
    from tests.acceptance.server import Site

MIB = 1 << 20


def test_what_the_application_writes_is_found_without_a_scan(site: Site) -> None:
    """An event of the kernel has a line read and stored at once: the next scan is in an hour."""
    frequent = "scan_seconds: 0.2s}"
    rare = "scan_seconds: 1h}\nheartbeat: {enabled: false}"  # a heartbeat may have it scan, too
    site.config.write_text(site.config.read_text().replace(frequent, rare))
    (site.logs / "app.log").touch()
    (site.logs / "error.log").touch()
    shipper = site.start()
    wait_until((site.folder / "var/shipper/status.json").exists)
    site.log_through_emit(max_bytes=10 * MIB, backups=5)
    time.sleep(WARM_SECONDS + 1)  # until then new files are looked at all the time

    site.write(1).wait()

    wait_until(lambda: site.count("level:ERROR") == 1)
    assert shipper.poll() is None


def test_kill_9_loses_and_doubles_nothing(site: Site) -> None:
    """Killed again and again while files rotate, the shipper stores every record once."""
    site.log_through_emit(max_bytes=256 * 1024, backups=100)
    rng = random.Random(7)
    writers = [site.write(6000, pause_every=50) for _ in range(2)]

    while any(writer.poll() is None for writer in writers):
        shipper = site.start()
        time.sleep(rng.uniform(0.3, 1.2))  # the moment of the kill is what is varied
        kill(shipper)
    done = site.run("run", "--once", "--timeout", "60s")

    assert done.returncode == 0, done.stderr
    written = site.written()
    assert len(written) == 12_000
    assert site.origins() == Counter(written)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_four_processes_on_the_same_files_are_shipped_whole(site: Site) -> None:
    """Four processes write 50,000 records each through 1 MiB files: each record is found once."""
    site.log_through_emit(max_bytes=MIB, backups=200)
    shipper = site.start()
    writers = [site.write(50_000) for _ in range(4)]

    for writer in writers:
        assert writer.wait() == 0
    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(60) == 0
    done = site.run("run", "--once", "--timeout", "120s", timeout=150)

    assert done.returncode == 0, done.stderr
    origins = site.origins()
    runs = {run for run, _seq in origins}
    assert len(runs) == 4
    assert origins == Counter((run, seq) for run in runs for seq in range(50_000))


def test_a_registry_deleted_by_hand_doubles_nothing(site: Site) -> None:
    """Without its registry the shipper reads everything again, and stores it once all the same."""
    site.log_through_emit(max_bytes=10 * MIB, backups=5)
    site.write(500).wait()
    (site.logs / "other.log").write_text("one plain line\nand another\n")
    assert site.run("run", "--once").returncode == 0
    for path in (site.folder / "var/shipper").glob("registry.db*"):
        path.unlink()

    assert site.run("run", "--once").returncode == 0

    assert site.count() == 502
    assert site.count("tags:not_json") == 2


def test_files_rotated_while_the_shipper_was_down_are_read(site: Site) -> None:
    """A chain of renames between two runs costs no record and doubles none."""
    site.log_through_emit(max_bytes=64 * 1024, backups=50)
    site.write(100).wait()
    assert site.run("run", "--once").returncode == 0

    site.write(3000).wait()
    assert site.run("run", "--once").returncode == 0

    assert (site.logs / "app.log.3").exists()
    assert site.origins() == Counter(site.written())


def test_an_error_in_two_files_is_stored_once(site: Site) -> None:
    """A record that stands in app.log and error.log has one origin and counts once."""
    site.log_through_emit(max_bytes=10 * MIB, backups=5)
    site.write(200).wait()

    assert site.run("run", "--once").returncode == 0

    assert len((site.logs / "error.log").read_text().splitlines()) == 10
    assert site.count("level:ERROR") == 10
    status = json.loads(site.run("status", "--json").stdout)
    assert status["counters"]["duplicates"] == 10


def test_anything_in_a_file_is_kept_and_spoils_no_neighbour(site: Site) -> None:
    """Lines that are no records are kept as text with a tag; the lines around them are whole."""
    good = '{{"timestamp":"2026-02-05T14:30:45.{:03d}Z","level":"INFO","message":"good"}}'
    odd = [
        b"plain text",
        b'{"half":',
        b"\xff\xfe\x00",
        b'{"a":' * 10_000,
        b"[1, 2]",
        b'{"timestamp":5,"status_code":"many","host":{"name":"mine"}}',
    ]
    lines = []
    for number, line in enumerate(odd):
        lines += [good.format(number).encode(), line]
    (site.logs / "odd.log").write_bytes(b"\n".join(lines) + b"\n")

    assert site.run("run", "--once").returncode == 0

    assert site.count("message:good") == len(odd)
    assert site.count() == 2 * len(odd)
    assert site.count("tags:*") >= len(odd) - 1
    found = list(
        documents(site.run("search", "host.name:mine OR extra.host.name:mine", "--json").stdout)
    )
    assert [doc["extra"]["host"] for doc in found] == [{"name": "mine"}]


def test_sigterm_flushes_and_ends_well(site: Site) -> None:
    """Told to stop, the shipper publishes what it has read, saves, and exits with 0."""
    site.log_through_emit(max_bytes=10 * MIB, backups=5)
    shipper = site.start()
    wait_until((site.folder / "var/shipper/status.json").exists)
    site.write(300).wait()
    wait_until(lambda: site.count() > 0)

    shipper.send_signal(signal.SIGTERM)

    assert shipper.wait(30) == 0
    assert site.run("run", "--once").returncode == 0
    assert site.origins() == Counter(site.written())


def test_a_second_shipper_on_the_same_data_folder_is_refused(site: Site) -> None:
    """Two shippers can't share a data folder: the second says who has it, and exits with 3."""
    shipper = site.start()
    wait_until((site.folder / "var/shipper/status.json").exists)

    done = site.run("run", "--once")

    assert done.returncode == 3
    assert str(shipper.pid) in done.stderr
    assert "data_dir" in done.stderr


@pytest.mark.parametrize("name", ["registry.db", "../index/main/000000000001.ndjson"])
def test_what_is_corrupt_is_named_and_left_alone(site: Site, name: str) -> None:
    """A damaged registry or index stops the shipper with place and remedy, and is not replaced."""
    site.log_through_emit(max_bytes=10 * MIB, backups=5)
    site.write(50).wait()
    assert site.run("run", "--once").returncode == 0
    path = site.folder / "var/shipper" / name
    for journal in path.parent.glob("registry.db-*"):
        journal.unlink()
    path.write_bytes(b"this was something else once" * 50)

    done = site.run("run", "--once")

    assert done.returncode == 3, done.stderr
    assert path.resolve().parent.name in done.stderr
    assert path.read_bytes() == b"this was something else once" * 50
