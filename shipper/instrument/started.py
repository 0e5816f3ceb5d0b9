"""When the application started: kept in its folder by the first worker, for all that come later."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_NAME: Final = "started"


def note_start(folder: Path) -> None:
    """Write the time of the boot clock, unless another worker has."""
    beside = folder / f"{_NAME}.{os.getpid()}"
    beside.write_text(repr(time.monotonic()), encoding="ascii")
    with suppress(FileExistsError):
        os.link(beside, folder / _NAME)  # at once whole, and only the first
    beside.unlink()


def seconds_since_start(folder: Path) -> int:
    """Return the whole seconds since the first worker's start; 0 if nobody knows."""
    try:
        started = float((folder / _NAME).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0
    return max(0, int(time.monotonic() - started))
