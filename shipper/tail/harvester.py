"""
The reader of one open file: bytes to blocks of whole lines.

Before every read, and after it, the first bytes of the file are compared with its fingerprint, the
bytes before the position with theirs, and its size with the position: so a file that was truncated
and written again is found out before a single wrong byte is taken, however fast it grew; also in
between. The open descriptor keeps the inode: while a harvester lives, no other file can get it.

A half-written last line waits for its end. It is given as it is only when the file was rotated
away and has been quiet for a while: nobody will end it. With `multiline` the last event waits too,
as it may go on, until its file has been quiet for a while. Where something is given that might
have gone on after all, the order is:

1. the place where it ends is noted in the record, as `split`;
2. the registry saves it;
3. the block that ends there is given.

So after a crash the same bytes are cut at the same place, and get the same `_id`: were the rest
joined to it then, it would be taken for a record that is stored already, and lost.

What a file is taken for decides how it is cut, so it is found only when all that was read is acked,
saved before anything else is read, and stays. So after a crash, too, the same bytes are cut at the
same places.

However long a line is, no call looks at more than `SEARCH_BYTES` of it: where its end is not found
yet, `is_searching` says that the next call goes on. Holes cost nothing. The NUL bytes of a hole are
no part of a line: a writer that goes on at its old place in a file that was truncated leaves one,
and so does a crash of the machine. They are passed over once something stands behind them; until
then a writer may fill them, as in a file whose room was reserved.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shipper.events import ANY_SOURCE, Block, Source
from shipper.fingerprint import EMPTY, HEAD, fingerprint
from shipper.tail.lag import Lag
from shipper.tail.preamble import Preamble
from shipper.tail.rewrites import Rewrites
from shipper.tail.streams import FileStreams

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from shipper.fingerprint import Fingerprint
    from shipper.registry.records import FileRecord
    from shipper.tail.content import Content
    from shipper.tail.discovery import FoundFile
    from shipper.tail.multiline import LineJoiner

SETTLE_SECONDS = 5.0  # a writer that still has a rotated file open has come back by then

PEEK = 4096  # bytes of what is not read in which the time of the next record is looked for

STEP = 1 << 20  # bytes looked at in one go for the end of a line that is too long
BLOCK_LINES = 8192  # of a block; shorter lines than usual become far more than their bytes
SEARCH_BYTES = 16 << 20  # of all bytes looked at for it in one call
NULS = bytes(4096)  # as many before a line, or what a line may have, are passed over


@dataclass(frozen=True, slots=True)
class Cutting:
    """
    How the bytes of a file are cut: into lines of at most so many bytes, or events of lines.

    `source` is what the input says of the lines. Where the input leaves their format open, `guess`
    finds it. With a `preamble`, lines that begin so say how the lines after them are to be read.
    """

    max_line_bytes: int
    multiline: LineJoiner | None = None
    source: Source = ANY_SOURCE
    guess: Guess | None = None
    preamble: bytes = b""


@dataclass(frozen=True, slots=True)
class Guess:
    """
    Finds the format of each file of an input.

    `recognize` takes the first `head_bytes` of a file and its path, and returns a name of
    `cuttings`, or nothing where it cannot tell yet; until then the file is cut as the input says.
    """

    recognize: Callable[[bytes, str], str]
    head_bytes: int
    cuttings: Mapping[str, Cutting]


class Harvester:
    """
    One open file of an input; `position` is how far it was read, `record.offset` how far acked.

    `name_stream` names the stream of a file by its first bytes. `last` is the fingerprint of the
    bytes before the position. `looked_at` are size and time of change at the last look;
    `rotated_at` is when the file was first seen rotated away.
    """

    def __init__(
        self,
        record: FileRecord,
        content: Content,
        *,
        cutting: Cutting,
        name_stream: Callable[[FileRecord, bytes], str],
        now: float,
    ) -> None:
        self.content = content
        self.cutting = cutting
        self._name_stream = name_stream
        self._looked_to = 0  # how far the end of an over-long line was looked for
        self._nuls_to = 0  # how far the end of NUL bytes was looked for
        self._nul_end = 0  # where a file ended in which nothing but they were left
        self.is_searching = False  # for the position, or an end: call `read` again
        self.record = record
        self.path = content.path
        self.position = record.offset
        self.last = record.last
        self.size = 0
        self.missing = False
        self.grown_at = now
        self.split_saved = record.split
        self.is_unsaved = False  # the registry has to save the record before anything is read
        self.is_unjudged = False  # opened while empty: what it continues shows with its first bytes
        self.rotated_at: float | None = None
        self.looked_at = (-1, -1)
        self._seen = (0, 0)  # a size that the file had, and the wall clock just before
        self.rewrites = Rewrites()
        self.streams = FileStreams()
        self._preamble = Preamble()

    def is_same(self) -> bool:
        """Return whether the file still is what was read so far; raises OSError."""
        content, record, last = self.content, self.record, self.last
        if content.fixed and self.size:
            return True
        stat = content.stat()
        self.size, self.rewrites.changed = content.size(stat), stat.st_mtime_ns
        if self.size < max(self.position, self._looked_to):
            return False
        head = record.head
        if not head.length and not self.is_unjudged:
            record.head = self._head_to(self.size)
        elif not head.matches(begins := content.read_at(head.length, 0)):
            is_hole = begins[:1] == b"\0" and last.length > 0 and self.position > HEAD
            if not (is_hole and _is_last_there(self)):
                return False
            record.head = fingerprint(begins)  # its beginning was punched out
        return self.position <= head.length or not last.length or _is_last_there(self)

    def is_rotated(self) -> bool:
        """Return whether the file was rotated away."""
        return self.rotated_at is not None

    def is_idle(self, file: FoundFile) -> bool:
        """Return whether a file is where and as it was at the last look, and read to its end."""
        stat = file.stat
        return (
            self.path == file.path
            and self.position == self.size
            and self.looked_at == (stat.st_size, stat.st_mtime_ns)
            and not self.missing
            and not self.rewrites.is_suspected
        )

    def is_settled(self, now: float) -> bool:
        """Return whether nobody writes to the file any more, as far as one can tell."""
        if self.rotated_at is None:
            return False
        return now - max(self.grown_at, self.rotated_at) >= SETTLE_SECONDS

    def is_read(self) -> bool:
        """Return whether all that the file holds was read and acked."""
        return self.position >= self.size and self.record.offset >= self.position

    def has_grown(self, now: float, stat: os.stat_result | None = None) -> bool:
        """
        Look at the file; return whether there may be something to read; raises OSError.

        That is so as well when it was written to and has the size it had: it may have been
        truncated in between. `stat` is what is known of it, where it is.
        """
        stat = stat or self.content.stat()
        size = self.content.size(stat)
        before, self.looked_at = self.looked_at, (size, stat.st_mtime_ns)
        if size != before[0]:
            self.grown_at = now
        self.size = size
        is_changed = size != self.position or self.looked_at != before
        return is_changed or self.rewrites.is_suspected

    def set_rotated(self, now: float, *, rotated: bool) -> None:
        """Note whether the file was rotated away; the pause of its writer begins then."""
        if not rotated:
            self.rotated_at = None
        elif self.rotated_at is None:
            self.rotated_at = now

    def restart(self, record: FileRecord) -> None:
        """Begin again at the start, under another record."""
        self.record = record
        self.position = self.split_saved = 0
        self._looked_to = self._nuls_to = self._nul_end = 0
        self._seen = (0, 0)
        self.last = EMPTY
        self.streams.forget()
        self.is_unsaved = True

    def skip_to(self, position: int) -> Fingerprint:
        """Take what is before a position as read; return its fingerprint; raises OSError."""
        self.position = position
        self.last = self._last_before(position, b"")
        return self.last

    def rewind(self) -> None:
        """Go on reading at what is acked."""
        self.position, self.last = self.record.offset, self.record.last
        self._looked_to = self._nuls_to = self._nul_end = 0

    def read(self, block_bytes: int, *, now: float, read_at: int) -> Block | None:
        """
        Read on; None if there is no whole line now.

        `now` is the monotonic clock in seconds, `read_at` the wall clock in epoch milliseconds.
        Call `is_same` before. Raises OSError.
        """
        self.is_searching = not self.content.approach(self.position)
        multiline = _cutting_of(self).multiline
        window = max(block_bytes, 2 * multiline.max_bytes) if multiline else block_bytes
        known_end = self._known_end()
        wanted = min(window, (known_end or self.size) - self.position)
        can_read = wanted > 0 and not (self.is_searching or _must_wait_for_format(self))
        skipped_to = min(self.record.skipped_to(self.position), self.size)
        if skipped_to > self.position:
            return self._block(b"", skipped_to - self.position, now=now, read_at=read_at)
        data = self.content.read_at(wanted, self.position) if can_read else b""
        if not data:
            return None
        if data.startswith(NULS[: min(_cutting_of(self).max_line_bytes + 1, block_bytes)]):
            return self._skip_nuls(now=now, read_at=read_at)
        if self.position + len(data) == known_end:
            return self._block(data, read_at=read_at, now=now)
        whole = _end_of_lines(data)
        if whole and multiline:
            whole = self._whole_events(multiline, data, whole, now)
        elif not whole and (len(data) == window or self._looked_to > self.position):
            return self._long_line(now=now, read_at=read_at)
        elif not whole and self.is_settled(now):
            self._split_at(len(data))
        return self._block(data[:whole], read_at=read_at, now=now) if whole else None

    def note_reached(self, wall: int) -> None:
        """
        Note in the record up to when all is read; `wall` (epoch ms) was before the last look.

        A file that is never read to its end, as its last event waits for more lines or it grows all
        the time, is read to what was its end at an earlier look.
        """
        size, seen_at = self._seen
        if self.position >= size:
            self.record.current_at = seen_at or self.record.current_at
            self._seen = self.size, wall
        if self.position == self.size:
            self.record.current_at = wall
            self.rewrites.note_read(self)

    def _known_end(self) -> int:
        """Return the next place where a block has to end, as one did before; 0 if there is none."""
        skips = (start for start, _end in self.record.skips)
        ends = (self.split_saved, self.record.again, *skips)
        return min((end for end in ends if end > self.position), default=0)

    def _whole_events(self, multiline: LineJoiner, data: bytes, whole: int, now: float) -> int:
        """Return where the last event ends that cannot go on; 0 if there is none."""
        starts, is_complete = multiline.split(data[:whole])
        half = len(data) - whole  # of a line that is still written; too long, it begins an event
        if is_complete or whole - starts[-1] + half > multiline.max_bytes:
            return whole
        if starts[-1] == 0 and now - self.grown_at >= multiline.quiet_seconds:
            self._split_at(whole)
        return starts[-1]

    def end_event(self) -> bool:
        """Let the event that waits for more lines end here; return whether there is one."""
        multiline = _cutting_of(self).multiline
        if multiline is None or self.position < self.record.split or self.position >= self.size:
            return False
        window = 2 * multiline.max_bytes
        data = self.content.read_at(min(window, self.size - self.position), self.position)
        whole = data.rfind(b"\n") + 1
        if whole:
            self._split_at(whole)
        return whole > 0

    def _split_at(self, length: int) -> None:
        """
        Note that what comes next ends there; it is read when that was saved.

        A record remembers one such place, so the one before has to be acked.
        """
        if self.record.offset >= self.record.split:
            self.record.split = self.position + length

    def wants_save(self) -> bool:
        """Return whether the record has a split that was not saved."""
        return self.record.split > self.split_saved

    def _long_line(self, *, now: float, read_at: int) -> Block | None:
        """Read a line that is longer than a block, keep what may be kept of it."""
        start, limit = self.position, _cutting_of(self).max_line_bytes
        found, self._looked_to, is_end = _search(
            self.content, max(self._looked_to, start), _newline_in
        )
        self.is_searching = found is None and not is_end
        if is_end:
            self.record.head = self._head_to(self._looked_to)
        end = None if found is None else found + 1
        known_end = self._known_end()
        if known_end and (end is None or end > known_end):
            end = known_end
        if end is None:
            if self.is_settled(now) and not self.is_searching:
                self._split_at(self._looked_to - start)
            return None
        self._looked_to = 0
        length = end - start
        data = self.content.read_at(min(length, limit + 1), start)
        cut = len(data.rstrip(b"\n")) > limit
        data = data[:limit] if cut else data
        return self._block(data, length, now=now, read_at=read_at, cut=cut)

    def _skip_nuls(self, *, now: float, read_at: int) -> Block | None:
        """Pass over NUL bytes with a block of no lines; None while nothing is behind them."""
        start = max(self._nuls_to, self.position)
        end, self._nuls_to, is_end = _search(self.content, start, _text_in)
        self.is_searching = end is None and not is_end
        if is_end:
            self._nul_end, self._nuls_to = self._nuls_to, 0
            end = self._nul_end if self.is_settled(now) else None
        if end is None:
            return None
        self._nuls_to = 0
        end = min(end, self._known_end() or end)
        return self._block(b"", end - self.position, now=now, read_at=read_at)

    def _block(
        self, data: bytes, length: int = 0, *, now: float, read_at: int, cut: bool = False
    ) -> Block | None:
        """Return what was read as a block; None if the file is another one since it was read."""
        record, start, cutting = self.record, self.position, _cutting_of(self)
        starts: list[int] = []
        if cutting.multiline and not cut:
            starts, _is_complete = cutting.multiline.split(data)
        self.streams.look(self.content, start)
        first = length or _first_of(data, starts)
        if self.streams.is_alone(record.stream, start, start + first):
            data, starts = data[:first], starts[:1]
        end = start + (length or len(data))
        head, last = self._head_to(end), self._last_before(end, b"" if cut else data)
        prefix = cutting.preamble
        preamble = self._preamble.before(self.content, prefix, start) if prefix else b""
        if not self.is_same():
            return None
        self.is_unsaved = self.is_unsaved or self.streams.begin(record, self._name_stream)
        if self.is_unsaved:
            return None  # after a crash, no other file that begins alike must get its name
        self.position, self.grown_at, self.last, record.head = end, now, last, head
        self._preamble.go_on(prefix, data, end)
        return Block(
            file=record.id,
            path=record.path,
            stream=self.streams.of(record.stream, start, start + first),
            start=start,
            end=self.position,
            data=data,
            read_at=read_at,
            limit=cutting.max_line_bytes,
            cut=cut,
            again=start < record.again,
            starts=tuple(starts),
            last=self.last,
            source=cutting.source,
            preamble=preamble,
        )

    def _last_before(self, end: int, data: bytes) -> Fingerprint:
        """Return the fingerprint of what is before a place; `data` is the end of it."""
        length = min(HEAD, end)
        if len(data) < length:
            data = self.content.read_at(length, end - length)
        return fingerprint(data[-length:])

    def _head_to(self, seen: int) -> Fingerprint:
        """Return the fingerprint of the beginning, which covers what was seen of the file."""
        length = min(HEAD, seen)
        if self.record.head.length >= length:
            return self.record.head
        return fingerprint(self.content.read_at(length, 0))

    def lag(self, now: float) -> Lag:
        """Look how far the file is; `now` is monotonic; raises OSError."""
        record, read = self.record, self.position
        size = self.content.size(self.content.stat())
        is_near = size > read and self.content.approach(read)
        head = self.content.read_at(PEEK, read) if is_near else b""
        half = b"\n" not in head and size <= max(read + len(head), self._looked_to, self._nul_end)
        waits = half and now - self.grown_at >= SETTLE_SECONDS and size == self.size
        return Lag(record.path, read, record.offset, size, record.current_at, head, waits)

    def close(self) -> os.stat_result:
        """Close the file; return what its stat said last."""
        stat = self.content.stat()
        self.content.close()
        return stat


def _is_last_there(harvester: Harvester) -> bool:
    """Return whether what was read last is where it was."""
    last = harvester.last
    return last.matches(harvester.content.read_at(last.length, harvester.position - last.length))


def _cutting_of(harvester: Harvester) -> Cutting:
    """Return how a file is cut now."""
    cutting = harvester.cutting
    guess = cutting.guess
    return guess.cuttings.get(harvester.record.format, cutting) if guess else cutting


def _must_wait_for_format(harvester: Harvester) -> bool:
    """Look what a file is; return whether nothing may be read before an ack, or a save."""
    guess, record = harvester.cutting.guess, harvester.record
    if guess is None or record.format:
        return False
    head = harvester.content.read_at(min(guess.head_bytes, harvester.size), 0)
    found = guess.recognize(head, record.path)
    if found and record.offset >= harvester.position:
        record.format = found
        harvester.is_unsaved = True
    return bool(found)


def _search(
    content: Content, offset: int, find: Callable[[bytes], int]
) -> tuple[int | None, int, bool]:
    """
    Return where `find` finds something from an offset on, how far was looked, and if to the end.

    At most `SEARCH_BYTES` are looked at; raises OSError.
    """
    left = SEARCH_BYTES
    while left > 0:
        offset = content.data_from(offset)
        data = content.read_at(STEP, offset)
        if not data:
            return None, offset, True
        index = find(data)
        if index >= 0:
            return offset + index, offset + index, False
        offset += len(data)
        left -= len(data)
    return None, offset, False


def _end_of_lines(data: bytes) -> int:
    """Return where the last whole line ends that a block may have; 0 if there is none."""
    if data.count(b"\n") <= BLOCK_LINES:
        return data.rfind(b"\n") + 1
    end = 0
    for _ in range(BLOCK_LINES):
        end = data.index(b"\n", end) + 1
    return end


def _first_of(data: bytes, starts: list[int]) -> int:
    """Return where the first line ends of a block, or the first event."""
    if starts:
        return starts[1] if len(starts) > 1 else len(data)
    return data.find(b"\n") + 1 or len(data)


def _newline_in(data: bytes) -> int:
    return data.find(b"\n")


def _text_in(data: bytes) -> int:
    """Return where the first byte is that is not NUL, or -1."""
    nuls = len(data) - len(data.lstrip(b"\0"))
    return nuls if nuls < len(data) else -1
