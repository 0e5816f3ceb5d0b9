"""Limits of the kernel, and the clock."""

from __future__ import annotations

import resource
from pathlib import Path

import pytest

from shipper.check.finding import FindingLevel
from shipper.check.machine import Machine
from tests.check.checking import NOW, config_in, faults


def test_limits_of_the_kernel(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few watches cost speed, too few open files cost records."""
    settings = place / "settings"
    (settings / "inotify").mkdir(parents=True)
    (settings / "inotify/max_user_watches").write_text("0\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _limit: (8, 16))

    found = faults(config_in(place), Machine(clock=lambda: NOW, settings=settings))

    assert found == [
        ("inputs", FindingLevel.ERROR, "65 open files are needed, and 16 are allowed"),
        ("tail.watch", FindingLevel.WARNING, "1 folder to watch, and the kernel allows 0"),
    ]


@pytest.mark.parametrize(
    ("now", "severity", "fault"),
    [
        (0.0, FindingLevel.ERROR, "the clock was never set"),
        (NOW - 3600, FindingLevel.WARNING, "a log file was written 3600 s in the future"),
    ],
)
def test_a_clock_that_is_wrong(place: Path, now: float, severity: FindingLevel, fault: str) -> None:
    """A wrong clock is reported: times of records are compared with it."""
    assert faults(config_in(place), Machine(clock=lambda: now)) == [("clock", severity, fault)]
