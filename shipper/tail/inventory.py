"""The files of the inputs, joined with what the registry and the holds know of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from shipper.registry.identity import identity

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from shipper.registry.records import FileRecord
    from shipper.tail.discovery import FoundFile, Patterns
    from shipper.tail.holds import HeldFile


class ListedFile(NamedTuple):
    """A file as an input finds it, as a hold keeps it, as the registry knows it; None if not."""

    found: FoundFile | None
    held: HeldFile | None
    record: FileRecord | None


def list_files(
    inputs: Iterable[Patterns], holds: Iterable[HeldFile], records: Iterable[FileRecord]
) -> Iterator[ListedFile]:
    """
    Yield every file that an input finds, then those that only the registry knows, each once.

    A file with several names, or in several inputs, is listed under the first. Of several records
    of one file the newest counts: the others are of what it held before it was truncated.
    """
    known = {record.file: record for record in records}
    held = {identity(each.stat): each for each in holds}
    met = set()
    for patterns in inputs:
        for found in patterns.find():
            key = identity(found.stat)
            if key not in met:
                met.add(key)
                yield ListedFile(found, held.get(key), known.pop(key, None))
    for key, record in known.items():
        yield ListedFile(None, held.get(key), record)
