"""
Records to store: spliced ones in pieces, others as documents.

Most come in pieces, as enrichment spliced them (shipper/splice.py). A record in pieces is not
decoded again: the body has only known fields, well formed, and the tail was seen before. So
tantivy's JSON is the body after its time, and a few numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shipper import splice
from shipper.fields import FIELDS, FieldKind
from shipper.store.embedded.number_order import magnitude
from shipper.store.embedded.schema import magnitude_column

Presence = tuple[bool, bool, bool]  # which of the fields `envelope.WITHOUT_COLUMN` a record has


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
    kinds. `numbers` is what `numbers_of` makes.
    """

    bodies: Sequence[bytes]
    tails: Sequence[bytes]
    offsets: Sequence[int]
    times: Sequence[int]
    runs: Sequence[str]
    seqs: Sequence[int]
    presence: Sequence[Presence]
    numbers: Sequence[str]

    def id(self, index: int) -> str:
        """Return the id of a record."""
        return f"{self.runs[index]}-{self.seqs[index]}"

    def document(self, index: int) -> bytes:
        """Return a record as a whole document."""
        return splice.document(self.bodies[index], self.tails[index], self.offsets[index])


Incoming = Documents | Pieces

_COLUMNS: Final = {
    name: magnitude_column(name) for name, field in FIELDS.items() if field.kind is FieldKind.FLOAT
}


def numbers_of(ms: int, offset: int, **floats: float) -> str:
    """Return the JSON added to the body: time, offset, magnitudes of its numbers."""
    text = f',"_ms":{ms},"_offset":{offset}'
    for name, number in floats.items():
        text += f',"{_COLUMNS[name]}":{magnitude(number)}'
    return text
