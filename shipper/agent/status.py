"""
The status of the shipper, as `shipper status` shows it.

It is read from disk, so it is available whether the shipper runs or not: positions from the
registry, sizes from the files, counters and rates from `status.json`. A running shipper writes that
file about once a second, in place and without fsync: no guarantee depends on it.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.enrich import clock
from shipper.files import open_regular
from shipper.formats.table import AUTO, EMIT
from shipper.process import data_folder
from shipper.registry.snapshot import is_there, read_dropped_bytes, read_known_files
from shipper.tail.content import GZIP
from shipper.tail.discovery import FoundFile, Patterns
from shipper.tail.holds import read_holds
from shipper.tail.inventory import list_files

if TYPE_CHECKING:
    from pathlib import Path

    from shipper.config.main import Config
    from shipper.registry.records import FileRecord
    from shipper.tail.holds import HeldFile

RATE_MS = 10_000  # the time over which rates are averaged

PAGE = 4096  # bytes; the file is padded to whole pages

FIRST_LINE = 1 << 16  # bytes read to find the time of the first line that is not acked


@dataclass(frozen=True, slots=True)
class FileStatus:
    """
    One file: its size, the bytes acked (`offset`), and the bytes not acked (`behind`).

    `oldest_unacked` is the `@timestamp` (epoch ms) of the first record that is not acked, None
    where there is none or it cannot be read. `state` is `current`, `behind`, `held` (deleted or
    moved away; the hold keeps it until it is read), `gone` (deleted or moved without a hold; it is
    read if the shipper has it open) or `unreadable`. `format` is what its lines are, or what the
    file was taken for; empty for what no input says, and where it is not known yet.
    `misfits` lines were read since the start that do not have it.
    """

    path: str
    size: int
    offset: int
    behind: int
    oldest_unacked: int | None
    state: str
    format: str = ""
    misfits: int = 0


@dataclass(frozen=True, slots=True)
class HoldsStatus:
    """
    Held files, which are not delivered or may grow, and their bytes.

    `nameless` and `nameless_bytes` are those that only the hold keeps. `dropped_bytes` were dropped
    undelivered, as the holds exceeded `holds.max_bytes`. `not_held` open files of the running
    shipper could not be held.
    """

    files: int = 0
    bytes: int = 0
    nameless: int = 0
    nameless_bytes: int = 0
    dropped_bytes: int = 0
    not_held: int = 0


NO_HOLDS = HoldsStatus()


@dataclass(slots=True)
class Counters:
    """What became of the events since the shipper started."""

    read_bytes: int = 0
    events: int = 0
    acked: int = 0
    duplicates: int = 0
    dropped: int = 0
    same_origin: int = 0
    redacted: int = 0
    withheld: int = 0
    tagged: int = 0
    wrapped: int = 0
    dead_letters: int = 0
    retries: int = 0
    intake_messages: int = 0
    intake_cut: int = 0
    intake_lost: int = 0
    intake_refused: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """
    The state of the shipper.

    `running` is whether a shipper has the data folder locked now, `pid` is its process. The rates
    are averages over about the last 10 s. Everything older than `watermark` (epoch ms) is
    searchable; None where that is not known.
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
    holds: HoldsStatus = NO_HOLDS


class StatusSnapshot(msgspec.Struct):
    """
    The content of `status.json`; times in epoch milliseconds.

    `deleted` maps the ids of deleted files that are still open to their unacked bytes; `not_held`
    open files have no hold. `misfits` maps ids of files to their lines of another format.
    """

    at: int
    started: int
    counters: Counters
    events_per_second: float = 0.0
    bytes_per_second: float = 0.0
    last_error: str | None = None
    deleted: dict[str, int] = {}
    not_held: int = 0
    misfits: dict[str, int] = {}


class Rates:
    """Averages over the last seconds."""

    def __init__(self) -> None:
        self._points: deque[tuple[int, int, int]] = deque()

    def snapshot(
        self, at: int, started: int, counters: Counters, last_error: str | None
    ) -> StatusSnapshot:
        """Return the snapshot of this moment."""
        points = self._points
        if points and at < points[-1][0]:
            points.clear()  # the clock was set back
        points.append((at, counters.acked, counters.read_bytes))
        while points[0][0] < at - RATE_MS:
            points.popleft()
        first_at, acked, read_bytes = points[0]
        seconds = max(at - first_at, 1) / 1000
        return StatusSnapshot(
            at,
            started,
            replace(counters),
            (counters.acked - acked) / seconds,
            (counters.read_bytes - read_bytes) / seconds,
            last_error,
        )


def write_snapshot(path: Path, snapshot: StatusSnapshot) -> None:
    """
    Write the snapshot over the one before; raises OSError.

    It is written in place and padded to whole pages, so a full disk, when the status matters most,
    does not prevent it.
    """
    data = msgspec.json.encode(snapshot)
    data = data.ljust(-(-len(data) // PAGE) * PAGE)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))
    finally:
        os.close(fd)


def _read_snapshot(path: Path) -> StatusSnapshot | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=StatusSnapshot)
    except (OSError, *UNDECODABLE):
        return None  # the shipper never ran, or the file is of another version


def status(config: Config) -> Status:
    """
    Read the status from the data folder and the files.

    Raises:
        DataFolderError: the data folder or the registry cannot be read.

    """
    pid = data_folder.holder_of(config.data_dir)
    holds = read_holds(config.data_dir / data_folder.HOLDS)
    snapshot = _read_snapshot(config.data_dir / data_folder.STATUS)
    running = snapshot if pid is not None else None
    deleted, misfits = (running.deleted, running.misfits) if running else ({}, {})
    files = tuple(_files(config, deleted, misfits, holds))
    return Status(
        running=pid is not None,
        pid=pid or None,
        started=running.started if running else None,
        files=files,
        counters=snapshot.counters if snapshot else Counters(),
        events_per_second=running.events_per_second if running else 0.0,
        bytes_per_second=running.bytes_per_second if running else 0.0,
        watermark=_watermark(files, snapshot),
        last_error=snapshot.last_error if snapshot else _damage(config),
        holds=_holds_status(
            config.data_dir / data_folder.REGISTRY, holds, running.not_held if running else 0
        ),
    )


def _damage(config: Config) -> str | None:
    """Say that there is a snapshot which cannot be read: that is not the same as none."""
    path = config.data_dir / data_folder.STATUS
    if not is_there(path):
        return None
    return f"{path} cannot be read; counters are missing until a shipper writes it again"


def _holds_status(registry: Path, holds: list[HeldFile], not_held: int) -> HoldsStatus:
    nameless = [held.stat.st_size for held in holds if held.is_last_name]
    return HoldsStatus(
        files=len(holds),
        bytes=sum(held.stat.st_size for held in holds),
        nameless=len(nameless),
        nameless_bytes=sum(nameless),
        dropped_bytes=read_dropped_bytes(registry) if is_there(registry) else 0,
        not_held=not_held,
    )


def _watermark(files: tuple[FileStatus, ...], snapshot: StatusSnapshot | None) -> int | None:
    """Return the time of the oldest unacked record; if there is none, of the last snapshot."""
    if snapshot is None:
        return None
    behind = [file for file in files if file.behind]
    times = [file.oldest_unacked for file in behind if file.oldest_unacked is not None]
    return None if len(times) < len(behind) else min([snapshot.at, *times])


def _files(
    config: Config, deleted: dict[str, int], misfits: dict[str, int], holds: list[HeldFile]
) -> list[FileStatus]:
    """Return the status of files that exist, and of those that are gone."""
    registry = config.data_dir / data_folder.REGISTRY
    known = read_known_files(registry) if is_there(registry) else []
    inputs = [Patterns(each.paths, each.exclude, compressed=False) for each in config.inputs]
    statuses = []
    for found, hold, record in list_files(inputs, holds, known):
        path = found.shown if found else record.path if record else ""
        name = _format_of(config, inputs, path, record)
        misfit = misfits.get(str(record.id), 0) if record else 0
        offset = record.offset if record else 0
        if found is not None:
            statuses.append(replace(_status_of(found, offset), format=name, misfits=misfit))
        elif record is not None and not record.path.endswith(GZIP):  # offsets are in its text
            size = hold.stat.st_size - offset if hold else deleted.get(str(record.id), 0)
            behind = max(size, 0)
            oldest = _time_at(hold.link, offset) if hold and behind else None
            state = "held" if hold else "gone"
            statuses.append(
                FileStatus(
                    record.path, offset + behind, offset, behind, oldest, state, name, misfit
                )
            )
    return sorted(statuses, key=lambda file: file.path)


def _format_of(config: Config, inputs: list[Patterns], path: str, record: FileRecord | None) -> str:
    """Return what the lines of a file are taken for."""
    for source, patterns in zip(config.inputs, inputs, strict=True):
        if patterns.take(path):
            if source.pattern is not None:
                return "pattern"
            if source.format == AUTO:
                return record.format if record else ""
            return "" if source.format == EMIT else source.format
    return record.format if record else ""


def _status_of(found: FoundFile, offset: int) -> FileStatus:
    path, size = found.shown, found.stat.st_size
    if offset > size:
        offset = 0  # truncated since then
    behind = size - offset
    if not os.access(found.path, os.R_OK):
        return FileStatus(path, size, offset, behind, None, "unreadable")
    oldest = _time_at(found.path, offset) if behind else None
    return FileStatus(path, size, offset, behind, oldest, "behind" if behind else "current")


def _time_at(path: str, offset: int) -> int | None:
    """Read the time of the record that begins at an offset."""
    try:
        with open(open_regular(path, follow=True), "rb") as file:
            file.seek(offset)
            record = msgspec.json.decode(file.readline(FIRST_LINE))
    except (OSError, *UNDECODABLE):
        return None
    return clock.parse(record.get("timestamp")) if isinstance(record, dict) else None
