"""Writes an index of the old form, as the versions did that had it: one part, numbered commits."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from shipper.files import open_locked
from shipper.store.tantivy_migration.schema import ORDER_BITS
from tests.store.tantivy_form.document import Encoder
from tests.store.tantivy_form.schema import create_part, open_part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEAP_BYTES = 15_000_000


class OldWriter:
    """Writes whole documents; one call of `write` is one commit."""

    def __init__(self, path: Path) -> None:
        path.mkdir(exist_ok=True)
        self._lock = open_locked(path / "lock", wait=False)
        self._part = create_part(path)
        self._encoder = Encoder({})
        self.commit = 0

    def write(self, ids: Sequence[str], docs: Sequence[bytes], times: Sequence[int]) -> None:
        writer = open_part(self._part).writer(HEAP_BYTES, 1)
        self.commit += 1
        for index, (origin, doc, ms) in enumerate(zip(ids, docs, times, strict=True)):
            order = (self.commit << ORDER_BITS) + index
            writer.add_json(self._encoder.encode(origin, doc, ms, order))
        writer.commit()
        writer.wait_merging_threads()

    def close(self) -> None:
        os.close(self._lock)
