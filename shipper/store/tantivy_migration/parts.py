"""
The folder of the embedded index.

    index/
      lock                   held (flock) by the one writer
      part-00000001/         a tantivy index and part.json
      part-00000002/         the newest part takes the records, the others never change
      part-00000003.new/     being made; becomes a part by rename when all of it is on the disk
      part-00000001.gone/    dropped by rename, being deleted
      dropped.json           the last commit of which retention dropped records: no loss

A reader lists the parts and opens them; it neither locks nor writes. What ends in `.new` or
`.gone` is left over from a crash and deleted by the next writer.
"""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import tantivy

from shipper.errors import StoreUnavailable
from shipper.files import sync, write_whole
from shipper.store.tantivy_migration.schema import VERSION, WORDS, build_schema, word_analyzer

DROPPED: Final = "dropped.json"
_PART: Final = re.compile(r"part-(\d{8})")
_LEFT_OVER: Final = re.compile(r"part-\d{8}\.(new|gone)")


class Manifest(msgspec.Struct, frozen=True):
    """
    What part.json says.

    `version` of the schema; `commits_before`: number of the last commit before the part was made,
    so that the numbers go on when all other parts are gone.
    """

    version: int
    commits_before: int


@dataclass(frozen=True, slots=True, order=True)
class IndexPart:
    """One part of the index: its number and folder."""

    number: int
    path: Path

    def identity(self) -> tuple[int, int]:
        """Return what distinguishes this part from an earlier one of the same name."""
        stat = (self.path / "part.json").stat()
        return stat.st_ino, stat.st_mtime_ns

    def created_ms(self) -> int:
        """Return when the part was created, in epoch milliseconds by the clock of the disk."""
        return (self.path / "part.json").stat().st_mtime_ns // 1_000_000

    def written_ms(self) -> int:
        """Return when the last commit was made, in epoch milliseconds by the clock of the disk."""
        return (self.path / "meta.json").stat().st_mtime_ns // 1_000_000

    def size_bytes(self) -> int:
        """Return the total size of the files of the part."""
        size = 0
        with os.scandir(self.path) as entries:
            for entry in entries:
                try:
                    size += entry.stat().st_size
                except FileNotFoundError:  # a merge has just replaced it
                    continue
        return size

    def manifest(self) -> Manifest:
        """
        Read part.json.

        Raises:
            StoreUnavailable: it can't be read, or another version wrote it.
            FileNotFoundError: the part is gone.
        """
        path = self.path / "part.json"
        try:
            manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        except FileNotFoundError:
            raise
        except (OSError, msgspec.DecodeError) as error:
            raise unreadable(self.path, error) from error
        if manifest.version != VERSION:
            raise StoreUnavailable(
                f"cannot use the index part {self.path}: it was written by another version of "
                f"shipper (schema {manifest.version}, this version uses {VERSION})",
                "move the index folder away and let the shipper start a new one",
            )
        return manifest


def list_parts(root: Path) -> list[IndexPart]:
    """Return the parts that are there, oldest first; OSError where the folder can't be read."""
    found = ((_PART.fullmatch(name), name) for name in os.listdir(root))
    return sorted(IndexPart(int(match[1]), root / name) for match, name in found if match)


def open_index(part: IndexPart) -> tantivy.Index:
    """
    Open the tantivy index of a part.

    Raises:
        StoreUnavailable: it is corrupt or unreadable.
        FileNotFoundError: the part is gone.
    """
    part.manifest()
    try:
        index = tantivy.Index.open(str(part.path))
        index.config_reader(reload_policy="manual")  # else a thread watches the folder
        index.register_tokenizer(WORDS, word_analyzer())
    except (ValueError, OSError) as error:
        if not part.path.exists():
            raise FileNotFoundError(part.path) from error
        raise unreadable(part.path, error) from error
    return index


def create_part(root: Path, number: int, commits_before: int) -> IndexPart:
    """Create an empty part; it gets its name once all of it is on the disk."""
    path = root / f"part-{number:08d}"
    new = path.with_suffix(".new")
    if new.exists():  # the try before this one failed half-way
        shutil.rmtree(new)
    new.mkdir(mode=0o700)
    tantivy.Index(build_schema(), path=str(new))
    manifest = new / "part.json"
    manifest.write_bytes(msgspec.json.encode(Manifest(VERSION, commits_before)))
    for file in (manifest, new):
        sync(file)
    new.rename(path)
    sync(root)
    return IndexPart(number, path)


def drop_part(part: IndexPart) -> None:
    """Remove a part from the index; `delete_left_overs` deletes its files."""
    part.path.rename(part.path.with_suffix(".gone"))
    sync(part.path.parent)


def note_dropped(root: Path, commit: int) -> None:
    """Record durably that retention is about to drop records up to a commit."""
    write_whole(root / DROPPED, msgspec.json.encode({"commit": commit}), durable=True)


def dropped_commits(root: Path) -> int:
    """Return the last commit of which retention dropped records, 0 if it dropped none."""
    try:
        content = msgspec.json.decode((root / DROPPED).read_bytes(), type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return 0
    return content.get("commit", 0)


def delete_left_overs(root: Path) -> None:
    """Delete dropped parts, and parts that a crash left half created or half deleted."""
    for name in os.listdir(root):
        if _LEFT_OVER.fullmatch(name):
            shutil.rmtree(root / name)


def no_index(root: Path, error: OSError) -> StoreUnavailable:
    """Return the error for a missing or unreadable index folder."""
    if isinstance(error, FileNotFoundError):
        return StoreUnavailable(f"no index at {root}", "start the shipper: shipper run")
    return StoreUnavailable(f"cannot read the index {root}: {error.strerror}", "check its path")


def unreadable(path: Path, error: Exception) -> StoreUnavailable:
    """Return the error for an unreadable part."""
    return StoreUnavailable(
        f"cannot read the index at {path}: {error}",
        "if the disk is intact, move this folder away (its records are lost) and start again",
    )
