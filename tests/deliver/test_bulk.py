"""The body of a `_bulk` request, byte for byte."""

from __future__ import annotations

import json

from shipper.deliver.batch import Batch
from shipper.deliver.bulk import Heads, bulk_body, bulk_pieces
from shipper.events import Events
from tests.deliver.delivering import simple_batch


def test_the_body() -> None:
    """An action and a document a line, `create` with the id, each in its own data stream."""
    events = Events(
        ["run-1", "run-2", "stream-0"],
        [b'{"a":1}', b'{"b":"\xc3\xa9"}', b"{}"],
        [0, 0, 0],
        ["orchestrator.access", "orchestrator.app", "orchestrator.access"],
    )
    batch = Batch(0, (), (events,))
    assert bulk_body(batch, "blue") == (
        b'{"create":{"_index":"logs-orchestrator.access-blue","_id":"run-1"}}\n{"a":1}\n'
        b'{"create":{"_index":"logs-orchestrator.app-blue","_id":"run-2"}}\n{"b":"\xc3\xa9"}\n'
        b'{"create":{"_index":"logs-orchestrator.access-blue","_id":"stream-0"}}\n{}\n'
    )


def test_each_line_is_json() -> None:
    """The body ends with a newline, and has two lines for each event."""
    body = bulk_body(simple_batch(*range(100)), "default")
    lines = body.split(b"\n")
    assert lines.pop() == b""
    assert len([json.loads(line) for line in lines]) == 200


def test_no_events() -> None:
    """No events, no body."""
    assert bulk_body(simple_batch(), "default") == b""


def test_the_pieces_of_a_body() -> None:
    """Made in pieces, of all events or of a range, it is the same body."""
    batch = simple_batch(*range(700))
    assert b"".join(bulk_pieces(batch, Heads("blue"), 0, 700)) == bulk_body(batch, "blue")
    some = batch.part(range(100, 400))
    assert b"".join(bulk_pieces(batch, Heads("blue"), 100, 400)) == bulk_body(some, "blue")
    assert [*bulk_pieces(batch, Heads("blue"), 5, 5)] == []
