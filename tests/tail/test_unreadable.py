"""Opening what a scan has found: the name may lead to anything by now."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shipper.registry.identity import identity
from shipper.tail.content import Gunzipped
from shipper.tail.discovery import FoundFile
from shipper.tail.unreadable import UnreadableFiles


def found(path: Path, *, compressed: bool = False) -> FoundFile:
    return FoundFile(str(path), path.stat(), rotated=False, compressed=compressed)


def test_a_fifo_in_the_place_of_a_file(tmp_path: Path) -> None:
    """A FIFO that took the name since the scan is not waited for; it is an unreadable file."""
    path = tmp_path / "a.log"
    path.write_bytes(b"x")
    file = found(path)
    path.unlink()
    os.mkfifo(path)
    files = UnreadableFiles({})

    assert files.open(file, identity(file.stat)) is None
    assert files.reasons == {str(path): "it is no regular file"}


def test_nothing_is_read_of_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that took the name since the scan is closed before a byte of it is read."""
    path, other = tmp_path / "a.gz", tmp_path / "b.gz"
    path.write_bytes(b"x")
    other.write_bytes(b"y")
    file = found(path, compressed=True)
    other.rename(path)
    monkeypatch.setattr(Gunzipped, "__init__", None)  # whoever makes one, reads its head
    before = len(os.listdir("/proc/self/fd"))

    assert UnreadableFiles({}).open(file, identity(file.stat)) is None
    assert len(os.listdir("/proc/self/fd")) == before
