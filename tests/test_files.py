"""Files that are written whole, and files that are locked."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shipper.files import (
    is_locked,
    make_folder,
    open_locked,
    open_regular,
    read_regular,
    replacing,
    write_whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced(tmp_path: Path, *, durable: bool) -> None:
    """The new content is all there is, only for this user, and nothing is left beside it."""
    path = tmp_path / "state.json"
    path.write_bytes(b"a longer old content")

    write_whole(path, b"new", durable=durable)

    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_keeps_the_old_file(tmp_path: Path) -> None:
    """Whatever ends the writing, the old content stays and the new file is deleted."""
    path = tmp_path / "state.json"
    path.write_bytes(b"old")

    def fail() -> None:
        with replacing(path, durable=True) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_no_link_is_followed(tmp_path: Path) -> None:
    """Somebody who guesses the name of the new file cannot have another file written."""
    path, other = tmp_path / "state.json", tmp_path / "other"
    other.write_bytes(b"untouched")
    (tmp_path / f"state.json.{os.getpid()}.new").symlink_to(other)

    write_whole(path, b"new", durable=False)

    assert (path.read_bytes(), other.read_bytes()) == (b"new", b"untouched")
    assert not path.is_symlink()


def test_a_lock_ends_with_its_descriptor(tmp_path: Path) -> None:
    """One holds the lock at a time; closing the descriptor releases it."""
    path = tmp_path / "lock"
    held = open_locked(path, wait=False)
    probe = os.open(path, os.O_RDONLY)
    assert is_locked(probe)
    with pytest.raises(BlockingIOError):
        open_locked(path, wait=False)

    os.close(held)

    assert not is_locked(probe)
    os.close(probe)
    os.close(open_locked(path, wait=False))


def test_the_lock_is_of_the_file_that_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is replaced or deleted before it is locked is opened again."""
    path = tmp_path / "letters"
    path.write_bytes(b"old")
    events: list[Callable[[], None]] = [
        lambda: write_whole(path, b"new", durable=False),
        path.unlink,
        lambda: None,
    ]
    monkeypatch.setattr("fcntl.flock", lambda *_: events.pop(0)())

    fd = open_locked(path, wait=True)

    assert os.path.samestat(os.fstat(fd), path.stat())
    assert events == []
    os.close(fd)


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    """A FIFO without a writer in the place of a file is refused at once."""
    os.mkfifo(tmp_path / "a.log")
    for follow in (True, False):
        with pytest.raises(OSError, match="no regular file"):
            open_regular(tmp_path / "a.log", follow=follow)


@pytest.mark.parametrize("target", ["/dev/zero", "/", "fifo"])
def test_what_a_link_leads_to_is_looked_at(tmp_path: Path, target: str) -> None:
    """A link is followed on request only, and to a regular file only."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_bytes(b"text")
    (tmp_path / "odd").symlink_to(target)
    (tmp_path / "good").symlink_to("file")

    with pytest.raises(OSError, match="no regular file"):
        open_regular(tmp_path / "odd", follow=True)
    with pytest.raises(OSError, match="symbolic link"):
        read_regular(tmp_path / "good", 4)
    assert read_regular(tmp_path / "good", 4, follow=True) == b"text"


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """More bytes than expected are an error, and no more of them are taken."""
    (tmp_path / "large").touch()
    os.truncate(tmp_path / "large", 1 << 40)

    with pytest.raises(OSError, match="more than 1000 bytes"):
        read_regular(tmp_path / "large", 1000)


def test_what_root_writes_belongs_to_the_owner_of_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sudo shipper audit` leaves no file that the shipper itself cannot read any more."""
    owner = tmp_path.stat()
    given: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "fchown", lambda _fd, uid, gid: given.append((uid, gid)))
    for user in (0, 1000):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        write_whole(tmp_path / "state.json", b"{}", durable=False)

    assert given == [(owner.st_uid, owner.st_gid)]


def test_a_lock_is_not_taken_through_a_link(tmp_path: Path) -> None:
    """A link planted in place of a lock leads to no other file."""
    other = tmp_path / "other"
    other.write_text("of another")
    (tmp_path / "lock").symlink_to(other)

    with pytest.raises(OSError, match="symbolic links"):
        open_locked(tmp_path / "lock", wait=False)

    assert other.read_text() == "of another"


def test_a_folder_that_cannot_be_made_is_an_error_and_no_endless_try() -> None:
    """The kernel says of /proc that a folder above is missing, whatever is made there."""
    with pytest.raises(FileNotFoundError):
        make_folder(Path("/proc/none/metrics"))
