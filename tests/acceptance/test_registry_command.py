"""`shipper registry`: what counts as delivered, shown and changed, beside a shipper or without."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.server import documents, wait_until

if TYPE_CHECKING:
    from tests.acceptance.server import Site


def fill(site: Site, *, plain: int = 50) -> None:
    """Write records of `emit` and plain lines, and ship them into several parts of an index."""
    site.log_through_emit(max_bytes=64 * 1024, backups=50)
    site.write(400).wait()
    (site.logs / "plain.log").write_text("".join(f"plain line {n}\n" for n in range(plain)))
    done = site.run("run", "--once", "--timeout", "60s")
    assert done.returncode == 0, done.stderr


def lose_the_index(site: Site) -> None:
    shutil.rmtree(site.folder / "var/index")


def without_holds(site: Site) -> None:
    site.config.write_text(site.config.read_text() + "holds: {enabled: false}\n")


def listed(site: Site) -> dict[str, dict[str, object]]:
    done = site.run("registry", "list", "--json")
    assert done.returncode == 0, done.stderr
    return {each["path"].rpartition("/")[2]: each for each in documents(done.stdout)}


def test_the_list_says_how_far_every_file_is(site: Site) -> None:
    """Every file is listed with identity, stream, offset, size and state; a gone one as gone."""
    without_holds(site)
    assert site.run("registry", "list").returncode == 3  # there is no registry yet
    fill(site)
    (site.logs / "plain.log").unlink()

    files = listed(site)

    app = (site.logs / "app.log").stat()
    assert files["app.log"]["offset"] == files["app.log"]["size"] == app.st_size
    assert (files["app.log"]["device"], files["app.log"]["inode"]) == (app.st_dev, app.st_ino)
    assert files["app.log"]["state"] == "current"
    assert (files["plain.log"]["state"], files["plain.log"]["size"]) == ("gone", None)
    assert "plain.log" in site.run("registry", "list").stdout


def test_a_reset_doubles_nothing(site: Site) -> None:
    """Files that are read again, while all of it is stored, leave every record stored once."""
    fill(site)

    done = site.run("registry", "reset", "logs/*")
    assert done.returncode == 0, done.stderr
    assert listed(site)["app.log"]["state"] == "again"
    assert site.run("run", "--once", "--timeout", "60s").returncode == 0

    assert site.count("tags:not_json") == 50
    assert Counter(site.origins_of_runs()) == Counter(site.written_by_emit())


@pytest.mark.slow
@pytest.mark.parametrize("running", [False, True], ids=["at rest", "running"])
def test_a_reset_brings_back_what_the_index_lost(site: Site, *, running: bool) -> None:
    """What the output lost is sent again from files that are reset, whatever was taken before."""
    fill(site)
    lose_the_index(site)
    shipper = site.start() if running else None
    if shipper:
        wait_until(lambda: site.run("status").returncode == 0, seconds=60)

    done = site.run("registry", "reset", "logs/*")
    assert done.returncode == 0, done.stderr
    assert "bytes) again" in done.stdout
    if shipper:
        wait_until(lambda: site.count("tags:not_json") == 50, seconds=60)
        shipper.terminate()
        assert shipper.wait(60) == 0
    assert site.run("run", "--once", "--timeout", "60s").returncode == 0

    assert site.count("tags:not_json") == 50
    assert Counter(site.origins_of_runs()) == Counter(site.written_by_emit())


def test_only_what_is_gone_is_forgotten(site: Site) -> None:
    """A file that is there is not forgotten, one that is gone is; the exit code tells."""
    without_holds(site)
    fill(site)
    (site.logs / "plain.log").unlink()

    done = site.run("registry", "forget", "logs/plain.log")
    kept = site.run("registry", "forget", "logs/app.log")

    assert done.returncode == 0, done.stderr
    assert (kept.returncode, "still exists" in kept.stderr) == (1, True)
    assert "plain.log" not in listed(site)
    assert "app.log" in listed(site)


def test_what_is_not_known_is_told(site: Site) -> None:
    """A path that the registry doesn't know, or that is gone, is told with what to do."""
    without_holds(site)
    fill(site)
    (site.logs / "plain.log").unlink()

    unknown = site.run("registry", "reset", "logs/other.log")
    gone = site.run("registry", "reset", "logs/plain.log")

    assert (unknown.returncode, gone.returncode) == (1, 1)
    assert "registry list" in unknown.stderr
    assert "is gone" in gone.stderr
    assert json.loads(site.run("registry", "list", "--json").stdout.splitlines()[0])


def test_what_is_held_can_be_read_again(site: Site) -> None:
    """A file that was deleted and is held is read again as any other."""
    fill(site)
    (site.logs / "plain.log").unlink()
    lose_the_index(site)
    assert (listed(site)["plain.log"]["state"], listed(site)["plain.log"]["size"]) == ("held", 690)

    done = site.run("registry", "reset", "logs/plain.log")
    assert done.returncode == 0, done.stderr
    assert site.run("run", "--once", "--timeout", "60s").returncode == 0

    assert site.count("tags:not_json") == 50
