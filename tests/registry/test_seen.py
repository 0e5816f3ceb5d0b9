"""The set of records taken: the same as a plain set, in much less room, and across a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipper.deliver.dedupe import Dedupe
from shipper.registry.records import Changes
from shipper.registry.registry import Registry
from shipper.registry.seen import MOST_RUNS, SETTLED, SIZE, RunNumbers, Seen
from tests.deliver.delivering import NOW, OTHER_RUN, RUN, block_of, events_of, seqs_of

SMALL = st.integers(0, 3 * SIZE)
EDGES = st.sampled_from([0, 1, SIZE - 1, SIZE, SIZE + 1, 2 * SIZE, 100 * SIZE, 2**53 - 1, 2**31])
RANGES = st.builds(
    lambda start, length: list(range(start, start + length)),
    st.sampled_from([0, SIZE]) | SMALL | EDGES.filter(lambda edge: edge < 2**53 - 1),
    st.sampled_from([SIZE, 2 * SIZE]) | st.integers(1, 2 * SIZE + 2),
)
CALLS = st.tuples(
    st.sampled_from([RUN, OTHER_RUN]), RANGES | st.lists(SMALL | EDGES, min_size=1, max_size=40)
)


class Plain:
    """What `Seen` has to be: a set."""

    def __init__(self) -> None:
        self._taken: set[tuple[str, int]] = set()

    def accept(self, run: str, numbers: list[int]) -> list[int]:
        again = []
        for number in numbers:
            if (run, number) in self._taken:
                again.append(number)
            self._taken.add((run, number))
        return again


@given(st.lists(CALLS, max_size=12))
def test_as_a_plain_set(calls: list[tuple[str, list[int]]]) -> None:
    """Each number is new once, in any order, whatever lies between, also within one call."""
    seen, plain = Seen(), Plain()
    for run, numbers in calls:
        assert seen.accept(run, numbers) == plain.accept(run, numbers)


@settings(max_examples=60)
@given(
    steps=st.lists(st.tuples(CALLS, st.sampled_from(["", "save", "save", "restart"])), max_size=10)
)
def test_across_saves(
    steps: list[tuple[tuple[str, list[int]], str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What was saved is what a new process begins with; a save holds what has changed since."""
    registry = Registry(tmp_path_factory.mktemp("seen") / "registry.db")
    registry._db.execute("PRAGMA synchronous=OFF")  # for the speed of the test
    seen, plain = Seen(), Plain()
    for (run, numbers), then in steps:
        assert seen.accept(run, numbers) == plain.accept(run, numbers)
        if then:
            changes = Changes()
            changes.add_seen(seen.changes())
            registry.save(changes, NOW)
            assert not [*seen.changes()]
        if then == "restart":
            seen = Seen()
            seen.restore(registry.seen())
    registry.close()


def test_a_crash_loses_only_what_was_not_saved(tmp_path: Path) -> None:
    """A record that was not saved is no duplicate to the next process."""
    registry = Registry(tmp_path / "registry.db")
    seen = Seen()
    seen.accept(RUN, [1, 2, 5])
    changes = Changes()
    changes.add_seen(seen.changes())
    registry.save(changes, NOW)
    seen.accept(RUN, [6])
    after = Seen()
    after.restore(registry.seen())
    assert after.accept(RUN, [1, 2, 3, 4, 5, 6]) == [1, 2, 5]
    registry.close()


def test_what_is_full_stays_taken() -> None:
    """A chunk that is held no more, as all of it is taken, is taken."""
    numbers = RunNumbers()
    everything = [*range(3 * SIZE)]
    assert numbers.accept(everything) == []
    assert numbers.accept(everything) == everything
    assert numbers.accept(everything[1::2]) == everything[1::2]
    assert numbers.accept([2 * SIZE, 3 * SIZE, 0]) == [2 * SIZE, 0]


def test_no_numbers() -> None:
    """Nothing is taken of nothing."""
    seen = Seen()
    assert seen.accept(RUN, []) == []
    assert not [*seen.changes()]


def test_numbers_in_order_take_no_room() -> None:
    """Memory is bounded by the gaps, not by the records; so is what is saved."""
    numbers = RunNumbers()
    for start in range(0, 1000 * SIZE, 700):
        numbers.accept(list(range(start, start + 700)))
    assert numbers.low >= 1000
    assert len(numbers._chunks) <= 1
    assert sum(len(data) for _chunk, data in numbers.changes()) <= SIZE


def test_gaps_far_behind_take_little_room() -> None:
    """A chunk with a few gaps is packed when the run has gone on; it can still be filled."""
    numbers = RunNumbers()
    count = 4 * SETTLED
    for chunk in range(count):
        numbers.accept([n for n in range(chunk * SIZE, (chunk + 1) * SIZE) if n % SIZE != 7])
    held = sum(len(chunk) for chunk in numbers._chunks.values())
    assert held < (SETTLED + 2) * SIZE + 64 * count
    assert numbers.low == 0
    assert numbers.accept([chunk * SIZE + 7 for chunk in range(count)]) == []
    assert numbers.accept([7, 7 + SIZE]) == [7, 7 + SIZE]
    numbers.accept([count * SIZE])
    assert numbers.low == count


def test_two_files_at_a_different_pace() -> None:
    """The errors of a run are read ahead in one file and met again, one by one, in the other."""
    numbers = RunNumbers()
    errors = [*range(3, 20 * SIZE, 97)]
    assert numbers.accept(errors) == []
    met = []
    for start in range(0, 20 * SIZE, 1000):
        met += numbers.accept(list(range(start, min(start + 1000, 20 * SIZE))))
    assert met == errors
    assert numbers.low == 20


@pytest.mark.parametrize("step", [-3 * SIZE, 3 * SIZE])
def test_scattered_numbers_take_little_room(step: int) -> None:
    """Numbers that rise or fall by more than a chunk are kept packed, whatever their order."""
    numbers, count = RunNumbers(), 4 * SETTLED
    for index in range(count):
        numbers.accept([4 * count * SIZE + index * step])

    held = sum(len(chunk) for chunk in numbers._chunks.values())
    assert held < (SETTLED + 2) * SIZE + 64 * count


def test_a_save_looks_at_what_changed_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that nothing was added to costs a save nothing, however many there are."""
    seen = Seen()
    looked: list[RunNumbers] = []
    changes = RunNumbers.changes

    def counted(run: RunNumbers) -> Iterator[tuple[int, bytes]]:
        looked.append(run)
        return changes(run)

    monkeypatch.setattr(RunNumbers, "changes", counted)
    for number in range(100):
        seen.accept(f"run {number}", [0])
    assert len([*seen.changes()]) == 100
    looked.clear()
    seen.accept("run 7", [1])

    assert [row.run for row in seen.changes()] == ["run 7"]
    assert len(looked) == 1


def test_runs_that_have_ended_are_left_to_the_registry(tmp_path: Path) -> None:
    """Memory is bounded by the runs that write, and a run that is met again is known."""
    registry = Registry(tmp_path / "registry.db")
    dedupe = Dedupe([], {}, saved_numbers=registry.seen_of)
    runs = [f"01JK{number:022d}" for number in range(MOST_RUNS + 100)]
    for start in range(0, len(runs), 100):
        for run in runs[start : start + 100]:
            dedupe.filter(block_of(), events_of(0, 1, run=run))
            dedupe.ack({run: [0, 1]})
        changes = Changes()
        changes.add_seen(dedupe.changes())
        registry.save(changes, NOW)
        dedupe.saved()
    assert len(dedupe._read._runs) <= MOST_RUNS >= len(dedupe._acked._runs)
    assert len(dedupe._read._changed) <= MOST_RUNS
    left = dedupe.filter(block_of(), events_of(0, 1, 2, run=runs[0]))
    assert seqs_of(left) == [2]
    dedupe.ack({runs[0]: [2]})
    assert [row.run for row in dedupe.changes()] == [runs[0]]
    registry.close()


def test_what_is_on_its_way_stays_in_memory(tmp_path: Path) -> None:
    """The registry does not have it yet: it would be delivered a second time."""
    registry = Registry(tmp_path / "registry.db")
    dedupe = Dedupe([], {}, saved_numbers=registry.seen_of)
    dedupe.filter(block_of(), events_of(0, run=RUN))
    for number in range(MOST_RUNS):
        dedupe.filter(block_of(), events_of(0, run=f"01JK{number:022d}"))
    dedupe.saved()
    assert len(dedupe.filter(block_of(), events_of(0, run=RUN))) == 0
    registry.close()


def test_another_output_begins_at_what_is_acked(tmp_path: Path) -> None:
    """Of a run in memory, and of one that is left to the registry."""
    registry = Registry(tmp_path / "registry.db")
    changes = Changes()
    before = Seen()
    before.accept(OTHER_RUN, [0, 1])
    changes.add_seen(before.changes())
    registry.save(changes, NOW)
    dedupe = Dedupe([], {}, saved_numbers=registry.seen_of)
    dedupe.filter(block_of(), events_of(0, 1))
    dedupe.ack({RUN: [0]})
    dedupe.rewind(lambda _stream, _first, _last: (), lambda _run, _numbers: {})
    assert seqs_of(dedupe.filter(block_of(), events_of(0, 1))) == [1]
    assert seqs_of(dedupe.filter(block_of(), events_of(1, 2, run=OTHER_RUN))) == [2]
    registry.close()
