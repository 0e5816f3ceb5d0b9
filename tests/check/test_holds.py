"""Holds: every reason why a file cannot be held is found before the file is rotated."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.check.finding import FindingLevel
from shipper.check.machine import Machine
from shipper.config.inputs import HoldsOptions
from tests.check.checking import NOW, as_nobody, config_in, holds_of


def test_files_that_can_be_held(place: Path) -> None:
    """The findings say that every file can be held, or what is lost without holds."""
    config = config_in(place)
    fault = "rotated files are kept until they are delivered, up to 1.0 GiB"
    assert holds_of(config) == [(FindingLevel.OK, fault)]
    off = replace(config, holds=HoldsOptions(enabled=False))
    fault = "files that are deleted while no shipper is running are lost"
    assert holds_of(off) == [(FindingLevel.WARNING, fault)]


def test_logs_on_another_file_system_cannot_be_held(place: Path) -> None:
    """A hard link works within one file system only."""
    folder = Path("/dev/shm") / place.name
    assert folder.parent.stat().st_dev != place.stat().st_dev
    config = replace(config_in(place), data_dir=folder)
    ((severity, fault),) = holds_of(config)
    assert severity is FindingLevel.WARNING
    assert fault == f"{place}/logs/app.log: on another file system than data_dir"


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
