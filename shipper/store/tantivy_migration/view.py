"""A part as a question sees it: a fixed set of records, whatever the writer does meanwhile."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tantivy import DocAddress, FieldType, Occur, Order, Query

from shipper.errors import StoreUnavailable
from shipper.store.tantivy_migration import parts
from shipper.store.tantivy_migration.envelope import Envelope, parse_envelope, read_envelopes
from shipper.store.tantivy_migration.parts import IndexPart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    import tantivy

Placed = tuple[int, DocAddress]

ATTEMPTS = 5  # a merge may replace files between two steps of opening


@dataclass(slots=True)
class PartTimes:
    """The range of times in a part, computed when it is first needed."""

    records: int = -1
    first: int = 0
    last: int = -1

    def of(self, searcher: tantivy.Searcher) -> tuple[int, int]:
        """Return the first and the last time; of no records, the last is before the first."""
        if self.records != searcher.num_docs:
            asked = {"stats": {"field": "_ms"}}
            found = searcher.aggregate(Query.all_query(), {"t": asked})["t"]
            if found["count"]:
                self.first, self.last = int(found["min"]), int(found["max"])
            self.records = searcher.num_docs
        return self.first, self.last


@dataclass(frozen=True, slots=True)
class PartView:
    """The records of a part at one moment."""

    identity: tuple[int, int]
    index: tantivy.Index
    searcher: tantivy.Searcher
    envelopes: Mapping[int, Envelope]
    heartbeats: Sequence[int] = ()  # the envelopes of these

    times: PartTimes | None = None

    @property
    def schema(self) -> tantivy.Schema:
        """The fields of the part."""
        return self.index.schema

    def count(self, query: Query) -> int:
        """Return the number of records that match a query."""
        # A tenth of the time of a search, which has to keep the best hits (measured).
        return int(self.searcher.aggregate(query, {"x": {"filter": "*"}})["x"]["doc_count"])

    def bounds(self) -> tuple[int, int] | None:
        """
        Return the times of the first and the last record (epoch ms), None where it isn't known.

        The newest part still grows, so its times are unknown: finding them costs what it saves.
        """
        return None if self.times is None else self.times.of(self.searcher)

    def first(self, query: Query, column: str, limit: int, order: Order) -> list[Placed]:
        """Return the first records by a column: its value and the address of each."""
        if limit == 0:
            return []
        found = self.searcher.search(query, limit, count=False, order_by_field=column, order=order)
        return found.hits

    def between(self, column: str, first: int | None, last: int | None) -> Query:
        """Return the query for an integer column between two numbers, both included."""
        if first is None and last is None:
            return Query.all_query()
        return Query.range_query(self.schema, column, FieldType.Integer, first, last)


@contextmanager
def readable(root: Path) -> Iterator[None]:
    """Turn tantivy's errors about unreadable files into `StoreUnavailable`."""
    try:
        yield
    except (ValueError, OSError) as error:
        raise parts.unreadable(root, error) from error


def both(one: Query, other: Query) -> Query:
    """Return the query that matches where both do."""
    return Query.boolean_query([(Occur.Must, one), (Occur.Must, other)])


@dataclass(frozen=True, slots=True)
class _Opened:
    """A part that stays open; another index may put another part in its place."""

    identity: tuple[int, int]
    index: tantivy.Index
    envelopes: dict[int, Envelope] = field(default_factory=dict)
    heartbeats: list[int] = field(default_factory=list)
    times: PartTimes = field(default_factory=PartTimes)


class PartViews:
    """The parts of an index, kept open between questions."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._opened: dict[IndexPart, _Opened] = {}

    def current(self) -> list[PartView]:
        """
        Return the parts as of now, oldest first.

        Raises:
            StoreUnavailable: there is no index, or a part of it can't be read.
        """
        try:
            found = parts.list_parts(self._root)
        except OSError as error:
            raise parts.no_index(self._root, error) from error
        for gone in self._opened.keys() - set(found):
            del self._opened[gone]
        views = (self._view(part, is_newest=part == found[-1]) for part in found)
        return [view for view in views if view is not None]

    def close(self) -> None:
        """Close all parts."""
        self._opened.clear()

    def _view(self, part: IndexPart, *, is_newest: bool) -> PartView | None:
        """Open a part as of now; None if it was dropped in the meantime."""
        for attempt in range(ATTEMPTS):
            try:
                return self._open(part, is_newest=is_newest)
            except FileNotFoundError:
                return None
            except (ValueError, OSError, StoreUnavailable) as error:
                self._opened.pop(part, None)
                if not part.path.exists():
                    return None
                if attempt < ATTEMPTS - 1:
                    continue
                if isinstance(error, StoreUnavailable):
                    raise
                raise parts.unreadable(part.path, error) from error
        return None

    def _open(self, part: IndexPart, *, is_newest: bool) -> PartView:
        identity = part.identity()
        opened = self._opened.get(part)
        if opened is None or opened.identity != identity:
            opened = self._opened[part] = _Opened(identity, parts.open_index(part))
        opened.index.reload()
        searcher = opened.index.searcher()
        for number, text in read_envelopes(searcher).items():
            if number not in opened.envelopes:
                envelope = opened.envelopes[number] = parse_envelope(number, text)
                if envelope.is_heartbeat:
                    opened.heartbeats.append(number)
        times = None if is_newest else opened.times
        return PartView(
            identity, opened.index, searcher, opened.envelopes, opened.heartbeats, times
        )
