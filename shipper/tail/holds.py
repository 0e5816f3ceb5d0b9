"""
Holds: a second name for every file that is read, so that nothing unshipped is deleted.

A hold is a hard link in `holds/` of the data folder. It is made when the file is opened, which is
when it is first seen: by what the descriptor leads to, not by the name, which may lead elsewhere by
now. Its name says which file it is and what it was called:

    <device>-<inode>-<path>    both in hexadecimal, the path as in an URL, its end if it is long

While it is there, no other file can get the inode, so the name can't lie; an entry whose name
contradicts its inode was copied there, is no hold, and is left alone.

The order that keeps the promise:

1. the file is opened and linked, in the scan that finds it, before any of it is read;
2. it is read, delivered and acked;
3. rotated away and read to its end, or dropped, it is closed;
4. the registry saves its last position, or its drop with the tombstone;
5. only then is it unlinked.

A crash between any two of these leaves a hold too many, never one too few. At the start holds are
matched with the records of the registry: what has no other name is read on from here. A hold that
was made right before a crash has no record yet: it is read from its beginning.

Where it can't be linked (another file system; a file of another user, which the kernel refuses to
who may not write it, `fs.protected_hardlinks`) the open descriptor alone holds the file, as long as
the shipper runs.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote_to_bytes

from shipper import crashpoints
from shipper.crashpoints import CrashPoint
from shipper.errors import DataFolderError
from shipper.registry.identity import FileIdentity, identity

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

NAME_BYTES = 255  # of a file on every file system of Linux


@dataclass(frozen=True, slots=True)
class HeldFile:
    """A hold: where it is, what the file was called, what its stat says."""

    link: str
    path: str
    stat: os.stat_result

    @property
    def is_last_name(self) -> bool:
        """Return whether no other name leads to the file."""
        return self.stat.st_nlink == 1


class Holds:
    """The holds of one data folder, which is this process's own; none where `folder` is None."""

    def __init__(self, folder: Path | None, max_bytes: int = 0) -> None:
        self.max_bytes = max_bytes
        self._folder = None if folder is None else os.fspath(folder)
        self._names: dict[FileIdentity, str] = {}
        self._released: set[FileIdentity] = set()
        self._refused: set[int] = set()
        if self._folder is None:
            return
        self._prefix = os.path.abspath(self._folder) + "/"
        try:
            os.makedirs(self._folder, mode=0o700, exist_ok=True)
            self._names = {identity(held.stat): held.link for held in held_in(self._folder)}
        except OSError as error:
            raise DataFolderError(
                f"{folder}: {error.strerror}; correct the permissions of the folder, or set"
                " holds.enabled to false"
            ) from error

    @property
    def are_on(self) -> bool:
        """Return whether files are held."""
        return self._folder is not None

    def contain(self, path: str) -> bool:
        """Return whether a path is that of a hold."""
        return self._folder is not None and path.startswith(self._prefix)

    def keep(self, key: FileIdentity, fd: int, path: str) -> None:
        """Hold an open file; where that can't be, say why, once for each reason."""
        self._released.discard(key)
        if self._folder is None or key in self._names:
            return
        link = os.path.join(self._folder, _name(key, path))
        try:
            link_to(fd, link)
        except FileNotFoundError:
            return  # it was deleted since it was opened: no name can be given to it any more
        except OSError as error:
            if error.errno not in self._refused:
                self._refused.add(error.errno or 0)
                log.warning(
                    "cannot link %s (%s): once deleted, it is kept only while this shipper runs",
                    path,
                    error.strerror,
                )
            return
        self._names[key] = link
        crashpoints.reached(CrashPoint.HOLD_LINKED)

    def were_deleted(self) -> bool:
        """Return whether the folder had been deleted; it is made again, and nothing is held."""
        if self._folder is None or os.path.isdir(self._folder):
            return False
        log.warning(
            "%s was deleted; it is created again with links to all open files", self._folder
        )
        os.makedirs(self._folder, mode=0o700, exist_ok=True)
        self._names.clear()
        self._released.clear()
        return True

    def has(self, key: FileIdentity) -> bool:
        """Return whether a file is held."""
        return key in self._names

    def left(self) -> Iterator[HeldFile]:
        """Yield the holds that are there now."""
        if self._folder is not None:
            yield from held_in(self._folder)

    def release(self, key: FileIdentity) -> None:
        """Release a file as soon as the registry has saved that it is over."""
        if key in self._names:
            self._released.add(key)

    def sweep(self) -> None:
        """Unlink what was released; call it after the registry was saved."""
        for key in self._released:
            with suppress(FileNotFoundError):
                os.unlink(self._names.pop(key))
            crashpoints.reached(CrashPoint.HOLD_UNLINKED)
        self._released.clear()


def read_holds(folder: Path) -> list[HeldFile]:
    """Return the holds of a data folder; none where holds are off or the folder is not readable."""
    try:
        return held_in(os.fspath(folder))
    except OSError:
        return []


def held_in(folder: str) -> list[HeldFile]:
    """
    Read a folder of holds; raises OSError.

    What is no hold, or was copied there, is left out.
    """
    found = []
    with os.scandir(folder) as entries:
        for entry in entries:
            device, _, rest = entry.name.partition("-")
            inode, _, quoted = rest.partition("-")
            with suppress(OSError):
                stat = entry.stat(follow_symlinks=False)
                if f"{stat.st_dev:x}-{stat.st_ino:x}" == f"{device}-{inode}":
                    path = os.fsdecode(unquote_to_bytes(quoted))
                    found.append(HeldFile(entry.path, path, stat))
    return found


def _name(key: FileIdentity, path: str) -> str:
    name = f"{key.device:x}-{key.inode:x}-"
    quoted = quote(os.fsencode(path), safe="")
    room = NAME_BYTES - len(name)
    if len(quoted) > room:
        quoted = quoted[-room:].partition("%2F")[2]  # from a slash on: no half of a %xx
    return name + quoted


def link_to(fd: int, link: str) -> None:
    """Link a name to the file of an open descriptor; raises OSError."""
    folder = os.open(os.path.dirname(link), os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        # With a folder's descriptor Python calls linkat(AT_SYMLINK_FOLLOW), else link().
        source, name = f"/proc/self/fd/{fd}", os.path.basename(link)
        try:
            os.link(source, name, dst_dir_fd=folder)
        except FileExistsError:  # a copy, as in a data folder from a backup: it holds nothing
            os.unlink(name, dir_fd=folder)
            os.link(source, name, dst_dir_fd=folder)
    finally:
        os.close(folder)
