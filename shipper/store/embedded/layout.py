"""
The files of the embedded store; their listing is the manifest.

    store/
      main/                              the folder of a writer; others beside it
        lock                             held (flock) by the writer
        000000000161.ndjson              commit 161: a batch that was acked, a record a line
        000000000101-000000000160_1770292800000_1770296400000_18211_5f3a09c1.parquet
                                         a piece: commits, times, records, CRC-32; `_odd`
                                         behind it if a record has objects of an odd shape
        000000000101-….ids               which ids are in that piece (needles.py); may be missing
        dropped.json                     the last commit that retention dropped: no loss
        anything.new                     being written, or left over from a crash

Every file is written under another name, synced, then renamed, and the folder is synced. So a file
is whole or not there, and never changes. A commit is durable when its rename is.

A piece replaces the files of its commits: it is renamed into place first, they are removed later.
Whoever lists the folder leaves out every file whose commits lie within a longer range. So each
state between two steps reads the same, before the crash and behind it: no reader takes a lock.

Commits are numbered 1, 2, 3 … per writer. The number goes on from the highest of all names and of
`dropped.json`, which is durable before retention removes a file.
"""

from __future__ import annotations

import os
import re
import zlib
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.errors import StoreUnavailable, remedy_of
from shipper.files import sync, write_whole

if TYPE_CHECKING:
    from collections.abc import Iterable

DROPPED: Final = "dropped.json"
NEW: Final = ".new"
IDS: Final = ".ids"
MAIN: Final = "main"
DAY_MS: Final = 86_400_000

_COMMIT: Final = re.compile(r"(\d{12})\.ndjson")
_PIECE: Final = re.compile(r"(\d{12})-(\d{12})_(-?\d+)_(-?\d+)_(\d+)_([0-9a-f]{8})(_odd)?\.parquet")
_LATER: Final = re.compile(r"\d{12}.*\.(ndjson|parquet)")  # of a form that is not known yet
_OLD_PART: Final = re.compile(r"part-\d{8}")


@dataclass(frozen=True, slots=True, order=True)
class StoredFile:
    """
    A file of the store: its writer and the commits in it, `first` to `last`.

    A piece has the times of its first and last record in epoch milliseconds, their number, and the
    CRC-32 of its content; these are None and 0 of a commit. `odd` is whether there may be records
    with an object, such as `host`, that has other keys or types than columns (columns.py).
    """

    writer: str
    first: int
    last: int
    path: Path
    times: tuple[int, int] | None = None
    records: int = 0
    crc: int = 0
    odd: bool = True

    @property
    def is_piece(self) -> bool:
        """Whether the file is a Parquet piece, not a commit."""
        return self.times is not None

    @property
    def day(self) -> int | None:
        """The day of all its records, since 1970; None if they are of several."""
        first, last = (ms // DAY_MS for ms in self.times or (0, DAY_MS))
        return first if first == last else None


def commit_path(folder: Path, number: int) -> Path:
    """Return the path of a commit."""
    return folder / f"{number:012d}.ndjson"


def piece_path(piece: StoredFile) -> Path:
    """Return the path that a piece gets, beside the one it has."""
    earliest, latest = piece.times or (0, 0)
    name = f"{piece.first:012d}-{piece.last:012d}_{earliest}_{latest}_{piece.records}"
    return piece.path.with_name(f"{name}_{piece.crc:08x}{'_odd' * piece.odd}.parquet")


def crc_of(path: Path) -> int:
    """Return the CRC-32 of the content of a file."""
    crc = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            crc = zlib.crc32(block, crc)
    return crc


def list_store(root: Path) -> list[StoredFile]:
    """
    Return the files of all writers, by writer and commit.

    Raises:
        StoreUnavailable: there is no store, it cannot be read, or it has the old form.
    """
    try:
        names = sorted(os.listdir(root))
        refuse_old_form(root, names)
        found: list[StoredFile] = []
        for name in names:
            if (root / name).is_dir():
                found += list_writer(root / name)
    except OSError as error:
        raise no_store(root, error) from error
    return found


def list_writer(folder: Path) -> list[StoredFile]:
    """Return the files of one writer by commit, without those that a longer range replaces."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return _longest(file for name in names if (file := _parse(folder, name)))


def replaced_files(folder: Path) -> list[tuple[StoredFile, StoredFile]]:
    """Return the files whose commits lie within a longer range, each with that file."""
    files = [file for name in os.listdir(folder) if (file := _parse(folder, name))]
    kept = _longest(files)
    paths = {file.path for file in kept}
    firsts = [file.first for file in kept]
    return [
        (file, kept[bisect_right(firsts, file.first) - 1])
        for file in files
        if file.path not in paths
    ]


def remove_unfinished(folder: Path) -> None:
    """Remove what a crash left half done; only for the one writer, before it begins."""
    names = set(os.listdir(folder))
    for name in names:
        if name.endswith(NEW) or (
            name.endswith(IDS) and f"{name.removesuffix(IDS)}.parquet" not in names
        ):
            (folder / name).unlink()


def _parse(folder: Path, name: str) -> StoredFile | None:
    if match := _COMMIT.fullmatch(name):
        number = int(match[1])
        return StoredFile(folder.name, number, number, folder / name)
    if match := _PIECE.fullmatch(name):
        first, last, earliest, latest, records = map(int, match.groups()[:5])
        times, crc, odd = (earliest, latest), int(match[6], 16), match[7] is not None
        return StoredFile(folder.name, first, last, folder / name, times, records, crc, odd)
    if _LATER.fullmatch(name):
        raise StoreUnavailable(
            f"the file {folder / name} is none that this version writes",
            "use the version of shipper that wrote it, or move it out of the store",
        )
    return None


def _longest(files: Iterable[StoredFile]) -> list[StoredFile]:
    kept: list[StoredFile] = []
    reached = 0
    for file in sorted(files, key=lambda f: (f.first, -f.last, not f.is_piece)):
        if file.last > reached:
            kept.append(file)
            reached = file.last
    return kept


def refuse_old_form(root: Path, names: Iterable[str]) -> None:
    """Raise `StoreUnavailable` for a folder that an older version wrote as an index."""
    if any(_OLD_PART.fullmatch(name) for name in names):
        raise StoreUnavailable(
            f"the store {root} has the form of an older version",
            "convert it: shipper store migrate; or move the folder away to start anew",
        )


def publish(new: Path, path: Path) -> None:
    """Rename a synced file to its name, durably."""
    new.rename(path)
    sync(path.parent)


def note_dropped(folder: Path, commit: int) -> None:
    """Record durably that retention is about to drop records up to a commit."""
    write_whole(folder / DROPPED, msgspec.json.encode({"commit": commit}), durable=True)


def dropped_commits(folder: Path) -> int:
    """Return the last commit of which retention dropped records, 0 if it dropped none."""
    try:
        content = msgspec.json.decode((folder / DROPPED).read_bytes(), type=dict[str, int])
    except (OSError, *UNDECODABLE):
        return 0
    return content.get("commit", 0)


def no_store(root: Path, error: OSError) -> StoreUnavailable:
    """Return the error for a missing or unreadable folder."""
    if isinstance(error, FileNotFoundError):
        return StoreUnavailable(f"no store at {root}", "start the shipper: shipper run")
    return StoreUnavailable(
        f"cannot read the store {root}: {error.strerror}", remedy_of(error, "check its path")
    )
