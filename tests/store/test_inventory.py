"""Which fields the records have, while more of them arrive."""

from __future__ import annotations

from pathlib import Path

from shipper.store.api import Hits, Selection, Sort
from shipper.store.embedded.reader import EmbeddedStore
from shipper.store.inventory import fields_of_records
from shipper.store.opening import DEFAULT_LIMITS
from tests.store.store_records import NOON, record, write_parts


class _Growing(EmbeddedStore):
    """A store in which records arrive right after each search."""

    def search(
        self, selection: Selection, *, limit: int, sort: Sort = Sort.DESC, counted: bool = True
    ) -> Hits:
        hits = super().search(selection, limit=limit, sort=sort, counted=counted)
        write_parts(self._path, [[record(100 + i, NOON + i) for i in range(5)]])
        return hits


def test_shares_are_of_the_records_that_are_counted(tmp_path: Path) -> None:
    """No field is in more records than there are, though some arrive between two questions."""
    write_parts(tmp_path, [[record(i, NOON + i) for i in range(4)]])
    store = _Growing(tmp_path, DEFAULT_LIMITS, "main")

    found = fields_of_records(store, Selection())

    assert (found.total, found.sample) == (9, 4)
    assert max(each.count or 0 for each in found.fields) == found.total
