"""Same file or another one: identities, fingerprints, names of streams."""

from __future__ import annotations

from pathlib import Path

from shipper.fingerprint import HEAD, Fingerprint, fingerprint
from shipper.registry.identity import identity


def test_a_rename_changes_nothing(tmp_path: Path) -> None:
    """A file is known by device and inode, whatever it is called."""
    path = tmp_path / "a"
    path.write_bytes(b"x")
    before = identity(path.stat())
    path.rename(tmp_path / "b")
    assert identity((tmp_path / "b").stat()) == before
    path.write_bytes(b"x")
    assert identity(path.stat()) != before


def test_a_fingerprint_is_of_the_beginning() -> None:
    """What was the head of a file still is when the file has grown."""
    small = fingerprint(b"first line\n")
    assert small.length == 11
    assert small.matches(b"first line\n")
    assert small.matches(b"first line\n" + b"x" * 2 * HEAD)


def test_another_head() -> None:
    """A changed byte anywhere in the head, or a shorter file, is another file."""
    content = bytes(i % 251 for i in range(HEAD))
    head = fingerprint(content)
    for at in (0, HEAD // 2, HEAD - 1):
        assert not head.matches(content[:at] + b"\xff" + content[at + 1 :])
    assert not head.matches(content[:-1])
    assert head.matches(content + b"more")


def test_the_empty_fingerprint() -> None:
    """A file of which nothing was read yet may be any file."""
    assert Fingerprint().matches(b"")
    assert Fingerprint().matches(b"x")
