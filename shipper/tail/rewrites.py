"""
A file that is written anew with the bytes that it had: `backup > last.log`, each night the same.

Size and fingerprints are as before, only the time of change is not. That is so after a `touch` as
well; and for an instant while something is appended, as the kernel sets the time first. So the file
was written anew if, and only if, the time of change stays another while the size stays the same,
and nothing in its beginning bears a time (dated.py). A large file was touched: what is written anew
with the same bytes is the short report of a job.

The record has the time of change of the file that was read to its end, so what happens while no
shipper runs is found as well. What is written anew twice between two looks counts once: nobody can
see the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shipper.fingerprint import HEAD
from shipper.tail.dated import bears_time

if TYPE_CHECKING:
    from shipper.tail.harvester import Harvester

APPEND_SECONDS = 0.2  # an append has changed the size by then
MOST_BYTES = 64 << 10


class Rewrites:
    """What is suspected of one open file; `changed` is the time of its change (ns)."""

    def __init__(self) -> None:
        self.changed = 0
        self._suspected: tuple[int, float] | None = None

    @property
    def is_suspected(self) -> bool:
        """Return whether the file has to be looked at again."""
        return self._suspected is not None

    def note_read(self, harvester: Harvester) -> None:
        """Note in the record that the file was read to its end."""
        if not self._suspected:
            harvester.record.changed = self.changed

    def are_sure(self, harvester: Harvester, *, now: float, wall: int) -> bool:
        """
        Return whether a file was written anew with the same bytes; raises OSError.

        Call `is_same` of the harvester before. `now` is monotonic, `wall` in epoch milliseconds.
        """
        record, changed, size = harvester.record, self.changed, harvester.size
        is_as_it_was = changed == record.changed or not record.changed
        if harvester.content.fixed or is_as_it_was or not size or harvester.position != size:
            self._suspected = None
            return False
        if self._suspected is None or self._suspected[0] != changed:
            self._suspected = changed, now
        seconds = max(now - self._suspected[1], wall / 1000 - changed / 1e9)
        if seconds < APPEND_SECONDS:
            return False
        self._suspected = None
        record.changed = changed
        return size <= MOST_BYTES and not bears_time(harvester.content.read_at(HEAD, 0))
