"""Tests of the state of the shipper as text and JSON."""

from __future__ import annotations

import json
from dataclasses import replace

from shipper.agent.status import Counters, FileStatus, HoldsStatus, Status
from shipper.check.finding import Finding, FindingLevel
from shipper.text import Paint
from shipper.view.findings import findings_text
from shipper.view.status import status_json, status_text

PLAIN = Paint(on=False)
NOW = 1_770_301_845_123  # 2026-02-05T14:30:45.123Z

RUNNING = Status(
    running=True,
    pid=42,
    started=NOW - 60_000,
    files=(
        FileStatus("logs/a.log", 2048, 1024, 1024, NOW - 1500, "behind"),
        FileStatus("\x1b[m.log", 10, 10, 0, None, "current"),
    ),
    counters=Counters(read_bytes=4096, events=1234, acked=1200, duplicates=30, dead_letters=4),
    events_per_second=20.04,
    bytes_per_second=2048.0,
    watermark=NOW - 1500,
    last_error="disk \x1b[1mfull",
)


def test_the_state_is_shown_from_file_to_index() -> None:
    """Files with offsets, counters, rates, how current the index is, the last error."""
    assert status_text(RUNNING, NOW, PLAIN) == [
        "running since 2026-02-05T14:29:45Z, process 42",
        "",
        "file           size   offset   behind  oldest unacked                        state",
        "logs/a.log  2.0 KiB  1.0 KiB  1.0 KiB  2026-02-05T14:30:43.623Z (1.5 s ago)  behind",
        r"\x1b[m.log     10 B     10 B      0 B  -                                     current",
        "",
        "1,234 events read (4.0 KiB), 1,200 acked, 30 duplicates dropped, 4 dead letters",
        "20.0 events/s, 2.0 KiB/s",
        "searchable up to 2026-02-05T14:30:43.623Z (1.5 s ago)",
        r"last error: disk \x1b[1mfull",
    ]


def test_held_files_are_shown_if_only_the_hold_keeps_them() -> None:
    """Holds of existing files cost nothing and are not shown; deleted and dropped files are."""
    quiet = replace(RUNNING, holds=HoldsStatus(files=3, bytes=900))
    assert status_text(quiet, NOW, PLAIN) == status_text(RUNNING, NOW, PLAIN)
    loud = replace(RUNNING, holds=HoldsStatus(3, 900, 2, 600, 50, 1))
    assert status_text(loud, NOW, PLAIN)[5:9] == [
        "",
        "deleted, held until delivered: 2 files, 600 B",
        "not held, lost if deleted while no shipper runs: 1 file; see shipper check",
        "dropped undelivered, as holds.max_bytes was exceeded: 50 B",
    ]


def test_a_shipper_that_never_ran_shows_no_numbers() -> None:
    """No zeros that look like measurements."""
    never = Status(
        running=False,
        pid=None,
        started=None,
        files=(),
        counters=Counters(),
        events_per_second=0.0,
        bytes_per_second=0.0,
        watermark=None,
        last_error=None,
    )

    assert status_text(never, NOW, PLAIN) == ["no shipper is running", "no input file found yet"]


def test_json_has_everything() -> None:
    """A program reads bytes and epoch milliseconds, under the names of the dataclass."""
    document = json.loads(status_json(RUNNING))

    assert document["files"][0]["behind"] == 1024
    assert document["counters"]["dead_letters"] == 4
    assert document["watermark"] == NOW - 1500


def test_findings_end_with_the_totals() -> None:
    """Each finding has its place and remedy; the last line counts what is wrong."""
    findings = [
        Finding("data_dir", FindingLevel.OK, "can be written"),
        Finding("inputs[0]", FindingLevel.WARNING, "matches \x1b[m nothing", "correct the path"),
        Finding("clock", FindingLevel.ERROR, "was never set", "set it"),
        Finding("x", FindingLevel.ERROR, "y", "z"),
    ]

    assert findings_text(findings, PLAIN) == [
        "ok       data_dir: can be written",
        r"warning  inputs[0]: matches \x1b[m nothing; correct the path",
        "error    clock: was never set; set it",
        "error    x: y; z",
        "2 errors, 1 warning",
    ]
    assert findings_text(findings[:1], PLAIN)[-1] == "no problems found"
