"""
The folder of an index of the old form, read while its writer is locked out.

    index/
      lock                   held (flock) by the one writer
      part-00000001/         a tantivy index and part.json; the newest one took the records
      part-00000003.new/     was being made     } left over from a crash
      part-00000001.gone/    was being deleted  }
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec
import tantivy
from tantivy import FieldType, Order, Query

from shipper.decoding import UNDECODABLE
from shipper.errors import StoreUnavailable
from shipper.store.tantivy_migration.schema import ORDER_BITS, VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PART: Final = re.compile(r"part-\d{8}")


class Manifest(msgspec.Struct, frozen=True):
    """What part.json says: the version of the schema, the last commit before the part."""

    version: int
    commits_before: int


@dataclass(frozen=True, slots=True)
class IndexPart:
    """A part of the index; `objects` are those of its records, by the number of their envelope."""

    index: tantivy.Index
    searcher: tantivy.Searcher
    objects: Mapping[int, Mapping[str, Any]]

    def after(self, commit: int) -> list[tuple[int, tantivy.DocAddress]]:
        """Return the records of later commits, in their order, with the commit of each."""
        first = (commit + 1) << ORDER_BITS
        query = Query.range_query(self.index.schema, "_order", FieldType.Integer, first, None)
        if not self.searcher.num_docs:
            return []
        found = self.searcher.search(
            query, self.searcher.num_docs, count=False, order_by_field="_order", order=Order.Asc
        )
        return [(order >> ORDER_BITS, address) for order, address in found.hits]


def open_parts(root: Path) -> list[IndexPart]:
    """
    Open the parts of an index, oldest first.

    Raises:
        StoreUnavailable: there is no index, or a part of it cannot be read.
    """
    try:
        names = sorted(filter(_PART.fullmatch, os.listdir(root)))
    except OSError as error:
        raise StoreUnavailable(f"cannot read the index {root}: {error.strerror}") from error
    return [_open(root / name) for name in names]


def _open(path: Path) -> IndexPart:
    try:
        manifest = msgspec.json.decode((path / "part.json").read_bytes(), type=Manifest)
        if manifest.version != VERSION:
            raise StoreUnavailable(
                f"cannot read {path}: it has the schema {manifest.version}, not {VERSION}",
                "start once the shipper version that wrote it",
            )
        index = tantivy.Index.open(str(path))
        index.config_reader(reload_policy="manual")  # else a thread watches the folder
        index.reload()
        searcher = index.searcher()
        terms = [term for term, _ in searcher.terms_with_prefix("_envelopes", "")]
    except (ValueError, OSError, *UNDECODABLE) as error:
        raise StoreUnavailable(
            f"cannot read the index at {path}: {error}",
            "if the disk is intact, move this folder away (its records are lost) and start again",
        ) from error
    pairs = (term.split("\t", 1) for term in terms)
    return IndexPart(index, searcher, {int(n): msgspec.json.decode(text) for n, text in pairs})
