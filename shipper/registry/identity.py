"""What identifies a file, whatever it is called."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import os


class FileIdentity(NamedTuple):
    """Device and inode: the same file under any name."""

    device: int
    inode: int


def identity(stat: os.stat_result) -> FileIdentity:
    """Return the identity of the file of a stat result."""
    return FileIdentity(stat.st_dev, stat.st_ino)
