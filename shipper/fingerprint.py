"""
Fingerprints: hashes of some bytes of a file, by which it is recognized.

Inodes are reused and names are passed on, so a file is known by (device, inode) *and* by a
fingerprint of its first bytes. That one grows with the file until it covers 1 KiB: a file can be
recognized from its first byte and need not reach some size before it is read. A second fingerprint
covers the last bytes before a position: many logs begin with the same lines, few have the same
bytes there.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

HEAD = 1024  # bytes that a full-grown fingerprint covers, as in Filebeat and Vector


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """A hash of `length` bytes; the empty one matches every file."""

    length: int = 0
    digest: str = ""

    def matches(self, data: bytes) -> bool:
        """Return whether `data` begins with the bytes of this fingerprint."""
        return self.length == 0 or fingerprint(data[: self.length]) == self


EMPTY = Fingerprint()


def fingerprint(data: bytes) -> Fingerprint:
    """Return the fingerprint of these bytes."""
    return Fingerprint(len(data), blake2b(data, digest_size=16).hexdigest())
