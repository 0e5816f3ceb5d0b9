"""Same file or another one: identities, fingerprints, names of streams."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from shipper.fingerprint import HEAD, Fingerprint, fingerprint
from shipper.registry.identity import FileIdentity, identity, stream_name


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


@given(st.binary(max_size=40), st.binary(max_size=40), st.integers(0, 3))
def test_a_stream_is_named_by_what_lasts(line: bytes, rest: bytes, generation: int) -> None:
    """The same first line in the same file gives the same name, however long the file grew."""
    line = line.replace(b"\n", b"")
    file = FileIdentity(2**63, 7)
    name = stream_name("host", file, line + b"\n" + rest, generation)
    assert name == stream_name("host", file, line + b"\n", generation)
    assert len(name) == 20
    assert set(name) <= set("0123456789abcdef")
    others = {
        stream_name("host2", file, line, generation),
        stream_name("host", FileIdentity(2**63, 8), line, generation),
        stream_name("host", FileIdentity(1, 7), line, generation),
        stream_name("host", file, line + b"!", generation),
        stream_name("host", file, line, generation + 1),
    }
    assert len(others - {name}) == 5
