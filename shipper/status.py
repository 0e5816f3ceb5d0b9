"""
How far the shipper is: what `shipper status` shows.

Made from what is on disk, so that it can be asked while the shipper runs and when it doesn't:
positions from the registry, sizes from the files, counters and rates from the snapshot that a
running shipper writes about once a second (`status.json` in the data folder, replaced by rename,
never fsynced: it is a view, not a promise).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FileStatus:
    """
    One file: bytes in all, bytes acked (`offset`), bytes `behind`.

    `oldest_unacked` is the `@timestamp` (epoch ms) of the first record that is not acked, None
    where there is none. `state` is `current`, `behind`, `rotated` (read to its end or not, its
    name belongs to another file now), `gone` or `unreadable`.
    """

    path: str
    size: int
    offset: int
    behind: int
    oldest_unacked: int | None
    state: str


@dataclass(frozen=True, slots=True)
class Counters:
    """What became of the events since the shipper started; `*_bytes` are bytes."""

    read_bytes: int = 0
    events: int = 0
    acked: int = 0
    duplicates: int = 0
    tagged: int = 0
    wrapped: int = 0
    dead_letters: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """
    The state of the shipper.

    `running` tells whether a shipper holds the data folder now, `pid` which process. The rates
    are means over about the last 10 s. Everything older than `watermark` (epoch ms) is
    searchable.
    """

    running: bool
    pid: int | None
    started: int | None
    files: tuple[FileStatus, ...]
    counters: Counters
    events_per_second: float
    bytes_per_second: float
    watermark: int | None
    last_error: str | None
