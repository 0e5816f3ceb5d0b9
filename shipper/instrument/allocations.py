"""Where memory goes, on demand: differences between two snapshots of tracemalloc."""

from __future__ import annotations

import threading
import tracemalloc
from typing import Any, Final

MOST_PLACES: Final = 20


class Allocations:
    """Traces from the first question on, which costs time and memory until the process ends."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._before: tracemalloc.Snapshot | None = None

    def compare(self) -> dict[str, Any]:
        """Return what grew the most since the first question."""
        with self._lock:
            if not tracemalloc.is_tracing():
                tracemalloc.start()
            snapshot = tracemalloc.take_snapshot().filter_traces(
                [tracemalloc.Filter(inclusive=False, filename_pattern=tracemalloc.__file__)]
            )
            before = self._before
            if before is None:
                self._before = snapshot
                return {"status": "tracing began; ask again later", "differences": []}
        found = snapshot.compare_to(before, "lineno")[:MOST_PLACES]
        return {
            "status": "compared with the first snapshot",
            "differences": [
                {
                    "place": _place(each.traceback),
                    "bytes": each.size,
                    "bytes_more": each.size_diff,
                    "blocks_more": each.count_diff,
                }
                for each in found
            ],
        }


def _place(traceback: tracemalloc.Traceback) -> str:
    """Return module and line, without the folders above."""
    frame = traceback[0]
    return f"{'/'.join(frame.filename.split('/')[-2:])}:{frame.lineno}"
