"""The look at config and machine: each fault has its place and a remedy, and nothing is changed."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from shipper.check.finding import Finding, FindingLevel
from shipper.check.machine import Machine, check
from shipper.config.alerts import AlertOptions
from shipper.config.inputs import HoldsOptions, InputOptions
from shipper.config.main import Config, ServiceOptions
from shipper.config.outputs import ConsoleOutput, EmbeddedOutput, Output
from shipper.process.data_folder import hold

NOW = 1_770_301_845.0
NOBODY = 65534


@pytest.fixture
def place() -> Iterator[Path]:
    """Return a folder with `logs/app.log` that any user may enter, unlike pytest's own."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    (folder / "logs").mkdir()
    write(folder / "logs/app.log", b"{}\n")
    yield folder
    shutil.rmtree(folder)


def write(path: Path, data: bytes = b"", *, written: float = NOW) -> None:
    path.write_bytes(data)
    os.utime(path, (written, written))


def config_in(
    folder: Path, *paths: str, output: Output | None = None, inputs: tuple[InputOptions, ...] = ()
) -> Config:
    patterns = tuple(str(folder / path) for path in paths or ("logs/*.log",))
    return Config(
        service=ServiceOptions("app"),
        data_dir=folder / "data",
        inputs=inputs or (InputOptions(patterns),),
        output=output or EmbeddedOutput(folder / "index", max_bytes=1),
        alerts=AlertOptions(settings=folder / "alerts.json"),
    )


def findings(config: Config, machine: Machine | None = None) -> list[Finding]:
    return check(config, machine or Machine(clock=lambda: NOW))


def faults(config: Config, machine: Machine | None = None) -> list[tuple[str, FindingLevel, str]]:
    found = [each for each in findings(config, machine) if each.severity is not FindingLevel.OK]
    assert all(each.remedy for each in found)
    return [(each.place, each.severity, each.fault) for each in found]


@contextmanager
def as_nobody() -> Iterator[int]:
    """Return up the rights of root, for which every file is open; return the user's number."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield os.geteuid()
    finally:
        os.seteuid(user)


def holds_of(config: Config, machine: Machine | None = None) -> list[tuple[FindingLevel, str]]:
    return [
        (each.severity, each.fault)
        for each in findings(config, machine)
        if each.place.startswith("holds")
    ]


def test_files_that_can_be_held(place: Path) -> None:
    """Where every file can be linked, it is said; where holds are off, what that costs."""
    config = config_in(place)
    told = "every file can be held; deleted ones up to 1.0 GiB"
    assert holds_of(config) == [(FindingLevel.OK, told)]
    off = replace(config, holds=HoldsOptions(enabled=False))
    told = "files that are deleted while no shipper runs are lost"
    assert holds_of(off) == [(FindingLevel.WARNING, told)]


def test_logs_on_another_file_system_cannot_be_held(place: Path) -> None:
    """A hard link leads within one file system only."""
    folder = Path("/dev/shm") / place.name
    assert folder.parent.stat().st_dev != place.stat().st_dev
    config = replace(config_in(place), data_dir=folder)
    ((severity, told),) = holds_of(config)
    assert severity is FindingLevel.WARNING
    assert told == f"{place}/logs/app.log: on another file system than data_dir"


def test_files_of_others_cannot_be_held(place: Path) -> None:
    """The kernel refuses links to files of others that may only be read."""
    (place / "settings").mkdir()
    setting = place / "settings/protected_hardlinks"
    machine = Machine(lambda: NOW, place / "settings")
    with as_nobody() as user:
        for value, expected in (("0", FindingLevel.OK), ("1", FindingLevel.WARNING)):
            if os.geteuid() != 0:
                os.seteuid(0)
            setting.write_text(value)
            os.seteuid(user)
            assert [severity for severity, _told in holds_of(config_in(place), machine)] == [
                expected
            ]


@pytest.mark.parametrize(
    ("settings", "severity"),
    [
        ("daily", FindingLevel.WARNING),
        ("daily\n  noallowhardlink", FindingLevel.WARNING),
        ("daily\n  allowhardlink", FindingLevel.OK),
    ],
)
def test_logrotate_leaves_held_files_alone(
    place: Path, settings: str, severity: FindingLevel
) -> None:
    """That logrotate rotates no file with two names is told before the disk is full."""
    (place / "logrotate.d").mkdir()
    text = f'weekly\n"{place}/logs/*.log" /var/log/other.log {{\n  {settings}\n}}\n'
    (place / "logrotate.d/app").write_text(text)
    machine = Machine(lambda: NOW, logrotate=place / "logrotate.d")
    assert [found for found, _told in holds_of(config_in(place), machine)] == [severity]


def test_all_is_well(place: Path) -> None:
    """A config that works has a finding per place, and nothing is made by looking."""
    found = findings(config_in(place))

    assert [(each.place, each.severity) for each in found] == [
        ("inputs[0].paths[0]", FindingLevel.OK),
        ("data_dir", FindingLevel.OK),
        ("holds", FindingLevel.OK),
        ("output.embedded.path", FindingLevel.OK),
    ]
    assert found[0].fault == "files: 1, 3 B"
    assert sorted(os.listdir(place)) == ["logs"]


def test_a_pattern_that_matches_nothing(place: Path) -> None:
    """No file, or no folder yet, is a warning: the application may be started later."""
    assert faults(config_in(place, "logs/*.txt", "nowhere/*/x.log", "*/app.log")) == [
        (
            "inputs[0].paths[0]",
            FindingLevel.WARNING,
            f"{place}/logs/*.txt matches no file now",
        ),
        ("inputs[0].paths[1]", FindingLevel.WARNING, f"there is no folder {place}/nowhere"),
    ]


def test_a_file_that_cannot_be_read(place: Path) -> None:
    """Without the right to read, the error names the file and the user."""
    (place / "logs/app.log").chmod(0)

    with as_nobody() as user:
        found = faults(config_in(place))

    path = place / "logs/app.log"
    assert found[0] == (
        "inputs[0].paths[0]",
        FindingLevel.ERROR,
        f"{path} cannot be read by user {user}",
    )


def test_a_folder_that_cannot_be_listed(place: Path) -> None:
    """A folder that is closed to us hides its files; it is not "no file"."""
    (place / "logs").chmod(0)

    with as_nobody() as user:
        found = faults(config_in(place))

    told = f"the folder {place}/logs cannot be listed by user {user}"
    assert found[0] == ("inputs[0].paths[0]", FindingLevel.ERROR, told)


def test_a_file_of_two_inputs(place: Path) -> None:
    """A file that two inputs match is named with both; twice in one input is no fault."""
    log, everything = str(place / "logs/app.log"), str(place / "logs/*")
    twice = config_in(place, inputs=(InputOptions((log, everything)), InputOptions((everything,))))
    excluded = config_in(
        place, inputs=(InputOptions((log,)), InputOptions((everything,), exclude=("app.log",)))
    )

    told = f"{log} is matched by inputs[0] too"
    assert faults(twice) == [("inputs[1].paths[0]", FindingLevel.WARNING, told)]
    assert faults(excluded) == [
        ("inputs[1].paths[0]", FindingLevel.WARNING, f"{everything} matches no file now")
    ]


def test_a_data_folder_that_others_may_read(place: Path) -> None:
    """Dead letters are log lines: their folder is for its owner alone."""
    (place / "data").mkdir(mode=0o755)

    (found,) = faults(config_in(place))

    assert found[:2] == ("data_dir", FindingLevel.WARNING)
    assert "others may look into" in found[2]


def test_folders_that_cannot_be_written(place: Path) -> None:
    """A folder that is closed to us, or no folder at all, is an error for registry and index."""
    write(place / "file")
    in_a_file = config_in(place, output=EmbeddedOutput(place / "file/index"))

    with as_nobody() as user:
        closed = faults(config_in(Path("/proc")))
        found = faults(in_a_file)

    assert ("data_dir", FindingLevel.ERROR, f"/proc cannot be written by user {user}") in closed
    assert ("output.embedded.path", FindingLevel.ERROR, f"{place}/file is no folder") in found


def test_a_shipper_is_at_work(place: Path) -> None:
    """The lock of a running shipper is seen, and gone when it is gone."""
    with hold(place / "data"):
        (found,) = faults(config_in(place))
    told = (
        f"a shipper (process {os.getpid()}) is at work on {place}/data; "
        "a second one would not start"
    )

    assert found == ("data_dir", FindingLevel.WARNING, told)
    assert faults(config_in(place)) == []


def test_a_registry_that_is_damaged(place: Path) -> None:
    """A registry that cannot be read is named with the remedy, and left as it is."""
    (place / "data").mkdir(mode=0o700)
    write(place / "data/registry.db", b"no registry" * 1000)

    (found,) = faults(config_in(place))

    assert found[:2] == ("data_dir", FindingLevel.ERROR)
    assert "registry.db: registry: file is not a database" in found[2]
    assert (place / "data/registry.db").read_bytes() == b"no registry" * 1000


def test_an_index_that_is_the_data_folder(place: Path) -> None:
    """Index and registry have a folder each."""
    config = config_in(place, output=EmbeddedOutput(place / "data", max_bytes=1))

    assert faults(config) == [("output.embedded.path", FindingLevel.ERROR, "is the data_dir too")]


def test_an_index_larger_than_the_disk(place: Path) -> None:
    """A size that the disk does not have would be met by a full disk, not by retention."""
    (found,) = faults(config_in(place, output=EmbeddedOutput(place / "index", max_bytes=2**60)))

    assert found[:2] == ("output.embedded.max_size", FindingLevel.WARNING)
    assert found[2].startswith("1048576.0 TiB are more than the disk has left (")


def test_an_index_that_cannot_be_opened(place: Path) -> None:
    """A damaged index is an error with the words of the store, and a remedy."""
    part = place / "index/part-00000001"
    part.mkdir(parents=True)
    (part / "part.json").write_text("{")

    (found,) = faults(config_in(place))

    assert found[:2] == ("output.embedded.path", FindingLevel.ERROR)


def test_console_output(place: Path) -> None:
    """Standard output needs nothing, a file needs its folder."""
    there = config_in(place, output=ConsoleOutput("json", "-"))
    not_there = config_in(place, output=ConsoleOutput("json", str(place / "logs/app.log/out")))

    assert faults(there) == []
    assert faults(not_there) == [
        ("output.console.path", FindingLevel.ERROR, f"{place}/logs/app.log is no folder")
    ]


def test_limits_of_the_kernel(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too few watches cost speed, too few open files cost records."""
    settings = place / "settings"
    (settings / "inotify").mkdir(parents=True)
    (settings / "inotify/max_user_watches").write_text("0\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _limit: (8, 16))

    found = faults(config_in(place), Machine(clock=lambda: NOW, settings=settings))

    assert found == [
        ("inputs", FindingLevel.ERROR, "65 open files are needed and 16 allowed"),
        ("tail.watch", FindingLevel.WARNING, "1 folders are to be watched and the kernel allows 0"),
    ]


@pytest.mark.parametrize(
    ("now", "severity", "told"),
    [
        (0.0, FindingLevel.ERROR, "the clock was never set"),
        (NOW - 3600, FindingLevel.WARNING, "a log file was written 3600 s in the future"),
    ],
)
def test_a_clock_that_is_wrong(place: Path, now: float, severity: FindingLevel, told: str) -> None:
    """Times of records are compared with our clock: one that is off is told."""
    assert faults(config_in(place), Machine(clock=lambda: now)) == [("clock", severity, told)]
