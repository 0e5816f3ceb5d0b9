"""How far the shipper is: told from what is on disk, running or not."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from shipper.agent.status import (
    RATE_MS,
    Counters,
    FileStatus,
    HoldsStatus,
    Rates,
    StatusSnapshot,
    status,
    write_snapshot,
)
from shipper.config.inputs import InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import ConsoleOutput
from shipper.errors import DataFolderError
from shipper.fingerprint import Fingerprint
from shipper.process import data_folder
from shipper.process.data_folder import hold
from shipper.registry.identity import identity
from shipper.registry.records import Changes, FileRecord, Tombstone
from shipper.registry.registry import Registry
from shipper.tail.holds import Holds

TIMES = ["2026-02-05T14:30:45.123Z", "2026-02-05T14:30:46.000Z", "2026-02-05T14:30:47.000Z"]
FIRST_MS = 1_770_301_845_123
SNAPSHOT = StatusSnapshot(FIRST_MS + 60_000, FIRST_MS, Counters(acked=7), 2.5, 100.0, "down")
NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder that any user may enter, unlike pytest's own."""
    place = Path(tempfile.mkdtemp())
    place.chmod(0o755)
    for name in ("logs", "data"):
        (place / name).mkdir()
    yield place
    shutil.rmtree(place)


def config_in(place: Path, *patterns: str) -> Config:
    return Config(
        service=ServiceOptions("app"),
        data_dir=place / "data",
        inputs=tuple(
            InputOptions((str(place / pattern),)) for pattern in patterns or ("logs/*.log",)
        ),
        output=ConsoleOutput(),
    )


def write_log(place: Path, name: str = "app.log", lines: int = 3) -> Path:
    path = place / "logs" / name
    path.write_text("".join(f'{{"timestamp":"{time}"}}\n' for time in TIMES[:lines]))
    return path


def save(place: Path, *files: tuple[Path, int]) -> None:
    """Write the registry: how much of each file is acked."""
    records = {
        number: FileRecord(
            number, identity(path.stat()), Fingerprint(), str(path), "s", 0, offset, FIRST_MS
        )
        for number, (path, offset) in enumerate(files, 1)
    }
    with closing(Registry(place / "data" / data_folder.REGISTRY)) as registry:
        registry.save(Changes(files=records), FIRST_MS)


def snapshot(place: Path, it: StatusSnapshot = SNAPSHOT) -> None:
    write_snapshot(place / "data" / data_folder.STATUS, it)


def files(place: Path, *patterns: str) -> list[FileStatus]:
    return [*status(config_in(place, *patterns)).files]


def test_before_the_first_run(place: Path) -> None:
    """Without a registry everything is still to be read; nothing is made by the look."""
    path = write_log(place)
    shutil.rmtree(place / "data")
    found = status(config_in(place))
    assert found.files == (FileStatus(str(path), 123, 0, 123, FIRST_MS, "behind"),)
    assert not found.running
    assert (found.pid, found.started, found.watermark, found.last_error) == (None,) * 4
    assert found.counters == Counters()
    assert not (place / "data").exists()


@pytest.mark.parametrize(
    ("offset", "behind", "oldest", "state"),
    [
        (0, 123, FIRST_MS, "behind"),
        (41, 82, FIRST_MS + 877, "behind"),
        (82, 41, FIRST_MS + 1877, "behind"),
        (123, 0, None, "current"),
    ],
)
def test_how_far_a_file_is(
    place: Path, offset: int, behind: int, oldest: int | None, state: str
) -> None:
    """The oldest record that is not acked is the one at the acked offset."""
    path = write_log(place)
    save(place, (path, offset))
    assert files(place) == [FileStatus(str(path), 123, offset, behind, oldest, state)]


def test_a_truncated_file(place: Path) -> None:
    """A file that is shorter than what is acked begins anew."""
    path = write_log(place)
    save(place, (path, 124))
    assert files(place) == [FileStatus(str(path), 123, 0, 123, FIRST_MS, "behind")]


def test_a_renamed_file(place: Path) -> None:
    """A file is known by its identity: its offset goes with it to its new name."""
    path = write_log(place)
    save(place, (path, 123))
    path.rename(place / "logs/app.log.1")
    write_log(place, lines=1)
    found = {os.path.basename(file.path): file.behind for file in files(place)}
    assert found == {"app.log": 41, "app.log.1": 0}


def test_a_file_that_is_held(place: Path) -> None:
    """What only a hold keeps is behind by what of it is not acked, whoever runs or not."""
    path = write_log(place)
    save(place, (path, 41))
    holds = Holds(place / "data" / data_folder.HOLDS)
    with path.open("rb") as file:
        holds.keep(identity(path.stat()), file.fileno(), str(path))
    path.unlink()
    found = status(config_in(place))
    assert [*found.files] == [FileStatus(str(path), 123, 41, 82, FIRST_MS + 877, "held")]
    assert found.holds == HoldsStatus(1, 123, nameless=1, nameless_bytes=123)


def test_what_was_given_up(place: Path) -> None:
    """Bytes that were lost on purpose are counted, whether a shipper runs or not."""
    stones = {
        number: Tombstone(number, "app.log", "s", 10, 10 + number, None, FIRST_MS, "why")
        for number in (1, 2)
    }
    with closing(Registry(place / "data" / data_folder.REGISTRY)) as registry:
        registry.save(Changes(tombstones=stones), FIRST_MS)
    assert status(config_in(place)).holds == HoldsStatus(dropped_bytes=3)


def test_a_file_that_is_gone(place: Path) -> None:
    """A file that only the registry knows is gone, and stays in sight."""
    path = write_log(place)
    save(place, (path, 41))
    path.unlink()
    assert files(place) == [FileStatus(str(path), 41, 41, 0, None, "gone")]


def test_a_file_that_cannot_be_read(place: Path) -> None:
    """A file without permission is named so, with its size."""
    path = write_log(place)
    save(place, (path, 41))
    path.chmod(0)
    real, effective = os.getuid(), os.geteuid()
    if effective == 0:  # access() looks at the real user
        os.setresuid(NOBODY, 0, 0)
    try:
        assert files(place) == [FileStatus(str(path), 123, 41, 82, None, "unreadable")]
    finally:
        os.setresuid(real, effective, effective)


def test_each_file_once(place: Path) -> None:
    """A file of several names or inputs is told once, with its offset."""
    path = write_log(place)
    (place / "logs/link.log").symlink_to(path)
    save(place, (path, 123))
    found = files(place, "logs/*.log", "logs/app.log", "**/*.log")
    assert [(file.behind, file.state) for file in found] == [(0, "current")]


@pytest.mark.parametrize(
    "line",
    [
        b"plain text\n",
        b"[1]\n",
        b'{"timestamp":7e20}\n',
        b'{"a":1}\n',
        b"\xff\n",
        b"half",
        b"[" * 9000,
    ],
)
def test_a_line_without_a_time(place: Path, line: bytes) -> None:
    """What cannot be read has no time; nothing is raised, and nothing is guessed."""
    (place / "logs/app.log").write_bytes(line)
    snapshot(place)
    (file,) = files(place)
    assert (file.oldest_unacked, file.state) == (None, "behind")
    assert status(config_in(place)).watermark is None


def test_the_watermark(place: Path) -> None:
    """All older than the oldest record that is not acked is searchable, or than the last look."""
    first, second = write_log(place), write_log(place, "b.log")
    assert status(config_in(place)).watermark is None
    snapshot(place)
    save(place, (first, 41), (second, 82))
    assert status(config_in(place)).watermark == FIRST_MS + 877
    save(place, (first, 123), (second, 82))
    assert status(config_in(place)).watermark == FIRST_MS + 1877
    save(place, (first, 123), (second, 123))
    assert status(config_in(place)).watermark == SNAPSHOT.at


def test_a_running_shipper(place: Path) -> None:
    """Of a running shipper, its process, its start and its rates are told."""
    snapshot(place)
    with hold(place / "data"):
        found = status(config_in(place))
    assert (found.running, found.pid, found.started) == (True, os.getpid(), SNAPSHOT.started)
    assert (found.events_per_second, found.bytes_per_second) == (2.5, 100.0)
    assert found.counters == Counters(acked=7)
    assert found.last_error == "down"


def test_a_stopped_shipper(place: Path) -> None:
    """Of a stopped shipper, the counters are told, and no rates that are not so any more."""
    snapshot(place)
    found = status(config_in(place))
    assert (found.running, found.pid, found.started) == (False, None, None)
    assert found.events_per_second == found.bytes_per_second == 0.0
    assert found.counters == Counters(acked=7)


def test_beside_an_open_registry(place: Path) -> None:
    """The registry of a running shipper can be read at any time, with what was saved last."""
    path = write_log(place)
    save(place, (path, 0))
    with closing(Registry(place / "data" / data_folder.REGISTRY)) as registry:
        (record,) = registry.files()
        record.offset = 82
        registry.save(Changes(files={1: record}), FIRST_MS)
        assert files(place)[0].offset == 82


@pytest.mark.parametrize("content", [b"no database", b'{"at":1}', b"", b"\xff"])
def test_a_snapshot_that_cannot_be_read(place: Path, content: bytes) -> None:
    """The snapshot is a view: without it there is less to tell, and that is said."""
    assert status(config_in(place)).last_error is None
    (place / "data" / data_folder.STATUS).write_bytes(content)
    found = status(config_in(place))
    assert found.counters == Counters()
    assert "status.json cannot be read" in str(found.last_error)


def test_a_registry_that_cannot_be_read(place: Path) -> None:
    """A registry that is none is told with its place, and left alone."""
    path = place / "data" / data_folder.REGISTRY
    path.write_bytes(b"no database at all\n" * 100)
    with pytest.raises(DataFolderError, match=r"registry\.db: .*shipper check"):
        status(config_in(place))
    assert path.read_bytes() == b"no database at all\n" * 100


def test_a_name_that_is_no_utf8(place: Path) -> None:
    """Whatever bytes a name has, it can be shown."""
    Path(os.fsdecode(bytes(place) + b"/logs/\xff.log")).write_bytes(b"x\n")
    (file,) = files(place)
    assert json.dumps(asdict(file), ensure_ascii=False).encode()
    assert (file.path[-5:], file.size, file.state) == ("\ufffd.log", 2, "behind")


def test_rates() -> None:
    """Rates are means over the last seconds, and what is older counts no more."""
    rates, counters = Rates(), Counters()
    assert rates.snapshot(0, 0, counters, None).events_per_second == 0
    counters.acked, counters.read_bytes = 100, 1000
    found = rates.snapshot(1000, 0, counters, "down")
    assert (found.events_per_second, found.bytes_per_second) == (100.0, 1000.0)
    assert (found.at, found.started, found.last_error) == (1000, 0, "down")
    counters.acked = 150
    assert rates.snapshot(RATE_MS + 1000, 0, counters, None).events_per_second == 5.0
    assert rates.snapshot(3 * RATE_MS, 0, counters, None).events_per_second == 0.0
    assert found.counters.acked == 100  # a snapshot does not change any more


def test_a_snapshot_is_replaced(tmp_path: Path) -> None:
    """A snapshot takes the place of the one before as a whole, and leaves nothing beside it."""
    path = tmp_path / "status.json"
    for at in range(3):
        write_snapshot(path, StatusSnapshot(at, 0, Counters()))
        assert json.loads(path.read_bytes())["at"] == at
    assert os.listdir(tmp_path) == ["status.json"]


def test_rates_survive_a_clock_that_is_set_back() -> None:
    """A rate is of the time since the clock was set, not of no time at all."""
    rates = Rates()
    rates.snapshot(FIRST_MS, FIRST_MS, Counters(acked=0), None)
    rates.snapshot(FIRST_MS - 60_000, FIRST_MS, Counters(acked=5000), None)
    later = rates.snapshot(FIRST_MS - 59_000, FIRST_MS, Counters(acked=5100), None)
    assert later.events_per_second == 100.0
