"""
Converts an index of the old form to a store.

The store is written beside the index, as `<index>.migrating`. When it is whole, the index becomes
`<index>.old` and the store takes its name; nothing of the index is changed or removed. Commits
keep their numbers: a portion of old commits is one commit, with the number of the last of them. So
a migration that was stopped goes on behind the last number, and the registry of the shipper fits.
"""

from __future__ import annotations

import os
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Final

import msgspec

from shipper.errors import StoreUnavailable
from shipper.files import open_locked, sync
from shipper.store.embedded import layout
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.tantivy_migration.hits import read_hits
from shipper.store.tantivy_migration.parts import IndexPart, open_parts

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from pathlib import Path

    from shipper.store.api import Hit

PORTION: Final = 5000  # records of one commit, at least; whole commits of the old form
FOREVER: Final = 10**9


def migrate(index: Path) -> Generator[tuple[int, int]]:
    """
    Convert the index at a path; yield after each portion how many of all records are stored.

    Raises:
        StoreUnavailable: there is no index of the old form, or a folder cannot be used.
    """
    new, old = index.with_name(f"{index.name}.migrating"), index.with_name(f"{index.name}.old")
    if index.exists():
        if old.exists():
            raise StoreUnavailable(f"{old} is there already", "move it away, then run this again")
        # The lock of the old form: its writer must not add what would be left behind.
        try:
            lock = open_locked(index / "lock", wait=False)
        except BlockingIOError as error:
            raise StoreUnavailable(
                f"cannot convert the index {index}: another shipper is writing to it",
                "stop the shipper first",
            ) from error
        parts = open_parts(index)
        total = sum(part.searcher.num_docs for part in parts)
        writer = EmbeddedWriter(new, keep_seconds=FOREVER, max_bytes=1 << 60)
        try:
            done = writer.documents
            for commit, hits in _portions(parts, writer.commit):
                _store(writer, commit, hits)
                done += len(hits)
                yield done, total
            # Not before: a migration that goes on begins behind the last commit of the store.
            dropped = layout.dropped_commits(index)  # the old form noted it alike
            if dropped:
                layout.note_dropped(new / layout.MAIN, dropped)
        finally:
            writer.close()
            os.close(lock)
        index.rename(old)
    new.rename(index)
    sync(index.parent)


def _store(writer: EmbeddedWriter, commit: int, hits: Sequence[Hit]) -> None:
    writer.commit = commit - 1
    docs = [msgspec.json.encode(_document(hit)) for hit in hits]
    refused = writer.write([hit.id for hit in hits], docs, [hit.time for hit in hits])
    if refused:
        index, reason = refused[0]
        raise StoreUnavailable(f"the record {hits[index].id} cannot be converted: {reason}")
    writer.retain(0)


def _document(hit: Hit) -> dict[str, object]:
    return {name: value for name, value in hit.source.items() if name != "timestamp"}


def _portions(parts: Sequence[IndexPart], after: int) -> Iterator[tuple[int, list[Hit]]]:
    """Return portions of whole commits that come after a commit, with the number of the last."""
    hits: list[Hit] = []
    for part in parts:
        for commit, group in groupby(part.after(after), key=itemgetter(0)):
            hits += read_hits(part, [address for _, address in group])
            last = commit
            if len(hits) >= PORTION:
                yield last, hits
                hits = []
    if hits:
        yield last, hits


def is_old_form(index: Path) -> bool:
    """Return whether a folder is an index of the old form, or its migration is not finished."""
    if index.with_name(f"{index.name}.migrating").exists():
        return True
    return index.exists() and any(name.startswith("part-") for name in os.listdir(index))
