"""What identifies a file whatever it is called, and what its stream is called."""

from __future__ import annotations

from hashlib import blake2b
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


def stream_name(host: str, file: FileIdentity, head: bytes, generation: int) -> str:
    """
    Return the name of the stream of a file's foreign lines: 20 hexadecimal digits.

    Derived from what lasts (host, device, inode, first line), so that a lost registry gets the
    same names again and lines that are sent again have the same `_id`. `generation` distinguishes
    files for which all of these are equal: a file that was truncated, or that got the inode of a
    deleted one, and begins with the same line.
    """
    line = head.split(b"\n", 1)[0]
    text = f"{host}\0{file.device}\0{file.inode}\0{generation}\0".encode() + line
    return blake2b(text, digest_size=10).hexdigest()
