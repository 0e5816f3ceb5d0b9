"""Readers of an index while a writer works on it, and without an index."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shipper.errors import QueryError, StoreUnavailable
from shipper.store.api import (
    Aggregation,
    Bucket,
    Buckets,
    Cardinality,
    DateHistogram,
    Number,
    Percentiles,
    PercentileValues,
    Question,
    Selection,
    Sum,
    Terms,
    buckets_of,
)
from shipper.store.embedded import layout, tally
from shipper.store.embedded.view import Views
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import ReadLimits, open_embedded
from tests.store.store_records import KEEP_SECONDS, NOON, drop, record, roll, write, write_parts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index"


@pytest.fixture
def writer(path: Path) -> Iterator[EmbeddedWriter]:
    opened = EmbeddedWriter(path, keep_seconds=KEEP_SECONDS, max_bytes=1 << 30)
    yield opened
    opened.close()


def test_no_index_is_an_error_that_says_how_to_get_one(path: Path) -> None:
    """Without an index, the error names the path and the command to run."""
    with pytest.raises(StoreUnavailable, match=r"no store at .*index.*shipper run"):
        open_embedded(path)


def test_an_index_that_went_away_is_an_error(path: Path, writer: EmbeddedWriter) -> None:
    """An open reader reports that the index is gone."""
    store = open_embedded(path)
    shutil.rmtree(path)

    with pytest.raises(StoreUnavailable, match="no store"):
        store.count(Selection())


def test_a_commit_is_seen_at_once(path: Path, writer: EmbeddedWriter) -> None:
    """Every open reader finds a record as soon as the call that wrote it has returned."""
    readers = [open_embedded(path), open_embedded(path)]

    for number in range(10):
        write(writer, [record(number, host={"name": f"h{number}"})])
        if number % 4 == 3:
            roll(writer, path)
        for reader in readers:
            assert reader.count(Selection()) == number + 1
            assert reader.count(Selection(f"host.name:h{number}")) == 1


def test_follow_gives_each_new_record_once(path: Path, writer: EmbeddedWriter) -> None:
    """Following returns only new records, in the order they were stored, each once."""
    write(writer, [record(0, level="ERROR")])
    store = open_embedded(path)
    steps = store.follow(Selection("level:ERROR"))
    assert next(steps) == []

    write(writer, [record(1, NOON + 9, level="ERROR"), record(2, level="INFO")])
    write(writer, [record(3, NOON - 9, level="ERROR")])
    assert [hit.id.rpartition("-")[2] for hit in next(steps)] == ["1", "3"]
    assert next(steps) == []

    roll(writer, path)
    write(writer, [record(4, level="ERROR")])
    assert [hit.id.rpartition("-")[2] for hit in next(steps)] == ["4"]
    assert next(steps) == []


def test_follow_begins_when_it_is_asked_for(path: Path, writer: EmbeddedWriter) -> None:
    """A record that comes between the question and the first step is new."""
    steps = open_embedded(path).follow(Selection())
    write(writer, [record(0)])

    assert len(next(steps)) == 1


def test_follow_gives_many_records_in_portions(
    path: Path, writer: EmbeddedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many records come in portions, in order, none lost between them."""
    monkeypatch.setattr("shipper.store.embedded.reader.PORTION", 4)
    steps = open_embedded(path).follow(Selection())
    write(writer, [record(i) for i in range(10)])

    found = [[hit.source["seq"] for hit in next(steps)] for _ in range(4)]

    assert found == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9], []]


def test_follow_goes_on_in_a_new_index(path: Path) -> None:
    """If the index was deleted, all records of the new one are new."""
    write_parts(path, [[record(i, host={"name": "old"}) for i in range(30)]])
    store = open_embedded(path)
    steps = store.follow(Selection())
    assert next(steps) == []
    shutil.rmtree(path)
    write_parts(path, [[record(7, host={"name": "new"})]])

    assert [(hit.source["seq"], hit.source["host"]) for hit in next(steps)] == [
        (7, {"name": "new"})
    ]


def test_hits_outlive_their_part(path: Path) -> None:
    """The hits of a search stay readable after retention dropped their part."""
    write_parts(path, [[record(i) for i in range(5)], [record(9)]])
    found = open_embedded(path).search(Selection(), limit=10)
    layout.list_store(path)[0].path.unlink()

    assert sorted(hit.source["seq"] for hit in found.hits) == [0, 1, 2, 3, 4, 9]


def test_parts_come_and_go_while_readers_ask(path: Path, writer: EmbeddedWriter) -> None:
    """Readers never fail, nor see part of a commit, while the writer commits, rolls and drops."""
    failures: list[BaseException] = []
    stop = threading.Event()

    def ask() -> None:
        store = open_embedded(path)
        try:
            while not stop.is_set():
                found = store.search(Selection(), limit=1000)
                assert found.total % 20 == 0
                assert len(list(found.hits)) == min(found.total, 1000)
                answer = store.ask([Question(Selection(), {"t": Terms("host.name", 100)})])[0]
                assert answer.total % 20 == 0
        except BaseException as error:  # noqa: BLE001 - it fails the test below
            failures.append(error)

    readers = [threading.Thread(target=ask) for _ in range(2)]
    for reader in readers:
        reader.start()
    for batch in range(60):
        write(writer, [record(20 * batch + i, host={"name": f"h{batch}"}) for i in range(20)])
        if batch % 6 == 5:
            roll(writer, path)
            found = layout.list_store(path)
            if len(found) > 3:
                drop(found[0])
    stop.set()
    for reader in readers:
        reader.join(30)

    assert failures == []


def test_a_piece_that_vanishes_between_listing_and_opening_is_left_out(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece that was just dropped is not an error: the listing is made anew."""
    write_parts(path, [[record(0)], [record(1)], []])
    store = open_embedded(path)
    listed = [layout.list_store(path)]
    drop(listed[0][0])
    fresh = layout.list_store
    monkeypatch.setattr(layout, "list_store", lambda at: listed.pop() if listed else fresh(at))

    assert store.count(Selection()) == 1


# Limits of exactness.


def test_too_many_values_are_an_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms and cardinality are exact, or refused."""
    few = 10
    monkeypatch.setattr(tally, "MAX_VALUES", few)
    same = [record(i, NOON + i, path=f"/{i % few}") for i in range(40)]
    write_parts(path, [same[:20], same[20:], [record(99, NOON + 99, path="/10")]])
    store = open_embedded(path)
    asked: dict[str, Aggregation] = {"t": Terms("path", 3), "n": Cardinality("path")}

    with pytest.raises(QueryError, match="path has more than 10 values"):
        store.ask([Question(Selection(), asked)])

    answer = store.ask([Question(Selection("", None, NOON + 99), asked)])[0]
    assert answer.results["n"] == Number(few)


@pytest.mark.slow
def test_many_buckets_have_their_own_results(path: Path) -> None:
    """Thousands of slots each have the percentiles of their own records."""
    records = [
        record(i, NOON + 10 * (i // 40), duration_ms=1.1 ** (i % 40), level="INFO")
        for i in range(80_000)
    ]
    write_parts(path, [records], batch=20_000)
    asked = {"h": DateHistogram(10, {"p": Percentiles("duration_ms", (100,))})}

    answer = open_embedded(path).ask([Question(Selection(), asked)])[0]

    largest: Any = pytest.approx(1.1**39, rel=0.01)
    top = {"p": PercentileValues({100: largest})}
    assert answer.results["h"] == Buckets([Bucket(NOON + 10 * i, 40, top) for i in range(2000)])


def test_percentiles_are_the_same_in_one_part_and_in_many(tmp_path: Path) -> None:
    """Percentiles do not depend on how records are spread over parts."""
    values = [1.017**i for i in range(400)]
    records = [record(i, NOON + i, duration_ms=v) for i, v in enumerate(values)]
    asked = {"p": Percentiles("duration_ms", tuple(range(0, 101, 5)))}
    answers = []
    for number in (1, 2, 5):
        index = tmp_path / str(number)
        write_parts(index, [records[i::number] for i in range(number)], batch=100)
        answers.append(open_embedded(index).ask([Question(Selection(), asked)]))

    assert answers[0] == answers[1] == answers[2]


DAY = 86_400_000


def test_a_piece_outside_the_time_of_a_question_is_left_out(
    path: Path, writer: EmbeddedWriter
) -> None:
    """The name of a piece has its times; outside of a selection it is not even opened."""
    for day in range(3):
        write(writer, [record(10 * day + n, NOON + day * DAY + n, level="INFO") for n in range(4)])
        roll(writer, path)
    first, *_, last = layout.list_store(path)
    second = Selection("", NOON + DAY, NOON + DAY + 3)
    store = open_embedded(path)
    for file in (first, last):
        file.path.write_bytes(b"damaged")

    assert store.count(second) == store.ask([Question(second)])[0].total == 3
    assert store.search(second, limit=9).total == 3
    with pytest.raises(StoreUnavailable, match=f"{first.path.name}|{last.path.name}"):
        store.count(Selection())


def test_a_late_record_is_found_in_a_part_of_another_day(
    path: Path, writer: EmbeddedWriter
) -> None:
    """Late records are found in a newer part, while it grows and when it is closed."""
    store = open_embedded(path)
    first = Selection("level:INFO", NOON, NOON + DAY)
    write(writer, [record(1, NOON + 5 * DAY, level="INFO")])
    assert store.count(first) == 0

    write(writer, [record(2, NOON + 7, level="INFO")])
    assert store.count(first) == 1

    roll(writer, path)
    write(writer, [record(3, NOON + 6 * DAY, level="INFO")])
    assert store.count(first) == store.ask([Question(first)])[0].total == 1


# Limits of time, and damage.


def test_an_answer_has_a_time_limit(path: Path) -> None:
    """A question that takes too long ends with the remedy; the next one is answered."""
    write_parts(path, [[record(i, message=f"word {i} " * 50) for i in range(3000)]])
    slow = " OR ".join(f"message:*{i}*{i}*{i}*" for i in range(100))

    with pytest.raises(StoreUnavailable, match=r"within 0\.001 seconds.*--timeout"):
        open_embedded(path, ReadLimits(timeout_seconds=0.001)).count(Selection(slow))

    assert open_embedded(path).count(Selection(slow)) > 0


def test_ctrl_c_during_a_question_is_an_interrupt(path: Path) -> None:
    """DuckDB turns the KeyboardInterrupt of a signal's handler into an error of its own."""
    write_parts(path, [[record(0)]])
    views = Views(path, ReadLimits())
    endless = "SELECT count(*) FROM range(10_000_000_000_000) t(a) WHERE a % 7 = 3"
    signalled = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shipper's may be left

    try:
        signalled.start()
        with pytest.raises(KeyboardInterrupt):
            views.answer(lambda _: views.connection.execute(endless))
        signalled.join()
    finally:
        signal.signal(signal.SIGINT, before)


def test_damaged_files_are_left_out_on_request(path: Path) -> None:
    """With `on_damaged` the rest is answered, and every damaged file is named, once."""
    write_parts(path, [[record(0)], [record(1)], [record(2)], []])
    _, piece, _ = (file for file in layout.list_store(path) if file.is_piece)
    piece.path.write_bytes(b"PAR1 and then nothing")
    with pytest.raises(StoreUnavailable, match=piece.path.name):
        open_embedded(path).count(Selection())
    named = []

    store = open_embedded(path, ReadLimits(on_damaged=lambda file, _: named.append(file)))

    assert [store.count(Selection()) for _ in range(2)] == [2, 2]
    assert named == [piece.path]


def test_records_without_an_outer_key_are_in_no_inner_bucket(path: Path) -> None:
    """Counts of a level are the sums of those below, with the records that have no key."""
    outer = [{"logger": "a"}, {"logger": "a"}, {}, {}]
    inner = [{"level": "INFO"}, {}, {"level": "INFO"}, {}]
    fields: list[dict[str, Any]] = [{**o, **i, "duration_ms": 2.0} for o in outer for i in inner]
    write_parts(path, [[record(n, NOON + 60_000 * n, **each) for n, each in enumerate(fields)]])
    nested: dict[str, Aggregation] = {
        "slots": DateHistogram(60_000, {"sum": Sum("duration_ms")}, filled=False)
    }
    asked = {"loggers": Terms("logger", 10, {"levels": Terms("level", 10, nested)})}

    (answer,) = open_embedded(path).ask([Question(Selection(), asked)])

    assert answer.total == 16
    (logger,) = buckets_of(answer, "loggers").buckets
    assert (logger.key, logger.count) == ("a", 8)
    (level,) = buckets_of(logger, "levels").buckets
    assert (level.key, level.count) == ("INFO", 4)
    slots = buckets_of(level, "slots").buckets
    assert [(slot.count, slot.results["sum"]) for slot in slots] == [(1, Number(2.0))] * 4


def test_no_thread_outlives_an_answer(path: Path) -> None:
    """What watches the time ends with the answer: a process may end right behind it."""
    write_parts(path, [[record(0)], []])
    store = open_embedded(path)

    for _ in range(50):
        store.count(Selection())
        assert "timeout" not in {thread.name for thread in threading.enumerate()}
