"""What an audit found: a sum, and what keeps it from closing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from shipper.files import write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.audit.account import DroppedBytes


@dataclass(frozen=True, slots=True)
class Lost:
    """
    Records that were acked and are not stored: `count` of those from `first` to `last`.

    They were read from byte `start` of a file or behind it; `file` is its number in the registry.
    """

    stream: str
    first: int
    last: int
    count: int
    file: int
    path: str
    start: int


@dataclass(frozen=True, slots=True)
class Gap:
    """Numbers of a run that are in no file that was read."""

    run: str
    first: int
    last: int

    @property
    def count(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Result:
    """
    What became of every record that was written and read, or can be.

    `doubled` are the `_id`s of records that are stored more than once; `expired` counts what is
    older than the store keeps, which nobody judges.
    """

    indexed: int
    wrapped: int
    dead_letters: int
    waiting: int
    given_up: int
    lost: tuple[Lost, ...]
    doubled: tuple[str, ...]
    gaps: tuple[Gap, ...]
    expired: int = 0
    given_up_files: tuple[DroppedBytes, ...] = ()

    @property
    def lost_count(self) -> int:
        """How many records are lost."""
        return sum(each.count for each in self.lost)

    @property
    def written(self) -> int:
        """How many records there are to account for."""
        stored = self.indexed + self.wrapped + self.dead_letters
        return stored + self.waiting + self.given_up + self.lost_count

    @property
    def closes(self) -> bool:
        """Return whether every record is where it should be, once."""
        return not self.lost and not self.doubled


def save(path: Path, result: Result, at: int) -> None:
    """Leave the result for the next heartbeat: what is `open`; raises OSError."""
    told = {"at": at, "open": result.lost_count + len(result.doubled), "written": result.written}
    write_whole(path, msgspec.json.encode(told), durable=False)


class _AuditResult(msgspec.Struct):
    open: int


def audit_open(path: Path) -> int | None:
    """Read what the last audit on this host left unproved; None if there is no such file."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_AuditResult).open
    except (OSError, msgspec.DecodeError):
        return None
