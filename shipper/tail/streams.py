"""
Streams: what the lines of a file are known by that have no run and seq, and so their `_id`.

The `_id` of such a line is its stream and the byte at which it begins. Two lines must never get the
same one: the second would count as stored. And the same line should get it again, though the
registry is lost, the file was renamed, or its disk has another number. So the name of a stream is
made of

- who ships: the data folder (registry/owner.py), the machine, the name of the host;
- which log: the path, but for what rotation adds to it;
- the first line.

If that bears a time (dated.py), no other file of this log has it, and all lines of the file are in
one stream. If it bears none, it may be a banner with which many files begin. So it is alone in its
stream, and so is every line that follows, until one bears a time, or after 16 lines or 1 KiB; what
comes from there on is one stream again. The name of each goes on with a hash of the file from its
beginning to the end of the line: files have a name in common only as far as they have their bytes
in common.

What the data cannot say is that the same bytes were written again. Of a second file that begins
with the same line, only the registry knows that it is a second one: `generation` counts them, and
the names of all but the first hang on that registry, by a number that it drew. If it is lost, their
lines may be stored twice, and none is taken for another. Only of a log without any times whose
files begin with the same 16 lines, lines may then be taken for those of a file that is gone.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from shipper.fields import STREAM_ROOT
from shipper.fingerprint import HEAD
from shipper.tail.dated import bears_time
from shipper.tail.discovery import family

if TYPE_CHECKING:
    from collections.abc import Callable

    from shipper.registry.records import FileRecord
    from shipper.tail.content import Content

ALONE_LINES = 16  # with the one that begins the stream of all others
BRANCH_DIGITS = 12


class StreamOwner(NamedTuple):
    """Who ships: its data folder and machine, the name of the host, the number of its registry."""

    owner: str
    host: str
    registry: int


def root_of(shipper: StreamOwner, record: FileRecord, head: bytes) -> str:
    """Return the name of the stream of the first line of a file that begins like this."""
    log = family(record.path).encode(errors="surrogateescape")
    again = f"{record.generation}-{shipper.registry}" if record.generation else ""
    first = head[:HEAD].partition(b"\n")[0]
    parts = (shipper.owner.encode(), shipper.host.encode(), log, again.encode(), first)
    text = b"".join(b"%d:%b" % (len(part), part) for part in parts)
    return blake2b(text, digest_size=STREAM_ROOT // 2).hexdigest()


class FileStreams:
    """
    The streams of one open file.

    Call `look` before the others, and let the file be compared with its record in between: what is
    read must not be how another file begins.
    """

    def __init__(self) -> None:
        self._rest: tuple[str, int] | None = None  # of all lines from some byte on
        self._head = b""

    def look(self, content: Content, start: int) -> None:
        """Read what the name of a line from some byte on is made of; raises OSError."""
        if self._rest is None or start < self._rest[1]:
            self._rest, self._head = None, content.read_at(HEAD, 0)

    def begin(self, record: FileRecord, name: Callable[[FileRecord, bytes], str]) -> bool:
        """Name the first stream of a file; return whether the registry has to save that first."""
        if record.stream:
            return False
        record.stream = name(record, self._head)
        return record.generation > 0

    def is_alone(self, root: str, start: int, end: int) -> bool:
        """Return whether a line is alone in its stream."""
        return self._rest is None and is_alone(root, self._head, start, end)

    def of(self, root: str, start: int, end: int) -> str:
        """Return the stream of a line."""
        if self._rest is not None:
            return self._rest[0]
        name = stream_at(root, self._head, start, end)
        if not is_alone(root, self._head, start, end):
            self._rest = name, start
        return name

    def forget(self) -> None:
        """Forget all: the file begins anew."""
        self._rest = None


def is_alone(root: str, head: bytes, start: int, end: int) -> bool:
    """Return whether a line is alone in its stream; `head` is how the file begins."""
    if start >= HEAD or len(root) not in {0, STREAM_ROOT}:
        return False
    known = _known(head, end)
    is_whole = len(known) == min(end, HEAD) and known.count(b"\n") < ALONE_LINES
    return is_whole and not bears_time(known)


def stream_at(root: str, head: bytes, start: int, end: int) -> str:
    """Return the stream of a line from byte `start` to `end`, of a file that begins like this."""
    if not start or len(root) != STREAM_ROOT:
        return root
    known = _known(head, end)
    if known.find(b"\n") in {-1, len(known) - 1}:
        return root  # it is the first line that bears a time
    return root + blake2b(known, digest_size=BRANCH_DIGITS // 2).hexdigest()


def _known(head: bytes, end: int) -> bytes:
    """Return what names a line is made of: to its end, or to that of the first with a time."""
    head = head[: min(end, HEAD)]
    at = 0
    for _ in range(ALONE_LINES):
        newline = head.find(b"\n", at)
        start, at = at, len(head) if newline < 0 else newline + 1
        if at == len(head) or bears_time(head[start:at]):
            break
    return head[:at]
