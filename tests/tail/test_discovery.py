"""Which files the patterns mean, and which they don't."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipper.tail.discovery import FoundFile, Patterns
from tests.tail.tailing import open_folder, unprivileged


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x\n")


def find(folder: Path, *paths: str, exclude: tuple[str, ...] = ()) -> dict[str, FoundFile]:
    patterns = Patterns(tuple(str(folder / path) for path in paths), exclude)
    found = list(patterns.find())
    assert len({each.path for each in found}) == len(found)
    return {os.path.relpath(each.path, folder): each for each in found}


def test_globs(tmp_path: Path) -> None:
    """`*`, `?` and `[…]` match within one name."""
    make(tmp_path, "app.log", "app2.log", "b.log", "app.txt", "sub/app.log", "applog")
    assert {*find(tmp_path, "*.log")} == {"app.log", "app2.log", "b.log"}
    assert {*find(tmp_path, "app?.log")} == {"app2.log"}
    assert {*find(tmp_path, "[!b].log", "[b].log")} == {"b.log"}
    assert {*find(tmp_path, "s*b/*.log")} == {"sub/app.log"}


def test_any_depth(tmp_path: Path) -> None:
    """`**` matches any number of folders, none too."""
    make(tmp_path, "a.log", "x/b.log", "x/y/z/c.log", "x/c.txt")
    assert {*find(tmp_path, "**/*.log")} == {"a.log", "x/b.log", "x/y/z/c.log"}
    assert {*find(tmp_path, "x/**/c.*")} == {"x/y/z/c.log", "x/c.txt"}


def test_a_path_without_wildcards(tmp_path: Path) -> None:
    """A plain path is a pattern, too, and matches nothing more."""
    make(tmp_path, "app.log", "myapp.log", "app.log.old")
    assert {*find(tmp_path, "app.log")} == {"app.log"}


@pytest.mark.parametrize(
    "name",
    [
        *("app.log.1", "app.log.12", "app.log.2026-02-05", "app.log-20260205"),
        *("app.log-20260205-1770301845", "app.log.2026-02-05_14-30-45", "app.log.2026-02-05T14:30"),
        *("app.log.1.2", "app.log.2.gz", "app.log-20260205.gz"),
    ],
)
def test_rotated_names(tmp_path: Path, name: str) -> None:
    """What a file is rotated to is found with it, and known as rotated."""
    make(tmp_path, "app.log", name)
    for pattern in ("app.log", "*.log"):
        found = find(tmp_path, pattern)
        assert {*found} == {"app.log", name}
        assert not found["app.log"].rotated
        assert found[name].rotated


@pytest.mark.parametrize(
    "name",
    [
        *("app.log.1.bz2", "app.log-20260205.bz2", "app.log.2.zst", "app.log.old", "app.log.bak"),
        *("app.log1", "app.log.", "app.log~", "other.log.1", "app.log.x1", ".app.log.swp"),
    ],
)
def test_names_of_others(tmp_path: Path, name: str) -> None:
    """What other tools compressed, backups of editors and other logs are not taken for rotated."""
    make(tmp_path, "app.log", name)
    assert {*find(tmp_path, "app.log")} == {"app.log"}


def test_a_date_in_the_name_of_a_live_file(tmp_path: Path) -> None:
    """A file that matches as it is is live, whatever its name looks like."""
    make(tmp_path, "app-2026.02.05")
    assert not find(tmp_path, "app-*")["app-2026.02.05"].rotated


def test_exclude_by_name(tmp_path: Path) -> None:
    """A pattern without a slash is held against the name alone."""
    make(tmp_path, "app.log", "debug.log", "x/debug.log")
    assert {*find(tmp_path, "**/*.log", exclude=("debug*",))} == {"app.log"}


def test_exclude_by_path(tmp_path: Path) -> None:
    """A pattern with a slash is held against the whole path."""
    make(tmp_path, "x/a.log", "y/a.log")
    assert {*find(tmp_path, "*/*.log", exclude=(f"{tmp_path}/x/*",))} == {"y/a.log"}


def test_exclude_by_relative_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path to leave out is relative to the working directory, as those to read are."""
    make(tmp_path, "logs/a.log", "logs/debug.log")
    monkeypatch.chdir(tmp_path)
    found = Patterns(("logs/*.log",), ("logs/debug.log",)).find()
    assert [each.path for each in found] == [str(tmp_path / "logs/a.log")]


@pytest.mark.parametrize("exclude", ["debug.log", "*/debug.log"])
def test_exclude_what_is_rotated(tmp_path: Path, exclude: str) -> None:
    """What is left out stays left out when it is rotated."""
    make(tmp_path, "app.log", "app.log.1", "debug.log", "debug.log.1")
    assert {*find(tmp_path, "*.log", exclude=(exclude,))} == {"app.log", "app.log.1"}


def test_each_path_once(tmp_path: Path) -> None:
    """A path that several patterns match is found once."""
    make(tmp_path, "app.log")
    assert [*find(tmp_path, "*.log", "app.log", "**/app.*")] == ["app.log"]


def test_a_folder_that_comes_and_goes(tmp_path: Path) -> None:
    """A folder that is not there matches nothing now, and is looked at anew each time."""
    patterns = Patterns((str(tmp_path / "logs/*.log"), str(tmp_path / "*/deep/*.log")))
    assert not [*patterns.find()]
    assert patterns.folders() == set()
    make(tmp_path, "logs/a.log", "logs/deep/b.log")
    assert len([*patterns.find()]) == 2
    assert patterns.folders() == {str(tmp_path / "logs"), str(tmp_path / "logs/deep")}
    (tmp_path / "logs").rename(tmp_path / "away")
    assert [os.path.basename(found.path) for found in patterns.find()] == ["b.log"]


def test_only_regular_files(tmp_path: Path) -> None:
    """Folders, pipes, sockets and links that lead nowhere are no logs; links to files are."""
    make(tmp_path, "real/app.txt")
    (tmp_path / "folder.log").mkdir()
    os.mkfifo(tmp_path / "pipe.log")
    (tmp_path / "nowhere.log").symlink_to(tmp_path / "nothing")
    (tmp_path / "link.log").symlink_to(tmp_path / "real/app.txt")
    found = find(tmp_path, "*.log")
    assert {*found} == {"link.log"}
    assert found["link.log"].stat.st_ino == (tmp_path / "real/app.txt").stat().st_ino


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    """A pattern that goes through a file matches nothing."""
    make(tmp_path, "logs")
    assert not find(tmp_path, "logs/*.log")


def test_a_folder_that_cannot_be_listed() -> None:
    """A folder that cannot be listed costs only its own files."""
    with open_folder() as folder:
        make(folder, "open/a.log", "closed/b.log")
        (folder / "closed").chmod(0)
        with unprivileged():
            assert {*find(folder, "*/*.log")} == {"open/a.log"}
        (folder / "closed").chmod(0o755)


def test_a_relative_pattern(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the pattern, the path that is found is absolute."""
    make(tmp_path, "app.log")
    monkeypatch.chdir(tmp_path)
    patterns = Patterns(("*.log",))
    assert [found.path for found in patterns.find()] == [str(tmp_path / "app.log")]
    assert patterns.folders() == {str(tmp_path)}


def test_folders_are_named_as_files_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a relative pattern too, a hint in a folder has the path that the scan gives the file."""
    make(tmp_path, "logs/a.log")
    monkeypatch.chdir(tmp_path)
    patterns = Patterns(("logs/*.log",))
    (found,) = patterns.find()
    assert {os.path.dirname(found.path)} == patterns.folders()
