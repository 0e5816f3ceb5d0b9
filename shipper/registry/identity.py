"""
What makes a file the same file after a rename, and another file under the same name.

A file is known by (device, inode) *and* by a fingerprint of its first bytes: inodes are used
again, names are given on. The fingerprint grows with the file until it covers 1 KiB, so that a
file is known from its first byte, and never has to reach a size before it is read. A second one
covers the last bytes before a position: many logs begin with the same lines, few have the same
bytes there.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import os

HEAD = 1024  # bytes that a full-grown fingerprint covers, as in Filebeat and Vector


class FileIdentity(NamedTuple):
    """Device and inode: the same file whatever it is called."""

    device: int
    inode: int


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A hash of `length` bytes; the empty one fits every file."""

    length: int = 0
    digest: str = ""

    def fits(self, data: bytes) -> bool:
        """Return whether these are the same bytes; more may follow."""
        return self.length == 0 or fingerprint(data[: self.length]) == self


NO_FINGERPRINT = Fingerprint()


def identity(stat: os.stat_result) -> FileIdentity:
    """Take the identity out of a stat result."""
    return FileIdentity(stat.st_dev, stat.st_ino)


def fingerprint(data: bytes) -> Fingerprint:
    """Make the fingerprint of these bytes."""
    return Fingerprint(len(data), blake2b(data, digest_size=16).hexdigest())


def stream_name(host: str, file: FileIdentity, head: bytes, generation: int) -> str:
    """
    Name the stream of a file's foreign lines: 20 hexadecimal digits.

    Made of what lasts (host, device, inode, the first line), so that a registry lost by accident
    gives the same names again and the resent lines meet their own `_id`. `generation` tells
    apart what cannot be told by these: a file that was truncated, or that got the inode of a
    deleted one, and begins with the same line.
    """
    line = head.split(b"\n", 1)[0]
    text = f"{host}\0{file.device}\0{file.inode}\0{generation}\0".encode() + line
    return blake2b(text, digest_size=10).hexdigest()
