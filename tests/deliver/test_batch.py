"""Batches, and the ledger: positions move over the longest acked prefix."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shipper.deliver.batch import AckTracker, batch_of
from tests.deliver.delivering import parcel_of, seqs_of, simple_batch


@given(st.permutations(range(8)), st.sets(st.integers(0, 7)))
def test_acks_in_any_order(order: list[int], looks: set[int]) -> None:
    """A batch is given when all before it are acked: each once, in order, with its commit."""
    ledger = AckTracker()
    given_: list[tuple[int, int]] = []
    for step, number in enumerate(order):
        ledger.ack(simple_batch(number, number=number), 100 + number)
        if step in looks:
            given_ += [(batch.number, commit) for batch, commit in ledger.take()]
            acked = {*order[: step + 1]}
            assert len(given_) == next(n for n in range(9) if n not in acked)
    given_ += [(batch.number, commit) for batch, commit in ledger.take()]
    assert given_ == [(number, 100 + number) for number in range(8)]
    assert ledger.take() == []


def test_a_batch_of_several_parcels() -> None:
    """The events of several blocks stand in one batch, in the order of reading."""
    parcels = [parcel_of(1, 2), parcel_of(), parcel_of(7, file=2)]
    batch = batch_of(3, parcels)
    assert seqs_of(batch) == [1, 2, 7]
    assert len(batch) == len(batch.docs) == len(batch.times) == len(batch.datasets) == 3
    assert batch.parcels == (*parcels,)
    assert len(parcels[0].events) == 2


def test_a_part() -> None:
    """A part of a batch has the events named, in that order, and stands for the same parcels."""
    batch = simple_batch(1, 2, 3, number=5)
    part = batch.part([2, 0])
    assert seqs_of(part) == [3, 1]
    assert part.docs == [batch.docs[2], batch.docs[0]]
    assert (part.number, part.parcels) == (5, batch.parcels)
    assert seqs_of(batch) == [1, 2, 3]
