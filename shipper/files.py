"""
Files that are read safely, files that are written whole, and files that are locked.

`open_regular` and `read_regular` are for names that somebody else may give to anything at any time,
also between two looks: opening waits for nobody (a FIFO that has no writer), and what is not a
regular file is closed before anything is read of it.

`replacing` and `write_whole` write a new file and rename it over the old one: whoever opens the
path reads the old content or the new content, never a part of either. The new file is created
(O_EXCL) and never opened through a symbolic link, and it is deleted when the write fails. Only a
process that is killed half-way leaves its `NAME.PID.new` behind, which the next one with that
process id replaces.

What root makes here belongs to the owner of the folder: a command that root runs beside a service
leaves nothing behind that the service can't open.

With `durable`, the content and the name are on the disk when the call returns (fsync of the file
before the rename, and of its folder after it). Without it, a power failure may bring back the old
content, or lose the file: for what can be made again.

Locks are flock(2): a lock ends with the process that holds it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def open_regular(path: str | Path, *, follow: bool = False) -> int:
    """
    Open a regular file for reading; return its descriptor. `follow` a symbolic link to it.

    Raises:
        OSError: it could not be opened, or is no regular file.
    """
    fd = os.open(path, _READ | (0 if follow else os.O_NOFOLLOW))
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it is no regular file", os.fspath(path))


def read_regular(path: str | Path, most: int, *, follow: bool = False) -> bytes:
    """
    Read all of a regular file of at most so many bytes. `follow` a symbolic link to it.

    Raises:
        OSError: it could not be read, is no regular file, or is larger.
    """
    with open(open_regular(path, follow=follow), "rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise OSError(errno.EFBIG, f"it has more than {most} bytes", os.fspath(path))
    return data


@contextmanager
def replacing(path: Path, *, durable: bool, mode: int = 0o600) -> Iterator[IO[bytes]]:
    """
    Open the file that takes the place of `path` when the block ends, unless the block raises.

    Raises:
        OSError: the file could not be written; the old one is still there.
    """
    new = path.with_name(f"{path.name}.{os.getpid()}.new")
    new.unlink(missing_ok=True)  # a killed process with this id left it
    fd = os.open(new, _NEW, mode)
    try:
        with open(fd, "wb") as file:
            keep_owner(fd, path.parent)
            yield file
            if durable:
                file.flush()
                os.fsync(fd)
        new.rename(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise
    if durable:
        sync(path.parent)


def keep_owner(fd: int, folder: Path) -> None:
    """Make the owner of a folder the owner of what root has just made in it."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)


def make_folder(path: Path, mode: int = 0o700) -> None:
    """
    Make a folder with this mode, and those above it with the usual one, unless it is there.

    Raises:
        OSError: it could not be made, or is no folder.
    """
    try:
        _make_folder(path, mode)
    except FileNotFoundError:
        if path.parent == path:
            raise
        make_folder(path.parent, 0o777)
        _make_folder(path, mode)


def _make_folder(path: Path, mode: int) -> None:
    try:
        path.mkdir(mode=mode)
    except FileExistsError:
        if not path.is_dir():
            raise
    else:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            keep_owner(fd, path.parent)
        finally:
            os.close(fd)


def write_whole(path: Path, data: bytes, *, durable: bool, mode: int = 0o600) -> None:
    """
    Replace the content of a file; the file is created if it is missing.

    Raises:
        OSError: the file could not be written; the old one is still there.
    """
    with replacing(path, durable=durable, mode=mode) as file:
        file.write(data)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk; raise OSError on failure."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def open_locked(path: Path, flags: int = os.O_RDWR | os.O_CREAT, *, wait: bool) -> int:
    """
    Open a file and lock it for this process alone; the lock ends when the descriptor is closed.

    The locked file is the one that has the name: one that is replaced meanwhile is opened again,
    and no symbolic link is followed.

    Raises:
        BlockingIOError: another process holds the lock, and `wait` is false.
        OSError: the file could not be opened.
    """
    while True:
        try:
            fd = _open_or_make(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileExistsError:
            continue  # made by another process meanwhile
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd
        except FileNotFoundError:
            pass  # deleted meanwhile
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _open_or_make(path: Path, flags: int) -> int:
    try:
        return os.open(path, flags & ~os.O_CREAT)
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    fd = os.open(path, flags | os.O_EXCL, 0o600)
    keep_owner(fd, path.parent)
    return fd


def is_locked(fd: int) -> bool:
    """Return whether another process holds the lock of an open file."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(fd, fcntl.LOCK_UN)
    return False
