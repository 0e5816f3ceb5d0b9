"""
Where the stored records come from: what the audit asks of a store.

An origin is a stream and a position: `run` and `seq` of a record that `emit` wrote, or the stream
of a file and the byte at which a foreign line begins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from shipper.store.api import Store


@dataclass(frozen=True, slots=True)
class OriginRange:
    """Positions `first` to `last` of a stream; `own` says that it is a run, else that of a file."""

    stream: str
    first: int
    last: int
    own: bool


class OriginStore(Store, Protocol):
    """A store that can say which origins it holds; it raises as `Store` does."""

    def positions(self, spans: Sequence[OriginRange]) -> Iterator[Sequence[int]]:
        """
        Give for each span the positions that are stored, in order, each as often as it is.

        A record of a run that is stored wrapped has no `run` and `seq`, and is not among them.
        """

    def retained_after(self) -> int:
        """Give the last commit of which retention dropped records; 0 if it dropped none."""

    def remove_doubles(self, ids: Sequence[str]) -> int:
        """
        Leave one copy of each of these records; give how many copies were removed.

        Raises:
            QueryError: this store can't; the message says what to do.

        """
