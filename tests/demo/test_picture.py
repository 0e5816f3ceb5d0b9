"""The picture of the demo."""

from __future__ import annotations

import io

from rich.console import Console

from shipper.agent.status import Counters, FileStatus, Status
from shipper.demo.picture import Picture, Place, picture_line, render
from shipper.store.api import Hit

NOW = 1_770_301_845_123  # 2026-02-05T14:30:45.123Z

ERROR = {
    "level": "ERROR",
    "logger": "automation_orchestrator.workflows",
    "error_type": "ActionTimeoutError",
    "message": "Workflow execution failed [bold]\x1b[2J[/bold] after 30 s of waiting for the CRM",
    "workflow_id": "workflow_invoice_import",
}

PICTURE = Picture(
    elapsed=72.4,
    now=NOW,
    total=12_345,
    per_second=[0, 10, 20, 40, 80, 60, 40],
    datasets={"access": 8000, "workflow": 4000, "app": 345},
    levels={"INFO": 12_000, "WARNING": 300, "ERROR": 40, "CRITICAL": 5},
    error_types={f"ActionTimeoutError{number}": 30 - number for number in range(9)},
    errors=[Hit(f"run-{number}", NOW - number * 1500, ERROR) for number in range(5)],
    status=Status(
        running=True,
        pid=42,
        started=NOW - 72_000,
        files=(FileStatus("logs/app.log", 2048, 1024, 1024, NOW - 300, "behind"),),
        counters=Counters(read_bytes=5_000_000, events=12_400, acked=12_345),
        events_per_second=47.0,
        bytes_per_second=15_000.0,
        watermark=NOW - 300,
        last_error=None,
    ),
)

PLACE = Place(
    "http://127.0.0.1:8000", 20.0, [".venv/bin/shipper search 'level:ERROR' --since 5m"] * 3
)


def drawn(picture: Picture, *, width: int = 80) -> list[str]:
    output = io.StringIO()
    Console(file=output, width=width, color_system=None).print(render(picture, PLACE))
    return output.getvalue().splitlines()


def test_the_picture_fits_a_terminal_of_80_by_24() -> None:
    """The picture fits the terminal; a larger one would flicker or hide its end."""
    lines = drawn(PICTURE)

    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80


def test_the_picture_tells_what_arrives_and_what_to_type() -> None:
    """Numbers, the last errors, how far the shipper is, and the command for a second terminal."""
    text = "\n".join(drawn(PICTURE, width=120))

    for expected in (
        "http://127.0.0.1:8000",
        "12,345",
        "1.0 KiB behind",
        "0.3 s ago",
        "ActionTimeoutError",
        "Workflow execution failed",
        ".venv/bin/shipper search 'level:ERROR' --since 5m",
    ):
        assert expected in text


def test_a_record_cannot_draw_on_the_picture() -> None:
    """Escapes and the markup of rich have no effect in a message."""
    text = "\n".join(drawn(PICTURE, width=200))

    assert r"[bold]\x1b[2J[/bold]" in text
    assert "\x1b" not in text


def test_before_anything_arrived_there_is_a_picture_too() -> None:
    """The first picture comes before the first record."""
    empty = Picture(0.1, NOW, 0, [], {}, {}, {}, [], PICTURE.status)

    assert drawn(empty)
    assert picture_line(empty) == "0 s: 0 records (none yet), 0/s, 0 errors, 1.0 KiB behind"


def test_without_a_terminal_a_picture_is_a_line() -> None:
    """Without a terminal, a picture is one readable line."""
    assert picture_line(PICTURE) == (
        "72 s: 12,345 records (access 8,000, workflow 4,000, app 345), 48/s, 45 errors, "
        "1.0 KiB behind"
    )
