"""The result of an audit, and what is saved of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.files import read_regular, write_whole

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.audit.account import DroppedBytes

MAX_BYTES = 1 << 20  # of the saved result


@dataclass(frozen=True, slots=True)
class LostRange:
    """
    Records that were acked and are not stored: `count` of those from `first` to `last`.

    They were read from byte `start` of a file or after it; `file` is its id in the registry.
    """

    stream: str
    first: int
    last: int
    count: int
    file: int
    path: str
    start: int


@dataclass(frozen=True, slots=True)
class NumberGap:
    """Numbers of a run that are in no file that was read."""

    run: str
    first: int
    last: int

    @property
    def count(self) -> int:
        """Count the numbers."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class MissingLines:
    """Lines of a file that were acked and are not stored; the first begins at byte `start`."""

    path: str
    count: int
    start: int


@dataclass(frozen=True, slots=True)
class DeepResult:
    """
    The files against the store (shipper/audit/deep.py).

    `conflicts` are origins of different records, not all of which are stored; `unjudged` are paths
    of files that could not be read.
    """

    files: int
    lines: int
    missing: tuple[MissingLines, ...] = ()
    conflicts: tuple[str, ...] = ()
    unjudged: tuple[str, ...] = ()

    @property
    def missing_count(self) -> int:
        """Count the missing lines."""
        return sum(each.count for each in self.missing)


@dataclass(frozen=True, slots=True)
class AuditResult:
    """
    What became of every record that was written and read, or can be.

    `doubled` are the `_id`s of records that are stored more than once; `expired` counts records
    older than the retention of the store, which are not checked; `dropped` those that processors
    dropped.
    `deep` is what the files say, where they were asked.
    """

    indexed: int
    wrapped: int
    dead_letters: int
    waiting: int
    given_up: int
    lost: tuple[LostRange, ...]
    doubled: tuple[str, ...]
    gaps: tuple[NumberGap, ...]
    expired: int = 0
    dropped: int = 0
    given_up_files: tuple[DroppedBytes, ...] = ()
    deep: DeepResult | None = None

    @property
    def lost_count(self) -> int:
        """Count the lost records."""
        return sum(each.count for each in self.lost)

    @property
    def written(self) -> int:
        """Count all records to account for."""
        stored = self.indexed + self.wrapped + self.dead_letters
        return stored + self.waiting + self.given_up + self.dropped + self.lost_count

    @property
    def closes(self) -> bool:
        """Whether no record is lost or doubled."""
        is_deep_well = not (self.deep and (self.deep.missing or self.deep.conflicts))
        return not self.lost and not self.doubled and is_deep_well


class _SavedResult(msgspec.Struct):
    """The file in which the last audit on this host is noted for heartbeats."""

    at: int
    open: int
    written: int = 0


def save(path: Path, result: AuditResult, at: int) -> None:
    """Save what the next heartbeat reports of an audit at `at` (epoch ms); raises OSError."""
    deep = result.deep.missing_count + len(result.deep.conflicts) if result.deep else 0
    saved = _SavedResult(at, result.lost_count + len(result.doubled) + deep, result.written)
    write_whole(path, msgspec.json.encode(saved), durable=False)


def read_open_count(path: Path) -> int | None:
    """Return how many records the last audit left lost or doubled; None if there was none."""
    try:
        return msgspec.json.decode(read_regular(path, MAX_BYTES), type=_SavedResult).open
    except (OSError, *UNDECODABLE):
        return None
