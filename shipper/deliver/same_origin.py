"""
Tells apart two different records that bear one origin (run, seq), so that neither is lost.

No two processes of `emit` share a run. But a copied machine or a restored process image goes on
with the numbers of its original, and another writer may count from 0 at each start. So where a
number is met again, what the record says is compared with the one that has the number: its time,
level, logger and message. If they are the same, it is a second copy, and is dropped. If not, it is
another record. It becomes what a line without an origin is: its `_id` is the stream of its file and
its offset, so that it is the same one whenever it is read; its run and seq are under `extra`, and
it has the tag `same_origin`.

The one that has the number is looked for among what was read last (`RECENT_BYTES`), and then in the
store. If it is in neither (refused, expired, or not to be asked for), the line counts as its copy.
Nothing is compared of a number that is new, so the usual way costs nothing.

The writer of two hosts that share a run is seen by Elasticsearch only: it refuses the second record
by its `_id`. What it has is compared there, and the second record gets an `_id` with a digest of
what it says (`set_apart`).
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from struct import pack_into, unpack_from
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from shipper.decoding import UNDECODABLE
from shipper.events import Events
from shipper.registry.receipts import is_dropped
from shipper.registry.seen import SIZE
from shipper.splice import BEGIN, Spliced

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

    from shipper.events import Block
    from shipper.splice import AnyEvents

RECENT_BYTES = 2 << 20  # of lines that are kept to compare with
RECENT_BLOCKS = 1024
RUNS_REMEMBERED = 1024
FILES_REMEMBERED = 8  # of a run
TURNS = -1  # in place of its files: it writes to several by turns
HASHED_CHUNKS = 128  # of 4,096 numbers: half a million records, 4 MiB
OTHERS_REMEMBERED = 4096  # records whose number another one has
TAG = "same_origin"
DIGEST_BYTES = 10


class RecordContent(msgspec.Struct, frozen=True):
    """What is compared of two records; a time is empty where the line had none."""

    time: str = msgspec.field(default="", name="@timestamp")
    level: Any = None
    logger: Any = None
    message: Any = None
    tags: tuple[Any, ...] | None = None

    def differs_from(self, other: RecordContent) -> bool:
        """Return whether the two are different records for sure."""
        tags = {*(self.tags or ()), *(other.tags or ())}
        if "rejected" in tags or "withheld" in tags:
            return False  # these say something else than their lines
        mine, others = self._said(), other._said()
        if "no_timestamp" in tags:
            return mine[1:] != others[1:]
        return mine != others

    def _said(self) -> tuple[Any, ...]:
        return self.time, self.level, self.logger, self.message

    def digest(self) -> str:
        """Return a digest of what is compared."""
        said = msgspec.json.encode(self._said())
        return blake2b(said, digest_size=DIGEST_BYTES).hexdigest()


# (run, numbers) → what the store has of them.
StoredContents = Callable[[str, Sequence[int]], Mapping[int, RecordContent]]

_decode = msgspec.json.Decoder(RecordContent).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def content_of(document: bytes) -> RecordContent | None:
    """Return what is compared of a document; None if it cannot be taken apart."""
    try:
        return _decode(document)
    except UNDECODABLE:
        return None


class BodyHashes:
    """
    Hashes of the lines of spliced records that were read, by their number; used by one thread.

    They tell that a line is a copy to the byte, without a look at the first one. They are kept for
    the chunks of numbers that were read last, and only for runs that write to several files by
    turns: no other has copies, but for what was rotated.
    """

    def __init__(self) -> None:
        self._files: OrderedDict[str, list[int]] = OrderedDict()  # of runs
        self._chunks: OrderedDict[tuple[str, int], bytearray] = OrderedDict()

    def add(self, events: AnyEvents, file: int) -> None:
        """Add what was read of a file."""
        turns = [self._takes_turns(run, file) for run in events.origins]
        if not isinstance(events, Spliced) or not any(turns):
            return
        hashes = [*map(hash, events.bodies)]
        run, numbers = events.runs[0], events.seqs
        first, last = numbers[0], numbers[-1]
        if len(events.origins) > 1 or last - first != len(numbers) - 1:
            for run, number, each in zip(events.runs, numbers, hashes, strict=True):
                pack_into("q", self._chunk(run, number // SIZE), number % SIZE * 8, each)
            return
        while first <= last:
            index, start = divmod(first, SIZE)
            count = min(SIZE - start, last - first + 1)
            begin = first - numbers[0]
            of_chunk = hashes[begin : begin + count]
            pack_into(f"{count}q", self._chunk(run, index), start * 8, *of_chunk)
            first += count

    def _takes_turns(self, run: str, file: int) -> bool:
        """Return whether a run has written to this file, then to another, and to this one again."""
        files = self._files.get(run)
        if files is None:
            files = self._files[run] = []
            if len(self._files) > RUNS_REMEMBERED:
                self._files.popitem(last=False)
        if file not in files[-1:] and files[:1] != [TURNS]:
            files[:] = [TURNS] if file in files else [*files, file][-FILES_REMEMBERED:]
        return files[:1] == [TURNS]

    def _chunk(self, run: str, index: int) -> bytearray:
        key = run, index
        chunk = self._chunks.get(key)
        if chunk is None:
            chunk = self._chunks[key] = bytearray(8 * SIZE)
            if len(self._chunks) > HASHED_CHUNKS:
                self._chunks.popitem(last=False)
        else:
            self._chunks.move_to_end(key)
        return chunk

    def has(self, run: str, number: int, body: bytes) -> bool:
        """Return whether this is the line that was read with that number."""
        chunk = self._chunks.get((run, number // SIZE))
        return chunk is not None and unpack_from("q", chunk, number % SIZE * 8) == (hash(body),)


class RecentRecords:
    """The records that were read last; used by one thread."""

    def __init__(self) -> None:
        self._blocks: deque[tuple[AnyEvents, int]] = deque()
        self._bytes = 0

    def add(self, events: AnyEvents, size: int) -> None:
        """Keep the events of a block of so many bytes."""
        if not events.origins:
            return
        if isinstance(events, Spliced):  # without what is only for its output
            events = Spliced(events.bodies, [], [], events.runs, events.seqs, events.origins, ())
        self._blocks.append((events, size))
        self._bytes += size
        while len(self._blocks) > 1 and (
            self._bytes > RECENT_BYTES or len(self._blocks) > RECENT_BLOCKS
        ):
            self._bytes -= self._blocks.popleft()[1]

    def find(self, run: str, numbers: Iterable[int]) -> dict[int, RecordContent]:
        """Return what is kept of the records with these numbers."""
        wanted, found = {*numbers}, dict[int, RecordContent]()
        for events, _size in reversed(self._blocks):
            here = wanted.intersection(events.origins.get(run, ()))
            if here:
                asked = {f"{run}-{number}": number for number in here}
                for index, origin in enumerate(events.ids):
                    number = asked.pop(origin, None)
                    content = None if number is None else content_of(_text(events, index))
                    if number is not None and content is not None:
                        found[number] = content
                        wanted.discard(number)
            if not wanted:
                break
        return found


class OriginSeparator:
    """Gives records whose origin another one has an origin of their own; used by one thread."""

    def __init__(self, stored: StoredContents = lambda _run, _numbers: {}) -> None:
        self._stored = stored
        self._hashes = BodyHashes()
        self._recent = RecentRecords()
        self._others: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._count = 0

    def take_count(self) -> int:
        """Return how many events got an origin of their own since the last call."""
        count, self._count = self._count, 0
        return count

    def separate(
        self,
        block: Block,
        events: AnyEvents,
        known: Callable[[str, Sequence[int]], AbstractSet[int]],
    ) -> AnyEvents:
        """
        Return the events, of which none bears the origin of a record that says something else.

        `known` returns which numbers of a run were accepted before, or are there twice.
        """
        suspects = {
            run: found
            for run, numbers in events.origins.items()
            if not is_dropped(run) and (found := known(run, numbers))
        }
        if suspects:
            events = self._separate(block, events, suspects)
        if not block.again:
            self._hashes.add(events, block.file)
            self._recent.add(events, len(block.data))
        return events

    def _separate(
        self, block: Block, events: AnyEvents, suspects: dict[str, AbstractSet[int]]
    ) -> AnyEvents:
        """Compare the events that have one of these numbers with the records that have it."""
        places = self._places(events, suspects)
        first = self._first_contents(places)
        moved: dict[int, MovedEvent] = {}
        for (run, number), indexes in places.items():
            before = first.get((run, number))
            for index in indexes:
                content = content_of(_text(events, index))
                if before is None or content is None:
                    before = before or content
                elif content.differs_from(before):
                    new = _moved(events, index, block.stream)
                    key = f"{run}-{number}", content.digest()
                    if new is not None and (block.again or self._is_first(key, new.id)):
                        moved[index] = new
        self._count += len(moved)
        return _with_moved(events, moved) if moved else events

    def _places(
        self, events: AnyEvents, suspects: dict[str, AbstractSet[int]]
    ) -> dict[tuple[str, int], list[int]]:
        """Return the indexes of the events with these numbers that are no copies to the byte."""
        asked = {f"{run}-{number}": (run, number) for run in suspects for number in suspects[run]}
        places: dict[tuple[str, int], list[int]] = {}
        bodies = events.bodies if isinstance(events, Spliced) else None
        for index, origin in enumerate(events.ids):
            here = asked.get(origin)
            if here is not None and not (bodies and self._hashes.has(*here, bodies[index])):
                places.setdefault(here, []).append(index)
        return places

    def _first_contents(
        self, places: Iterable[tuple[str, int]]
    ) -> dict[tuple[str, int], RecordContent]:
        """Return what was read, or is stored, of records."""
        wanted: dict[str, set[int]] = {}
        for run, number in places:
            wanted.setdefault(run, set()).add(number)
        found: dict[tuple[str, int], RecordContent] = {}
        for run, numbers in wanted.items():
            here = self._recent.find(run, numbers)
            left = sorted(numbers.difference(here))
            stored = self._stored(run, left) if left else {}
            found |= {(run, number): each for number, each in {**stored, **here}.items()}
        return found

    def _is_first(self, key: tuple[str, str], origin: str) -> bool:
        """Return whether no other line has said the same under this number."""
        before = self._others.setdefault(key, origin)
        if len(self._others) > OTHERS_REMEMBERED:
            self._others.popitem(last=False)
        return before == origin


class MovedEvent(NamedTuple):
    """An event that another one keeps its origin of: its new `_id` and its document."""

    id: str
    document: bytes


def set_apart(origin: str, document: bytes, content: RecordContent) -> MovedEvent:
    """Return the event of another host, whose `_id` is taken, under one with a digest."""
    fields = msgspec.json.encode(moved_fields(document))
    return MovedEvent(f"{origin}-{content.digest()}", fields)


def _text(events: AnyEvents, index: int) -> bytes:
    """Return a document with the fields that are compared."""
    return (
        BEGIN + events.bodies[index] + b"}" if isinstance(events, Spliced) else events.docs[index]
    )


def _moved(events: AnyEvents, index: int, stream: str) -> MovedEvent | None:
    """Return an event as one of a line that has no origin; None if its place is not known."""
    document = events.docs[index]
    fields = moved_fields(document)
    try:
        log = _decode_fields(fields["log"])
        offset = int(bytes(log["offset"]))
    except (KeyError, ValueError, *UNDECODABLE):
        return None
    log["stream"] = msgspec.Raw(msgspec.json.encode(stream))
    fields["log"] = msgspec.Raw(msgspec.json.encode(log))
    return MovedEvent(f"{stream}-{offset}", msgspec.json.encode(fields))


def moved_fields(document: bytes) -> dict[str, msgspec.Raw]:
    """Return the fields of a document, its origin under `extra`, and the tag."""
    fields = _decode_fields(document)
    extra = _decode_fields(fields["extra"]) if "extra" in fields else {}
    for name in ("run", "seq"):
        if name in fields:
            extra.setdefault(name, fields.pop(name))
    tags = msgspec.json.decode(fields["tags"], type=list[Any]) if "tags" in fields else []
    fields["extra"] = msgspec.Raw(msgspec.json.encode(extra))
    fields["tags"] = msgspec.Raw(msgspec.json.encode([*tags, TAG]))
    return fields


def _with_moved(events: AnyEvents, moved: Mapping[int, MovedEvent]) -> Events:
    """Return the events, some of them under another `_id`."""
    ids, docs, numbers = [*events.ids], [*events.docs], Counter[str]()
    for index, each in moved.items():
        numbers[ids[index]] += 1
        ids[index], docs[index] = each
    origins: dict[str, list[int]] = {}
    for run, of_run in events.origins.items():
        kept = []
        for number in of_run:
            origin = f"{run}-{number}"
            if numbers[origin]:
                numbers[origin] -= 1
            else:
                kept.append(number)
        if kept:
            origins[run] = kept
    tagged = events.tagged + len(moved)
    return Events(ids, docs, events.times, events.datasets, origins, tagged, events.misfits)
