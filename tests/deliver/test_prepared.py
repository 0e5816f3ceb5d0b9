"""Blocks in the form in which an output sends them: the same bytes, made sooner."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.deliver.batch import Prepared
from shipper.deliver.bulk import BulkBody, BulkPreparer
from shipper.deliver.lumberjack import FramePreparer
from shipper.deliver.outputs.embedded import IndexPreparer
from shipper.deliver.prepare import prepare
from shipper.enrich.enricher import Enricher
from shipper.splice import AnyEvents, Preparer, Spliced
from shipper.store.embedded.columns import DOCUMENT, read_commits
from shipper.store.embedded.engine import connect
from shipper.store.embedded.incoming import Documents, Incoming
from shipper.store.embedded.lines import LineEncoder
from tests.deliver.delivering import ScriptedOutput
from tests.enrich.enriching import CONTEXT, READ_AT, TIME, block_of, line_of

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
FRAMES = FramePreparer()
PREPARERS: list[Preparer[Prepared]] = [
    BulkPreparer("blue"),
    FRAMES,
    IndexPreparer(),
    ScriptedOutput(),
]


def spliced(records: list[dict[str, object]]) -> Spliced:
    """Enrich records that `emit` could have written, as one block."""
    data = b"".join(line_of(**record) + b"\n" for record in records)  # type: ignore[arg-type]
    events = Enricher(CONTEXT).enrich(block_of(data, path='/x/"ö".log'))
    assert isinstance(events, Spliced)
    return events


def columns(events: AnyEvents) -> list[object]:
    return [events.ids, events.docs, events.times, events.datasets]


@given(RECORDS)
def test_taken_out_again_they_are_the_same(records: list[dict[str, object]]) -> None:
    """In whatever form a block was, its ids, documents, times and datasets come out the same."""
    events = spliced(records)

    for preparer in PREPARERS:
        for prepared in (events.prepared_by(preparer), preparer.prepare(events.events())):
            assert (len(prepared), prepared.ids) == (len(events), events.ids)
            assert columns(prepared.events()) == columns(events)


@given(RECORDS)
def test_the_body_is_the_same(records: list[dict[str, object]]) -> None:
    """The body of a spliced block is the one that its documents would make."""
    events, preparer = spliced(records), BulkPreparer("blue")

    assert events.prepared_by(preparer).body == preparer.prepare(events.events()).body


@given(RECORDS)
def test_the_frames_are_the_same(records: list[dict[str, object]]) -> None:
    """The frames of a spliced block are those that its documents would make."""
    events = spliced(records)

    assert FRAMES.prepare_spliced(events).frames == FRAMES.prepare(events.events()).frames


@given(RECORDS, st.data())
def test_frames_are_cut(records: list[dict[str, object]], data: st.DataObject) -> None:
    """A part of a block has the frames that its documents would make in that place."""
    events = spliced(records).events()
    first = data.draw(st.integers(0, len(events) - 1))
    last = data.draw(st.integers(first + 1, len(events)))
    before = data.draw(st.integers(0, 5))

    together = FRAMES.prepare(
        events.part([*range(before and 1), *[0] * (before - 1), *range(first, last)])
    )

    assert together.cut(before, len(together), before) == FRAMES.prepare(events).cut(
        first, last, before
    )


def test_an_odd_line_has_its_document() -> None:
    """A block with an odd line gets the same form as any other."""
    events = Enricher(CONTEXT).enrich(block_of(b"oops\n"))

    for preparer in PREPARERS:
        assert columns(events.prepared_by(preparer).events()) == columns(events)


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


@settings(max_examples=20)
@given(st.lists(NUMBERS, min_size=1, max_size=30))
def test_the_store_is_given_the_same(records: list[dict[str, object]]) -> None:
    """In pieces a record has the same columns in the store as its whole document."""
    events = spliced(records)
    docs, ids, times = events.docs, events.ids, events.times
    prepared = events.prepared_by(IndexPreparer())

    assert read([prepared.incoming]) == read([Documents(ids, docs, times)])
    assert columns(prepared.events()) == columns(events)


def read(incoming: list[Incoming]) -> list[tuple[object, ...]]:
    """Return the columns that the lines of a commit make."""
    lines = LineEncoder().encode(incoming, 1)
    assert not lines.refused
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "commit"
        path.write_bytes(lines.content())
        columns = f"* EXCLUDE (_doc, _tail), {DOCUMENT}"
        connection = connect(Path(folder), memory="128MB")
        return connection.execute(f"SELECT {columns} FROM ({read_commits([path])})").fetchall()


class BrokenPreparer(BulkPreparer):
    """Raises on every block that holds a certain record."""

    def prepare_spliced(self, events: Spliced) -> BulkBody:
        if 2 in events.seqs:
            raise ZeroDivisionError("bug")
        return super().prepare_spliced(events)


def test_an_event_that_cannot_be_prepared_is_text() -> None:
    """Where an output fails on one event, that one is sent as text, and the others as ever."""
    events = spliced([{"seq": 1}, {"seq": 2, "level": "INFO"}, {"seq": 3}])

    sent = prepare(events, BrokenPreparer("blue"), READ_AT).events()

    assert sent.ids == events.ids
    assert [sent.docs[0], sent.docs[2]] == [events.docs[0], events.docs[2]]
    text = json.loads(sent.docs[1])
    assert text["message"] == events.docs[1].decode()
    assert text["tags"] == ["rejected"]
    assert text["error"] == {"message": "it cannot be prepared: ZeroDivisionError('bug')"}
    assert text["level"] == "INFO"
    assert sent.times[1] == READ_AT
