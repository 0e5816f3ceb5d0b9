"""The body of a `_bulk` request, byte for byte."""

from __future__ import annotations

import json

from shipper.deliver.batch import Batch
from shipper.deliver.bulk import BulkPreparer, bulk_chunks
from shipper.events import Events
from tests.deliver.delivering import events_of

BLUE = BulkPreparer("blue")


def test_the_body() -> None:
    """An action and a document a line, `create` with the id, each in its own data stream."""
    events = Events(
        ["run-1", "run-2", "stream-0"],
        [b'{"a":1}', b'{"b":"\xc3\xa9"}', b"{}"],
        [0, 0, 0],
        ["orchestrator.access", "orchestrator.app", "orchestrator.access"],
    )
    assert BLUE.prepare(events).body == (
        b'{"create":{"_index":"logs-orchestrator.access-blue","_id":"run-1"}}\n{"a":1}\n'
        b'{"create":{"_index":"logs-orchestrator.app-blue","_id":"run-2"}}\n{"b":"\xc3\xa9"}\n'
        b'{"create":{"_index":"logs-orchestrator.access-blue","_id":"stream-0"}}\n{}\n'
    )


def test_each_line_is_json() -> None:
    """The body ends with a newline, and has two lines for each event."""
    body = BLUE.prepare(events_of(*range(100))).body
    lines = body.split(b"\n")
    assert lines.pop() == b""
    assert len([json.loads(line) for line in lines]) == 200


def test_no_events() -> None:
    """No events, no body."""
    assert BLUE.prepare(Events()).body == b""


def test_the_chunks_of_a_body() -> None:
    """In chunks, of all events or of a range over two blocks, it is the same body."""
    whole = BLUE.prepare(events_of(*range(700)))
    batch = Batch((BLUE.prepare(events_of(*range(300))), BLUE.prepare(events_of(*range(300, 700)))))
    assert b"".join(bulk_chunks(batch, 0, 700)) == whole.body
    some = BLUE.prepare(events_of(*range(100, 400)))
    assert b"".join(bulk_chunks(batch, 100, 400)) == some.body
    assert [*bulk_chunks(batch, 5, 5)] == []
