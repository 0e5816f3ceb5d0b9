"""
The deep audit: the files that are there, line by line, against the store.

The audit goes by receipts: what the shipper says that it read. This reads the files themselves, and
asks the store for every line that lies before the acked offset of its file. Of the registry it
takes no more than that offset, and the name of the file's stream. So it sees what receipts cannot
say: a line that was taken for one that is stored already, or was passed over. And it sees different
records that have one `run` and `seq`: one of them is stored under it, each other where it stands
(shipper/deliver/same_origin.py); it is a conflict if one of them is not stored.

What stands in no file any more is not seen. Not judged are lines without `run` and `seq` where an
input joins lines into events, and lines near those that processors dropped. Memory is bounded:
lines are compared in batches, and the contents of `MOST_ORIGINS` records.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from shipper.audit.account import WINDOW
from shipper.audit.examine import split_expired, wrapped_ids
from shipper.audit.result import DeepResult, MissingLines
from shipper.decoding import UNDECODABLE
from shipper.enrich.origin import is_run, is_seq
from shipper.formats.table import EMIT
from shipper.process import data_folder
from shipper.registry.identity import identity
from shipper.registry.receipts import is_dropped
from shipper.registry.snapshot import read_snapshot
from shipper.store.origins import OriginRange
from shipper.tail.content import open_content
from shipper.tail.discovery import Patterns
from shipper.tail.holds import read_holds
from shipper.tail.inventory import list_files
from shipper.tail.streams import FileStreams

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from shipper.config.main import Config
    from shipper.registry.records import FileRecord, Receipt
    from shipper.store.origins import OriginStore
    from shipper.tail.content import Content

STEP = 1 << 20  # bytes read at a time; of a longer line, its beginning
BATCH = 50_000  # lines that are looked up at a time
MOST_ORIGINS = 500_000
MOST_CONFLICTS = 1000
MOST_OF_ONE = 100  # different records with one origin
NO_ORIGIN = "", 0, b""


class _Line(NamedTuple):
    """A line of a file that has to be stored: under its run and number, or where it begins."""

    start: int
    stream: str
    run: str
    seq: int


class _Record(msgspec.Struct):
    run: str = ""
    seq: int = -1
    timestamp: msgspec.Raw = msgspec.Raw(b"")
    level: msgspec.Raw = msgspec.Raw(b"")
    logger: msgspec.Raw = msgspec.Raw(b"")
    message: msgspec.Raw = msgspec.Raw(b"")


class _Said(NamedTuple):
    """A digest of what a line says, and where it stands."""

    digest: bytes
    stream: str
    start: int


@dataclass(slots=True)
class _Tally:
    files: int = 0
    lines: int = 0
    missing: list[MissingLines] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    contents: dict[tuple[str, int], _Said] = field(default_factory=dict)
    conflicts: dict[tuple[str, int], dict[bytes, set[tuple[str, int]]]] = field(
        default_factory=dict
    )  # of different records with one origin: where the lines of each begin


def compare_files(config: Config, store: OriginStore, letters: frozenset[str]) -> DeepResult:
    """
    Look up every acked line of every file that is there; `letters` are ids of dead letters.

    Raises:
        DataFolderError: the registry cannot be read.
        StoreUnavailable: the store cannot be read now.

    """
    snapshot = read_snapshot(config.data_dir / data_folder.REGISTRY, 0)
    dropped = store.retained_after()
    live, _expired = split_expired(snapshot.receipts, dropped)
    withheld = [each for each in snapshot.receipts if is_dropped(each.stream)]
    known = letters | wrapped_ids(store)
    tally = _Tally()
    for name, path, record, joins in _files(config, snapshot.files):
        try:
            content = open_content(path, record.file, compressed=record.path.endswith(".gz"))
        except OSError:
            content = None
        if content is None:
            tally.unjudged.append(name)
            continue
        try:
            spans = [each for each in live if each.file == record.id] if dropped else None
            absent = [(each.start, each.end) for each in withheld if each.file == record.id]
            lines = _FileLines(content, record, spans, joins=joins, tally=tally)
            _compare(lines, store, known, absent)
        except OSError:
            tally.unjudged.append(name)
        finally:
            content.close()
    return DeepResult(
        tally.files,
        tally.lines,
        tuple(tally.missing),
        _open_conflicts(tally, store, known),
        tuple(tally.unjudged),
    )


def _files(
    config: Config, records: Sequence[FileRecord]
) -> Iterator[tuple[str, str, FileRecord, bool]]:
    """Yield name, path, record of every file of which something was acked, and if lines join."""
    inputs = [Patterns(each.paths, each.exclude) for each in config.inputs]
    joining = [each.multiline is not None or each.format != EMIT for each in config.inputs]
    holds = read_holds(config.data_dir / data_folder.HOLDS)
    for found, held, record in list_files(inputs, holds, records):
        if record is None or not record.offset:
            continue
        joins = any(
            join for join, each in zip(joining, inputs, strict=True) if each.take(record.path)
        )
        if found is not None and identity(found.stat) == record.file:
            yield found.shown, found.path, record, joins
        elif held is not None:
            yield record.path, held.link, record, joins


@dataclass(slots=True)
class _FileLines:
    """The lines of a file that have to be stored; those of `spans` where not all have to be."""

    content: Content
    record: FileRecord
    spans: Sequence[Receipt] | None
    joins: bool
    tally: _Tally
    _decode: msgspec.json.Decoder[_Record] = field(
        default_factory=lambda: msgspec.json.Decoder(_Record)
    )

    def batches(self) -> Iterator[list[_Line]]:
        """Yield the lines in batches; raises OSError."""
        batch: list[_Line] = []
        streams = FileStreams()
        for start, end, text in _lines(self.content, self.record.offset):
            if not text.strip() or self._is_left_out(start):
                continue
            run, seq, digest = self._origin(text)
            if not run and self.joins:
                continue
            streams.look(self.content, start)
            line = _Line(start, streams.of(self.record.stream, start, end), run, seq)
            if run:
                self._note(line, digest)
            batch.append(line)
            if len(batch) >= BATCH:
                yield batch
                batch = []
        yield batch

    def _is_left_out(self, start: int) -> bool:
        if self.record.skipped_to(start) > start:
            return True
        return self.spans is not None and not any(
            each.start <= start < each.end for each in self.spans
        )

    def _origin(self, text: bytes) -> tuple[str, int, bytes]:
        """Return run and number of a line, and a digest of what it says."""
        if b'"run":' not in text:
            return NO_ORIGIN
        try:
            record = self._decode.decode(text)
        except UNDECODABLE:
            return NO_ORIGIN
        if not (is_run(record.run) and is_seq(record.seq)):
            return NO_ORIGIN
        said = [record.timestamp, record.level, record.logger, record.message]
        digest = blake2b(b",".join(map(bytes, said)), digest_size=8).digest()
        return record.run, record.seq, digest

    def _note(self, line: _Line, digest: bytes) -> None:
        """Keep what a line says of its origin; and where it stands, if another says otherwise."""
        tally, origin = self.tally, (line.run, line.seq)
        said = _Said(digest, line.stream, line.start)
        if len(tally.contents) < MOST_ORIGINS:
            before = tally.contents.setdefault(origin, said)
        else:
            before = tally.contents.get(origin, said)
        if before.digest == digest and origin not in tally.conflicts:
            return
        if origin in tally.conflicts or len(tally.conflicts) < MOST_CONFLICTS:
            lines = tally.conflicts.setdefault(
                origin, {before.digest: {(before.stream, before.start)}}
            )
            if len(lines) < MOST_OF_ONE or digest in lines:
                lines.setdefault(digest, set()).add((line.stream, line.start))


def _compare(
    lines: _FileLines,
    store: OriginStore,
    known: frozenset[str],
    absent: Sequence[tuple[int, int]],
) -> None:
    """Look the lines of a file up; in `absent` ranges processors dropped some on purpose."""
    tally, record = lines.tally, lines.record
    tally.files += 1
    count = first = 0
    for batch in lines.batches():
        tally.lines += len(batch)
        stored = _stored(batch, store)
        for line in batch:
            here = (line.stream, line.start)
            origin = (line.run, line.seq) if line.run else here
            if {origin, here} & stored or f"{origin[0]}-{origin[1]}" in known:
                continue
            if any(start <= line.start < end for start, end in absent):
                continue
            first = first if count else line.start
            count += 1
    if count:
        tally.missing.append(MissingLines(record.path, count, first))


def _open_conflicts(tally: _Tally, store: OriginStore, known: frozenset[str]) -> tuple[str, ...]:
    """Return the origins of which fewer records are stored than there are."""
    origins = [*tally.conflicts]
    asked = [OriginRange(run, seq, seq, own=True) for run, seq in origins]
    found = []
    for (run, seq), positions in zip(origins, store.positions(asked), strict=True):
        origin = f"{run}-{seq}"
        records = tally.conflicts[run, seq].values()
        places = [OriginRange(*each, each[1], own=False) for lines in records for each in lines]
        stored = {
            (place.stream, place.first)
            for place, at in zip(places, store.positions(places), strict=True)
            if at or f"{place.stream}-{place.first}" in known
        }
        apart = sum(not stored.isdisjoint(each) for each in records)
        if apart + bool(positions or origin in known) < len(records):
            found.append(origin)
    return tuple(sorted(found))


def _stored(batch: Sequence[_Line], store: OriginStore) -> set[tuple[str, int]]:
    """Return the origins of lines, and of what lies between them, that are stored."""
    places: dict[tuple[str, int, bool], list[int]] = defaultdict(list)
    for line in batch:
        if line.run:
            places[line.run, line.seq // WINDOW, True].append(line.seq)
        else:
            places[line.stream, 0, False].append(line.start)
    asked = [
        OriginRange(stream, min(numbers), max(numbers), own=own)
        for (stream, _window, own), numbers in places.items()
    ]
    found = zip(asked, store.positions(asked), strict=True)
    return {(each.stream, position) for each, positions in found for position in positions}


def _lines(content: Content, end: int) -> Iterator[tuple[int, int, bytes]]:
    """Yield where lines begin and end, and their text; holes before them are no part of them."""
    start = 0
    while start < end:
        data = content.read_at(min(STEP, end - start), start)
        if not data:
            return
        whole = data.rfind(b"\n") + 1
        if not data.strip(b"\0"):
            start = content.data_from(start + len(data))
            continue
        if whole:
            for line in data[: whole - 1].split(b"\n"):
                text = line.lstrip(b"\0")
                yield start + len(line) - len(text), start + len(line) + 1, text
                start += len(line) + 1
            continue
        stop = _end_of_line(content, start + len(data), end)
        text = data.lstrip(b"\0")
        yield start + len(data) - len(text), stop, text
        start = stop


def _end_of_line(content: Content, start: int, end: int) -> int:
    while start < end:
        start = content.data_from(start)
        data = content.read_at(min(STEP, max(end - start, 0)), start)
        newline = data.find(b"\n")
        if newline >= 0:
            return start + newline + 1
        if not data:
            break
        start += len(data)
    return end
