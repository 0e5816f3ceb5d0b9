"""The writer: what it stores, what survives a crash, retention, and its errors."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest

from shipper import crashpoints, files
from shipper.crashpoints import CrashPoint
from shipper.errors import StoreUnavailable
from shipper.store.api import Selection
from shipper.store.embedded import layout, pieces
from shipper.store.embedded.writer import EmbeddedWriter
from shipper.store.opening import open_embedded
from tests.store.store_records import (
    DAY,
    DEEP,
    KEEP_SECONDS,
    NOON,
    RUN,
    Record,
    foreign,
    record,
    roll,
    write,
)

MIB = 1 << 20
GIB = 1 << 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some" / "index"


@pytest.fixture
def writer(path: Path) -> Iterator[EmbeddedWriter]:
    opened = open_writer(path)
    yield opened
    opened.close()


def open_writer(
    path: Path, keep_seconds: int = KEEP_SECONDS, max_bytes: int = GIB
) -> EmbeddedWriter:
    return EmbeddedWriter(path, keep_seconds=keep_seconds, max_bytes=max_bytes)


def stored(path: Path) -> list[str]:
    """Return the ids of all records, sorted."""
    store = open_embedded(path)
    found = sorted(hit.id for hit in store.search(Selection(), limit=100_000).hits)
    store.close()
    return found


def ids(records: Sequence[Record]) -> list[str]:
    return sorted(r.id for r in records)


def some(count: int, start: int = 0, **fields: Any) -> list[Record]:
    return [record(start + i, NOON + i, message=f"record {i}", **fields) for i in range(count)]


def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    """Records of calls that returned are visible to the next writer and to every reader."""
    for start in (0, 3, 6):
        writer = open_writer(path)
        assert write(writer, some(3, start)) == []
        assert stored(path) == ids(some(start + 3))
        assert writer.documents == start + 3
        assert writer.commit == start / 3 + 1
        writer.close()
        writer.close()


def test_only_its_user_reads_the_index(writer: EmbeddedWriter, path: Path) -> None:
    """Other users cannot read the folders, whatever the umask."""
    write(writer, some(1))

    assert path.stat().st_mode & 0o777 == 0o700
    roll(writer, path)
    write(writer, some(1, 1))
    assert (path / "main").stat().st_mode & 0o777 == 0o700
    assert all(file.stat().st_mode & 0o077 == 0 for file in (path / "main").iterdir())


REFUSED = [
    (b'{"level":5}', "level"),
    (b'{"status_code":"abc"}', "status_code"),
    (b'{"status_code":9223372036854775808}', "i64"),
    (b'{"tags":"a"}', "tags"),
    (b'{"extra":5}', "extra"),
    (b'{"message":"\xff"}', "utf-8"),
    (b'{"message":"half', "truncated"),
    (b"[1]", "object"),
    (b"", "truncated"),
    (b'{"event":{"created":"yesterday"}}', "event.created"),
    (b'{"event":{"colour":"red"}}', "colour"),
]


def test_a_refused_record_costs_only_itself(writer: EmbeddedWriter, path: Path) -> None:
    """A record that cannot be stored is returned with its place and reason; others are stored."""
    bad = [foreign_bytes(i, doc) for i, (doc, _) in enumerate(REFUSED)]
    good = some(len(bad), host={"name": "h"})
    both = [r for pair in zip(good, bad, strict=True) for r in pair]

    refused = write(writer, both)

    assert [index for index, _ in refused] == list(range(1, len(both), 2))
    for (_, reason), (_, word) in zip(refused, REFUSED, strict=True):
        assert word.lower() in reason.lower()
    assert stored(path) == ids(good)


def foreign_bytes(offset: int, doc: bytes) -> Record:
    return Record(f"stream-{offset}", doc, NOON)


def test_a_refused_record_does_not_define_the_objects_of_others(
    writer: EmbeddedWriter, path: Path
) -> None:
    """After a refused record with new objects, the next record with them is stored."""
    objects = b'"host":{"name":"h1"}'
    refused = write(
        writer,
        [
            foreign_bytes(0, b'{"status_code":9223372036854775808,%s}' % objects),
            foreign_bytes(1, b'{"event":{"created":"?"},%s}' % objects),
            foreign_bytes(2, b"{%s}" % objects),
        ],
    )

    hits = list(open_embedded(path).search(Selection("host.name:h1"), limit=5).hits)

    assert [index for index, _ in refused] == [0, 1]
    assert [(hit.id, hit.source["host"]) for hit in hits] == [("stream-2", {"name": "h1"})]


@pytest.mark.parametrize("bad", ["", "x", "-5", "a-", "a-x", "a--", "a-٣"])
def test_an_id_is_a_stream_and_a_position(writer: EmbeddedWriter, bad: str) -> None:
    """An id that could not be read back is refused."""
    assert [index for index, _ in write(writer, [Record(bad, b"{}", NOON)])] == [0]


def test_very_deep_values_are_kept(writer: EmbeddedWriter, path: Path) -> None:
    """Nesting beyond what can be searched is stored and returned."""
    assert write(writer, [DEEP]) == []

    hit = open_embedded(path).search(Selection("extra.top:1"), limit=1).hits[0]

    assert hit.source["extra"] == DEEP.fields["extra"]


def test_origins_are_returned_by_commit(path: Path) -> None:
    """`origins_after` returns every stream and position stored later, over all parts."""
    writer = open_writer(path)
    write(writer, [*some(5), foreign("f-1", 17), foreign("f-1", 4)])
    roll(writer, path)
    write(writer, [*some(2, 5), foreign("g", 2**40), Record("x-9", b'{"run":"r","seq":3}', NOON)])
    write(writer, [])
    write(writer, [record(0, run="another")])

    assert origins(writer, 0) == {
        RUN: list(range(7)),
        "f-1": [4, 17],
        "g": [2**40],
        "x": [9],
        "another": [0],
    }
    assert origins(writer, 1) == {RUN: [5, 6], "g": [2**40], "x": [9], "another": [0]}
    assert origins(writer, 2) == origins(writer, 3) == {"another": [0]}
    assert origins(writer, writer.commit) == {}
    writer.close()


def origins(writer: EmbeddedWriter, commit: int) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for stream, positions in writer.origins_after(commit):
        found.setdefault(stream, []).extend(positions)
    return found


def test_many_origins_come_in_portions(
    writer: EmbeddedWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading millions of origins takes the memory of one portion."""
    monkeypatch.setattr("shipper.store.embedded.writer.PORTION", 3)
    write(writer, some(10))

    portions = [list(positions) for _, positions in writer.origins_after(0)]

    assert portions == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9]]


def test_origins_are_read_of_some_files_at_a_time(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten million records would not fit into the memory of a writer at once."""
    monkeypatch.setattr("shipper.store.embedded.writer.ORIGINS", 6)
    writer = open_writer(path)
    for first in (8, 4, 0):
        write(writer, some(4, first))
        roll(writer, path)
    write(writer, some(4, 12))

    portions = [list(positions) for _, positions in writer.origins_after(0)]

    assert portions == [[4, 5, 6, 7, 8, 9, 10, 11], [0, 1, 2, 3, 12, 13, 14, 15]]
    writer.close()


def test_there_is_one_writer(writer: EmbeddedWriter, path: Path) -> None:
    """A second writer fails at once, and the first continues."""
    with pytest.raises(StoreUnavailable, match="another shipper"):
        open_writer(path)

    write(writer, some(1))


# Retention.


def test_old_pieces_go_as_a_whole(path: Path) -> None:
    """A piece is dropped when its newest record is too old; commit numbers continue."""
    writer = open_writer(path, keep_seconds=10 * 86_400)
    write(writer, [record(0, NOON - DAY), record(1, NOON)])
    age_files(path, NOON)
    writer.retain(NOON + DAY)  # older than a thirtieth of what is kept: a piece is made
    age_files(path, NOON)
    write(writer, [record(2, NOON + DAY)])
    age_files(path, NOON + DAY, "*.ndjson")
    assert [file.is_piece for file in layout.list_store(path)] == [True, False]

    writer.retain(NOON + 10 * DAY)
    assert stored(path) == ids([record(0), record(1), record(2)])
    age_files(path, NOON + DAY)
    writer.retain(NOON + 10 * DAY + 1)
    assert stored(path) == [f"{RUN}-2"]
    age_files(path, NOON + DAY)
    writer.retain(NOON + 12 * DAY)
    assert stored(path) == []
    writer.close()

    writer = open_writer(path)
    assert writer.commit == 2
    write(writer, some(1))
    assert origins(writer, 2) == {RUN: [0]}
    writer.close()


def age_files(path: Path, written: int, names: str = "0*") -> None:
    """Make files look written at another time than now."""
    for file in (path / "main").glob(names):
        os.utime(file, (written / 1000, written / 1000))


def test_a_clock_that_runs_ahead_keeps_no_piece_for_ever(path: Path) -> None:
    """Records from the future are dropped by the time their piece was written."""
    writer = open_writer(path, keep_seconds=86_400)
    write(writer, [record(0, NOON + 900 * DAY)])
    age_files(path, NOON)
    writer.retain(NOON + DAY)
    age_files(path, NOON)
    writer.retain(NOON + 2 * DAY)

    assert stored(path) == []
    writer.close()


def test_wrong_clocks_do_not_join_the_days_of_others(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only pieces of one day are merged, so one odd time keeps no other record longer."""
    monkeypatch.setattr(pieces, "MERGED", 8)
    writer = open_writer(path)
    for number in range(9):
        write(writer, [record(number, NOON + (900 * DAY if number == 4 else number))])
        roll(writer, path)

    assert [f.records for f in layout.list_store(path)] == [1] * 9
    write(writer, [record(9, NOON)])
    roll(writer, path)
    for number in range(10, 13):
        write(writer, [record(number, NOON)])
        roll(writer, path)

    assert [f.records for f in layout.list_store(path)] == [1, 1, 1, 1, 1, 8]
    assert stored(path) == ids([record(number) for number in range(13)])
    writer.close()


def test_a_large_piece_is_not_written_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A merge costs as much as a piece did; what is large enough already stays."""
    monkeypatch.setattr(pieces, "MERGED", 2)
    monkeypatch.setattr(pieces, "LARGE", 1)
    writer = open_writer(path)
    for number in range(6):
        write(writer, some(1, number))
        roll(writer, path)

    assert [f.records for f in layout.list_store(path)] == [2, 2, 2]
    for number in range(2):
        write(writer, some(3, 6 + 3 * number))
        roll(writer, path)

    assert [f.records for f in layout.list_store(path)] == [2, 2, 2, 3, 3]
    assert stored(path) == ids(some(12))
    writer.close()


def test_an_empty_store_makes_no_files(writer: EmbeddedWriter, path: Path) -> None:
    """A store without records makes no pieces, however long it runs."""
    writer.retain(NOON + 10_000 * DAY)
    writer.retain(NOON + 20_000 * DAY)

    assert layout.list_store(path) == []


@pytest.mark.slow
def test_size_is_bounded(path: Path) -> None:
    """The oldest pieces are dropped when the total is too large."""
    limit = 24 << 20
    writer = open_writer(path, max_bytes=limit)
    noise = random.Random(1)
    sizes = []
    for batch in range(60):
        texts = [noise.randbytes(1000).hex() for _ in range(1000)]
        write(writer, [record(1000 * batch + i, NOON, message=t) for i, t in enumerate(texts)])
        writer.retain(NOON)
        sizes.append(writer.size_bytes())

    assert max(sizes) <= 2 * limit  # commits that are no piece yet are not dropped
    assert max(sizes) > limit / 2
    kept = [int(name.rpartition("-")[2]) for name in stored(path)]
    assert sorted(kept) == list(range(min(kept), 60_000))
    writer.close()


@pytest.mark.parametrize(
    "left", ["000000000002.ndjson.new", "000000000001-000000000001.parquet.new"]
)
def test_left_overs_of_a_crash_are_cleared(path: Path, left: str) -> None:
    """A half written file is ignored, and removed at the next start."""
    writer = open_writer(path)
    write(writer, some(3))
    writer.close()
    (path / "main" / left).write_text("{")

    assert stored(path) == ids(some(3))
    writer = open_writer(path)
    assert not (path / "main" / left).exists()
    writer.close()


# Failures.


def test_a_call_that_failed_is_undone(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A commit that took place although the call failed is undone before the next begins."""
    writer = open_writer(path)
    write(writer, some(3))
    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", fail)
        with pytest.raises(StoreUnavailable, match="lights"):
            write(writer, some(1, 100))
    assert len(layout.list_store(path)) == 2

    batch = some(5, 3)
    write(writer, batch)

    assert stored(path) == ids([*some(3), *batch])
    writer.close()


def fail(*_: object, **__: object) -> None:
    raise OSError("the lights went out")


def test_a_full_disk_stores_nothing_and_is_got_over(tmp_path: Path) -> None:
    """On a full disk the whole call fails; it succeeds once there is space."""
    script = f"""
import resource
import signal
from pathlib import Path
from tests.store.store_records import record, write
from shipper.errors import StoreUnavailable
from shipper.store.embedded.writer import EmbeddedWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
writer = EmbeddedWriter(Path({str(tmp_path / "index")!r}), keep_seconds=10**9, max_bytes=1 << 30)
def batch(start):
    return [record(start + i, message=f"{{start + i}} " + "x y z " * 400) for i in range(3000)]
write(writer, batch(0))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
for attempt in range(2):
    try:
        write(writer, batch(3000))
    except StoreUnavailable as error:
        print(error)
        assert "free space" in str(error), error
    else:
        raise SystemExit("it did not fail")
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert write(writer, batch(3000)) == []
assert writer.documents == 6000, writer.documents
writer.close()
"""
    run_script(script)

    store = open_embedded(tmp_path / "index")
    assert store.count(Selection()) == 6000
    assert store.count(Selection("message:5999")) == 1


def run_script(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("content", [b"", b"PAR1 and then nothing"])
def test_a_corrupt_piece_is_named(path: Path, content: bytes) -> None:
    """An unreadable piece is an error with its path and a remedy, and stays as it is."""
    writer = open_writer(path)
    write(writer, some(3))
    roll(writer, path)
    writer.close()
    (piece,) = (path / "main").glob("*.parquet")
    sound = piece.read_bytes()
    piece.write_bytes(content)

    with pytest.raises(StoreUnavailable, match=rf"{piece.name}(.|\n)*move the file"):
        open_embedded(path).count(Selection())

    piece.write_bytes(sound)
    assert stored(path) == ids(some(3))


def test_the_old_form_is_left_alone(path: Path) -> None:
    """A folder of an older version is refused with the remedy, and nothing is written to it."""
    part = path / "part-00000001"
    part.mkdir(parents=True)

    with pytest.raises(StoreUnavailable, match=r"older version.*store migrate"):
        open_writer(path)
    with pytest.raises(StoreUnavailable, match=r"older version.*store migrate"):
        open_embedded(path)
    assert [*path.iterdir()] == [part]


def test_a_place_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    """Another file in place of the index is named in the error, and left as it is."""
    file = tmp_path / "file"
    file.write_text("mine")

    with pytest.raises(StoreUnavailable, match=str(file)):
        open_writer(file)
    with pytest.raises(StoreUnavailable, match=str(file)):
        open_writer(file / "below")
    with pytest.raises(StoreUnavailable, match=str(file)):
        open_embedded(file)
    assert file.read_text() == "mine"


# Crashes.

CRASHER = """
from pathlib import Path
from tests.store.store_records import KEEP_SECONDS, record, roll, write
from shipper.store.embedded.writer import EmbeddedWriter
path = Path(PATH)
writer = EmbeddedWriter(path, keep_seconds=KEEP_SECONDS, max_bytes=1 << 30)
start = writer.documents
for batch in range(1000):
    first = start + 50 * batch
    write(writer, [record(first + i, host={"name": f"h{batch}"}) for i in range(50)])
    print(first + 50, flush=True)
    if batch % 5 == 4:
        roll(writer, path)
"""


def test_kill_9_leaves_what_was_committed(tmp_path: Path) -> None:
    """Killed at any moment, the index has all of every call that returned, and none in part."""
    path = tmp_path / "index"
    script = CRASHER.replace("PATH", repr(str(path)))
    chance = random.Random(7)
    for _ in range(6):
        printed = crash(script, chance.uniform(0.02, 0.35))

        writer = open_writer(path)
        found = origins(writer, 0).get(RUN, [])
        assert writer.documents == len(found)
        writer.close()
        assert sorted(found) == list(range(len(found)))
        assert len(found) % 50 == 0
        assert printed <= len(found) <= printed + 50
        assert open_embedded(path).count(Selection("NOT host:*")) == 0


def crash(script: str, seconds: float) -> int:
    """Run a script, kill it that long after its first line; return the last number it printed."""
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    lines = [process.stdout.readline()]
    time.sleep(seconds)  # the moment of the crash is the input of this test
    process.send_signal(signal.SIGKILL)
    lines += process.stdout.read().splitlines()
    process.wait(10)
    process.stdout.close()
    whole = [line for line in lines if line.strip().isdigit()]
    return int(whole[-1]) if whole else 0


POINTS = (
    CrashPoint.PIECE_WRITTEN,
    CrashPoint.PIECE_PUBLISHED,
    CrashPoint.REPLACED_REMOVED,
    CrashPoint.DROP_NOTED,
)


@pytest.mark.parametrize("restart", [True, False])
@pytest.mark.parametrize("point", POINTS)
def test_a_crash_between_the_steps_of_making_and_dropping_pieces(
    path: Path, point: CrashPoint, monkeypatch: pytest.MonkeyPatch, *, restart: bool
) -> None:
    """Wherever making or dropping a piece stops, all is there once, and the next try succeeds."""
    writer = open_writer(path, keep_seconds=86_400)
    write(writer, some(3))
    write(writer, some(2, 3))
    age_files(path, NOON)

    def stop(reached: CrashPoint) -> None:
        if reached is point:
            raise OSError("the lights went out")

    later = NOON + (3 * DAY if point is CrashPoint.DROP_NOTED else DAY // 2)
    with monkeypatch.context() as patch:
        patch.setattr(crashpoints, "reached", stop)
        with pytest.raises(StoreUnavailable, match="lights"):
            retain_often(writer, path, later)
    assert stored(path) == ids(some(5))
    if restart:
        writer.close()
        writer = open_writer(path, keep_seconds=86_400)

    assert stored(path) == ids(some(5))
    retain_often(writer, path, later)
    writer.retain(NOON + 3 * DAY)
    assert stored(path) == []
    write(writer, some(2))
    assert stored(path) == ids(some(2))
    assert writer.commit == 3
    writer.close()


def retain_often(writer: EmbeddedWriter, path: Path, now: int) -> None:
    for _ in range(3):
        writer.retain(now)
        age_files(path, NOON)


# Side work beside the writing.


def test_a_commit_that_is_not_sure_is_in_no_piece(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a failed call left on the disk becomes no piece: the next call has its number."""
    writer = open_writer(path)
    write(writer, some(3))
    with monkeypatch.context() as patch:
        patch.setattr(files, "sync", fail)
        with pytest.raises(StoreUnavailable, match="lights"):
            write(writer, some(1, 100))

    assert writer.compact() == 3
    write(writer, some(5, 3))

    assert writer.compact() == 8
    assert stored(path) == ids(some(8))
    writer.close()


def test_pieces_are_made_beside_the_writing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One thread stores while another makes pieces and merges them: nothing is lost or doubled."""
    monkeypatch.setattr("shipper.store.embedded.commits.PIECE_COMMITS", 2)
    monkeypatch.setattr("shipper.store.embedded.compactor.GRACE_MS", -1)
    writer = open_writer(path)
    stop = threading.Event()
    failures: list[BaseException] = []

    def side_work() -> None:
        try:
            while not stop.is_set():
                writer.make_pieces()
        except BaseException as error:  # noqa: BLE001 - it fails the test below
            failures.append(error)

    thread = threading.Thread(target=side_work)
    thread.start()
    for start in range(0, 300, 3):
        write(writer, some(3, start))
        assert writer.positions_of(RUN, start, start + 2) == [start, start + 1, start + 2]
    stop.set()
    thread.join(30)
    writer.make_pieces()

    assert failures == []
    assert stored(path) == ids(some(300))
    assert len(layout.list_store(path)) < 40
    writer.close()


def test_a_writer_that_falls_behind_makes_the_pieces_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without side work the number of commits stays bounded."""
    monkeypatch.setattr("shipper.store.embedded.commits.PIECE_COMMITS", 2)
    monkeypatch.setattr("shipper.store.embedded.compactor.BEHIND", 3)
    writer = open_writer(path)
    for number in range(30):
        write(writer, some(1, number))
        assert sum(not file.is_piece for file in layout.list_store(path)) <= 6

    assert stored(path) == ids(some(30))
    writer.close()


def test_records_too_large_for_the_memory_stay_as_they_are(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A piece that cannot be made or merged is left out; the others are made, all is found."""
    whole = pieces._write

    def write_piece(*args: Any) -> Path:
        first, last = args[3]
        if first <= 2 <= last:
            raise duckdb.OutOfMemoryException("out of memory")
        return whole(*args)

    monkeypatch.setattr(pieces, "_write", write_piece)
    writer = open_writer(path)
    for number in range(5):
        write(writer, some(2, 2 * number))
    writer.compact()

    kinds = [(file.first, file.last, file.is_piece) for file in layout.list_store(path)]
    assert kinds == [(1, 1, True), (2, 2, False), (3, 5, True)]
    assert stored(path) == ids(some(10))
    writer.close()


def test_a_record_of_16_mib_becomes_a_piece(path: Path) -> None:
    """The largest line that the shipper reads is stored, found, and part of a piece."""
    writer = open_writer(path)
    text = "long " * (16 * MIB // 5)
    write(writer, [*some(2), record(2, NOON, message=f"needle {text}")])

    writer.compact()

    store = open_embedded(path)
    (hit,) = store.search(Selection("message:needle"), limit=5).hits
    assert hit.source["message"] == f"needle {text}"
    writer.close()


def test_ten_thousand_keys_are_stored(path: Path) -> None:
    """Any number of distinct keys is stored and found; none of them becomes a column."""
    writer = open_writer(path)
    write(
        writer, [record(i, extra={f"key{10 * i + j}": j for j in range(10)}) for i in range(1000)]
    )
    writer.compact()

    store = open_embedded(path)
    assert [hit.id for hit in store.search(Selection("key9987:7"), limit=5).hits] == [f"{RUN}-998"]
    writer.close()


# Other versions.


def test_a_piece_of_another_version_has_other_columns(path: Path) -> None:
    """Columns that a piece lacks have no values, and those that this version lacks are left out."""
    writer = open_writer(path)
    write(writer, some(3, logger="a"))
    roll(writer, path)
    (piece,) = layout.list_store(path)
    other = path / "other"
    chosen = "SELECT * EXCLUDE (user_agent, \"host.name\"), 'x' AS newer"
    duckdb.execute(f"COPY ({chosen} FROM '{piece.path}') TO '{other}' (FORMAT parquet)")
    other.rename(piece.path)
    write(writer, some(3, 3, logger="a", user_agent="curl"))
    roll(writer, path)

    store = open_embedded(path)
    assert store.count(Selection("logger:a")) == 6
    assert store.count(Selection("user_agent:*")) == 3
    assert writer.compact() == 6
    assert stored(path) == ids(some(6))
    writer.close()


def test_a_file_of_a_later_form_is_named(path: Path) -> None:
    """A file with a name of another form is no part of an answer that leaves it out silently."""
    writer = open_writer(path)
    write(writer, some(3))
    writer.close()
    (path / "main/week.parquet").write_text("of a user")
    assert stored(path) == ids(some(3))
    (path / "main/000000000002.v9.parquet").touch()

    with pytest.raises(StoreUnavailable, match=r"v9\.parquet.*version of shipper"):
        open_embedded(path)
    with pytest.raises(StoreUnavailable, match=r"v9\.parquet.*version of shipper"):
        open_writer(path)


# Several writers.


def test_writers_with_names_of_their_own_share_a_store(path: Path) -> None:
    """Each writer has its commits, origins and retention; a reader sees the records of all."""
    writers = [
        EmbeddedWriter(path, keep_seconds=86_400 * days, max_bytes=GIB, name=name)
        for name, days in (("a", 10), ("b", 1000))
    ]
    for number, each in enumerate(writers):
        write(each, some(3, 10 * number))
        age_files(path, NOON)
    assert [each.commit for each in writers] == [1, 1]
    assert origins(writers[1], 0) == {RUN: [10, 11, 12]}
    store = open_embedded(path, writer="a")
    follow = store.follow(Selection())
    next(follow)

    for each in writers:
        write(each, some(1, 5 + each.commit))
        each.compact()
    assert sorted(hit.id for hit in next(follow)) == [f"{RUN}-6", f"{RUN}-6"]
    for file in path.glob("*/*.parquet"):
        os.utime(file, (NOON / 1000, NOON / 1000))
    for each in writers:
        each.retain(NOON + 20 * DAY)

    assert stored(path) == ids([*some(3, 10), *some(1, 6)])
    assert [open_embedded(path, writer=name).retained_after() for name in "ab"] == [2, 0]
    for each in writers:
        each.close()


def test_a_full_disk_while_pieces_are_made_leaves_the_commits(tmp_path: Path) -> None:
    """Neither a piece nor a merge that fails loses a record or leaves a file; the next succeeds."""
    run_script(f"""
import resource
import signal
from pathlib import Path
from tests.store.store_records import record, write
from shipper.errors import StoreUnavailable
from shipper.store.embedded import commits, pieces
from shipper.store.embedded.layout import list_store
from shipper.store.embedded.writer import EmbeddedWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
pieces.MERGED, commits.PIECE_COMMITS = 2, 1
root = Path({str(tmp_path / "index")!r})
writer = EmbeddedWriter(root, keep_seconds=10**9, max_bytes=1 << 30)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

def fails():
    before = sorted(root.rglob("*"))
    resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, hard))
    for attempt in range(2):
        try:
            writer.make_pieces()
        except StoreUnavailable as error:
            assert "free space" in str(error), error
        else:
            raise SystemExit("it did not fail")
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert sorted(root.rglob("*")) == before

for start in (0, 2000):
    texts = [record(start + i, message=f"{{start + i}} {{hash(str(i))}}") for i in range(2000)]
    write(writer, texts)
    fails()
    if not start:
        writer.make_pieces()
writer.compact()
assert [file.records for file in list_store(root)] == [4000]
writer.close()
""")

    assert open_embedded(tmp_path / "index").count(Selection()) == 4000
