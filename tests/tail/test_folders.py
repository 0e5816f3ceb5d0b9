"""The folders of a pattern: as glob finds them, and always with an end."""

from __future__ import annotations

import os
from glob import glob
from typing import TYPE_CHECKING

import pytest

from shipper.tail import folders
from shipper.tail.discovery import Patterns
from shipper.tail.folders import folders_of

if TYPE_CHECKING:
    from pathlib import Path

PATTERNS = [
    "*",
    "**",
    "a/**",
    "**/c",
    "**/c/**",
    "*/b/*",
    "a/[bx]",
    ".*",
    "**/.hidden/*",
    "a/*/c",
    "no/*",
    "*.log",
    "a/../a/*",
    "?",
]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a/b/c", "a/.hidden/d", "x/b/y/c", ".hidden/e"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "a" / "file.log").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("pattern", PATTERNS)
def test_as_glob_finds_them(tree: Path, pattern: str) -> None:
    """Absolute or not, the folders are those of glob."""
    for each in (pattern, f"{tree}/{pattern}"):
        expected = {found.rstrip("/") or "." for found in glob(each, recursive=True)}
        if each == "**":
            expected.add(".")  # glob leaves out the folder that it begins with
        assert sorted(folders_of(each)) == sorted(filter(os.path.isdir, expected))


def test_links_in_a_circle(tree: Path) -> None:
    """Links to a folder above end nothing and are no end: each folder is found, by its own name."""
    for name in ("current", "latest", "a/up", "a/b/top"):
        (tree / name).symlink_to(tree)
    (tree / "0").symlink_to("x")
    (tree / "app.log").write_text("one\n")
    (tree / "x" / "b" / "app.log").write_text("two\n")

    found = [file.path for file in Patterns((f"{tree}/**/*.log",)).find()]

    assert sorted(found) == [f"{tree}/{name}" for name in ("a/file.log", "app.log", "x/b/app.log")]
    assert f"{tree}/x/b/y/c" in Patterns((f"{tree}/**/*.log",)).folders()


def test_a_link_to_a_folder_elsewhere_is_followed(
    tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """What is below a link is found under the name of the link."""
    other = tmp_path_factory.mktemp("other")
    (other / "deep").mkdir()
    (tree / "a" / "link").symlink_to(other)

    assert f"{tree}/a/link/deep" in {*folders_of(f"{tree}/**")}


def test_a_walk_without_end_is_ended(
    tree: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """So many folders are listed and no more; the log says so once."""
    monkeypatch.setattr(folders, "MOST_FOLDERS", 3)
    for _ in range(2):
        assert len([*folders_of(f"{tree}/**")]) < 8
    assert caplog.text.count("more than 3 folders") == 1
