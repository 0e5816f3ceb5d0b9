"""A data folder from an old backup: told, sent again, nothing skipped, nothing doubled."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.server import documents
from tests.servers.elasticsearch_scripted import Streams, scripted_server

if TYPE_CHECKING:
    from tests.acceptance.server import Site

pytestmark = pytest.mark.slow

TOLD = "a copy or an old backup"
INDEX = "output:\n  embedded: {path: var/index}\n"


def ship(site: Site) -> str:
    done = site.run("run", "--once", "--timeout", "60s")
    assert done.returncode == 0, done.stderr
    return done.stderr


def restore(site: Site, name: str) -> None:
    """Put a folder of var/ back as it was when `save` was called; the newer one is set aside."""
    (site.folder / "var" / name).rename(site.folder / "aside")
    shutil.copytree(site.folder / "backup" / name, site.folder / "var" / name)


def save(site: Site, name: str) -> None:
    shutil.copytree(site.folder / "var" / name, site.folder / "backup" / name)


def history(site: Site, name: str) -> None:
    """Ship, make a backup, go on through rotations, then put the backup back."""
    site.log_through_emit(max_bytes=32 * 1024, backups=50)
    (site.logs / "plain.log").write_text("one\n")
    site.write(200).wait()
    assert TOLD not in ship(site)
    save(site, name)
    site.write(600).wait()
    with (site.logs / "plain.log").open("a") as file:
        file.write("two\n")
    assert TOLD not in ship(site)
    restore(site, name)
    site.write(100).wait()
    with (site.logs / "plain.log").open("a") as file:
        file.write("three\n")


def test_an_old_data_folder_with_the_index(site: Site) -> None:
    """With the embedded store, all that is read again is dropped, and what is new is stored."""
    history(site, "shipper")

    assert TOLD in ship(site)
    assert TOLD not in ship(site)

    assert Counter(site.origins_of_runs()) == Counter(site.written_by_emit())
    assert site.count("tags:not_json") == 3


def test_an_old_data_folder_with_elasticsearch(site: Site) -> None:
    """With Elasticsearch, what is read again is refused by its `_id`, and nothing is skipped."""
    streams = Streams()
    with scripted_server(streams) as server:
        elastic = f"output:\n  elasticsearch: {{hosts: ['{server.url}']}}\n"
        site.config.write_text(site.config.read_text().replace(INDEX, elastic))
        history(site, "shipper")

        told = ship(site)

    assert TOLD in told
    assert "cannot link" not in told
    held = [doc for doc in streams.held.values() if "heartbeat" not in json.dumps(doc)]
    stored = {(doc["run"], doc["seq"]) for doc in held if "seq" in doc}
    assert stored == site.written_by_emit()
    assert sorted(doc["message"] for doc in held if "seq" not in doc) == ["one", "three", "two"]


def test_an_old_index(site: Site) -> None:
    """An index that is older than the registry is told, and a reset brings back what it lost."""
    history(site, "index")

    assert "replaced or restored" in ship(site)
    assert len(site.origins_of_runs()) < len(site.written_by_emit())
    assert site.run("registry", "reset", "logs/*").returncode == 0
    ship(site)

    assert Counter(site.origins_of_runs()) == Counter(site.written_by_emit())
    found = documents(site.run("search", "tags:not_json", "--json").stdout)
    assert sorted(doc["message"] for doc in found) == ["one", "three", "two"]


def test_a_clock_that_jumps(site: Site) -> None:
    """A wall clock that is years off, either way, between two runs costs and doubles nothing."""
    site.log_through_emit(max_bytes=32 * 1024, backups=50)
    text = site.config.read_text()  # retention goes by the clock, and has to
    site.config.write_text(text.replace("var/index}", "var/index, keep: 2000w}"))
    for jump in (0, 5, -5, 5, 0):
        site.write(100).wait()
        done = site.run_at(jump, "run", "--once", "--timeout", "60s")
        assert done.returncode == 0, done.stderr

    assert site.origins() == Counter(site.written())
