"""How the files are, for an operator to read and for the metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from shipper.tail.tailer import Tailer


def totals(tailer: Tailer) -> tuple[int, int, int]:
    """Count open files, their bytes that are not acked, and those of files that are gone."""
    behind = held = count = 0
    for harvester in tailer.harvesters():
        left = max(harvester.size - harvester.record.offset, 0)
        behind += left
        held += left if harvester.missing else 0
        count += 1
    behind += sum(lag.size - lag.acked for lag in tailer.scanner.waiting() if lag.size > lag.acked)
    return count, behind, held


def state(tailer: Tailer) -> Iterator[str]:
    """Yield a line for every file that says how far it is."""
    shown = set()
    for harvester in tailer.harvesters():
        record = harvester.record
        shown.add(record.id)
        yield (
            f"open: {harvester.path}, size {harvester.size}, read {harvester.position}, acked"
            f" {record.offset}, missing {harvester.missing}"
        )
    for record in tailer.records():
        if record.id not in shown:
            yield f"closed: {record.path}, acked {record.offset}"
    for lag in tailer.scanner.waiting():
        yield f"waits to be opened: {lag.path}, size {lag.size}, acked {lag.acked}"
    for path in tailer.unreadable():
        yield f"cannot be read: {path}"


def acked_by_path(tailer: Tailer) -> dict[str, int]:
    """Return the acked bytes of every file."""
    return {record.path: record.offset for record in tailer.records()}
