"""
Tombstones: what was dropped undelivered, on purpose.

A held file is dropped when the holds take more bytes than they may. Its tombstone is saved in one
transaction with the drop of its record, before it is unlinked: so what is missing then is said, and
nothing that is said is there. What was read of it is still on its way, and may arrive: the
tombstone begins at the acked offset, and shrinks with every ack that comes.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from shipper.registry.records import Tombstone

if TYPE_CHECKING:
    from shipper.tail.harvester import Harvester

log = logging.getLogger(__name__)

COUNTED_BYTES = 64 << 20  # in more than this the lines are not counted: it would take too long
PIECE = 1 << 20


class DroppedFiles:
    """The files that were dropped since the start; used by one thread."""

    def __init__(self) -> None:
        self._stones: dict[int, Tombstone] = {}  # of which something is on its way
        self._unread: dict[int, tuple[int, int | None]] = {}  # first unread byte, lines from there
        self._changed: dict[int, Tombstone] = {}

    def add(self, harvester: Harvester, reason: str, wall: int) -> None:
        """Note that what is not acked of a file is lost, if there is anything."""
        record, start, end = harvester.record, harvester.record.offset, harvester.size
        if start >= end:
            return
        unread = max(harvester.position, start)
        lines = _count(harvester, unread, end)
        stone = Tombstone(
            record.id,
            record.path,
            record.stream,
            start,
            end,
            _count(harvester, start, end),
            wall,
            reason,
        )
        self._changed[record.id] = stone
        if start < unread:
            self._stones[record.id] = stone
            self._unread[record.id] = unread, lines
        log.error(
            "%s was dropped with %d bytes that were not delivered: %s",
            record.path,
            end - start,
            reason,
        )

    def ack(self, file: int, offset: int) -> None:
        """Take what has arrived after all out of a tombstone."""
        stone = self._stones.get(file)
        if stone is None or offset <= stone.start:
            return
        unread, lines = self._unread[file]
        is_all = offset >= unread
        stone = replace(stone, start=min(offset, unread), lines=lines if is_all else None)
        self._changed[file] = self._stones[file] = stone
        if is_all:
            del self._stones[file], self._unread[file]

    def take(self) -> list[Tombstone]:
        """Return the tombstones that are new or have changed since the last call."""
        changed, self._changed = self._changed, {}
        return [*changed.values()]


def _count(harvester: Harvester, start: int, end: int) -> int | None:
    """Count the lines of a part of a file; None if it is too long, or cannot be read."""
    if end - start > COUNTED_BYTES:
        return None
    count, last = 0, b"\n"
    try:
        while start < end and (data := harvester.content.read_at(min(PIECE, end - start), start)):
            count += data.count(b"\n")
            start += len(data)
            last = data[-1:]
    except OSError:
        return None
    return count + (last != b"\n")
