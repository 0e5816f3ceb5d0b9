"""Blocks in the form in which an output sends them: the same bytes, made sooner."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.deliver.batch import Batch
from shipper.deliver.bulk import Heads, bulk_body, bulk_pieces, render
from shipper.deliver.lumberjack import Framed, encode_window, frame, framed_window
from shipper.deliver.outputs.embedded import Indexable
from shipper.enrich.enricher import Enricher
from shipper.events import AnyEvents, Spliced
from shipper.store.embedded.document import Encoder
from tests.enrich.enriching import CONTEXT, TIME, block_of, line_of

OTHER_RUN = "01JKABCDEFGHJKMNPQRSTVWXY0"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
RECORDS = st.lists(
    st.fixed_dictionaries(
        {"seq": st.integers(0, 2**53 - 1), "message": TEXTS},
        optional={
            "run": st.just(OTHER_RUN),
            "timestamp": st.sampled_from([TIME, "2026-02-05T15:00:00.000Z"]),
            "logger": st.sampled_from(["a.workflows", "a.access", "ä"]),
            "status_code": st.integers(100, 599),
        },
    ),
    min_size=1,
    max_size=300,
)
PREPARED: list[Callable[[AnyEvents], AnyEvents]] = [
    lambda events: render(events, Heads("blue")),
    frame,
]


def spliced(records: list[dict[str, object]]) -> Spliced:
    """Enrich records that `emit` could have written, as one block."""
    data = b"".join(line_of(**record) + b"\n" for record in records)  # type: ignore[arg-type]
    events = Enricher(CONTEXT).enrich(block_of(data, path='/x/"ö".log'))
    assert isinstance(events, Spliced)
    return events


def columns(events: AnyEvents) -> list[object]:
    return [events.ids, events.docs, events.times, events.datasets, events.origins, len(events)]


@given(RECORDS)
def test_read_as_events_they_are_the_same(records: list[dict[str, object]]) -> None:
    """Whatever form a block was given, its ids, documents, times and datasets are the same."""
    events = spliced(records)
    some = [*range(0, len(events), 2)]

    for prepare in PREPARED:
        prepared = prepare(spliced(records))
        assert not isinstance(prepared, Spliced)
        assert columns(prepared) == columns(events)
        assert columns(prepared.part(some)) == columns(events.part(some))


@given(RECORDS, st.data())
def test_the_body_is_the_same(records: list[dict[str, object]], data: st.DataObject) -> None:
    """A rendered block is the body that its documents would make, whole and in part."""
    events = spliced(records)
    plain = Batch(0, (), (events, events))
    rendered = Batch(0, (), (render(events, Heads("blue")), events))
    start = data.draw(st.integers(0, len(plain)))
    end = data.draw(st.integers(start, len(plain)))

    assert bulk_body(rendered, "blue") == bulk_body(plain, "blue")
    pieces = b"".join(bulk_pieces(rendered, Heads("blue"), start, end))
    assert pieces == bulk_body(plain.part(range(start, end)), "blue")


@pytest.mark.parametrize("level", [0, 1])
@given(RECORDS)
def test_the_window_is_the_same(level: int, records: list[dict[str, object]]) -> None:
    """A framed block is the window that its documents would make."""
    events = spliced(records)
    framed = frame(events)

    assert isinstance(framed, Framed)
    assert framed_window(framed, 0) == encode_window(events.ids, events.docs, 0)
    assert len(framed_window(framed, level)) > 0


def test_what_was_mended_is_left_as_it_is() -> None:
    """A block with an odd line has its documents already."""
    events = Enricher(CONTEXT).enrich(block_of(b"oops\n"))

    for prepare in PREPARED:
        assert prepare(events) is events


NUMBERS = st.fixed_dictionaries(
    {"seq": st.integers(0, 2**53 - 1)},
    optional={
        "message": TEXTS,
        "exc_info": TEXTS,
        "request_id": TEXTS,
        "duration_ms": st.floats(-1e300, 1e300) | st.integers(0, 10**6),
        "execution_time_ms": st.floats(0, 1e6),
        "logger": st.sampled_from(["a.workflows", "a.access"]),
    },
)


@given(st.lists(NUMBERS, min_size=1, max_size=30))
def test_the_index_is_given_the_same(records: list[dict[str, object]]) -> None:
    """In pieces a record gives the index what its document would, decoded and encoded again."""
    events = spliced(records)
    docs, ids, times = events.docs, events.ids, events.times
    prepared = Indexable(events)
    by_document, by_pieces = Encoder({}), Encoder({})

    for order, (origin, doc, ms) in enumerate(zip(ids, docs, times, strict=True)):
        expected = json.loads(by_document.encode(origin, doc, ms, order))
        by_pieces.encode(origin, doc, ms, order)  # so that its tail is known
        assert json.loads(by_pieces.encode_pieces(prepared.pieces, order, order)) == {
            key: value for key, value in expected.items() if key != "_envelopes"
        }
    assert columns(prepared)[:4] == [ids, docs, times, events.datasets]
    assert not events.records


def test_a_tail_that_is_new_defines_its_envelope() -> None:
    """The first record with a tail is taken as a document, and defines what the others refer to."""
    pieces = Indexable(spliced([{"seq": 1}, {"seq": 2}])).pieces
    encoder = Encoder({})

    first, second = (json.loads(encoder.encode_pieces(pieces, at, at)) for at in (0, 1))

    assert "_envelopes" in first
    assert "_envelopes" not in second
    assert first["_envelope"] == second["_envelope"] == 0
