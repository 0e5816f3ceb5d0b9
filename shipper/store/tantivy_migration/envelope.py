r"""
Envelopes: what the objects of a document hold, one per combination and part.

The objects that enrichment adds (host, service, event …) differ little between records. Each
combination has a number in its part, and records keep only that. The combination itself is a
term `<number>\t<json>` of the first record that had it, so it becomes durable in the same commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from shipper.fields import HEARTBEAT

if TYPE_CHECKING:
    import tantivy

# Fields without a fast column: the envelope says whether a record has them.
HAS: Final = "_has"
WITHOUT_COLUMN: Final = ("message", "exc_info", "request_id")

MAX_BYTES: Final = 60_000  # a term has to hold it

Leaf = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Envelope:
    """One combination: the objects as they were, and their values by dotted path."""

    number: int
    objects: Mapping[str, Any]
    leaves: Mapping[str, tuple[Leaf, ...]]

    def values(self, path: str) -> Sequence[str | int | float]:
        """Return the different values at a path, booleans as they are written."""
        found = self.leaves.get(path, ())
        if len(found) == 1 and isinstance(found[0], str):
            return found[:1]
        return list({str(leaf).lower() if isinstance(leaf, bool) else leaf for leaf in found})

    @property
    def is_heartbeat(self) -> bool:
        """Return whether the records with this envelope are heartbeats."""
        return HEARTBEAT in self.leaves.get("event.dataset", ())


def term(number: int, text: str) -> str:
    """Return the term that defines an envelope."""
    return f"{number}\t{text}"


def read_envelopes(searcher: tantivy.Searcher) -> dict[int, str]:
    """Read the JSON of every envelope of a part by its number."""
    envelopes = {}
    for value, _ in searcher.terms_with_prefix("_envelopes", ""):
        number, text = value.split("\t", 1)
        envelopes[int(number)] = text
    return envelopes


def parse_envelope(number: int, text: str) -> Envelope:
    """Return the envelope that a text defines."""
    objects = msgspec.json.decode(text)
    leaves: dict[str, list[Leaf]] = {}
    collect_leaves("", objects, leaves)
    return Envelope(number, objects, {path: tuple(values) for path, values in leaves.items()})


def collect_leaves(path: str, value: Any, leaves: dict[str, list[Leaf]]) -> None:
    """Add every string, number and boolean below `value` under its dotted path."""
    if isinstance(value, dict):
        for key, below in value.items():
            collect_leaves(f"{path}.{key}" if path else key, below, leaves)
    elif isinstance(value, list):
        for below in value:
            collect_leaves(path, below, leaves)
    elif value is not None:
        leaves.setdefault(path, []).append(value)
