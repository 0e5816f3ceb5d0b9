"""
What an operator asks of the positions: read a file again, forget one that is gone.

Of a running shipper and of one that stands still the same, on a tailer that has scanned; nothing
may be under way.
"""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from shipper.registry.records import FileRecord
    from shipper.tail.tailer import Tailer

UNKNOWN = "no such file in the registry; see shipper registry list"


def reread(tailer: Tailer, files: Mapping[str, int]) -> Iterator[tuple[str, int, str | None]]:
    """Read files again, path → byte to begin at; yield path, bytes to read, why it is not done."""
    for path, start in files.items():
        known = _matching(tailer.records(), path)
        if not known:
            yield path, 0, UNKNOWN
        elif not any(tailer.is_there(record) for record in known):
            yield path, 0, "the file is gone and cannot be read again"
        else:
            for record in known:
                if tailer.is_there(record):
                    yield record.path, tailer.reread(record.id, start), None


def forget(tailer: Tailer, patterns: Sequence[str]) -> Iterator[tuple[str, int, str | None]]:
    """Forget files that are gone; yield path, its acked offset, why it is not done."""
    for pattern in patterns:
        known = _matching(tailer.records(), pattern)
        if not known:
            yield pattern, 0, UNKNOWN
        for record in known:
            if tailer.is_there(record):
                yield (
                    record.path,
                    0,
                    "still exists or is held; forgotten, it would be read from its beginning",
                )
            else:
                tailer.forget(record.id)
                yield record.path, record.offset, None


def _matching(records: Sequence[FileRecord], pattern: str) -> list[FileRecord]:
    """Return the files of that path, or else those that the pattern matches."""
    exact = [record for record in records if record.path == pattern]
    return exact or [record for record in records if fnmatch.fnmatchcase(record.path, pattern)]
