"""The origins of stored records: which (stream, position) a range of commits holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tantivy import FieldType, Occur, Order, Query

from shipper.errors import StoreUnavailable
from shipper.store.embedded.envelope import parse_envelope, read_envelopes
from shipper.store.embedded.schema import ORDER_BITS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import tantivy

PORTION: Final = 50_000  # positions at a time: about 10 MB
MAX_STREAMS: Final = 65_000


def origins_between(
    index: tantivy.Index, first: int, last: int
) -> Iterator[tuple[str, Sequence[int]]]:
    """Return stream and positions of the records of the commits `first` to `last`, in portions."""
    searcher, schema = index.searcher(), index.schema
    commits = Query.range_query(
        schema,
        "_order",
        FieldType.Integer,
        first << ORDER_BITS,
        ((last + 1) << ORDER_BITS) - 1,
    )
    commits = _without_heartbeats(searcher, schema, commits)
    foreign = Query.exists_query("_stream")
    own = Query.boolean_query([(Occur.Must, commits), (Occur.MustNot, foreign)])
    for field, position, records in (("run", "seq", own), ("_stream", "_position", commits)):
        for stream in _values(searcher, records, field):
            term = Query.term_query(schema, field, stream)
            of_stream = Query.boolean_query([(Occur.Must, records), (Occur.Must, term)])
            for positions in _positions(searcher, schema, of_stream, position):
                yield stream, positions


def positions_of(index: tantivy.Index, stream: str, first: int, last: int) -> Iterator[int]:
    """Return the positions of one stream, `first` to `last`, that are stored."""
    searcher, schema = index.searcher(), index.schema
    foreign = Query.exists_query("_stream")
    for field, position, occur in (("run", "seq", Occur.MustNot), ("_stream", "_position", None)):
        of_stream = Query.boolean_query(
            [
                (Occur.Must, Query.term_query(schema, field, stream)),
                (
                    Occur.Must,
                    Query.range_query(schema, position, FieldType.Integer, first, last),
                ),
                *([(occur, foreign)] if occur else []),
            ]
        )
        for positions in _positions(searcher, schema, of_stream, position):
            yield from positions


def _without_heartbeats(
    searcher: tantivy.Searcher, schema: tantivy.Schema, records: Query
) -> Query:
    """Exclude heartbeats, which come from no file."""
    envelopes = (parse_envelope(*each) for each in read_envelopes(searcher).items())
    numbers = [envelope.number for envelope in envelopes if envelope.is_heartbeat]
    if not numbers:
        return records
    beats = Query.term_set_query(schema, "_envelope", numbers)
    return Query.boolean_query([(Occur.Must, records), (Occur.MustNot, beats)])


def _values(searcher: tantivy.Searcher, records: Query, field: str) -> list[str]:
    terms = {"field": field, "size": MAX_STREAMS, "segment_size": MAX_STREAMS}
    answer = searcher.aggregate(records, {"x": {"terms": terms}})["x"]
    if answer["sum_other_doc_count"]:
        raise StoreUnavailable(f"the index has more than {MAX_STREAMS:,} new values of {field}")
    return [bucket["key"] for bucket in answer["buckets"]]


def _positions(
    searcher: tantivy.Searcher, schema: tantivy.Schema, records: Query, field: str
) -> Iterator[Sequence[int]]:
    after = -1
    while True:
        rest = Query.boolean_query(
            [
                (Occur.Must, records),
                (Occur.Must, Query.range_query(schema, field, FieldType.Integer, after + 1)),
            ]
        )
        found = searcher.search(
            rest, PORTION, count=False, order_by_field=field, order=Order.Asc
        ).hits
        if not found:
            return
        positions = [value for value, _ in found]
        yield positions
        after = positions[-1]
