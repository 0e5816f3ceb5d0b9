"""The deep audit reads the files: it finds what no receipt says."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.test_audit import LINE, RUN, audit, ship, take_away, write

if TYPE_CHECKING:
    from tests.acceptance.server import Site


@pytest.fixture
def shipped(site: Site) -> Site:
    write(site.logs / "app.log", *range(60))
    (site.logs / "banner.log").write_text("=== up ===\n\n" + "".join(f"n {n}\n" for n in range(40)))
    (site.logs / "dated.log").write_text(
        "".join(f"2026-02-05 10:00:{n:02} line {n}\n" for n in range(50)) + "half"
    )
    ship(site)
    return site


def forget_receipts(site: Site) -> None:
    """Leave the account of the shipper empty, as if it had never read anything."""
    with closing(sqlite3.connect(site.folder / "var/shipper/registry.db")) as db:
        db.execute("DELETE FROM receipts")
        db.commit()


def test_everything_is_stored(shipped: Site) -> None:
    """Every line of every file is looked up."""
    code, told = audit(shipped, "--deep")
    assert (code, told["deep"]["files"], told["deep"]["lines"]) == (0, 3, 151)
    assert not told["deep"]["missing"]
    done = shipped.run("audit", "--deep")
    assert "151 lines of 3 files compared: 0 not stored" in done.stdout


def test_what_no_receipt_says(shipped: Site) -> None:
    """Lines that are acked and not stored are found in the files, whatever the account says."""
    take_away(shipped, seq=(7, 9), _position=(0, 20))
    forget_receipts(shipped)
    assert audit(shipped)[0] == 0

    code, told = audit(shipped, "--deep", "--wait", "1s")

    assert (code, told["closes"]) == (1, False)
    missing = {each["path"].rpartition("/")[2]: each for each in told["deep"]["missing"]}
    assert {name: each["count"] for name, each in missing.items()} == {
        "app.log": 3,
        "banner.log": 4,
        "dated.log": 1,
    }
    assert missing["dated.log"]["start"] == 0
    assert "not stored: 3 lines of" in shipped.run("audit", "--deep", "--wait", "1s").stdout


def test_two_records_with_one_origin(site: Site) -> None:
    """An application that claims numbers of another takes none away: both are stored, and once."""
    write(site.logs / "a.log", 0, 1)
    ship(site)
    (site.logs / "b.log").write_text(f'{{"run":"{RUN}","seq":2,"message":"nothing to see"}}\n')
    ship(site)
    write(site.logs / "a.log", 2)
    ship(site)
    code, told = audit(site)
    assert (code, told["indexed"], told["doubled"]) == (0, 4, [])
    assert site.count("tags:same_origin") == 1

    code, told = audit(site, "--deep")

    assert (code, told["deep"]["missing"], told["deep"]["conflicts"]) == (0, [], [])


def test_one_of_two_records_with_one_origin_is_lost(site: Site) -> None:
    """The deep audit tells which of the two is stored, though its file is not the first."""
    write(site.logs / "b.log", 2)
    ship(site)
    (site.logs / "a.log").write_text(f'{{"run":"{RUN}","seq":2,"message":"nothing to see"}}\n')
    ship(site)
    assert audit(site, "--deep")[0] == 0
    take_away(site, _position=(0, 20))

    code, told = audit(site, "--deep", "--wait", "1s")

    assert (code, told["deep"]["conflicts"]) == (1, [f"{RUN}-2"])


def test_a_process_image_that_is_restored(site: Site) -> None:
    """It goes on with numbers that were used: nothing is lost, also when the shipper crashes."""
    write(site.logs / "a.log", *range(50))
    ship(site)
    with (site.logs / "a.log").open("a") as file:
        for seq in range(40, 60):
            line = LINE.format(seq, RUN, seq).replace('"m"', '"restored"')
            file.write(line)
    registry = site.folder / "var/shipper/registry.db"
    saved = registry.read_bytes()
    ship(site)
    assert site.count("message:restored") == 20
    assert (site.count("tags:same_origin"), site.count()) == (10, 70)

    registry.write_bytes(saved)  # as if a crash had come before the save
    for each in site.folder.glob("var/shipper/registry.db-*"):
        each.unlink()
    ship(site)

    assert (site.count("message:restored"), site.count()) == (20, 70)
    assert audit(site, "--deep")[0] == 0


def test_rotated_and_compressed(site: Site) -> None:
    """Files are compared under whichever name they have now."""
    site.log_through_emit(max_bytes=16 * 1024, backups=50)
    site.write(500).wait()
    ship(site)
    code, told = audit(site, "--deep")
    assert code == 0
    assert told["deep"]["lines"] >= 500  # an ERROR stands in two files
    assert told["deep"]["files"] > 2
