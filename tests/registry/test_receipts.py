"""Receipts: what was read and answered for, in ranges that are few and never overlap."""

from __future__ import annotations

from shipper.events import Block, Events
from shipper.registry.receipts import (
    MAX_AGE_MS,
    MAX_BYTES,
    MOST_OPEN,
    BlockReceipt,
    Receipts,
    StreamRange,
    receipt_of,
)
from shipper.registry.records import Receipt
from shipper.splice import Spliced

NOW = 1_770_292_800_000
RUN, OTHER = "01JKBBBBBBBBBBBBBBBBBBBBBB", "01JKCCCCCCCCCCCCCCCCCCCCCC"
STREAM = "0123456789abcdef0123"


def block_of(start: int, end: int, *, again: bool = False) -> Block:
    return Block(3, "a.log", STREAM, start, end, b"", NOW, 9, again=again)


def read(start: int, end: int, *marks: StreamRange) -> BlockReceipt:
    return BlockReceipt(3, "a.log", start, end, marks)


def test_a_block_is_taken_down_as_it_was_read() -> None:
    """Numbers by run, and the lines without any by where they begin."""
    events = Events(
        [f"{RUN}-7", f"{STREAM}-20", f"{RUN}-5", f"{STREAM}-60"],
        [b"{}"] * 4,
        [NOW] * 4,
        ["orchestrator.app"] * 4,
        {RUN: [7, 5, 9], OTHER: [0]},
    )

    taken = receipt_of(block_of(10, 90), events)

    marks = (StreamRange(RUN, 5, 9, 3), StreamRange(OTHER, 0, 0, 1), StreamRange(STREAM, 20, 60, 2))
    assert taken == BlockReceipt(3, "a.log", 10, 90, marks)
    spliced = Spliced([], [], [], [], [], {RUN: [1, 2]}, ())
    assert receipt_of(block_of(0, 9), spliced) == BlockReceipt(
        3, "a.log", 0, 9, (StreamRange(RUN, 1, 2, 2),)
    )


def test_what_is_read_again_has_its_receipt() -> None:
    """A block that is read again on demand, or that has no event, makes no receipt."""
    assert receipt_of(block_of(0, 9, again=True), Events(origins={RUN: [1]})) is None
    assert receipt_of(block_of(0, 9), Events()) is None


def test_a_receipt_grows_until_it_is_full() -> None:
    """Blocks of one file and stream are one receipt, and one more for each so many bytes."""
    receipts = Receipts(5)
    receipts.ack(read(0, 100, StreamRange(RUN, 0, 9, 10)), NOW, 3)
    receipts.ack(
        read(100, 200, StreamRange(RUN, 12, 15, 4), StreamRange(STREAM, 120, 120, 1)), NOW + 1, 4
    )

    first, second = sorted(receipts.changes(), key=lambda each: each.id)

    assert first == Receipt(5, 3, "a.log", RUN, 0, 15, 14, 0, 200, NOW, NOW + 1, 3)
    assert second == Receipt(6, 3, "a.log", STREAM, 120, 120, 1, 100, 200, NOW + 1, NOW + 1, 4)
    assert receipts.changes() == []
    receipts.ack(read(200, MAX_BYTES, StreamRange(RUN, 16, 99, 84)), NOW + 2, 5)
    assert [(each.id, each.count) for each in receipts.changes()] == [(5, 98)]
    receipts.ack(read(MAX_BYTES, MAX_BYTES + 9, StreamRange(RUN, 100, 100, 1)), NOW + 3, 6)
    assert [(each.id, each.start, each.done) for each in receipts.changes()] == [(7, MAX_BYTES, 6)]


def test_a_receipt_ends_after_its_time() -> None:
    """However slowly a file grows, a receipt covers no more than its time."""
    receipts = Receipts(1)
    for hour in range(3):
        for part in range(2):
            at = NOW + hour * 2 * MAX_AGE_MS + part * MAX_AGE_MS
            receipts.ack(read(0, 9, StreamRange(RUN, 0, 0, 1)), at, 0)
            made = receipts.changes()

        assert [each.id for each in made] == [hour + 1]


def test_receipts_of_runs_that_are_over_end() -> None:
    """Runs come and go for as long as a shipper runs: what is kept of them is of the last hour."""
    receipts = Receipts(1)
    for number in range(300):
        at = NOW + number * MAX_AGE_MS // 10
        receipts.ack(read(number, number + 1, StreamRange(f"run{number}", 0, 0, 1)), at, 1)
        assert len(receipts.changes()) == 1
    assert len(receipts._open) <= 11

    receipts.ack(read(300, 301, StreamRange("run0", 1, 1, 1)), NOW + 40 * MAX_AGE_MS, 1)
    (again,) = receipts.changes()
    assert (again.first, again.count, again.start) == (1, 1, 300)


def test_receipts_of_runs_that_ended_are_not_kept_in_memory() -> None:
    """A backlog may hold more runs than memory: those that grew last go on, others begin anew."""
    receipts = Receipts(0)
    for number in range(MOST_OPEN + 2):
        receipts.ack(read(number, number + 1, StreamRange(f"run{number}", 0, 0, 1)), NOW, 1)
    receipts.ack(read(90_000, 90_001, StreamRange("run0", 1, 1, 1)), NOW, 1)
    assert len(receipts.changes()) == MOST_OPEN + 2

    for number, run in enumerate(("run0", f"run{MOST_OPEN}", "run1"), 90_001):
        receipts.ack(read(number, number + 1, StreamRange(run, 2, 2, 1)), NOW, 1)

    found = [(each.stream, each.id, each.count) for each in receipts.changes()]
    new = ("run1", MOST_OPEN + 2, 1)
    assert sorted(found) == sorted([("run0", 0, 3), (f"run{MOST_OPEN}", MOST_OPEN, 2), new])
