"""What an operator asks of the folder itself: what is in it, whether it is sound."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.store.embedded.columns import SEPARATOR, TAIL_LINE
from shipper.store.embedded.engine import READ_MEMORY, connect, signals_pass
from shipper.store.embedded.layout import list_store
from shipper.store.embedded.sound import file_fault
from shipper.store.embedded.writer import EmbeddedWriter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class StoreInfo:
    """Sizes of a store; times are epoch milliseconds, None without records."""

    writers: int
    pieces: int
    commits: int
    records: int
    bytes: int
    oldest: int | None
    newest: int | None


@dataclass(frozen=True, slots=True)
class FileFault:
    """A file that is damaged, and how."""

    path: Path
    fault: str


def read_info(root: Path) -> StoreInfo:
    """
    Count what a store holds.

    Raises:
        StoreUnavailable: there is no store, or it cannot be read.
    """
    files = list_store(root)
    pieces = [file for file in files if file.is_piece]
    commits = [file for file in files if not file.is_piece]
    times = [ms for file in pieces if file.records for ms in file.times or ()]
    records = sum(file.records for file in pieces)
    for file in commits:
        with file.path.open("rb") as lines:
            for line in lines:
                if not line.startswith(TAIL_LINE):
                    records += 1
                    times.append(int(line.split(SEPARATOR.encode(), 4)[3]))
    return StoreInfo(
        writers=len({file.writer for file in files}),
        pieces=len(pieces),
        commits=len(commits),
        records=records,
        bytes=sum(file.path.stat().st_size for file in files),
        oldest=min(times, default=None),
        newest=max(times, default=None),
    )


def verify(root: Path) -> Iterator[FileFault | None]:
    """
    Read every file whole; yield its fault, or None.

    Raises:
        StoreUnavailable: there is no store, or it cannot be read.
    """
    connection = connect(root, memory=READ_MEMORY)
    for file in list_store(root):
        with signals_pass():
            fault = file_fault(connection, file)
        yield None if fault is None else FileFault(file.path, fault)


def compact(root: Path) -> int:
    """
    Turn the commits of every writer into pieces; return the number of records in the store.

    Raises:
        StoreUnavailable: there is no store, a writer of it is running, or a file cannot be written.
    """
    records = 0
    for name in sorted({file.writer for file in list_store(root)}):
        writer = EmbeddedWriter(root, keep_seconds=0, max_bytes=0, name=name)
        try:
            with signals_pass():
                records += writer.compact()
        finally:
            writer.close()
    return records
