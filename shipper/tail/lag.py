"""How far one file was read and acked, and since when nothing of it was left."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Lag:
    """
    One open file: bytes read, acked and there in all; `head` is the beginning of what is not read.

    `current_at` (epoch ms): all that was written before it has been read; 0 where that was never
    so. `waits` says that what is left is a line whose end has not come for a while.
    """

    path: str
    read: int
    acked: int
    size: int
    current_at: int
    head: bytes = b""
    waits: bool = False

    @property
    def is_current(self) -> bool:
        """Return whether nothing is left to read but, perhaps, a line that nobody ends."""
        return self.waits or self.read >= self.size
