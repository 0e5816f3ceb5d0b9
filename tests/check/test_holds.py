"""Holds: every reason why a file cannot be held is found before the file is rotated."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.agent.status import Counters, Rates, write_snapshot
from shipper.check import holds
from shipper.check.finding import FindingLevel
from shipper.check.machine import Machine
from shipper.config.inputs import HoldsOptions
from shipper.process.data_folder import hold
from tests.check.checking import NOW, as_nobody, config_in, faults, holds_of


def test_files_that_can_be_held(place: Path) -> None:
    """The findings say that every file can be held, or what is lost without holds."""
    config = config_in(place)
    fault = "rotated files are kept until they are delivered, up to 1.0 GiB"
    assert holds_of(config) == [(FindingLevel.OK, fault)]
    off = replace(config, holds=HoldsOptions(enabled=False))
    fault = "files that are deleted while no shipper is running are lost"
    assert holds_of(off) == [(FindingLevel.WARNING, fault)]


def test_a_data_folder_of_another_user_is_a_finding(place: Path) -> None:
    """Who may not look into the data folder gets the findings of all checks, not an error."""
    config = config_in(place)
    config.data_dir.mkdir(mode=0)
    with as_nobody():
        found = faults(config)

    assert "data_dir" in {place for place, _level, _fault in found}


def test_logs_on_another_file_system_cannot_be_held(place: Path) -> None:
    """A hard link works within one file system only."""
    folder = Path("/dev/shm") / place.name
    assert folder.parent.stat().st_dev != place.stat().st_dev
    config = replace(config_in(place), data_dir=folder)
    ((severity, fault),) = holds_of(config)
    assert severity is FindingLevel.WARNING
    assert fault == f"{place}/logs/app.log: on another file system or mount than data_dir"


def test_a_link_is_tried(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel says whether a link can be made; the trial leaves nothing behind."""
    codes = iter([errno.EXDEV, errno.EPERM, errno.EMLINK])

    def refuse(*_: object) -> None:
        code = next(codes)
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(holds, "link_to", refuse)
    found = [holds_of(config_in(place)) for _ in range(3)]

    assert ["another file system or mount" in fault for ((_, fault),) in found] == [1, 0, 0]
    assert ["owned by another user" in fault for ((_, fault),) in found] == [0, 1, 0]
    assert ["Too many links" in fault for ((_, fault),) in found] == [0, 0, 1]
    assert sorted(os.listdir(place)) == ["logs"]


def test_what_the_running_shipper_could_not_hold(place: Path) -> None:
    """It may run as another user or in another mount than this check: its count is shown."""
    with hold(place / "data"):
        snapshot = Rates().snapshot(1, 1, Counters(), None)
        snapshot.not_held = 2
        write_snapshot(place / "data/status.json", snapshot)
        assert holds_of(config_in(place)) == [
            (FindingLevel.WARNING, "2 files of the running shipper could not be held")
        ]


def test_files_of_others_cannot_be_held(place: Path) -> None:
    """The kernel refuses links to files of others without write access."""
    (place / "settings").mkdir()
    setting = place / "settings/protected_hardlinks"
    machine = Machine(lambda: NOW, place / "settings")
    with as_nobody() as user:
        for value, expected in (("0", FindingLevel.OK), ("1", FindingLevel.WARNING)):
            if os.geteuid() != 0:
                os.seteuid(0)
            setting.write_text(value)
            os.seteuid(user)
            assert [severity for severity, _told in holds_of(config_in(place), machine)] == [
                expected
            ]


@pytest.mark.parametrize(
    ("settings", "severity"),
    [
        ("daily", FindingLevel.WARNING),
        ("daily\n  noallowhardlink", FindingLevel.WARNING),
        ("daily\n  allowhardlink", FindingLevel.OK),
    ],
)
def test_logrotate_leaves_held_files_alone(
    place: Path, settings: str, severity: FindingLevel
) -> None:
    """Logrotate skips files with two names; that is reported before the disk is full."""
    (place / "logrotate.d").mkdir()
    text = f'weekly\n"{place}/logs/*.log" /var/log/other.log {{\n  {settings}\n}}\n'
    (place / "logrotate.d/app").write_text(text)
    machine = Machine(lambda: NOW, logrotate=place / "logrotate.d")
    assert [found for found, _told in holds_of(config_in(place), machine)] == [severity]
