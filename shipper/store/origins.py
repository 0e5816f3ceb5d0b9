"""
Origins of stored records, for the audit.

An origin is a stream and a position in it: `run` and `seq` of a record that `emit` wrote, or the
stream of a file and the byte offset of a line without them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shipper.store.api import Store


@dataclass(frozen=True, slots=True)
class OriginRange:
    """Positions `first` to `last` of a stream; `own`: it is a run of `emit`, not a file."""

    stream: str
    first: int
    last: int
    own: bool


class OriginStore(Store, Protocol):
    """A store that knows the origins of its records; it raises as `Store` does."""

    def positions(self, ranges: Sequence[OriginRange]) -> Iterator[Sequence[int]]:
        """
        Yield the stored positions of each range, in order, once for every copy that is stored.

        A record that is stored as text has no `run` and `seq` and is not among them.
        """

    def retained_after(self) -> int:
        """Return the last commit of which retention dropped records; 0 if it dropped none."""

    def remove_doubles(self, ids: Sequence[str]) -> int:
        """
        Keep one copy of each of these records; return how many copies were removed.

        Raises:
            QueryError: this store cannot remove copies.
        """
