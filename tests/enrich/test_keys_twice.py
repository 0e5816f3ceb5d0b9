"""A known key that stands twice in a line, a hostile value first: it costs no other line."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from shipper.deliver.batch import Prepared
from shipper.deliver.bulk import BulkPreparer
from shipper.deliver.lumberjack import FramePreparer
from shipper.deliver.outputs.embedded import IndexPreparer
from shipper.enrich.enricher import Enricher
from shipper.enrich.record import Record
from shipper.splice import Preparer, Spliced
from tests.enrich.enriching import CONTEXT, RUN, TIME, block_of, enrich, line_of

# The console writes the body of Elasticsearch.
PREPARERS: list[Preparer[Prepared]] = [BulkPreparer("blue"), FramePreparer(), IndexPreparer()]

VALUES = {
    "timestamp": TIME,
    "run": RUN,
    "seq": 7,
    "level": "INFO",
    "logger": "app.access",
    "execution_time_ms": 1.5,
    "status_code": 404,
    "duration_ms": 2,
}
HOSTILE = [
    "x",
    "",
    "A" * 24,
    '2026-02-05T14:30:45.123","_ms":1',
    "2026-02-05T14:30:45.123ZZ",
    "2026-99-99T99:99:99.999Z",
    "2026-02-05T14:31:00.000Z",
    "\t\n\0",
    -1,
    10**30,
    1e300,
    None,
    True,
    {"a": {"b": 1}},
    [[]],
]


def line_with(key: str, first: object, place: str) -> bytes:
    """Write a record whose `key` stands twice, its `first` value as the first or second pair."""
    record = {name: VALUES.get(name, "text") for name in Record.__struct_fields__}
    line = json.dumps(record, separators=(",", ":")).encode()
    value = json.dumps(first).encode()
    before = f'"{key}":'.encode() + value + b","
    if place == "first":
        return b"{" + before + line[1:]
    begin, _, rest = line.partition(b",")
    return begin + b"," + before + rest


@given(
    st.sampled_from(Record.__struct_fields__),
    st.sampled_from(HOSTILE) | st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
    st.sampled_from(["first", "second"]),
)
@example("timestamp", "x", "first")
@example("timestamp", TIME + "Z", "first")
def test_a_known_key_twice_costs_no_other_line(key: str, first: object, place: str) -> None:
    """Every output gets each line once, the neighbours as they are, and one time for each."""
    before, odd, behind = line_of(1), line_with(key, first, place), line_of(2)
    data = b"\n".join([before, odd, behind, b""])

    events = enrich(data)

    assert len(events) == 3
    for preparer in PREPARERS:
        taken = events.prepared_by(preparer).events()
        assert taken.ids == events.ids
        assert taken.ids[0::2] == [f"{RUN}-1", f"{RUN}-2"]
        assert taken.times == events.times
        assert taken.docs == events.docs
    assert events.docs[0] == enrich(before + b"\n").docs[0]


@given(st.sampled_from(HOSTILE))
def test_a_time_twice_is_noticed(first: object) -> None:
    """A line whose bytes begin with another time than the decoder returns is text."""
    line = line_with("timestamp", first, "first")

    events = Enricher(CONTEXT).enrich(block_of(line + b"\n"))

    assert not isinstance(events, Spliced)
    assert json.loads(events.docs[0])["tags"] == ["duplicate_keys"]
    assert events.origins == {}
