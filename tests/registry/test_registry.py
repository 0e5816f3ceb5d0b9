"""The registry: what was saved is there after anything; what is no registry is left alone."""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipper.errors import DataFolderError
from shipper.fingerprint import Fingerprint
from shipper.registry.identity import FileIdentity
from shipper.registry.records import Changes, FileRecord, SeenRow, Tombstone
from shipper.registry.registry import Registry
from shipper.registry.tables import VERSION
from tests.tail.tailing import WALL, open_folder, unprivileged

RUN = "01JKABCDEFGHJKMNPQRSTVWXYZ"
FULL_DISK = 200_000  # bytes that a file may have


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registry.db"


@pytest.fixture
def registry(path: Path) -> Iterator[Registry]:
    registry = Registry(path)
    yield registry
    registry.close()


def record_of(number: int, offset: int = 0) -> FileRecord:
    file = FileIdentity(2**64 - 1, 2**63 + number)
    head = Fingerprint(10, f"{number:032x}")
    return FileRecord(number, file, head, f"/logs/ä{number}", "stream", 2, offset, WALL)


def changes_of(step: int, files: int = 5) -> Changes:
    """Changes of which every part says the same number."""
    return Changes(
        files={number: record_of(number, step) for number in range(1, files + 1)},
        seen={(RUN, 0): SeenRow(RUN, 0, 0, step.to_bytes(4096, "big"))},
        streams={"stream": step},
        accounted=step,
    )


def steps_in(registry: Registry) -> set[int]:
    """Return the numbers that the parts of the saved state say: one, or it is torn."""
    return {
        *(file.offset for file in registry.files()),
        *(int.from_bytes(row.data, "big") for row in registry.seen()),
        *registry.streams().values(),
        registry.accounted(),
    }


def test_a_new_registry(registry: Registry, path: Path) -> None:
    """A registry begins empty, and is nobody else's to read."""
    assert registry.files() == []
    assert registry.seen() == []
    assert registry.streams() == {}
    assert registry.accounted() == 0
    assert path.stat().st_mode & 0o777 == 0o600


def test_nobody_sees_it_half_made(tmp_path: Path) -> None:
    """Whoever looks while a registry is made finds none, or one that can be asked."""
    faults: list[str] = []
    path = tmp_path / "0.db"
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            looked_at = path
            if looked_at.exists():
                with closing(sqlite3.connect(f"{looked_at.as_uri()}?mode=ro", uri=True)) as db:
                    try:
                        db.execute("SELECT count(*) FROM files").fetchone()
                    except sqlite3.Error as error:
                        faults.append(str(error))

    looker = threading.Thread(target=look)
    looker.start()
    for number in range(50):
        path = tmp_path / f"{number}.db"
        Registry(path).close()
    done.set()
    looker.join()

    assert faults == []


def test_what_a_crash_left_of_making_it(path: Path) -> None:
    """A half-made registry of an earlier start is made anew."""
    path.with_name("registry.db.new").write_bytes(b"SQLite format 3\0 and no more")

    Registry(path).close()

    names = {each.name for each in path.parent.iterdir()}
    assert names == {"registry.db", "registry.saves", "shipper-id"}


def test_round_trip(registry: Registry, path: Path) -> None:
    """What was saved is read, also by the next process, in the order in which files were seen."""
    changes = changes_of(7)
    registry.save(changes, WALL)
    for _ in range(2):
        assert registry.files() == [*changes.files.values()]
        assert registry.seen() == [*changes.seen.values()]
        assert registry.streams() == changes.streams
        assert registry.accounted() == 7
        registry.close()
        registry.close()
        registry = Registry(path)
    registry.close()


def test_a_part_alone(registry: Registry) -> None:
    """What is not named stays as it was."""
    registry.save(changes_of(7), WALL)
    registry.save(Changes(files={1: record_of(1, 9)}), WALL)
    assert [file.offset for file in registry.files()] == [9, 7, 7, 7, 7]
    assert registry.accounted() == 7
    registry.save(Changes(dropped={2, 99}, accounted=0), WALL)
    assert [file.id for file in registry.files()] == [1, 3, 4, 5]
    assert registry.accounted() == 0


def test_changes_add_up() -> None:
    """What could not be saved is kept, and what is newer takes its place."""
    changes = Changes()
    assert changes.is_empty()
    changes.add_files([record_of(1, 1), record_of(2, 1)], [])
    changes.add_seen([SeenRow(RUN, 0, 0, b"old"), SeenRow(RUN, 0, 1, b"")])
    assert not changes.is_empty()
    changes.add_files([record_of(1, 2)], [record_of(2, 1)])
    changes.add_seen([SeenRow(RUN, 0, 0, b"new")])
    assert [file.offset for file in changes.files.values()] == [2]
    assert changes.dropped == {2}
    assert [row.data for row in changes.seen.values()] == [b"new", b""]


def test_full_chunks_go(registry: Registry) -> None:
    """A row says that all chunks below `low` are full; their rows are gone then."""
    rows = [SeenRow(RUN, 0, chunk, b"x") for chunk in range(5)]
    registry.save(Changes(seen={(row.run, row.chunk): row for row in rows}), WALL)
    other = SeenRow("other", 0, 1, b"y")
    new = [SeenRow(RUN, 3, -1, b""), SeenRow(RUN, 3, 4, b"z"), SeenRow(RUN, 2, 2, b"late"), other]
    registry.save(Changes(seen={(row.run, row.chunk): row for row in new}), WALL)
    assert {(row.run, row.chunk, row.data) for row in registry.seen()} == {
        (RUN, -1, b""),
        (RUN, 3, b"x"),
        (RUN, 4, b"z"),
        ("other", 1, b"y"),
    }


def test_a_first_use_that_lies_ahead(registry: Registry) -> None:
    """The first use is as early as any clock said."""
    for now in (WALL, WALL + 1, WALL - 5, WALL):
        registry.begin(now)
    assert registry.begun() == WALL - 5


def test_forget(registry: Registry) -> None:
    """A run is forgotten when none of its rows was saved since; of others nothing is."""
    for number, run in enumerate("abc"):
        row = SeenRow(run, 0, 0, b"x")
        registry.save(Changes(seen={(run, 0): row}), 1000 + number)
    registry.save(Changes(seen={("a", 1): SeenRow("a", 0, 1, b"x")}), 2000)
    registry.forget(before=1002)
    assert {(row.run, row.chunk) for row in registry.seen()} == {("a", 0), ("a", 1), ("c", 0)}


def test_streams_that_positions_account_for(registry: Registry) -> None:
    """How far the index holds a stream is kept while its file, known or not, is behind that."""
    files = {number: record_of(number, 10) for number in (1, 2)}
    for number, file in files.items():
        file.stream = f"s{number}"
    streams = {"s1": 10, "s2": 11, "unknown": 5, "over": 5}
    registry.save(Changes(files=files, streams=streams, retired={"over"}), WALL)
    registry.forget(before=0)
    assert registry.streams() == {"s2": 11, "unknown": 5}


class Limit:
    """Files of this process may not grow beyond some bytes: a disk that is full."""

    def __enter__(self) -> None:
        self._handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL_DISK, self._before[1]))

    def __exit__(self, *_error: object) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)
        signal.signal(signal.SIGXFSZ, self._handler)


def test_a_full_disk(registry: Registry, path: Path) -> None:
    """What cannot be saved is not saved in part, and can be saved when there is room."""
    registry.save(changes_of(1), WALL)
    changes = changes_of(2, files=5000)
    with (
        Limit(),
        pytest.raises(DataFolderError, match=r"registry\.db: .*free some space"),
    ):
        registry.save(changes, WALL)
    assert steps_in(registry) == {1}
    registry.save(changes, WALL)
    assert steps_in(registry) == {2}
    assert len(registry.files()) == 5000


def test_a_save_that_fails_halfway(registry: Registry) -> None:
    """Whatever ends a save, nothing of it is saved."""
    registry.save(changes_of(1), WALL)
    changes = changes_of(2)
    changes.streams["another"] = 2**70  # more than SQLite holds; it is written after the files
    with pytest.raises(OverflowError):
        registry.save(changes, WALL)
    assert steps_in(registry) == {1}
    registry.save(changes_of(2), WALL)
    assert steps_in(registry) == {2}


def test_a_registry_that_cannot_be_written(path: Path) -> None:
    """While another process holds the file, a save fails as a whole, and can be tried again."""
    registry = Registry(path)
    registry.save(changes_of(1), WALL)
    registry._db.execute("PRAGMA busy_timeout=10")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DataFolderError, match="locked"):
        registry.save(changes_of(2), WALL)
    assert steps_in(registry) == {1}
    other.execute("ROLLBACK")
    other.close()
    registry.save(changes_of(2), WALL)
    assert steps_in(registry) == {2}
    registry.close()


def test_a_folder_without_permission() -> None:
    """Without the right to write, the message says where and what to do."""
    with open_folder() as folder, unprivileged():
        with pytest.raises(DataFolderError, match=f"{folder}/registry.db.*permissions"):
            Registry(folder / "registry.db")
        assert not [*folder.iterdir()]


def test_a_folder_that_is_not_there(path: Path) -> None:
    """A missing folder is named, not made."""
    with pytest.raises(DataFolderError, match="No such file or directory"):
        Registry(path.parent / "no" / "registry.db")


def write_other(path: Path, script: str) -> None:
    db = sqlite3.connect(path)
    db.executescript(script)
    db.close()


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE songs (name TEXT); INSERT INTO songs VALUES ('x');",
        "CREATE TABLE meta (name TEXT, other TEXT);",
        "CREATE TABLE meta (key TEXT, value); CREATE TABLE files (x);",
    ],
)
def test_the_database_of_another(path: Path, script: str) -> None:
    """A database that is no registry is refused with place and remedy; no byte of it changes."""
    write_other(path, script)
    before = path.read_bytes()
    with pytest.raises(DataFolderError, match=r"registry\.db: .*move the file away"):
        Registry(path)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["registry.db"]


def test_a_file_to_read_again(registry: Registry) -> None:
    """What is to be read again is remembered up to where it was acked, whatever is asked twice."""
    record = record_of(1, 1000)
    assert record.reread() == 1000
    record.offset = 300  # read again so far
    assert record.reread(100) == 200
    registry.save(Changes(files={1: record}), WALL)

    (saved,) = registry.files()
    assert (saved.offset, saved.again) == (100, 1000)


def test_a_copy_is_told(path: Path) -> None:
    """A registry that is a copy or an old backup is told from the one that was saved last."""
    with closing(Registry(path)) as registry:
        assert not registry.is_copy
        registry.save(changes_of(1), int(path.stat().st_mtime * 1000))
    with closing(Registry(path)) as registry:
        assert not registry.is_copy
    shutil.copy(path, path.with_name("backup"))
    path.with_name("backup").rename(path)

    with closing(Registry(path)) as registry:
        assert registry.is_copy
        registry.save(changes_of(2), int(path.stat().st_mtime * 1000))
    with closing(Registry(path)) as registry:
        assert not registry.is_copy


def test_a_copy_with_the_same_inode_is_told(path: Path) -> None:
    """Also where the copy got the inode of the file that it replaced."""
    with closing(Registry(path)) as registry:
        registry.save(changes_of(1), WALL)
    backup = path.read_bytes()
    with closing(Registry(path)) as registry:
        registry.save(changes_of(2), WALL)
    path.write_bytes(backup)

    with closing(Registry(path)) as registry:
        assert registry.is_copy
        registry.save(changes_of(3), WALL)
    with closing(Registry(path)) as registry:
        assert not registry.is_copy


def test_a_copy_of_the_whole_folder_is_told(path: Path) -> None:
    """Also where every file of the data folder got the inode that it had."""
    with closing(Registry(path)) as registry:
        registry.save(changes_of(1), WALL)
    count = path.with_name("registry.saves")
    noted, _, at = count.read_bytes().partition(b" ")
    count.write_bytes(b"%s %020d\n" % (noted, int(at) - 3_600 * 10**9))

    with closing(Registry(path)) as registry:
        assert registry.is_copy


def test_a_registry_that_is_quiet_is_no_copy(path: Path) -> None:
    """What SQLite writes into the file long after the last save says nothing of a backup."""
    with closing(Registry(path)) as registry:
        registry.save(changes_of(1), WALL - 3_600_000)
        Registry(path).close()  # checkpoints, and so changes the file
    os.utime(path)
    with closing(Registry(path)) as registry:
        assert not registry.is_copy


def test_a_registry_on_a_disk_with_another_number_is_no_copy(path: Path) -> None:
    """The device number of a disk may change with each reboot."""
    with closing(Registry(path)) as registry:
        registry.save(changes_of(1), WALL)
    write_other(path, "INSERT OR REPLACE INTO meta VALUES ('device', 1)")  # as it was saved once
    with closing(Registry(path)) as registry:
        assert not registry.is_copy


@pytest.mark.parametrize("version", [0, VERSION + 1])
def test_another_version(path: Path, version: int) -> None:
    """A registry of another version is refused and left as it is."""
    Registry(path).close()
    write_other(path, f"UPDATE meta SET value = {version} WHERE key = 'version'")
    before = path.read_bytes()
    with pytest.raises(DataFolderError, match=f"version {version}.*version {VERSION}"):
        Registry(path)
    assert path.read_bytes() == before


# The layout of version 1, as it was released.
VERSION_1 = """
CREATE TABLE files (
  id INTEGER PRIMARY KEY, device TEXT NOT NULL, inode TEXT NOT NULL,
  head_length INTEGER NOT NULL, head_digest TEXT NOT NULL,
  path TEXT NOT NULL, stream TEXT NOT NULL, generation INTEGER NOT NULL,
  offset INTEGER NOT NULL, seen_at INTEGER NOT NULL);
CREATE TABLE seen (
  run TEXT NOT NULL, chunk INTEGER NOT NULL, low INTEGER NOT NULL, data BLOB NOT NULL,
  saved_at INTEGER NOT NULL, PRIMARY KEY (run, chunk)) WITHOUT ROWID;
CREATE TABLE streams (stream TEXT PRIMARY KEY, done INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE retired (stream TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO meta VALUES ('version', 1), ('accounted', 5);
INSERT INTO files VALUES (4, '66306', '77', 3, 'abc', '/logs/app.log', 'stream', 1, 900, 1234);
INSERT INTO streams VALUES ('stream', 900);
"""


def test_a_registry_of_version_1_is_taken_over(path: Path) -> None:
    """An older layout is brought to this one where it lies; nothing that it says is lost."""
    write_other(path, VERSION_1)
    for _ in range(2):
        registry = Registry(path)
        (record,) = registry.files()
        assert record == FileRecord(
            4,
            FileIdentity(66306, 77),
            Fingerprint(3, "abc"),
            "/logs/app.log",
            "stream",
            1,
            900,
            1234,
        )
        assert (registry.streams(), registry.accounted()) == ({"stream": 900}, 5)
        registry.close()
    registry = Registry(path)
    registry.save(changes_of(7), WALL)
    assert steps_in(registry) == {7}
    registry.close()
    fresh = path.with_name("fresh.db")
    Registry(fresh).close()
    assert columns_of(path) == columns_of(fresh)


def columns_of(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master ORDER BY name")]
        return {name: db.execute(f"PRAGMA table_info({name})").fetchall() for name in tables}


def test_a_migration_that_fails(path: Path) -> None:
    """A layout that could not be brought forward is as it was, and can be used later."""
    write_other(path, VERSION_1 + "CREATE TABLE tombstones (x);")
    before = columns_of(path)
    with pytest.raises(DataFolderError, match=r"registry\.db: .*tombstones already exists"):
        Registry(path)
    assert columns_of(path) == before


def test_tombstones(registry: Registry) -> None:
    """What was given up is saved with the drop of its file, can be put right, and gets old."""
    registry.save(Changes(files={3: record_of(3, 10)}), WALL)
    stone = Tombstone(3, "/logs/app.log", "stream", 10, 90, None, WALL, "max_bytes")
    changes = Changes()
    changes.add_files([], [record_of(3, 10)])
    changes.add_tombstones([stone])
    registry.save(changes, WALL)
    assert (registry.files(), registry.tombstones()) == ([], [stone])
    less = Tombstone(3, "/logs/app.log", "stream", 40, 90, 5, WALL, "max_bytes")
    registry.save(Changes(tombstones={3: less}), WALL)
    assert registry.tombstones() == [less]
    registry.forget(before=WALL + 1)
    assert registry.tombstones() == []


@pytest.mark.parametrize("content", [b"no database at all\n" * 100, b"SQLite format 3\0" * 64])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    """A file of anything else is refused with place and remedy, and left as it is."""
    path.write_bytes(content)
    with pytest.raises(DataFolderError, match=r"registry\.db: .*move the file away"):
        Registry(path)
    assert path.read_bytes() == content


def test_a_damaged_registry(path: Path) -> None:
    """A registry with a damaged page is refused where it is read, and left as it is."""
    registry = Registry(path)
    registry.save(changes_of(1, files=500), WALL)
    registry.close()
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DataFolderError, match=r"registry\.db: .*move the file away"):  # noqa: PT012
        damaged = Registry(path)
        try:
            damaged.files()
        finally:
            damaged.close()
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_registry(path: Path) -> None:
    """A crash right after the file was made leaves an empty one: there was nothing in it."""
    path.touch()
    registry = Registry(path)
    registry.save(changes_of(1), WALL)
    assert steps_in(registry) == {1}
    registry.close()


# Saves as fast as it can; tells each step when it is durable.
SAVER = textwrap.dedent(
    """
    import itertools, sys
    from pathlib import Path
    from shipper.registry.registry import Registry
    from tests.registry.test_registry import changes_of

    registry = Registry(Path(sys.argv[1]))
    for step in itertools.count(registry.accounted() + 1):
        registry.save(changes_of(step, files=50), 0)
        print(step, flush=True)
    """
)


@pytest.mark.slow
def test_killed_while_it_saves(path: Path) -> None:
    """After kill -9 the last state that was saved is there, whole, or the one after it."""
    root = Path(__file__).parents[2]
    for round_ in itertools.count(1):
        with subprocess.Popen(
            [sys.executable, "-c", SAVER, str(path)], cwd=root, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout
            told = [int(process.stdout.readline()) for _ in range(10 * round_)][-1]
            process.kill()
            told = int([str(told).encode(), *process.stdout.read().split()][-1])
        registry = Registry(path)
        (step,) = steps_in(registry)
        registry.close()
        assert told <= step <= told + 1
        if round_ == 5:
            break


@given(steps=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 9), st.booleans()), max_size=20))
def test_saves_in_any_portions(
    steps: list[tuple[int, int, bool]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Changes that are saved at once, or one by one, leave the same."""
    states = []
    for portion in (1, 3, 100):
        registry = Registry(tmp_path_factory.mktemp("r") / "registry.db")
        registry._db.execute("PRAGMA synchronous=OFF")  # for the speed of the test
        gone: set[int] = set()
        for start in range(0, len(steps), portion):
            changes = Changes()
            for number, offset, drop in steps[start : start + portion]:
                gone |= {number} if drop else set()
                kept = [] if number in gone else [record_of(number, offset)]
                changes.add_files(kept, [record_of(number, 0)] if drop else [])
            registry.save(changes, WALL)
        states.append(registry.files())
        registry.close()
    assert states[0] == states[1] == states[2]
