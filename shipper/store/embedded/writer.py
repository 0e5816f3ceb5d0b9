"""
The one writer of the embedded index.

Exactly the calls of `write` that returned survive a crash. A call is one commit of tantivy: new
files are synced, then `meta.json` is renamed over the old one. After a kill before the rename,
nothing of the call is stored; after a kill behind it, all of it is, although the call did not
return. The caller finds out by `origins_after(the last commit it knows of)`.

Commits are numbered 1, 2, 3 … over all parts, even if parts are dropped. A failed call is undone
before the next one begins, so it may be repeated as it is or in other portions.
"""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Final

import tantivy

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.errors import StoreUnavailable
from shipper.files import open_locked
from shipper.store.embedded import parts
from shipper.store.embedded.document import Encoder, Refused
from shipper.store.embedded.envelope import read_envelopes
from shipper.store.embedded.incoming import Documents, Incoming, Pieces
from shipper.store.embedded.origins import origins_between, positions_of
from shipper.store.embedded.parts import IndexPart
from shipper.store.embedded.schema import ORDER_BITS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

MIB: Final = 1 << 20
MIN_HEAP_BYTES: Final = 15_000_000  # the minimum of tantivy; more is not faster (measured)
MAX_ENVELOPES: Final = 10_000  # per part: a query on objects looks at each

# Errors of tantivy about a refused document; any other error is a failure.
_REFUSALS: Final = ("could not be parsed", "not valid JSON")


class EmbeddedWriter:
    """
    Stores records and drops old ones; used by one thread.

    `keep_seconds` and `max_bytes` bound what `retain` keeps; parts are rolled so that there are
    about 20 to 30 of them.
    """

    def __init__(
        self, path: Path, *, keep_seconds: int, max_bytes: int, heap_bytes: int = MIN_HEAP_BYTES
    ) -> None:
        """
        Open the index for writing; create it if needed.

        Raises:
            StoreUnavailable: the folder cannot be used, is in use, or has unreadable parts.
        """
        self._root = path
        self._keep_ms = keep_seconds * 1000
        self._max_bytes = max_bytes
        self._heap_bytes = heap_bytes
        self._part_bytes = min(max(max_bytes // 20, 8 * MIB), 1024 * MIB)
        self._lock = _lock(path)
        self._active: _Active | None = None
        self._newest_ms: dict[IndexPart, int] = {}
        try:
            parts.delete_left_overs(path)
            self.commit = self._last_commit()
            self._open_newest()
        except OSError as error:
            self.close()
            raise _unusable(path, error) from error
        except StoreUnavailable:
            self.close()
            raise

    def write(
        self, ids: Sequence[str], docs: Sequence[bytes], times: Sequence[int]
    ) -> list[tuple[int, str]]:
        """Store whole documents; see `store`."""
        return self.store([Documents(ids, docs, times)])

    def store(self, incoming: Sequence[Incoming]) -> list[tuple[int, str]]:
        """
        Store records, all but the refused ones, durably when it returns.

        Gives index (over all of them) and reason of each record that can never be stored.

        Raises:
            StoreUnavailable: nothing of this call is stored, and it may be repeated.
        """
        try:
            active = self._ready()
            refused = active.add(incoming, self.commit + 1)
            crashpoints.reached(CrashPoint.INDEXING)
            active.commit()
            crashpoints.reached(CrashPoint.INDEXED)
        except (OSError, ValueError) as error:
            self._abandon()
            raise _unusable(self._root, error) from error
        self.commit += 1
        return refused

    def origins_after(self, commit: int) -> Iterator[tuple[str, Sequence[int]]]:
        """Return stream and positions of all that was stored after that commit, in portions."""
        for part in self._parts():
            yield from origins_between(parts.open_index(part), commit + 1, self.commit)

    def positions_of(self, stream: str, first: int, last: int) -> list[int]:
        """
        Return the stored positions of a stream, `first` to `last`; called by any thread.

        Raises:
            StoreUnavailable: the index cannot be read now; a part may just have been dropped.
        """
        try:
            return [
                position
                for part in self._parts()
                for position in positions_of(parts.open_index(part), stream, first, last)
            ]
        except (OSError, ValueError) as error:
            raise _unusable(self._root, error) from error

    def retain(self, now_ms: int) -> None:
        """
        Roll and drop parts by age and size.

        A part is dropped when its newest record or its last write is older than the time to keep;
        the oldest parts are dropped while the index is larger than its limit.

        Raises:
            StoreUnavailable: a part can't be dropped.
        """
        try:
            self._retain(now_ms)
        except (OSError, ValueError) as error:
            raise _unusable(self._root, error) from error

    def size_bytes(self) -> int:
        """Return the size of the index on the disk."""
        return sum(part.size_bytes() for part in self._parts())

    @property
    def documents(self) -> int:
        """The number of records in the index."""
        return sum(_searcher(parts.open_index(part)).num_docs for part in self._parts())

    def close(self) -> None:
        """Close the index; a second call does nothing."""
        self._abandon()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _parts(self) -> list[IndexPart]:
        try:
            return parts.list_parts(self._root)
        except OSError as error:
            raise _unusable(self._root, error) from error

    def _ready(self) -> _Active:
        """Return the part that takes records now."""
        active = self._active
        if active is None:  # the call before failed: find out what is on the disk, and undo it
            active = self._open_newest()
        if active.part.size_bytes() >= self._part_bytes or active.envelopes >= MAX_ENVELOPES:
            active = self._roll()
        return active

    def _open_newest(self) -> _Active:
        found = parts.list_parts(self._root)
        part = found[-1] if found else parts.create_part(self._root, 1, self.commit)
        self._active = _Active(part, self._heap_bytes)
        if self._active.undo_after(self.commit):
            # The undone records may have defined envelopes, which go with them in some later
            # merge: a part that starts afresh can't miss them.
            self._roll()
        return self._active

    def _roll(self) -> _Active:
        active, self._active = self._active, None
        if active is not None:
            active.finish()
        number = parts.list_parts(self._root)[-1].number + 1
        part = parts.create_part(self._root, number, self.commit)
        self._active = _Active(part, self._heap_bytes)
        return self._active

    def _abandon(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            active.abandon()

    def _last_commit(self) -> int:
        last = 0
        for part in parts.list_parts(self._root):
            index = parts.open_index(part)
            last = max(last, part.manifest().commits_before, _last_commit(index))
        return last

    def _retain(self, now_ms: int) -> None:
        active = self._ready()
        oldest_kept = now_ms - self._keep_ms
        if now_ms - active.part.created_ms() > self._keep_ms // 30 and active.documents:
            self._roll()
        found = parts.list_parts(self._root)[:-1]  # the newest stays, empty or not
        for part in [p for p in found if self._expires_ms(p) < oldest_kept]:
            self._drop(part)
        self._drop_by_size()
        parts.delete_left_overs(self._root)

    def _drop_by_size(self) -> None:
        found = parts.list_parts(self._root)
        sizes = [part.size_bytes() for part in found]
        excess = sum(sizes) - self._max_bytes
        for part, size in zip(found[:-1], sizes, strict=False):
            if excess <= 0:
                return
            self._drop(part)
            excess -= size

    def _drop(self, part: IndexPart) -> None:
        self._newest_ms.pop(part, None)
        after = [each for each in self._parts() if each.number > part.number]
        last = after[0].manifest().commits_before if after else self.commit
        parts.note_dropped(self._root, max(last, parts.dropped_commits(self._root)))
        parts.drop_part(part)

    def _expires_ms(self, part: IndexPart) -> int:
        """Return the time of the newest record or last write of a closed part, the earlier one."""
        newest = self._newest_ms.get(part)
        if newest is None:
            found = _maximum(parts.open_index(part), "_ms")
            newest = part.written_ms() if found is None else min(found, part.written_ms())
            self._newest_ms[part] = newest
        return newest


class _Active:
    """The part that takes records, with tantivy's writer for it."""

    def __init__(self, part: IndexPart, heap_bytes: int) -> None:
        self.part = part
        self._index = parts.open_index(part)
        try:
            self._writer: tantivy.IndexWriter | None = self._index.writer(heap_bytes, 1)
        except ValueError as error:
            raise parts.unreadable(part.path, error) from error
        texts = read_envelopes(_searcher(self._index))
        self._encoder = Encoder({text: number for number, text in texts.items()})

    @property
    def envelopes(self) -> int:
        return self._encoder.envelopes

    @property
    def documents(self) -> int:
        return _searcher(self._index).num_docs

    def add(self, incoming: Sequence[Incoming], commit: int) -> list[tuple[int, str]]:
        """Add records to the commit of that number; return index and reason of the refused."""
        refused = []
        add_json = self._open_writer().add_json
        order = commit << ORDER_BITS
        for index, encode in enumerate(self._encodings(incoming)):
            try:
                text = encode(order + index)
            except Refused as reason:
                refused.append((index, str(reason)))
                continue
            try:
                add_json(text)
            except ValueError as error:
                if not any(sign in str(error) for sign in _REFUSALS):
                    raise
                self._encoder.take_back()
                refused.append((index, str(error)))
        return refused

    def _encodings(self, incoming: Sequence[Incoming]) -> Iterator[Callable[[int], str]]:
        """Return what makes tantivy's JSON of each record, for its place in the order."""
        whole, pieces = self._encoder.encode, self._encoder.encode_pieces
        for records in incoming:
            if isinstance(records, Pieces):
                yield from (partial(pieces, records, i) for i in range(len(records.bodies)))
            else:
                together = zip(records.ids, records.docs, records.times, strict=True)
                yield from (partial(whole, origin, doc, ms) for origin, doc, ms in together)

    def commit(self) -> None:
        self._open_writer().commit()

    def undo_after(self, commit: int) -> bool:
        """Remove what was stored after that commit; return whether there was any."""
        if _last_commit(self._index) <= commit:
            return False
        after = tantivy.Query.range_query(
            self._index.schema, "_order", tantivy.FieldType.Integer, (commit + 1) << ORDER_BITS
        )
        writer = self._open_writer()
        writer.delete_documents_by_query(after)
        writer.commit()
        return True

    def finish(self) -> None:
        """Wait for merges to end: nobody opens this part for writing again to clean up."""
        writer, self._writer = self._open_writer(), None
        writer.wait_merging_threads()

    def abandon(self) -> None:
        """Discard what is not committed, and release tantivy's lock."""
        self._writer = None

    def _open_writer(self) -> tantivy.IndexWriter:
        if self._writer is None:
            raise StoreUnavailable(f"the index part {self.part.path} is closed")
        return self._writer


def _lock(path: Path) -> int:
    """Create the folder and acquire its lock, which ends with the process."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_locked(path / "lock", wait=False)
    except BlockingIOError as error:
        raise StoreUnavailable(
            f"cannot write the index {path}: another shipper is writing to it",
            "stop the other shipper first",
        ) from error
    except OSError as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> StoreUnavailable:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return StoreUnavailable(
        f"cannot write the index {path}: {reason}",
        "check that this user can write to the folder, and that the disk has free space",
    )


def _searcher(index: tantivy.Index) -> tantivy.Searcher:
    index.reload()
    return index.searcher()


def _last_commit(index: tantivy.Index) -> int:
    """Return the number of the last commit in a part, 0 if it is empty."""
    return (_maximum(index, "_order") or 0) >> ORDER_BITS


def _maximum(index: tantivy.Index, column: str) -> int | None:
    everything = tantivy.Query.all_query()
    found = _searcher(index).search(everything, 1, count=False, order_by_field=column)
    return found.hits[0][0] if found.hits else None
