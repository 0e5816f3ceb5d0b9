"""Tests of the fleet as a table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shipper.store.fleet import FileLag, HostBeat
from shipper.text import Paint
from shipper.view.fleet import FleetLimits, fleet_text, state_of

NOW = 1_770_292_800_000
LIMITS = FleetLimits(NOW, silent=60_000, behind=300_000)
WELL = HostBeat("web-1", NOW - 3000, NOW - 5000, "1.2.3", files=4)
PLAIN = Paint(on=False)


@pytest.mark.parametrize(
    ("beat", "state"),
    [
        (WELL, "well"),
        (replace(WELL, at=NOW - 60_000), "well"),
        (replace(WELL, at=NOW - 60_001), "silent"),
        (replace(WELL, at=NOW - 60_001, stopped=True), "stopped"),
        (replace(WELL, watermark=NOW - 300_001), "behind"),
        (replace(WELL, watermark=0), "behind"),
        (replace(WELL, at=NOW + 9000, watermark=NOW + 9000), "well"),
    ],
)
def test_a_host_has_one_state(beat: HostBeat, state: str) -> None:
    """Silence takes precedence over lag; an announced stop is not silence."""
    assert state_of(beat, LIMITS) == state


def test_a_host_that_is_behind_says_why() -> None:
    """Below the table are the files most behind, the dropped files, and the open audit."""
    lag = FileLag("logs/\x1bapp.log", 0, 100, 2148)
    behind = replace(
        WELL,
        host="web-2",
        watermark=0,
        behind_bytes=2048,
        furthest=(lag,),
        tombstones=2,
        audit_open=7,
    )

    lines = fleet_text([WELL, behind], LIMITS, PLAIN)

    assert lines[1].split() == [
        "web-1",
        "well",
        "3.0",
        "s",
        "ago",
        "5.0",
        "s",
        "ago",
        "0",
        "B",
        "4",
        "0",
        "1.2.3",
    ]
    assert "unknown" in lines[2]
    assert lines[3:] == [
        "web-2: logs/\\x1bapp.log is 2.0 KiB behind",
        "web-2: 2 files dropped before delivery",
        "web-2: the last audit could not account for 7 records",
    ]
