"""Each record once: second copies are dropped, and nothing but second copies."""

from __future__ import annotations

import zlib

from shipper.deliver.dedupe import Dedupe
from shipper.events import Block, Events
from shipper.registry.records import SeenRow
from shipper.splice import AnyEvents
from tests.deliver.delivering import (
    NOW,
    OTHER_RUN,
    RUN,
    STREAM,
    block_of,
    events_of,
    foreign_events,
    seqs_of,
)


def filtered(dedupe: Dedupe, events: Events, start: int = 0) -> tuple[AnyEvents, int]:
    """Return what is left of the events of a block, and how many were dropped."""
    left = dedupe.filter(block_of(start=start), events)
    columns = (left.ids, left.docs, left.times, left.datasets)
    assert len({len(column) for column in columns}) == 1
    return left, len(events) - len(left)


def test_the_second_copy_is_dropped() -> None:
    """A record of two files is delivered with the one that is read first."""
    dedupe = Dedupe([], {})
    left, dropped = filtered(dedupe, events_of(0, 1, 2, 3))
    assert (seqs_of(left), dropped) == ([0, 1, 2, 3], 0)
    left, dropped = filtered(dedupe, events_of(1, 3, 4))
    assert (seqs_of(left), dropped) == ([4], 2)
    assert left.docs == events_of(4).docs


def test_the_first_copy_within_a_block_is_kept() -> None:
    """Of copies in one block, the first is delivered, with its own document."""
    events = events_of(5, 6, 5, 5)
    events.docs = [b"first", b"other", b"second", b"third"]
    left, dropped = filtered(Dedupe([], {}), events)
    assert (seqs_of(left), dropped) == ([5, 6], 2)
    assert left.docs == [b"first", b"other"]


def test_all_copies_of_what_was_taken_before_are_dropped() -> None:
    """If the record was in an earlier block, no copy is left, however often it is there."""
    dedupe = Dedupe([], {})
    filtered(dedupe, events_of(5))
    left, dropped = filtered(dedupe, events_of(5, 6, 5))
    assert (seqs_of(left), dropped) == ([6], 2)


def test_runs_are_apart() -> None:
    """The same number of another run is another record."""
    dedupe = Dedupe([], {})
    filtered(dedupe, events_of(1))
    left, dropped = filtered(dedupe, events_of(1, run=OTHER_RUN))
    assert (len(left), dropped) == (1, 0)


def test_foreign_lines_are_not_compared() -> None:
    """A foreign line is its place in its file: it has no second copy."""
    dedupe = Dedupe([], {})
    for _ in range(2):
        left, dropped = filtered(dedupe, foreign_events(0, 7))
        assert (len(left), dropped) == (2, 0)


def test_what_is_not_acked_is_not_saved() -> None:
    """What is under way dies with the process: it is read again, and must not be dropped then."""
    dedupe = Dedupe([], {})
    first, _ = filtered(dedupe, events_of(0, 1))
    filtered(dedupe, events_of(2, 3))
    assert dedupe.changes() == []
    dedupe.ack(first.origins)
    saved = dedupe.changes()
    assert dedupe.changes() == []
    after = Dedupe(saved, {})
    left, dropped = filtered(after, events_of(0, 1, 2, 3))
    assert (seqs_of(left), dropped) == ([2, 3], 2)


def test_a_block_of_copies_alone() -> None:
    """The ack of a block of which nothing was left changes nothing."""
    dedupe = Dedupe([], {})
    first, _ = filtered(dedupe, events_of(0, 1))
    second, dropped = filtered(dedupe, events_of(0, 1))
    assert (len(second), dropped) == (0, 2)
    dedupe.ack(first.origins)
    before = dedupe.changes()
    dedupe.ack(second.origins)
    assert dedupe.changes() in ([], before)


def test_recover_takes_in_what_the_output_holds() -> None:
    """After a crash between commit and registry, the index itself tells what it holds."""
    dedupe = Dedupe([], {STREAM: 10})
    assert dedupe.recover([(RUN, [3, 4]), (RUN, [9]), (STREAM, [0, 40]), ("other", [])]) == 5
    left, dropped = filtered(dedupe, events_of(*range(3, 11)))
    assert (seqs_of(left), dropped) == ([5, 6, 7, 8, 10], 3)
    assert dedupe.streams == {STREAM: 41}
    rows = dedupe.changes()
    assert [row.run for row in rows] == [RUN]
    assert filtered(Dedupe(rows, {}), events_of(3, 4, 5))[1] == 2


def test_recover_never_goes_back() -> None:
    """An index that tells less of a stream than the registry does not shorten it."""
    dedupe = Dedupe([], {STREAM: 100})
    dedupe.recover([(STREAM, [5])])
    assert dedupe.streams == {STREAM: 100}


def test_foreign_lines_that_the_index_holds() -> None:
    """Foreign lines below the offset that the index holds are dropped; those from it on are not."""
    dedupe = Dedupe([], {STREAM: 41})
    events = foreign_events(0, 20, 40, 41, 60)
    left, dropped = filtered(dedupe, events)
    assert (seqs_of(left), dropped) == ([41, 60], 3)
    left, dropped = filtered(dedupe, foreign_events(80, 100), start=80)
    assert (seqs_of(left), dropped) == ([80, 100], 0)


def test_records_beside_held_foreign_lines() -> None:
    """What the index holds of a stream says nothing of records with a run in the same block."""
    dedupe = Dedupe(
        [SeenRow(RUN, 0, 0, zlib.compress(bytes([0, 1]) + bytes(4094)))], {STREAM: 1000}
    )
    events = foreign_events(0, 20)
    mixed = events_of(1, 2)
    for name in ("ids", "docs", "times", "datasets"):
        getattr(events, name).extend(getattr(mixed, name))
    events.origins = mixed.origins
    left, dropped = filtered(dedupe, events)
    assert (left.ids, dropped) == ([f"{RUN}-2"], 3)


def again(dedupe: Dedupe, events: Events, start: int = 0) -> list[int]:
    """Return what is left of a block that is read again."""
    block = Block(1, "/a.log", STREAM, start, start + 100, b"", NOW, 100, again=True)
    left = dedupe.filter(block, events)
    return [int(id_.rpartition("-")[2]) for id_ in left.ids]


def test_of_what_is_read_again_the_output_decides() -> None:
    """Of lines that are read again, just those go out that the output doesn't hold."""
    stored = {RUN: {0, 1, 3}, STREAM: {10}}
    dedupe = Dedupe([], {STREAM: 60}, lambda stream, _first, _last: [*stored.get(stream, ())])
    filtered(dedupe, events_of(0, 1, 2, 3))

    assert again(dedupe, events_of(0, 1, 2, 3)) == [2]
    assert again(dedupe, foreign_events(0, 10, 20)) == [0, 20]


def test_of_what_is_read_again_each_record_goes_out_once() -> None:
    """Copies of a record within what is read again are told apart before the first is stored."""
    dedupe = Dedupe([], {}, lambda _stream, _first, _last: [])
    filtered(dedupe, events_of(0, 1, 2))

    assert again(dedupe, events_of(0, 1, 1)) == [0, 1]
    assert again(dedupe, events_of(1, 2)) == [2]
    dedupe.forget_sent_again()
    assert again(dedupe, events_of(1, 2)) == [1, 2]


def test_what_is_read_again_counts_as_taken() -> None:
    """A record that was read again is dropped where it comes in the usual way."""
    dedupe = Dedupe([], {}, lambda _stream, _first, _last: [])

    assert again(dedupe, events_of(4, 5)) == [4, 5]
    assert filtered(dedupe, events_of(4, 5, 6))[1] == 2
