"""Batches: events of several blocks that are published together, and parts of them."""

from __future__ import annotations

from shipper.deliver.batch import Batch, time_in
from tests.deliver.delivering import TIME_MS, docs_of, document_of, events_of, part_of, seqs_of


def test_a_batch_of_several_blocks() -> None:
    """The events of several blocks stand in one batch, in the order of reading."""
    batch = Batch((events_of(1, 2), events_of(), events_of(7)))
    assert seqs_of(batch) == [1, 2, 7]
    assert len(batch) == len(docs_of(batch)) == 3


def test_ranges() -> None:
    """A range of a batch is a range of each block that it touches."""
    first, empty, second = events_of(1, 2), events_of(), events_of(3, 4, 5)
    batch = Batch((first, empty, second))
    assert [*batch.ranges(1, 4)] == [(first, 1, 2), (second, 0, 2)]
    assert [*batch.ranges(2, 2)] == []


def test_a_part() -> None:
    """A part of a batch has the events at the indexes, in their order; the batch is as before."""
    batch = Batch((events_of(1, 2), events_of(3, 4)))
    part = part_of(batch, [3, 0, 1])
    assert seqs_of(part) == [4, 1, 2]
    assert docs_of(part) == [document_of(4), document_of(1), document_of(2)]
    assert seqs_of(batch) == [1, 2, 3, 4]


def test_the_time_in_a_document() -> None:
    """The time of a document is its `@timestamp`; what has none gives none."""
    assert time_in(document_of(1)) == TIME_MS
    assert (time_in(b"{}"), time_in(b"[]"), time_in(b'{"@timestamp":"x"}')) == (None, None, None)
