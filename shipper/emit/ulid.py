"""ULIDs, identifiers of 26 characters that sort by time (https://github.com/ulid/spec)."""

from __future__ import annotations

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(epoch_ms: int, chance: bytes) -> str:
    """Make a ULID out of a time in milliseconds and 10 random bytes."""
    number = epoch_ms << 80 | int.from_bytes(chance, "big")
    return "".join(_CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
