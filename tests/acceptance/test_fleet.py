"""Heartbeats and the fleet as an operator sees them, with real shippers."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from shipper.enrich.clock import parse
from shipper.times import iso
from tests.acceptance.server import documents, kill, wait_until

if TYPE_CHECKING:
    from tests.acceptance.server import Site

LINE = '{{"timestamp":"{}","level":"INFO","logger":"a.b","message":"written {}"}}\n'


def fleet(site: Site, *options: str) -> tuple[int, list[dict[str, Any]]]:
    done = site.run("fleet", "--json", *options)
    return done.returncode, list(documents(done.stdout))


def beats(site: Site) -> list[dict[str, Any]]:
    query = "event.dataset:orchestrator.heartbeat"
    done = site.run("search", query, "--json", "--sort", "asc", "--limit", "100000")
    return list(documents(done.stdout))


def test_a_shipper_tells_how_far_it_is(site: Site) -> None:
    """While it runs, heartbeats arrive with a watermark that goes on, and fleet calls it well."""
    site.config.write_text(f"{site.config.read_text()}heartbeat: {{every: 200ms}}\n")
    site.log_through_emit(max_bytes=1 << 20, backups=5)
    shipper = site.start()
    wait_until((site.folder / "var/shipper/status.json").exists)
    site.write(100).wait()
    wait_until(lambda: site.count() == 100)
    wait_until(lambda: len(beats(site)) > 5)

    code, (host,) = fleet(site)

    assert (code, host["state"], host["files"], host["behind_bytes"]) == (0, "well", 2, 0)
    marks = [beat["extra"]["heartbeat"]["watermark"] for beat in beats(site)]
    assert marks == sorted(marks)
    assert marks[0] < marks[-1]
    assert site.count() == 100
    shipper.send_signal(signal.SIGTERM)
    assert shipper.wait(30) == 0
    code, (host,) = fleet(site, "--silent", "1ms")
    assert (code, host["state"]) == (1, "stopped")


def test_a_run_that_ends_tells_that_all_is_there(site: Site) -> None:
    """After `run --once` the watermark is past every record, and status counts the records."""
    site.log_through_emit(max_bytes=1 << 20, backups=5)
    site.write(100).wait()
    before = os.stat(site.logs / "app.log").st_mtime * 1000

    assert site.run("run", "--once").returncode == 0

    (host,) = fleet(site)[1]
    assert host["stopped"]
    assert host["watermark"] > before - 1000
    counters = json.loads(site.run("status", "--json").stdout)["counters"]
    assert counters["acked"] == 100


def test_a_fleet_without_anybody_is_not_well(site: Site) -> None:
    """Without any heartbeat, `fleet` exits with 1."""
    site.config.write_text(f"{site.config.read_text()}heartbeat: {{enabled: false}}\n")
    (site.logs / "app.log").write_text(LINE.format("2026-02-05T12:00:00.000Z", 1))
    assert site.run("run", "--once").returncode == 0

    assert fleet(site) == (1, [])
    assert beats(site) == []
    assert "no shipper has sent a heartbeat" in site.run("fleet").stdout


def test_a_kill_between_commit_and_save_leaves_no_gap(site: Site) -> None:
    """Heartbeats that the index holds after a crash are not taken for records of the files."""
    site.config.write_text(f"{site.config.read_text()}heartbeat: {{every: 100ms}}\n")
    site.log_through_emit(max_bytes=1 << 20, backups=5)
    shipper = site.start()
    wait_until((site.folder / "var/shipper/status.json").exists)
    site.write(50).wait()
    wait_until(lambda: site.count() == 50)
    wait_until(lambda: len(beats(site)) > 20)
    shipper.kill()
    shipper.wait()

    again = site.run("run", "--once")

    assert again.returncode == 0
    assert "records were stored before the last stop" not in again.stderr


@pytest.mark.slow
def test_what_a_watermark_claims_is_there(site: Site) -> None:
    """Whenever a watermark is read, every record older than it can be found, kills or not."""
    site.config.write_text(f"{site.config.read_text()}heartbeat: {{every: 200ms}}\n")
    site.log_through_emit(max_bytes=64 * 1024, backups=200)
    shipper = site.start()
    writers = [site.write(10_000, pause_every=10) for _ in range(2)]
    wait_until(lambda: fleet(site)[1] != [], seconds=60)
    claims: list[tuple[int, int]] = []
    while any(writer.poll() is None for writer in writers):
        watermark = fleet(site)[1][0]["watermark"]
        claims.append((watermark, site.count(f'@timestamp:<"{iso(watermark)}"')))
        if len(claims) % 3 == 0:
            kill(shipper)
            shipper = site.start()
    kill(shipper)

    times = {}
    for path in site.logs.iterdir():
        for line in path.read_bytes().splitlines():
            record = json.loads(line)
            times[record["run"], record["seq"]] = parse(record["timestamp"])
    assert len(claims) > 3
    for watermark, found in claims:
        assert found == sum(at < watermark for at in times.values() if at is not None)
