"""Data folder and index: what keeps the shipper from writing them, before it starts."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipper.check.finding import FindingLevel
from shipper.config.outputs import ConsoleOutput, EmbeddedOutput
from shipper.process.data_folder import hold
from tests.check.checking import as_nobody, config_in, faults, findings, write


def test_a_data_folder_that_others_may_read(place: Path) -> None:
    """The data folder must be readable by its owner only: dead letters contain log lines."""
    (place / "data").mkdir(mode=0o755)

    (found,) = faults(config_in(place))

    assert found[:2] == ("data_dir", FindingLevel.WARNING)
    assert "other users can read" in found[2]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user")
def test_a_data_folder_of_another_user(place: Path) -> None:
    """The shipper would refuse it. For root it may be that of a service, which it looks at."""
    (place / "data").mkdir()
    (place / "data").chmod(0o777)
    os.chown(place / "data", 1234, 1234)

    (found,) = faults(config_in(place))[:1]
    with as_nobody():
        (of_another,) = faults(config_in(place))[:1]

    assert found[:2] == ("data_dir", FindingLevel.WARNING)
    assert "belongs to user 1234" in found[2]
    assert of_another[:2] == ("data_dir", FindingLevel.ERROR)
    assert "belongs to user 1234" in of_another[2]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can close a folder to this test")
def test_a_data_folder_that_this_user_cannot_see(place: Path) -> None:
    """As that of a service with DynamicUser: nothing is said of the folders above, or of holds."""
    write(place / "logs/app.log")
    (place / "private/data").mkdir(parents=True)
    (place / "private").chmod(0o700)
    (place / "data").symlink_to(place / "private/data")

    findings(config_in(place))  # with what is imported only then, and not by everybody
    with as_nobody() as user:
        found = findings(config_in(place))

    faults_of_it = [each.fault for each in found if each.place == "data_dir"]
    assert faults_of_it == [f"user {user} may not enter the folder that has {place}/data"]
    assert ("holds", FindingLevel.OK) not in {(each.place, each.level) for each in found}


def test_folders_that_cannot_be_written(place: Path) -> None:
    """A folder without write access, or a file in its place, is an error."""
    write(place / "file")
    in_a_file = config_in(place, output=EmbeddedOutput(place / "file/index"))

    with as_nobody() as user:
        closed = faults(config_in(Path("/proc")))
        found = faults(in_a_file)

    assert ("data_dir", FindingLevel.ERROR, f"/proc cannot be written by user {user}") in closed
    assert ("output.embedded.path", FindingLevel.ERROR, f"{place}/file is not a folder") in found


def test_a_shipper_is_at_work(place: Path) -> None:
    """A running shipper is found by its lock, and not found any more once it stopped."""
    with hold(place / "data"):
        (found,) = faults(config_in(place))
    fault = (
        f"a shipper (process {os.getpid()}) is running on {place}/data; a second one will not start"
    )

    assert found == ("data_dir", FindingLevel.WARNING, fault)
    assert faults(config_in(place)) == []


def test_a_registry_that_is_damaged(place: Path) -> None:
    """An unreadable registry is reported with its remedy, and not changed."""
    (place / "data").mkdir(mode=0o700)
    write(place / "data/registry.db", b"no registry" * 1000)

    (found,) = faults(config_in(place))

    assert found[:2] == ("data_dir", FindingLevel.ERROR)
    assert "registry.db: cannot read the registry: file is not a database" in found[2]
    assert (place / "data/registry.db").read_bytes() == b"no registry" * 1000


def test_an_index_that_is_the_data_folder(place: Path) -> None:
    """The index must not be in the data folder."""
    config = config_in(place, output=EmbeddedOutput(place / "data", max_bytes=1))

    assert faults(config) == [("output.embedded.path", FindingLevel.ERROR, "is also the data_dir")]


def test_an_index_larger_than_the_disk(place: Path) -> None:
    """A maximum size beyond the disk is reported: the disk would fill before retention acts."""
    (found,) = faults(config_in(place, output=EmbeddedOutput(place / "index", max_bytes=2**60)))

    assert found[:2] == ("output.embedded.max_size", FindingLevel.WARNING)
    assert found[2].startswith("1048576.0 TiB is more than the disk has left (")


def test_an_index_that_cannot_be_opened(place: Path) -> None:
    """A damaged index is an error with the fault of the store, and a remedy."""
    part = place / "index/part-00000001"
    part.mkdir(parents=True)
    (part / "part.json").write_text("{")

    (found,) = faults(config_in(place))

    assert found[:2] == ("output.embedded.path", FindingLevel.ERROR)


def test_console_output(place: Path) -> None:
    """Standard output needs nothing; a file needs its folder."""
    there = config_in(place, output=ConsoleOutput("json", "-"))
    not_there = config_in(place, output=ConsoleOutput("json", str(place / "logs/app.log/out")))

    assert faults(there) == []
    assert faults(not_there) == [
        ("output.console.path", FindingLevel.ERROR, f"{place}/logs/app.log is not a folder")
    ]
