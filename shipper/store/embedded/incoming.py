"""
Records to store: spliced ones in pieces, others as documents.

Most come in pieces, as enrichment spliced them (shipper/splice.py). A record in pieces is not
decoded again: the body has only known fields, well formed, and the tail was seen before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shipper import splice


@dataclass(frozen=True, slots=True)
class Documents:
    """Whole documents, with their ids, and their times in epoch milliseconds."""

    ids: Sequence[str]
    docs: Sequence[bytes]
    times: Sequence[int]

    def id(self, index: int) -> str:
        """Return the id of a record."""
        return self.ids[index]

    def document(self, index: int) -> bytes:
        """Return a record as a whole document."""
        return self.docs[index]


@dataclass(frozen=True, slots=True)
class Pieces:
    """
    Spliced documents, with their times in epoch milliseconds.

    `run` and `seq` are their ids. No body holds an object, or anything but known fields of their
    kinds.
    """

    bodies: Sequence[bytes]
    tails: Sequence[bytes]
    offsets: Sequence[int]
    times: Sequence[int]
    runs: Sequence[str]
    seqs: Sequence[int]

    def id(self, index: int) -> str:
        """Return the id of a record."""
        return f"{self.runs[index]}-{self.seqs[index]}"

    def document(self, index: int) -> bytes:
        """Return a record as a whole document."""
        return splice.document(self.bodies[index], self.tails[index], self.offsets[index])


Incoming = Documents | Pieces
